//! Durable topics, on a store in a directory whose disk fails when a test says so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

#[path = "../common/mod.rs"]
mod common;

mod accept;
mod alone;
mod backlog;
mod caps;
mod conflicts;
mod faults;
mod forgetting;
mod letters;
mod letters_of_doors;
mod letters_of_turns;
mod model;
mod node;
