//! A whole node, seen from outside: one file for each theme, one binary, since each that links wasmtime takes its time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod capabilities;
mod cloudevents;
mod harm;
mod isolation;
mod keyvalue;
mod life;
mod lifecycle;
mod mailbox;
mod pingpong;
mod poison;
mod refusals;
mod tree;
mod verdicts;
