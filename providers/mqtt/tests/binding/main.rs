//! Messages as events and events as messages, against the CloudEvents MQTT binding 1.0.2.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod any_bytes;
mod common;
mod generated;
mod ids;
mod interchange;
mod inward;
mod outward;
mod round_trip;
