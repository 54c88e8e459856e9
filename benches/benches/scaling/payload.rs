//! How many bytes an event has, beside the same component called with them through wasmtime's bindings.

use std::path::Path;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::events::IN;
use whirlwind_benches::{Axis, Report, Run, Shows};

use crate::WINDOW;
use crate::node::{Bed, Load, actor, event};

const SIZES: [usize; 9] = [
    16,
    64,
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
];

/// Events of a point, and bytes of them together.
const EVENTS: usize = 10_000;
const BYTES: usize = 256 << 20;

/// Bytes in flight: half of what waits in a mailbox or a subscription at most.
const BYTES_IN_FLIGHT: usize = 8 << 20;

const BARE: &str = "bare call";
const ONE: &str = "node, one in flight";
const MANY: &str = "node, 64 in flight (8 MiB at most)";

/// The largest event here is larger than a topic takes unless told otherwise.
const LARGE: &str = "[topic.\"#\"]\nmax_event = \"2MiB\"";

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let axis = Axis::Bytes("data of an event");
    let mut times = run
        .curve("payload, time", axis, Shows::Time, &SIZES, 4 << 10)
        .line(BARE)
        .line(ONE);
    let mut bytes = run
        .curve(
            "payload, throughput",
            axis,
            Shows::Throughput,
            &SIZES,
            4 << 10,
        )
        .line(BARE)
        .line(MANY);
    if !times.is_wanted() && !bytes.is_wanted() {
        return;
    }
    let mut bare = Floor::resident(relay).instantiate().await;
    let sections = format!("{}{LARGE}", actor("relay", 1, &[IN.to_owned()]));
    let Some(bed) = Bed::start(relay, &sections).await else {
        return;
    };
    for _ in 0..times.rounds() {
        for size in times.sizes() {
            let load = Load::on([IN.to_owned()], &vec![b'x'; size]);
            let events = times.events(EVENTS.min(BYTES / size));
            if times.wants(BARE) || bytes.wants(BARE) {
                let mut each = Vec::with_capacity(events);
                for _ in 0..events {
                    let start = tokio::time::Instant::now();
                    bare.relay(IN, &event(&load.data)).await;
                    each.push(start.elapsed());
                }
                times.add_median(BARE, size, &each);
                bytes.add_total(BARE, size, events, each.iter().sum());
            }
            if times.wants(ONE) {
                let each = bed.one_in_flight(&load, events).await;
                times.add_median(ONE, size, &each);
            }
            if bytes.wants(MANY) {
                let window = WINDOW.min(BYTES_IN_FLIGHT / size);
                let total = bed.saturated(&load, window, events).await;
                bytes.add_total(MANY, size, events, total);
            }
        }
    }
    bed.node.stop().await;
    report.add_curve(times);
    report.add_curve(bytes);
}
