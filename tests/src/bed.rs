//! A node for one test, in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use whirlwind::event::{Event, EventBuilder, Topic, TopicFilter};
use whirlwind::{App, Node, Part, Published, Seen, StartError, Subscription, TreeNode, Variables};

use crate::log;

/// How long a test waits for what must come: far above what a loaded machine of two cores takes, so that reaching it is a failure
/// and not bad luck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running app in a folder that goes with it.
pub struct Bed {
    /// The node.
    pub node: Node,
    folder: TempDir,
}

impl Bed {
    /// Starts the app that `manifest` describes.
    pub async fn start(manifest: &str) -> Self {
        match Self::try_start(manifest).await {
            Ok(bed) => bed,
            Err(error) => panic!("the app does not start: {error}"),
        }
    }

    /// The same, for tests of starts that fail.
    ///
    /// # Errors
    /// The node's own.
    pub async fn try_start(manifest: &str) -> Result<Self, StartError> {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no folder: {error}"));
        Self::start_in(folder, manifest).await
    }

    /// Starts it in a folder that may hold what an earlier node left.
    ///
    /// # Errors
    /// The node's own.
    pub async fn start_in(folder: TempDir, manifest: &str) -> Result<Self, StartError> {
        let app = app(folder.path(), manifest, &Variables::none());
        Self::start_app(folder, app).await
    }

    /// Starts the app that `manifest` describes, looked on at from before its start.
    pub async fn start_watched(manifest: &str, filter: &str) -> (Self, Watch) {
        log::keep();
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no folder: {error}"));
        let builder = Node::builder(app(folder.path(), manifest, &Variables::none()));
        let filter = TopicFilter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
        let watch = Watch(builder.subscribe(&filter));
        match builder.start().await {
            Ok(node) => (Self { node, folder }, watch),
            Err(error) => panic!("the app does not start: {error}"),
        }
    }

    /// Starts an app that is read already, in the folder it was read from.
    ///
    /// # Errors
    /// The node's own.
    pub async fn start_app(folder: TempDir, app: App) -> Result<Self, StartError> {
        log::keep();
        let node = Node::builder(app).start().await?;
        Ok(Self { node, folder })
    }

    /// Starts the app that `manifest` describes and leaves the log to the test: a kept one grows with every line.
    pub async fn unlogged(manifest: &str) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no folder: {error}"));
        let app = app(folder.path(), manifest, &Variables::none());
        match Node::builder(app).start().await {
            Ok(node) => Self { node, folder },
            Err(error) => panic!("the app does not start: {error}"),
        }
    }

    /// Stops the node in good order and gives its folder back.
    pub async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.folder
    }

    /// The folder of the manifest.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the node go, and gives its folder back. One that was killed holds its stores until then.
    pub fn leave(self) -> TempDir {
        drop(self.node);
        self.folder
    }

    /// Publishes `data` as an event that a program would send.
    pub async fn publish(&self, topic: &str, data: impl Into<Vec<u8>>) -> Published {
        let published = self.node.publish(&topic_of(topic), event(data)).await;
        published.unwrap_or_else(|error| panic!("not accepted on {topic}: {error}"))
    }

    /// Looks on at `filter`.
    pub fn watch(&self, filter: &str) -> Watch {
        let filter = TopicFilter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
        Watch(self.node.subscribe(&filter))
    }

    /// How the part `name` is.
    pub async fn part(&self, name: &str) -> Part {
        let parts = self.node.parts().await;
        let part = parts.iter().find(|part| part.name == name);
        part.cloned()
            .unwrap_or_else(|| panic!("no part `{name}` in {parts:?}"))
    }

    /// The place `name` of the supervision tree.
    pub async fn place(&self, name: &str) -> TreeNode {
        let tree = self.node.tree().await;
        let mut open = vec![&tree];
        while let Some(node) = open.pop() {
            if node.name == name {
                return node.clone();
            }
            open.extend(&node.children);
        }
        panic!("no place `{name}` in {tree:?}")
    }
}

/// Events as a test looks on at them.
pub struct Watch(Subscription);

impl Watch {
    /// The next event and its topic. Fails the test when none comes, or when some were missed.
    pub async fn seen(&mut self) -> (Topic, Arc<Event>) {
        match timeout(PATIENCE, self.0.next()).await {
            Ok(Some(Seen::Event { topic, event })) => (topic, event),
            Ok(other) => panic!("instead of an event: {other:?}"),
            Err(_) => panic!("no event in {PATIENCE:?}{}", log::last()),
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Arc<Event> {
        self.seen().await.1
    }

    /// The data of the next event, as text.
    pub async fn text(&mut self) -> String {
        text(&*self.next().await)
    }

    /// The data of the next `count` events, as text.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            texts.push(self.text().await);
        }
        texts
    }

    /// The topic of the next event, and its data as JSON.
    pub async fn json(&mut self) -> (Topic, serde_json::Value) {
        let (topic, event) = self.seen().await;
        let data = serde_json::from_slice(event.data().unwrap_or_default());
        (topic, data.unwrap_or_else(|error| panic!("{error}")))
    }

    /// The next event on `topic`, past any others, as JSON.
    pub async fn json_on(&mut self, topic: &str) -> serde_json::Value {
        loop {
            let (on, data) = self.json().await;
            if on.as_str() == topic {
                return data;
            }
        }
    }

    /// How many events there are to see of a node that has ended, and how many were missed.
    pub async fn tally(mut self) -> (u64, u64) {
        let (mut seen, mut missed) = (0, 0);
        loop {
            match timeout(PATIENCE, self.0.next()).await {
                Ok(Some(Seen::Event { .. })) => seen += 1,
                Ok(Some(Seen::Missed(count))) => missed += count,
                Ok(None) => return (seen, missed),
                Err(_) => panic!("the node has not ended"),
            }
        }
    }

    /// What is left to see of a node that has ended, as text.
    pub async fn rest(self) -> Vec<String> {
        let mut texts = Vec::new();
        self.each(|text| texts.push(text)).await;
        texts
    }

    /// Takes every event that is still to see, as text, until the node has ended.
    pub async fn each(mut self, mut take: impl FnMut(String)) {
        loop {
            match timeout(PATIENCE, self.0.next()).await {
                Ok(Some(Seen::Event { event, .. })) => take(text(&event)),
                Ok(Some(missed)) => panic!("instead of an event: {missed:?}"),
                Ok(None) => return,
                Err(_) => panic!("the node has not ended"),
            }
        }
    }
}

/// An event with this data, such as a program would send.
pub fn event(data: impl Into<Vec<u8>>) -> Event {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let builder = EventBuilder::new()
        .id(id.to_string())
        .source("/test")
        .ty("test");
    let built = builder.data(data.into()).build();
    built.unwrap_or_else(|error| panic!("{error}"))
}

/// The data of an event, as text.
pub fn text(event: &Event) -> String {
    String::from_utf8_lossy(event.data().unwrap_or_default()).into_owned()
}

/// A topic.
pub fn topic_of(name: &str) -> Topic {
    Topic::parse(name).unwrap_or_else(|error| panic!("{error}"))
}

/// The app that `manifest`, lying in `folder`, describes.
pub fn app(folder: &Path, manifest: &str, variables: &Variables) -> App {
    let file: PathBuf = folder.join("whirlwind.toml");
    if let Err(error) = std::fs::write(&file, manifest) {
        panic!("the manifest cannot be written: {error}");
    }
    match App::load(&file, variables) {
        Ok(app) => app,
        Err(error) => panic!("{error}"),
    }
}
