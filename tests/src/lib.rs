//! Black-box tests over a node's public face, and the harness they stand on.
//!
//! | module | holds |
//! |---|---|
//! | [`guests`] | the components that tests run, built from `actors/` |
#![allow(clippy::panic)] // a harness reports by panicking

pub mod guests;

pub use guests::guest;
