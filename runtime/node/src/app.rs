//! The manifest as meant: what a [`Node`](crate::Node) starts from.
//!
//! An [`App`] is made from a manifest file ([`App::load`]) or from a [`Manifest`] built in code
//! ([`App::from_manifest`]), and by no other way is it checked: every name is valid and refers to something, every
//! topic is parsed, defaults are merged and filled in, `${VARIABLES}` are put in, paths are resolved.
//! All problems of a manifest are reported together, as a [`ManifestError`].
//!
//! A component's file is not looked at here: manifest errors come before component errors, see
//! [`App::missing_components`].

mod secret;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use whirlwind_event::{Topic, TopicFilter};

use crate::manifest::{Isolation, Overflow, Restart, Strategy};

pub use secret::Secret;

/// A whole app, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// Its name.
    pub name: String,
    /// The manifest it was read from; none when it was made in code.
    pub manifest: Option<PathBuf>,
    /// The manifest's folder, absolute: component paths are relative to it and build commands run in it.
    pub folder: PathBuf,
    /// The supervision tree of the actors; every actor stands in it exactly once.
    pub root: Supervisor,
    /// The actors by name.
    pub actors: BTreeMap<String, Actor>,
    /// The providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// The rules for topics, the most specific filter first.
    pub topics: Vec<TopicRule>,
}

/// A supervisor and its children.
#[derive(Debug, Clone, PartialEq)]
pub struct Supervisor {
    /// Its name; the top is `root`.
    pub name: String,
    /// Who is restarted with a failed child.
    pub strategy: Strategy,
    /// When it gives up.
    pub intensity: Intensity,
    /// The pause before a restart.
    pub backoff: Backoff,
    /// When the supervisor above starts it again; without meaning for `root`.
    pub restart: Restart,
    /// In order of start; stop is the reverse.
    pub children: Vec<Child>,
}

/// A child of a [`Supervisor`].
#[derive(Debug, Clone, PartialEq)]
pub enum Child {
    /// An actor, by its name in [`App::actors`].
    Actor(String),
    /// A supervisor.
    Supervisor(Supervisor),
}

/// How many restarts are tolerated in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// This many are tolerated; one more is too many.
    pub max_restarts: u32,
    /// The window, never zero.
    pub within: Duration,
}

/// A pause that doubles from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first pause.
    pub min: Duration,
    /// The longest pause, at least `min`.
    pub max: Duration,
    /// How far a pause may stray, as a part of itself: 0 to 1.
    pub jitter: f64,
}

/// An actor: a component and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Actor {
    /// Its name.
    pub name: String,
    /// The component's file, absolute. It need not exist: see [`App::missing_components`].
    pub component: PathBuf,
    /// The command that builds it, to be run in [`App::folder`].
    pub build: Option<String>,
    /// How many instances, at least 1.
    pub instances: u32,
    /// Whether an instance lives on after an event.
    pub isolation: Isolation,
    /// What it receives.
    pub subscribe: Vec<TopicFilter>,
    /// What it may publish to; see [`Actor::may_publish`].
    pub publish: Vec<TopicFilter>,
    /// `wasi:keyvalue` buckets by identifier; `default` is the one that `open("")` opens as well.
    pub keyvalue: BTreeMap<String, KeyValueLink>,
    /// What `wasi:config` answers.
    pub config: BTreeMap<String, Secret>,
    /// Its whole environment.
    pub env: BTreeMap<String, Secret>,
    /// When its supervisor starts it again.
    pub restart: Restart,
    /// How much may wait for it.
    pub mailbox: Mailbox,
    /// What one delivery may use.
    pub limits: Limits,
    /// How often a failed delivery is tried again.
    pub retry: Retry,
    /// How many actors an event and what it causes may pass; none is no limit.
    pub max_hops: Option<u32>,
    /// How long it may work on what it has in hand when it is stopped.
    pub drain: Duration,
    /// Its own intensity, if the manifest gives it one: then failed deliveries are charged to it as well as to the event.
    pub intensity: Option<Intensity>,
}

/// How much may wait for an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox {
    /// In events, at least 1.
    pub capacity: usize,
    /// In bytes, at least 1.
    pub bytes: u64,
    /// What happens to a publish from inside when either is reached.
    pub overflow: Overflow,
}

/// What one delivery may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory: u64,
    /// Time of one delivery, never zero.
    pub deadline: Duration,
}

/// How often a failed delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Deliveries of one event, the first counted; at least 1.
    pub max_deliver: u32,
    /// The pause before the next; its jitter is 0.
    pub backoff: Backoff,
}

/// Where an identifier of `wasi:keyvalue` leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueLink {
    /// The name of a provider in [`App::providers`].
    pub provider: String,
    /// The bucket in it.
    pub bucket: String,
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Backend,
}

/// What a provider is, with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Key-value in memory.
    Memory,
    /// Key-value in a sled database.
    Sled {
        /// Its folder, relative to the data directory and without `..`; open it with [`under`].
        path: PathBuf,
    },
}

/// What a manifest says of the topics that a filter matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRule {
    /// Which topics.
    pub filter: TopicFilter,
    /// The largest event, in bytes.
    pub max_event: Option<u64>,
    /// Where dead letters are published as well.
    pub dead_letter: Option<Topic>,
}
