//! What one event costs in a node as something grows and all else stays as it is: actors, instances, topics, bytes.
//!
//! - [`actors`], [`instances`], [`topics`], [`payload`]: what grows
//! - [`node`]: a node with relays, and the driver that is its publisher and its subscriber
//! - [`plot`]: a curve as a picture
//!
//! `cargo bench --workspace --bench scaling [-- [--json] [--svg FOLDER] [--test] [FILTER]]`; see `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod actors;
mod instances;
mod node;
mod payload;
mod plot;
mod topics;

use std::process::ExitCode;

use whirlwind_tests::guest;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of an event where something else grows: as in the other targets.
const DATA: [u8; 100] = [b'x'; 100];

/// Events in flight where a node is saturated.
const WINDOW: usize = 64;

fn main() -> ExitCode {
    let title = "one event through one actor of a node, release build with the binary's allocator";
    whirlwind_benches::main("scaling", title, async |run, report| {
        let Some(relay) = guest("relay") else {
            return; // left out, which was said
        };
        actors::measure(run, report, &relay).await;
        instances::measure(run, report, &relay).await;
        topics::measure(run, report, &relay).await;
        payload::measure(run, report, &relay).await;
        plot::all(run, report);
    })
}
