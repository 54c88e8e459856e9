//! Which MQTT topics become which of ours, and back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod circles;
mod common;
mod refused;
mod subscriptions;
mod targets;
