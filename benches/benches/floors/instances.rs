//! What it costs to make an instance.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use whirlwind::Node;
use whirlwind_benches::bare::Floor;
use whirlwind_benches::events::{IN, event, topic};
use whirlwind_benches::node::relays;
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_component::{Isolation, Settings};

use crate::hosted::{Hosted, KeepNothing, component};
use crate::slot::Commit;

/// An instance made, called once and dropped, from a pool.
pub async fn per_message(run: &Run, report: &mut Report, relay: &Path) {
    const BARE: &str = "bare instantiate, call, drop";
    const OURS: &str = "instantiate, handle, drop";
    let mut group = run
        .group("an instance per message")
        .row(BARE, Unit::Time, &[])
        .row(OURS, Unit::Time, &[BARE]);
    if !group.is_wanted() {
        return;
    }
    let floor = Floor::pooling(relay);
    let settings = Settings {
        isolation: Isolation::PerMessage,
        ..Settings::default()
    };
    let component = component(relay, settings).await;
    let (topic, event) = (topic(IN), Arc::new(event()));
    for _ in 0..run.rounds() {
        group
            .mean(BARE, 1_500, async || {
                floor.instantiate().await.call(IN, &event).await;
            })
            .await;
        group
            .mean(OURS, 1_500, async || {
                let mut hosted = Hosted::new(&component).await;
                let outbox = hosted.call(&topic, &event, Box::new(KeepNothing)).await;
                outbox.commit();
            })
            .await;
    }
    report.add(group);
}

/// A resident instance beside those that live already. They end when the measure is over, which does not count.
pub async fn one_more(run: &Run, report: &mut Report, relay: &Path) {
    const BARE: &str = "bare instantiate";
    const OURS: &str = "instantiate";
    const NODE: &str = "node, one instance more for an actor";
    /// So many are added in a round.
    const MORE: usize = 200;
    let mut group = run
        .group("one more instance")
        .row(BARE, Unit::Time, &[])
        .row(OURS, Unit::Time, &[BARE])
        .row(NODE, Unit::Time, &[BARE, OURS]);
    if !group.is_wanted() {
        return;
    }
    let floor = Floor::resident(relay);
    let component = component(relay, Settings::default()).await;
    let (_folder, node) = relays(relay, 1).await;
    for _ in 0..run.rounds() {
        let mut alive = Vec::with_capacity(MORE);
        group
            .median(BARE, MORE, async || alive.push(floor.instantiate().await))
            .await;
        drop(alive);
        let mut alive = Vec::with_capacity(MORE);
        group
            .median(OURS, MORE, async || {
                alive.push(component.instantiate().await.unwrap())
            })
            .await;
        drop(alive);
        if group.wants(NODE) {
            let times = scale_up(&node, group.events(MORE)).await;
            group.add_median(NODE, times);
        }
    }
    node.stop().await;
    report.add(group);
}

/// Adds so many instances to the one of an actor, one by one, and ends them again. Answers how long each start took.
async fn scale_up(node: &Node, more: usize) -> Vec<Duration> {
    let node = node.clone();
    let driver = tokio::spawn(async move {
        let mut times = Vec::with_capacity(more);
        for instances in (2..).take(more) {
            let start = Instant::now();
            node.scale("a", instances).await.unwrap();
            times.push(start.elapsed());
        }
        node.scale("a", 1).await.unwrap();
        times
    });
    driver.await.unwrap()
}
