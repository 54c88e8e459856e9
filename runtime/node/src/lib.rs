//! A running app: its manifest, its supervision tree, its doors.
//!
//! A program that embeds Whirlwind makes an [`App`] from a manifest, starts a [`Node`] from it, publishes and subscribes, and stops
//! it. An app without actors is enough to try it; `examples/embed.rs` is a program with one.
//!
//! ```
//! use whirlwind::event::{EventBuilder, Topic, TopicFilter};
//! use whirlwind::{App, Manifest, Node, Seen, Variables};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let manifest: Manifest = "manifest = 1".parse()?;
//! let app = App::from_manifest(&manifest, folder, &Variables::none())?;
//! let node = Node::builder(app).start().await?;
//!
//! let mut seen = node.subscribe(&TopicFilter::parse("greetings/#")?);
//! let hello = EventBuilder::new().id("1").source("/example").ty("example.hello").data("hello").build()?;
//! node.publish(&Topic::parse("greetings/all")?, hello).await?;
//! let Some(Seen::Event { topic, event }) = seen.next().await else { panic!("nothing came") };
//! assert_eq!((topic.as_str(), event.data()), ("greetings/all", Some(&b"hello"[..])));
//!
//! node.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`manifest`] | the manifest as written |
//! | [`app`] | the same as meant: checked, defaults filled in |
//! | [`node`](Node) | a running app: publish, subscribe, inspect, change, stop |
//! | `tree` | the supervision tree: providers, actors, doors |
//! | `actor` | a component as an actor: its worker loop, its outbox |
//! | `provider` | key-value stores and MQTT brokers, up or down: the links to them, what comes in and goes out |
//! | [`control`] | the control API on a unix socket: the door to the outside |
//! | `timer` | the doors that publish by the clock |
//! | [`dead`] | dead letters as JSON, and the file in which they outlive their node |
//! | `lifecycle` | what happens to the parts, told as events on `$sys/#` |
//! | `subscription` | events as somebody who looks on sees them |
//! | [`part`](Part) | what a node says of its parts |
//! | [`check`](check()) | what would fail at start, without starting |
//! | [`stored`] | a look into a store that no node has open |
//! | [`doctor`] | what a machine or an app's surroundings lack, with the remedy |
//! | [`guarantee`](Guarantee) | what an event gets that an actor accepted |
//!
//! Errors say what was wrong, where, and what to do: [`ManifestError`] before anything runs, [`StartError`] until all is up,
//! [`PublishError`] for one event, [`ChangeError`] for a change of what runs. An [`End`] is not an error. This crate knows nothing of
//! terminals and command lines.

mod actor;
pub mod app;
mod check;
pub mod control;
pub mod dead;
pub mod doctor;
mod guarantee;
mod lifecycle;
pub mod manifest;
mod node;
mod part;
mod provider;
pub mod stored;
mod subscription;
mod timer;
mod tree;

pub use app::{App, Variables};
pub use check::{Check, CheckedActor, CheckedTimer, check};
pub use guarantee::Guarantee;
pub use manifest::{Manifest, ManifestError};
pub use node::{
    Builder, ChangeError, Changed, ComponentError, DATA_DIR, End, LeftBehind, Node, Progress,
    PublishError, Published, RedeliveryError, StartError,
};
pub use part::{Part, PartKind, PartState, TreeKind, TreeNode};
pub use subscription::{Seen, Subscription};

/// What [`Node::dead_letters`] lists, counts and delivers again.
pub use whirlwind_bus::{DeadLetter, DeadLetterCounts, Reason, RedeliverError, Redelivered};
/// Events, topics and filters.
pub use whirlwind_event as event;
/// Key-value stores, as [`Node::store`] hands them out.
pub use whirlwind_provider_api as provider_api;

/// The version of this crate, which is the version of the node.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
