//! A whole node, seen from outside: one file for each theme, one binary, since each that links wasmtime takes its time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod capabilities;
mod clock;
mod cloudevents;
mod dead;
mod durable;
mod harm;
mod isolation;
mod keyvalue;
mod life;
mod lifecycle;
mod live;
mod live_starts;
mod mailbox;
mod many;
mod pingpong;
mod poison;
mod refusals;
mod strangers;
mod timers;
mod tree;
mod verdicts;
