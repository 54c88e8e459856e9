//! Tests of this crate from outside, in one program: linking wasmtime is what a test binary costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod capabilities;
mod common;
mod limits;
mod load;
mod output;
mod turns;
