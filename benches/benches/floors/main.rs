//! Each thing that Whirlwind does with an event, beside the least that could do the same.
//!
//! Groups of measures, in the order in which they are taken:
//!
//! - [`turn`]: one event handled
//! - [`payload`]: the same with more and more data
//! - [`fan_out`]: one event for many subscribers
//! - [`routing`]: who subscribes to a topic
//! - [`pair`]: from event to event through two actors
//! - [`instances`]: an instance per message; one more instance
//! - [`trap`]: an instance that traps, and the next event
//! - [`buckets`]: a turn that increments a key
//!
//! What they are made of:
//!
//! - [`hosted`]: a component as an [`Instance`](whirlwind_component::Instance), and what it published in a [`slot`]
//! - [`mailbox`]: the same with a mailbox in front of it
//! - [`native`]: actors of kameo, with such a component or without
//! - [`bare`](whirlwind_benches::bare), [`node`](whirlwind_benches::node), [`driver`](whirlwind_benches::driver): what other
//!   benchmarks have too
//!
//! `cargo bench --workspace --bench floors [-- [--json] [--test] [FILTER]]`; see `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod buckets;
mod fan_out;
mod hosted;
mod instances;
mod mailbox;
mod native;
mod pair;
mod payload;
mod routing;
mod slot;
mod trap;
mod turn;

use std::process::ExitCode;

use whirlwind_tests::guest;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let title =
        "100 B of data where no other size is said, release build with the binary's allocator";
    whirlwind_benches::main("floors", title, async |run, report| {
        let guests = ["relay", "buckets", "misbehave"].map(guest);
        let [Some(relay), Some(buckets), Some(misbehave)] = guests else {
            return; // left out, which was said
        };
        turn::measure(run, report, &relay).await;
        payload::measure(run, report, &relay).await;
        fan_out::measure(run, report).await;
        routing::measure(run, report).await;
        pair::measure(run, report, &relay).await;
        instances::per_message(run, report, &relay).await;
        instances::one_more(run, report, &relay).await;
        trap::measure(run, report, &misbehave).await;
        buckets::measure(run, report, &buckets).await;
    })
}
