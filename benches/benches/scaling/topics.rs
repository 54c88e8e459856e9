//! How many topics there are, and as many subscriptions, each of which one topic matches; all of one actor.

use std::path::Path;

use whirlwind_benches::{Axis, Report, Run, Shows};

use crate::node::{Bed, Load, actor};
use crate::{DATA, WINDOW};

const SIZES: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
const EVENTS: usize = 10_000;

/// A line, and of how many filters one has a wildcard; 0 for none.
const LINES: [(&str, usize); 3] = [
    ("exact filters", 0),
    ("one filter in ten with a wildcard", 10),
    ("every filter with a wildcard", 1),
];

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let curve = |title, shows| {
        let axis = Axis::Count("topics and filters");
        let curve = run.curve(title, axis, shows, &SIZES, 10);
        LINES
            .iter()
            .fold(curve, |curve, (line, _)| curve.line(line))
    };
    let mut times = curve("topics, one in flight", Shows::Time);
    let mut rates = curve("topics, 64 in flight", Shows::Rate);
    let mut beds = Vec::new();
    for topics in times.sizes() {
        for (line, wild) in LINES {
            if !times.wants(line) && !rates.wants(line) {
                continue;
            }
            let filters: Vec<_> = (0..topics).map(|n| filter(n, wild)).collect();
            if let Some(bed) = Bed::start(relay, &actor("relay", 1, &filters)).await {
                let load = Load::on((0..topics).map(topic), &DATA);
                bed.warm_up(&load).await;
                beds.push((line, topics, load, bed));
            }
        }
    }
    let events = times.events(EVENTS);
    for _ in 0..times.rounds() {
        for (line, topics, load, bed) in &beds {
            if times.wants(line) {
                let each = bed.one_in_flight(load, events).await;
                times.add_median(line, *topics, &each);
            }
            if rates.wants(line) {
                let total = bed.saturated(load, WINDOW, events).await;
                rates.add_total(line, *topics, events, total);
            }
        }
    }
    for (.., bed) in beds {
        bed.node.stop().await;
    }
    report.add_curve(times);
    report.add_curve(rates);
}

fn topic(number: usize) -> String {
    format!("in/{number}/of")
}

/// A filter that only this topic matches.
fn filter(number: usize, wild: usize) -> String {
    match number.checked_rem(wild) {
        Some(0) => format!("in/{number}/+"),
        _ => topic(number),
    }
}
