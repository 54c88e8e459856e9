//! From event to event, through two actors.

use std::path::Path;
use std::sync::Arc;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::driver::{self, Way};
use whirlwind_benches::events::{IN, MIDDLE, OUT, event, topic};
use whirlwind_benches::node::{Through, relays};
use whirlwind_benches::{Group, Report, Run, Unit};
use whirlwind_component::Settings;

use crate::hosted::{Hosted, component};
use crate::native::Pair;
use crate::slot::{Commit, Slot};

const BARE: &str = "bare calls in a loop";
const HANDLES: &str = "handles in a loop";
const NATIVE_ONE: &str = "kameo actors, native, one in flight";
const CALLS_ONE: &str = "kameo actors around bare calls, one in flight";
const NODE_ONE: &str = "node, one in flight";
const NATIVE_64: &str = "kameo actors, native, 64 in flight";
const CALLS_64: &str = "kameo actors around bare calls, 64 in flight";
const NODE_64: &str = "node, 64 in flight, 1 instance each";
const FOURFOLD_64: &str = "node, 64 in flight, 4 instances each";

pub async fn measure(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run
        .group("event, actor, event, actor, event")
        .row(BARE, Unit::Time, &[])
        .row(HANDLES, Unit::Time, &[BARE])
        .row(NATIVE_ONE, Unit::Time, &[])
        .row(CALLS_ONE, Unit::Time, &[BARE])
        .row(
            NODE_ONE,
            Unit::Time,
            &[BARE, HANDLES, CALLS_ONE, NATIVE_ONE],
        )
        .row(NATIVE_64, Unit::Rate, &[])
        .row(CALLS_64, Unit::Rate, &[BARE])
        .row(NODE_64, Unit::Rate, &[BARE, HANDLES, CALLS_64, NATIVE_64])
        .row(
            FOURFOLD_64,
            Unit::Rate,
            &[BARE, HANDLES, CALLS_64, NATIVE_64],
        );
    if !group.is_wanted() {
        return;
    }
    let floor = Floor::resident(relay);
    let (mut bare_a, mut bare_b) = (floor.instantiate().await, floor.instantiate().await);
    let component = component(relay, Settings::default()).await;
    let mut hosted_a = Hosted::new(&component).await;
    let mut hosted_b = Hosted::new(&component).await;
    let (of_a, of_b) = (Slot::default(), Slot::default());
    let (topic, middle) = (topic(IN), topic(MIDDLE));
    let native = Pair::native();
    let calls = Pair::around_bare_calls(&floor).await;
    let (_single_folder, single) = relays(relay, 1).await;
    let (_fourfold_folder, fourfold) = relays(relay, 4).await;

    for _ in 0..run.rounds() {
        group
            .median(BARE, 10_000, async || {
                let event = bare_a.relay(IN, &event()).await;
                bare_b.relay(MIDDLE, &event).await;
            })
            .await;
        group
            .median(HANDLES, 10_000, async || {
                let event = Arc::new(event());
                hosted_a.call(&topic, &event, of_a.outbox()).await.commit();
                let event = of_a.take();
                hosted_b.call(&middle, &event, of_b.outbox()).await.commit();
                of_b.take();
            })
            .await;
        one_in_flight(&mut group, NATIVE_ONE, native.clone()).await;
        one_in_flight(&mut group, CALLS_ONE, calls.clone()).await;
        one_in_flight(&mut group, NODE_ONE, Through::new(&single, IN, OUT)).await;
        saturated(&mut group, NATIVE_64, native.clone()).await;
        saturated(&mut group, CALLS_64, calls.clone()).await;
        saturated(&mut group, NODE_64, Through::new(&single, IN, OUT)).await;
        saturated(&mut group, FOURFOLD_64, Through::new(&fourfold, IN, OUT)).await;
    }
    single.stop().await;
    fourfold.stop().await;
    report.add(group);
}

async fn one_in_flight(group: &mut Group, name: &str, way: impl Way) {
    if group.wants(name) {
        let times = driver::one_in_flight(way, group.events(10_000)).await;
        group.add_median(name, times);
    }
}

async fn saturated(group: &mut Group, name: &str, way: impl Way) {
    if group.wants(name) {
        let events = group.events(25_000);
        let total = driver::saturated(way, 64, events).await;
        group.add_total(name, events, total);
    }
}
