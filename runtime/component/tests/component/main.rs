//! Tests of this crate from outside, in one program: linking wasmtime is what a test binary costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

// The harness of the node's tests has these too; taken by their files, these tests need no node to compile.
#[path = "../../../../tests/src/alone.rs"]
mod alone;
mod capabilities;
mod common;
#[path = "../../../../tests/src/guests.rs"]
#[allow(dead_code)]
mod guests;
mod limits;
mod load;
mod output;
mod room;
mod turns;
