//! Components as actors of a whole node.

use std::fmt::Write as _;
use std::path::Path;

use tempfile::TempDir;
use whirlwind::event::{Event, Topic, TopicFilter};
use whirlwind::{App, Node, Seen, StartError, Subscription, Variables};

use crate::driver::Way;
use crate::events::{IN, MIDDLE, OUT, event, topic};

/// Starts an app of these actors, in a folder that goes when it is dropped.
pub async fn start(actors: &str) -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let node = start_in(folder.path(), actors).await.unwrap();
    (folder, node)
}

/// Starts an app of these sections in a folder. Compiled code is found there by the next one.
///
/// # Errors
/// As [`Builder::start`](whirlwind::Builder::start).
pub async fn start_in(folder: &Path, sections: &str) -> Result<Node, StartError> {
    let manifest = format!("manifest = 1\n[app]\nname = \"bench\"\n{sections}");
    let file = folder.join("whirlwind.toml");
    std::fs::write(&file, manifest).unwrap();
    let app = App::load(&file, &Variables::none()).unwrap();
    Node::builder(app).start().await
}

/// Two actors, `a` and `b`, each of which is the relay: from [`IN`] over [`MIDDLE`] to [`OUT`].
pub async fn relays(relay: &Path, instances: usize) -> (TempDir, Node) {
    start(&pair(relay, instances)).await
}

/// The same in a folder, beside so many actors that nothing is said to: the relay again, each with a subscription of its own.
pub async fn relays_beside(folder: &Path, relay: &Path, instances: usize, idle: usize) -> Node {
    // A short path: a manifest of ten thousand actors may have 1 MiB.
    std::fs::copy(relay, folder.join("relay.wasm")).unwrap();
    let mut actors = pair(Path::new("relay.wasm"), instances);
    for number in 0..idle {
        // Writing to a `String` cannot fail.
        let _ = write!(
            actors,
            "\n[actor.idle-{number}]\ncomponent = \"relay.wasm\"\nsubscribe = [\"idle/{number}\"]"
        );
    }
    start_in(folder, &actors).await.unwrap()
}

fn pair(relay: &Path, instances: usize) -> String {
    format!(
        r#"
        [actor.a]
        component = {relay:?}
        instances = {instances}
        subscribe = ["{IN}"]
        publish   = ["{MIDDLE}"]
        [actor.b]
        component = {relay:?}
        instances = {instances}
        subscribe = ["{MIDDLE}"]
        publish   = ["{OUT}"]
        "#
    )
}

/// What is published on [`OUT`], from now on.
pub fn outputs(node: &Node) -> Subscription {
    node.subscribe(&TopicFilter::parse(OUT).unwrap())
}

/// From a topic to a topic, as whoever embeds the node sees it.
pub struct Through {
    node: Node,
    input: Topic,
    outputs: Subscription,
}

impl Through {
    /// Through the pair.
    pub fn pair(node: &Node) -> Self {
        Self::new(node, IN, OUT)
    }

    /// From `input` to `output`.
    pub fn new(node: &Node, input: &str, output: &str) -> Self {
        Self {
            node: node.clone(),
            input: topic(input),
            outputs: node.subscribe(&TopicFilter::parse(output).unwrap()),
        }
    }

    /// Puts in this event.
    pub async fn publish(&self, event: Event) {
        self.node.publish(&self.input, event).await.unwrap();
    }
}

impl Way for Through {
    async fn put(&mut self) {
        self.publish(event()).await;
    }

    async fn take(&mut self) {
        seen(&mut self.outputs).await;
    }
}

/// Waits for an event.
pub async fn seen(outputs: &mut Subscription) {
    match outputs.next().await {
        Some(Seen::Event { .. }) => {}
        other => panic!("instead of an event: {other:?}"),
    }
}
