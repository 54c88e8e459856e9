//! Two healthy actors: an event to the one makes one to the other, and that one is looked at.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use whirlwind::Node;
use whirlwind::event::{Event, TopicFilter};
use whirlwind::{Seen, Subscription};
use whirlwind_tests::bed::{event, topic_of};

use crate::meter::Times;

/// Their part of a manifest.
pub fn manifest(relay: &Path) -> String {
    format!(
        r#"
        [actor.left]
        component = {relay:?}
        subscribe = ["in"]
        publish   = ["middle"]
        [actor.right]
        component = {relay:?}
        subscribe = ["middle"]
        publish   = ["out"]
        "#
    )
}

/// One event after another, each as soon as the last has come through, for so long.
pub async fn one_in_flight(node: &Node, span: Duration) -> Times {
    let begun = Instant::now();
    while_it_holds(node, move || begun.elapsed() < span).await
}

/// The same as long as something holds.
pub async fn while_it_holds(node: &Node, holds: impl Fn() -> bool + Send + 'static) -> Times {
    on_the_runtime(node, async move |node, mut out| {
        let (input, begun, mut times) = (topic_of("in"), Instant::now(), Vec::new());
        while holds() {
            let sent = Instant::now();
            node.publish(&input, through()).await.unwrap();
            next(&mut out).await;
            times.push(sent.elapsed());
        }
        Times::new(times, begun.elapsed())
    })
    .await
}

/// As many as come through with 16 in flight, for so long.
pub async fn saturated(node: &Node, span: Duration) -> f64 {
    on_the_runtime(node, async move |node, mut out| {
        let (input, begun, mut seen) = (topic_of("in"), Instant::now(), 0_u64);
        for _ in 0..16 {
            node.publish(&input, through()).await.unwrap();
        }
        while begun.elapsed() < span {
            next(&mut out).await;
            seen += 1;
            node.publish(&input, through()).await.unwrap();
        }
        let rate = seen as f64 / begun.elapsed().as_secs_f64();
        for _ in 0..16 {
            next(&mut out).await;
        }
        rate
    })
    .await
}

/// An event every two milliseconds, whether the last has come through or not: each time counts from when it was due.
pub async fn on_time(node: &Node, span: Duration) -> Times {
    const EVERY: Duration = Duration::from_millis(2);
    let count = (span.as_millis() / EVERY.as_millis()).max(1) as u32;
    on_the_runtime(node, async move |node, mut out| {
        let input = topic_of("in");
        let mut clock = interval(EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let begun = Instant::now();
        let sender = tokio::spawn(async move {
            for _ in 0..count {
                clock.tick().await;
                node.publish(&input, through()).await.unwrap();
            }
        });
        let mut times = Vec::new();
        for n in 0..count {
            next(&mut out).await;
            times.push(begun.elapsed().saturating_sub(EVERY * n));
        }
        sender.await.unwrap();
        Times::new(times, begun.elapsed())
    })
    .await
}

/// A task of the runtime, as the actors are: on the thread that blocks on it, each event would also wake a thread.
async fn on_the_runtime<T, F>(node: &Node, drive: impl FnOnce(Node, Subscription) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let out = node.subscribe(&TopicFilter::parse("out").unwrap());
    tokio::spawn(drive(node.clone(), out)).await.unwrap()
}

fn through() -> Event {
    let event = event([b'x'; 100]).to_builder().subject("middle");
    event.build().unwrap()
}

async fn next(out: &mut Subscription) {
    match out.next().await {
        Some(Seen::Event { .. }) => {}
        other => panic!("instead of an event: {other:?}"),
    }
}
