//! The binary, from outside: what it is given, what it prints, how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "cli/app.rs"]
mod app;
#[path = "cli/bad_commands.rs"]
mod bad_commands;
#[path = "cli/bed.rs"]
mod bed;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/broker.rs"]
mod broker;
#[path = "cli/client.rs"]
mod client;
#[path = "cli/dead.rs"]
mod dead;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/fake_node.rs"]
mod fake_node;
#[path = "cli/finding.rs"]
mod finding;
#[path = "cli/full_disk.rs"]
mod full_disk;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/store.rs"]
mod store;
#[path = "cli/story.rs"]
mod story;
