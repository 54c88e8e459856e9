//! Each thing that Whirlwind does with an event, beside the least that could do the same.
//!
//! - [`bare`](whirlwind_benches::bare): a component called through wasmtime's bindings with nothing around it: the floor
//! - [`hosted`]: the same component as an [`Instance`](whirlwind_component::Instance), and what it published in a [`slot`]
//! - [`pair`](whirlwind_benches::pair): the same component twice, as actors of a whole node
//!
//! `cargo bench --workspace --bench floors [-- [--json] [--test] [FILTER]]`; see `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod hosted;
mod slot;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::events::{IN, MIDDLE, event, event_with, topic};
use whirlwind_benches::{Report, Run, Unit, pair};
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Envelope, MailboxSpec, Overflow, TopicRules,
};
use whirlwind_component::{Isolation, Links, Settings};
use whirlwind_event::TopicFilter;
use whirlwind_provider_api::memory::MemoryKeyValue;
use whirlwind_provider_api::{Bucket, KeyValue, Linked};
use whirlwind_provider_sled::SledKeyValue;
use whirlwind_tests::guest;

use crate::hosted::{Hosted, KeepNothing, component};
use crate::slot::{Commit, Slot};

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let title = "100 B of data, release build with the binary's allocator";
    whirlwind_benches::main("floors", title, async |run, report| {
        let (Some(relay), Some(buckets)) = (guest("relay"), guest("buckets")) else {
            return; // left out, which was said
        };
        turn(run, report, &relay).await;
        pair(run, report, &relay).await;
        instance_per_message(run, report, &relay).await;
        increment(run, report, &buckets).await;
    })
}

/// What the host adds to one call.
async fn turn(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run
        .group("one turn")
        .row("bare call", Unit::Time, &[])
        .row("handle", Unit::Time, &["bare call"])
        .row(
            "publish, lease, handle, settle",
            Unit::Time,
            &["bare call", "handle"],
        );
    let floor = Floor::resident(relay);
    let mut bare = floor.instantiate().await;
    let component = component(relay, Settings::default()).await;
    let mut hosted = Hosted::new(&component).await;

    let letters = DeadLetters::new(DeadLetterLimits::default());
    let bus = Arc::new(Bus::new(TopicRules::default(), letters));
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "relay".into(),
        capacity: Capacity::default(),
        overflow: Overflow::default(),
        partition: None,
    });
    bus.subscribe(&TopicFilter::parse(IN).unwrap(), &mailbox);
    let mut lease = inbox.lease(0).unwrap();

    let (topic, event) = (topic(IN), Arc::new(event()));
    for _ in 0..run.rounds() {
        group
            .mean("bare call", 100_000, async || bare.call(IN, &event).await)
            .await;
        group
            .mean("handle", 100_000, async || {
                let outbox = hosted.call(&topic, &event, Box::new(KeepNothing)).await;
                outbox.commit();
            })
            .await;
        group
            .mean("publish, lease, handle, settle", 100_000, async || {
                bus.publish(Envelope::new(topic.clone(), Arc::clone(&event)));
                let envelope = lease.next().await;
                let (topic, event) = (envelope.topic.clone(), Arc::clone(&envelope.event));
                let outbox = hosted.call(&topic, &event, Box::new(KeepNothing)).await;
                outbox.commit();
                lease.handled();
            })
            .await;
    }
    report.add(group);
}

/// From event to event, through two actors.
async fn pair(run: &Run, report: &mut Report, relay: &Path) {
    const BARE: &str = "bare calls in a loop";
    const HANDLES: &str = "handles in a loop";
    const ONE: &str = "node, one in flight";
    const WINDOW_1: &str = "node, 64 in flight, 1 instance each";
    const WINDOW_4: &str = "node, 64 in flight, 4 instances each";
    let mut group = run
        .group("event, actor, event, actor, event")
        .row(BARE, Unit::Time, &[])
        .row(HANDLES, Unit::Time, &[BARE])
        .row(ONE, Unit::Time, &[BARE, HANDLES])
        .row(WINDOW_1, Unit::Rate, &[BARE, HANDLES])
        .row(WINDOW_4, Unit::Rate, &[BARE, HANDLES]);
    let floor = Floor::resident(relay);
    let (mut bare_a, mut bare_b) = (floor.instantiate().await, floor.instantiate().await);
    let component = component(relay, Settings::default()).await;
    let mut hosted_a = Hosted::new(&component).await;
    let mut hosted_b = Hosted::new(&component).await;
    let (of_a, of_b) = (Slot::default(), Slot::default());
    let (topic, middle) = (topic(IN), topic(MIDDLE));
    let (_single_folder, single) = pair::start(relay, 1).await;
    let (_fourfold_folder, fourfold) = pair::start(relay, 4).await;

    for _ in 0..run.rounds() {
        group
            .median(BARE, 20_000, async || {
                let event = bare_a.relay(IN, &event()).await;
                bare_b.relay(MIDDLE, &event).await;
            })
            .await;
        group
            .median(HANDLES, 20_000, async || {
                let event = Arc::new(event());
                hosted_a.call(&topic, &event, of_a.outbox()).await.commit();
                let event = of_a.take();
                hosted_b.call(&middle, &event, of_b.outbox()).await.commit();
                of_b.take();
            })
            .await;
        if group.wants(ONE) {
            let times = pair::one_in_flight(&single, group.events(20_000)).await;
            group.add_median(ONE, times);
        }
        for (name, node) in [(WINDOW_1, &single), (WINDOW_4, &fourfold)] {
            if group.wants(name) {
                let events = group.events(50_000);
                let total = pair::saturated(node, 64, events).await;
                group.add_total(name, events, total);
            }
        }
    }
    single.stop().await;
    fourfold.stop().await;
    report.add(group);
}

/// An instance made, called once and dropped, from a pool.
async fn instance_per_message(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run
        .group("an instance per message")
        .row("bare instantiate, call, drop", Unit::Time, &[])
        .row(
            "instantiate, handle, drop",
            Unit::Time,
            &["bare instantiate, call, drop"],
        );
    let floor = Floor::pooling(relay);
    let settings = Settings {
        isolation: Isolation::PerMessage,
        ..Settings::default()
    };
    let component = component(relay, settings).await;
    let (topic, event) = (topic(IN), Arc::new(event()));
    for _ in 0..run.rounds() {
        group
            .mean("bare instantiate, call, drop", 5_000, async || {
                floor.instantiate().await.call(IN, &event).await;
            })
            .await;
        group
            .mean("instantiate, handle, drop", 5_000, async || {
                let mut hosted = Hosted::new(&component).await;
                let outbox = hosted.call(&topic, &event, Box::new(KeepNothing)).await;
                outbox.commit();
            })
            .await;
    }
    report.add(group);
}

/// What the way from a guest to its bucket costs: a turn that increments, beside the same turn without,
/// followed by the increment called directly. The fixture reads what to do from its event, so its few
/// words of reading count for the first.
async fn increment(run: &Run, report: &mut Report, buckets: &Path) {
    const DIRECT: [&str; 2] = ["memory: turn, then increment", "sled: turn, then increment"];
    const INSIDE: [&str; 2] = ["memory: turn that increments", "sled: turn that increments"];
    let mut group = run.group("key-value increment");
    for (direct, inside) in DIRECT.iter().zip(INSIDE) {
        group = group.row(direct, Unit::Time, &[]);
        group = group.row(inside, Unit::Time, std::slice::from_ref(direct));
    }
    let folder = tempfile::tempdir().unwrap();
    let sled = SledKeyValue::open(folder.path().join("sled"))
        .await
        .unwrap();
    let stores: [Arc<dyn KeyValue>; 2] = [Arc::new(MemoryKeyValue::new()), Arc::new(sled.store)];
    let mut sides = Vec::new();
    for store in &stores {
        let bucket: Arc<dyn Bucket> = store.bucket("default").await.unwrap();
        let mut links = Links::default();
        let linked = Linked::new("default", bucket.clone());
        links.buckets.insert("default".to_owned(), linked);
        let settings = Settings {
            links,
            ..Settings::default()
        };
        let component = component(buckets, settings).await;
        sides.push((bucket, Hosted::new(&component).await));
    }
    let topic = topic(IN);
    let (nothing, script) = (
        Arc::new(event_with("")),
        Arc::new(event_with("increment n 1")),
    );
    for _ in 0..run.rounds() {
        for ((bucket, hosted), (direct, inside)) in sides.iter_mut().zip(DIRECT.iter().zip(INSIDE))
        {
            group
                .mean(direct, 20_000, async || {
                    let outbox = hosted.call(&topic, &nothing, Box::new(KeepNothing)).await;
                    outbox.commit();
                    bucket.increment("n", 1).await.unwrap();
                })
                .await;
            group
                .mean(inside, 20_000, async || {
                    let outbox = hosted.call(&topic, &script, Box::new(KeepNothing)).await;
                    outbox.commit();
                })
                .await;
        }
    }
    for store in &stores {
        store.close().await.unwrap();
    }
    report.add(group);
}
