//! Components as actors of a whole node.

use std::path::Path;

use tempfile::TempDir;
use whirlwind::event::{Event, Topic, TopicFilter};
use whirlwind::{App, Node, Seen, Subscription, Variables};

use crate::driver::Way;
use crate::events::{IN, MIDDLE, OUT, topic};

/// Starts an app of these actors, in a folder that goes when it is dropped.
pub async fn start(actors: &str) -> (TempDir, Node) {
    let manifest = format!("manifest = 1\n[app]\nname = \"bench\"\n{actors}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whirlwind.toml");
    std::fs::write(&file, manifest).unwrap();
    let app = App::load(&file, &Variables::none()).unwrap();
    (folder, Node::builder(app).start().await.unwrap())
}

/// Two actors, `a` and `b`, each of which is the relay: from [`IN`] over [`MIDDLE`] to [`OUT`].
pub async fn relays(relay: &Path, instances: usize) -> (TempDir, Node) {
    let actors = format!(
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
    );
    start(&actors).await
}

/// From a topic to a topic, as whoever embeds the node sees it.
pub struct Through {
    node: Node,
    input: Topic,
    outputs: Subscription,
}

impl Through {
    pub fn new(node: &Node, input: &str, output: &str) -> Self {
        Self {
            node: node.clone(),
            input: topic(input),
            outputs: node.subscribe(&TopicFilter::parse(output).unwrap()),
        }
    }
}

impl Way for Through {
    async fn put(&self, event: Event) {
        self.node.publish(&self.input, event).await.unwrap();
    }

    async fn take(&mut self) {
        match self.outputs.next().await {
            Some(Seen::Event { .. }) => {}
            other => panic!("instead of an event: {other:?}"),
        }
    }
}
