//! A node with relays, and the driver that publishes to it and sees what comes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use whirlwind::event::{Event, EventBuilder, Topic};
use whirlwind::{Node, StartError, Subscription};
use whirlwind_benches::driver::{self, Way};
use whirlwind_benches::events::{OUT, complete, topic};
use whirlwind_benches::node;

use crate::WINDOW;

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
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(relay, folder.path().join(RELAY)).unwrap();
        match node::start_in(folder.path(), sections).await {
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
    pub async fn one_in_flight(&self, load: &Load, events: usize) -> Vec<Duration> {
        driver::one_in_flight(InTurn::new(&self.node, load), events).await
    }

    /// Keeps `window` events in flight until so many have come through. Answers how long they all took.
    pub async fn saturated(&self, load: &Load, window: usize, events: usize) -> Duration {
        driver::saturated(InTurn::new(&self.node, load), window, events).await
    }

    /// Sends an event on every topic, so that nothing that is measured happens for the first time.
    pub async fn warm_up(&self, load: &Load) {
        self.saturated(load, WINDOW, load.topics.len()).await;
    }
}

/// A load on its way through a node.
struct InTurn {
    node: Node,
    load: Load,
    /// Which topic is next.
    turn: usize,
    outputs: Subscription,
}

impl InTurn {
    fn new(node: &Node, load: &Load) -> Self {
        Self {
            node: node.clone(),
            load: load.clone(),
            turn: 0,
            outputs: node::outputs(node),
        }
    }
}

impl Way for InTurn {
    async fn put(&mut self) {
        let topic = self.load.topics.get(self.turn).expect("a topic");
        let event = event(&self.load.data);
        self.node.publish(topic, event).await.unwrap();
        self.turn = (self.turn + 1) % self.load.topics.len();
    }

    async fn take(&mut self) {
        node::seen(&mut self.outputs).await;
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
