//! How many actors there are, one instance each. Those that only one event in so many reaches, and those that none does.

use std::path::Path;

use whirlwind_benches::{Axis, Report, Run, Shows};

use crate::node::{Bed, Load, actor};
use crate::{DATA, WINDOW};

const SIZES: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
const EVENTS: usize = 10_000;

const ALL: &str = "all in turn";
const ONE: &str = "one active, the others idle";

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let curve = |title, shows| {
        let axis = Axis::Count("actors");
        let curve = run.curve(title, axis, shows, &SIZES, 10);
        curve.line(ALL).line(ONE)
    };
    let mut times = curve("actors, one in flight", Shows::Time);
    let mut rates = curve("actors, 64 in flight", Shows::Rate);
    if !times.is_wanted() && !rates.is_wanted() {
        return;
    }
    let events = times.events(EVENTS);
    for _ in 0..times.rounds() {
        for actors in times.sizes() {
            // One after another: the memory maps that a process may have do not suffice for all.
            let Some((bed, all)) = start(relay, actors).await else {
                continue;
            };
            let one = Load::on([topic(0)], &DATA);
            bed.warm_up(&all).await;
            for (line, load) in [(ALL, &all), (ONE, &one)] {
                if times.wants(line) {
                    let each = bed.one_in_flight(load, events).await;
                    times.add_median(line, actors, &each);
                }
                if rates.wants(line) {
                    let total = bed.saturated(load, WINDOW, events).await;
                    rates.add_total(line, actors, events, total);
                }
            }
            bed.node.stop().await;
        }
    }
    report.add_curve(times);
    report.add_curve(rates);
}

async fn start(relay: &Path, actors: usize) -> Option<(Bed, Load)> {
    let sections = (0..actors).map(|n| actor(&format!("a{n}"), 1, &[topic(n)]));
    let bed = Bed::start(relay, &sections.collect::<String>()).await?;
    Some((bed, Load::on((0..actors).map(topic), &DATA)))
}

fn topic(actor: usize) -> String {
    format!("in/{actor}")
}
