//! A node with relays, and the driver that publishes to it and sees what comes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind::event::{Event, EventBuilder, Topic, TopicFilter};
use whirlwind::{App, Node, Seen, StartError, Subscription, Variables};

use crate::WINDOW;
use whirlwind_benches::events::{OUT, complete, topic};

/// The component, beside the manifest.
const RELAY: &str = "relay.wasm";

/// A node in a folder that goes with it.
pub struct Bed {
    pub node: Node,
    _folder: TempDir,
}

/// What the driver publishes: its topics in turn, with the same data each time.
#[derive(Clone)]
pub struct Load {
    pub topics: Arc<[Topic]>,
    pub data: Arc<[u8]>,
}

/// An actor of a manifest: the relay, which publishes on [`OUT`] since its events have no subject. In few letters: a manifest has
/// a MiB at most.
pub fn actor(name: &str, instances: usize, subscribe: &[String]) -> String {
    format!(
        "[actor.{name}]\ncomponent={RELAY:?}\ninstances={instances}\nsubscribe={subscribe:?}\npublish=[{OUT:?}]\n"
    )
}

impl Bed {
    /// Starts a node of relays with these sections in its manifest; none, which is said, if the machine has no room for its instances.
    pub async fn start(relay: &Path, sections: &str) -> Option<Self> {
        let manifest = format!("manifest = 1\n[app]\nname = \"bench\"\n{sections}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(relay, folder.path().join(RELAY)).unwrap();
        let file = folder.path().join("whirlwind.toml");
        std::fs::write(&file, manifest).unwrap();
        let app = App::load(&file, &Variables::none()).unwrap();
        match Node::builder(app).start().await {
            Ok(node) => Some(Self {
                node,
                _folder: folder,
            }),
            Err(StartError::NoRoom(why)) => {
                eprintln!("left out: {why}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Publishes an event, waits for what comes of it, and so on. Answers how long each took.
    ///
    /// The driver is a task of the runtime like the actors: on the thread that blocks on the runtime, each event would also wake a
    /// thread.
    pub async fn one_in_flight(&self, load: &Load, events: usize) -> Vec<Duration> {
        let (node, load) = (self.node.clone(), load.clone());
        let driver = tokio::spawn(async move {
            let mut outputs = outputs(&node);
            let mut times = Vec::with_capacity(events);
            for topic in load.topics.iter().cycle().take(events) {
                let start = Instant::now();
                node.publish(topic, event(&load.data)).await.unwrap();
                next(&mut outputs).await;
                times.push(start.elapsed());
            }
            times
        });
        driver.await.unwrap()
    }

    /// Keeps `window` events in flight until so many have come through. Answers how long they all took.
    pub async fn saturated(&self, load: &Load, window: usize, events: usize) -> Duration {
        let (node, load) = (self.node.clone(), load.clone());
        let driver = tokio::spawn(async move {
            let mut outputs = outputs(&node);
            let mut topics = load.topics.iter().cycle().take(events);
            let start = Instant::now();
            for topic in topics.by_ref().take(window) {
                node.publish(topic, event(&load.data)).await.unwrap();
            }
            for _ in 0..events {
                next(&mut outputs).await;
                if let Some(topic) = topics.next() {
                    node.publish(topic, event(&load.data)).await.unwrap();
                }
            }
            start.elapsed()
        });
        driver.await.unwrap()
    }

    /// Sends an event on every topic, so that nothing that is measured happens for the first time.
    pub async fn warm_up(&self, load: &Load) {
        self.saturated(load, WINDOW, load.topics.len()).await;
    }
}

impl Load {
    /// On these topics.
    pub fn on(topics: impl IntoIterator<Item = String>, data: &[u8]) -> Self {
        Self {
            topics: topics.into_iter().map(|name| topic(&name)).collect(),
            data: data.into(),
        }
    }
}

/// An event such as a door makes: its data copied once.
pub fn event(data: &[u8]) -> Event {
    let builder = EventBuilder::new().datacontenttype("text/plain").data(data);
    complete(builder)
}

fn outputs(node: &Node) -> Subscription {
    node.subscribe(&TopicFilter::parse(OUT).unwrap())
}

async fn next(outputs: &mut Subscription) {
    match outputs.next().await {
        Some(Seen::Event { .. }) => {}
        other => panic!("instead of an event: {other:?}"),
    }
}
