//! From event to event, through two actors.

use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;
use whirlwind_benches::bare::{Bare, Floor};
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
const TWO_LOOPS: &str = "bare calls in two loops at once";
const NATIVE_ONE: &str = "kameo actors, native, one in flight";
const CALLS_ONE: &str = "kameo actors around bare calls, one in flight";
const NODE_ONE: &str = "node, one in flight";
const NATIVE_64: &str = "kameo actors, native, 64 in flight";
const CALLS_64: &str = "kameo actors around bare calls, 64 in flight";
const NODE_64: &str = "node, 64 in flight, 1 instance each";
const FOURFOLD_64: &str = "node, 64 in flight, 4 instances each";

/// What a saturated node is compared with.
const SATURATED: [&str; 5] = [BARE, HANDLES, TWO_LOOPS, CALLS_64, NATIVE_64];

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
        .row(TWO_LOOPS, Unit::Rate, &[BARE])
        .row(NATIVE_64, Unit::Rate, &[])
        .row(CALLS_64, Unit::Rate, &[BARE])
        .row(NODE_64, Unit::Rate, &SATURATED)
        .row(FOURFOLD_64, Unit::Rate, &SATURATED);
    if !group.is_wanted() {
        return;
    }
    let floor = Floor::resident(relay);
    let mut bare = Loop::new(&floor).await;
    let mut two = Some([Loop::new(&floor).await, Loop::new(&floor).await]);
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
        group.median(BARE, 4_000, async || bare.pass().await).await;
        group
            .median(HANDLES, 4_000, async || {
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
        if group.wants(TWO_LOOPS)
            && let Some(loops) = two.take()
        {
            let events = group.events(10_000);
            let start = Instant::now();
            two = Some(at_once(loops, events).await);
            group.add_total(TWO_LOOPS, 2 * events, start.elapsed());
        }
        saturated(&mut group, NATIVE_64, native.clone()).await;
        saturated(&mut group, CALLS_64, calls.clone()).await;
        saturated(&mut group, NODE_64, Through::new(&single, IN, OUT)).await;
        saturated(&mut group, FOURFOLD_64, Through::new(&fourfold, IN, OUT)).await;
    }
    single.stop().await;
    fourfold.stop().await;
    report.add(group);
}

/// Both components called one after the other, the event between them built.
struct Loop {
    a: Bare,
    b: Bare,
}

impl Loop {
    async fn new(floor: &Floor) -> Self {
        Self {
            a: floor.instantiate().await,
            b: floor.instantiate().await,
        }
    }

    async fn pass(&mut self) {
        let event = self.a.relay(IN, &event()).await;
        self.b.relay(MIDDLE, &event).await;
    }

    async fn passes(mut self, events: usize) -> Self {
        for _ in 0..events {
            self.pass().await;
        }
        self
    }
}

/// Two loops that share nothing, each on a thread: what two cores of the machine can do together.
async fn at_once(loops: [Loop; 2], events: usize) -> [Loop; 2] {
    let [one, other] = loops.map(|one| tokio::spawn(one.passes(events)));
    [one.await.unwrap(), other.await.unwrap()]
}

async fn one_in_flight(group: &mut Group, name: &str, way: impl Way) {
    if group.wants(name) {
        let times = driver::one_in_flight(way, group.events(4_000)).await;
        group.add_median(name, times);
    }
}

async fn saturated(group: &mut Group, name: &str, way: impl Way) {
    if group.wants(name) {
        let events = group.events(10_000);
        let total = driver::saturated(way, 64, events).await;
        group.add_total(name, events, total);
    }
}
