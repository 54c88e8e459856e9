//! Black-box tests over a node's public face, and the harness they stand on.
//!
//! | module | holds |
//! |---|---|
//! | [`guests`] | the components that tests run, built from `actors/` |
//! | [`bed`] | a node for one test, in a folder of its own |
#![allow(clippy::panic)] // a harness reports by panicking

pub mod bed;
pub mod guests;

pub use bed::{Bed, Watch};
pub use guests::guest;
