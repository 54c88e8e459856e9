//! The values of Whirlwind against models written from the specifications.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod binary;
mod events;
mod filter_tree;
mod filters;
mod golden;
mod json;
mod json_refused;
mod schema;
mod topics;
