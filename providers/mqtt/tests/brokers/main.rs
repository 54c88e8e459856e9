//! The provider and real brokers: mosquitto, and the one of `whirlwind-provider-mqtt-broker`.
//!
//! - `conformance`: what every messaging provider promises
//! - `tls`: certificates that are good, and those that are not
//! - `websocket`: the same over WebSockets, with TLS and without
//!
//! For them: `broker`, a broker of the test's own; `other_side`, a client of it that is not ours; `gate`, a way to it that can be cut;
//! `certificates`, who vouches for whom; `round`, a provider that sends to itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod broker;
mod certificates;
mod conformance;
mod gate;
mod other_side;
mod round;
mod tls;
mod websocket;

use std::time::Duration;

/// More than any of this takes; a test that waits so long fails.
const BOUND: Duration = Duration::from_secs(60);
