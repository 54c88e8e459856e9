//! How many instances one actor has, which share its mailbox.

use std::path::Path;

use whirlwind_benches::events::IN;
use whirlwind_benches::{Axis, Report, Run, Shows};

use crate::node::{Bed, Load, actor};
use crate::{DATA, WINDOW};

const SIZES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const EVENTS: usize = 20_000;

const NODE: &str = "node";

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let curve = |title, shows| {
        let axis = Axis::Count("instances");
        run.curve(title, axis, shows, &SIZES, 4).line(NODE)
    };
    let mut times = curve("instances of one actor, one in flight", Shows::Time);
    let mut rates = curve("instances of one actor, 64 in flight", Shows::Rate);
    if !times.is_wanted() && !rates.is_wanted() {
        return;
    }
    let (events, load) = (rates.events(EVENTS), Load::on([IN.to_owned()], &DATA));
    let mut beds = Vec::new();
    for instances in rates.sizes() {
        let sections = actor("relay", instances, &[IN.to_owned()]);
        if let Some(bed) = Bed::start(relay, &sections).await {
            bed.saturated(&load, WINDOW, events).await;
            beds.push((instances, bed));
        }
    }
    for _ in 0..rates.rounds() {
        for (instances, bed) in &beds {
            if times.wants(NODE) {
                let each = bed.one_in_flight(&load, events).await;
                times.add_median(NODE, *instances, &each);
            }
            if rates.wants(NODE) {
                let total = bed.saturated(&load, WINDOW, events).await;
                rates.add_total(NODE, *instances, events, total);
            }
        }
    }
    for (_, bed) in beds {
        bed.node.stop().await;
    }
    report.add_curve(times);
    report.add_curve(rates);
}
