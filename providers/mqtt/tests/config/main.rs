//! What a person writes of a broker and a session, and what the client is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod backoff;
mod check;
mod options;
mod tls;
mod url;
