//! A whole node with two actors, the relay twice.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind::event::TopicFilter;
use whirlwind::{App, Node, Seen, Subscription, Variables};

use crate::events::{IN, MIDDLE, OUT, event, topic};

/// Starts it in a folder that goes when it is dropped.
pub async fn start(relay: &Path, instances: usize) -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let node = start_in(folder.path(), relay, instances, 0).await;
    (folder, node)
}

/// Starts it in a folder, beside so many actors that nothing is said to: the relay again, each with a subscription of its own.
/// Compiled code is found there by the next one.
pub async fn start_in(folder: &Path, relay: &Path, instances: usize, idle: usize) -> Node {
    // A short path: a manifest of ten thousand actors may have 1 MiB.
    std::fs::copy(relay, folder.join("relay.wasm")).unwrap();
    let mut manifest = format!(
        r#"
        manifest = 1
        [app]
        name = "bench"
        [actor.a]
        component = "relay.wasm"
        instances = {instances}
        subscribe = ["{IN}"]
        publish   = ["{MIDDLE}"]
        [actor.b]
        component = "relay.wasm"
        instances = {instances}
        subscribe = ["{MIDDLE}"]
        publish   = ["{OUT}"]
        "#
    );
    for number in 0..idle {
        // Writing to a `String` cannot fail.
        let _ = write!(
            manifest,
            "\n[actor.idle-{number}]\ncomponent = \"relay.wasm\"\nsubscribe = [\"idle/{number}\"]"
        );
    }
    let file = folder.join("whirlwind.toml");
    std::fs::write(&file, manifest).unwrap();
    let app = App::load(&file, &Variables::none()).unwrap();
    Node::builder(app).start().await.unwrap()
}

/// Publishes an event, waits for what comes of it, and so on. Answers how long each took.
///
/// The driver is a task of the runtime like the actors: on the thread that blocks on the runtime, each
/// event would also wake a thread.
pub async fn one_in_flight(node: &Node, events: usize) -> Vec<Duration> {
    let node = node.clone();
    let driver = tokio::spawn(async move {
        let (input, mut outputs) = (topic(IN), outputs(&node));
        let mut times = Vec::with_capacity(events);
        for _ in 0..events {
            let start = Instant::now();
            node.publish(&input, event()).await.unwrap();
            next(&mut outputs).await;
            times.push(start.elapsed());
        }
        times
    });
    driver.await.unwrap()
}

/// Keeps `window` events in flight until so many have come through. Answers how long they all took.
pub async fn saturated(node: &Node, window: usize, events: usize) -> Duration {
    let node = node.clone();
    let driver = tokio::spawn(async move {
        let (input, mut outputs) = (topic(IN), outputs(&node));
        let start = Instant::now();
        for _ in 0..window.min(events) {
            node.publish(&input, event()).await.unwrap();
        }
        for seen in 0..events {
            next(&mut outputs).await;
            if seen + window < events {
                node.publish(&input, event()).await.unwrap();
            }
        }
        start.elapsed()
    });
    driver.await.unwrap()
}

/// What the pair publishes, from now on.
pub fn outputs(node: &Node) -> Subscription {
    node.subscribe(&TopicFilter::parse(OUT).unwrap())
}

async fn next(outputs: &mut Subscription) {
    match outputs.next().await {
        Some(Seen::Event { .. }) => {}
        other => panic!("instead of an event: {other:?}"),
    }
}
