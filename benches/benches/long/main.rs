//! Half of what a node can carry, for ten minutes: whether latencies or memory grow.
//!
//! - [`drive`]: events at a rate, each published when it is due, however long those before it take
//!
//! `cargo bench --workspace --bench long [-- [--json] [--test]]`; see `docs/benchmarks.md`. `WHIRLWIND_MINUTES` sets another
//! length.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod drive;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use whirlwind::Node;
use whirlwind_benches::memory::Memory;
use whirlwind_benches::node::{self, Through};
use whirlwind_benches::{Load, Report, Run, Window, driver};
use whirlwind_tests::guest;

use crate::drive::{Driven, Schedule};

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough for a trend of windows of a minute to show.
const MINUTES: usize = 10;

fn main() -> ExitCode {
    let title = "event, actor, event, actor, event; 100 B of data, release build with the binary's allocator";
    whirlwind_benches::main("long", title, async |run, report| {
        let Some(relay) = guest("relay") else {
            return; // left out, which was said
        };
        half(run, report, &relay).await;
    })
}

/// How many windows there are, and of what length.
fn windows(run: &Run) -> (usize, Duration) {
    if !run.is_whole() {
        return (3, Duration::from_millis(100));
    }
    let minutes = std::env::var("WHIRLWIND_MINUTES");
    let minutes = minutes.map_or(MINUTES, |minutes| {
        minutes.parse().expect("WHIRLWIND_MINUTES is a number")
    });
    (minutes, Duration::from_secs(60))
}

async fn half(run: &Run, report: &mut Report, relay: &Path) {
    let (_folder, node) = node::relays(relay, 1).await;
    let most = saturated(&node, run).await;
    let (count, length) = windows(run);
    let rate = most / 2.0;
    let title = format!(
        "{:.1} k/s, half of {:.1} k/s with 64 in flight",
        rate / 1e3,
        most / 1e3
    );
    if run.is_whole() {
        eprintln!("{title}, for {count} windows of {length:?}");
    }
    let mut driven = drive::start(&node, Schedule::new(rate, length, count));
    let mut windows = Vec::with_capacity(count);
    while let Some(seen) = driven.recv().await {
        let window = window(&seen);
        windows.push(window);
        if run.is_whole() {
            let (number, late) = (windows.len(), window.late);
            eprintln!(
                "window {number} of {count}: p50 {:.1?}, p99 {:.1?}, max {:.1?}, published late {late:.1?} (p99), {} missed, {} KiB",
                window.p50,
                window.p99,
                window.max,
                window.missed,
                window.resident >> 10
            );
        }
    }
    assert_eq!(windows.len(), count);
    node.stop().await;
    report.add_load(Load {
        title,
        length,
        windows,
    });
}

/// What the pair can carry, in events a second.
async fn saturated(node: &Node, run: &Run) -> f64 {
    let (at_a_time, least) = match run.is_whole() {
        true => (50_000, Duration::from_secs(5)),
        false => (1_000, Duration::ZERO),
    };
    let (mut events, mut time) = (0, Duration::ZERO);
    while events == 0 || time < least {
        time += driver::saturated(Through::pair(node), 64, at_a_time).await;
        events += at_a_time;
    }
    events as f64 / time.as_secs_f64()
}

fn window(seen: &Driven) -> Window {
    let at = |part: f64| Duration::from_nanos(seen.latencies.value_at_quantile(part));
    Window {
        p50: at(0.5),
        p99: at(0.99),
        p99_9: at(0.999),
        max: at(1.0),
        late: Duration::from_nanos(seen.late.value_at_quantile(0.99)),
        missed: seen.missed,
        resident: Memory::of("self").unwrap().resident,
    }
}
