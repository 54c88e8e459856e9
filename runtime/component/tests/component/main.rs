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
// The harness of the node's tests has it too; taken by its file, these tests need no node to compile.
#[path = "../../../../tests/src/guests.rs"]
#[allow(dead_code)]
mod guests;
mod limits;
mod load;
mod output;
mod turns;
