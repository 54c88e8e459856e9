//! The statements of OTP's supervisor that we hold ourselves to, each a test named after it, and
//! what we promise beyond them. All on the paused clock: time passes only when nobody can run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod actors;
mod auto_shutdown;
mod beyond;
mod decision;
mod intensity;
mod mailboxes;
mod queries;
mod restart_types;
mod scale;
mod shutdown;
mod specs;
mod stage;
mod start;
mod strategies;
mod templates;
