//! The manifest as meant: what a [`Node`](crate::Node) starts from.
//!
//! An [`App`] is made from a manifest file ([`App::load`]) or from a [`Manifest`] built in code
//! ([`App::from_manifest`]), and by no other way is it checked: every name is valid and refers to something, every
//! topic is parsed, defaults are merged and filled in, `${VARIABLES}` are put in, paths are resolved.
//! All problems of a manifest are reported together, as a [`ManifestError`].
//!
//! A component's file is not looked at here: manifest errors come before component errors, see
//! [`App::missing_components`].

mod check;
mod cron;
mod defaults;
mod names;
mod paths;
mod providers;
mod secret;
mod timers;
mod topics;
mod tree;
mod variables;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use whirlwind_bus::{Keep, Partition, SeenWindow};
use whirlwind_event::{Topic, TopicFilter};
use whirlwind_provider_mqtt::Config;

use crate::manifest::{
    self, Isolation, Manifest, ManifestError, Overflow, Restart, Source, Strategy, TurnMode,
};

use check::Origin;

pub use cron::{Cron, CronFault};
pub(crate) use paths::STORE;
pub use paths::{MissingComponent, PathError, under};
pub use secret::Secret;
pub use timers::{Timer, When};
pub use variables::Variables;

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
    /// How long a stopping node without actors waits for what is to go out.
    pub drain: Duration,
    /// The timers by name.
    pub timers: BTreeMap<String, Timer>,
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
    /// When its key-value writes take effect.
    pub turn: TurnMode,
    /// What the order of its events is kept by.
    pub partition: Option<Partition>,
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
    /// How long a stopping node waits for its mailbox to empty, unless another of its actors wants longer.
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
    /// Key-value in the node's own store, which lies in its data directory.
    Store,
    /// Messages through an MQTT broker.
    Mqtt(Mqtt),
    /// An MQTT broker in the node.
    MqttBroker(MqttBroker),
}

/// The settings of an MQTT provider.
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// What the client is started with.
    pub config: Arc<Config>,
    /// How much may wait to go out.
    pub outbox: Mailbox,
    /// The file that the password came from.
    pub password_file: Option<PathBuf>,
}

impl PartialEq for Mqtt {
    /// Whether the two were made by the same check: what a client is started with cannot be compared.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
            && self.outbox == other.outbox
            && self.password_file == other.password_file
    }
}

impl Eq for Mqtt {}

/// The settings of an MQTT broker in the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttBroker {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether other machines may reach it.
    pub allow_remote: bool,
    /// Bytes of the largest packet.
    pub max_packet: usize,
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
    /// Whether accepted events are on the disk.
    pub durable: Option<bool>,
    /// How much of them may wait for one subscriber.
    pub keep: Option<Keep>,
    /// How long it is remembered which were handled.
    pub dedup: Option<SeenWindow>,
}

impl App {
    /// Reads the manifest at `path`, or the one in the folder `path`.
    ///
    /// # Errors
    /// There is none, it cannot be read, or something in it is wrong.
    pub fn load(path: &Path, variables: &Variables) -> Result<Self, ManifestError> {
        let file = manifest::locate(path)?;
        let text = manifest::read(&file)?;
        let absolute = path::absolute(&file).unwrap_or_else(|_| file.clone());
        let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
        let name = file.display().to_string();
        let source = Source::parse(&name, &text)?;
        let origin = Origin {
            manifest: Some(absolute),
            folder,
        };
        check::app(&source, origin, variables)
    }

    /// Takes a manifest made in code, as if its file lay in `folder`.
    ///
    /// It is written out and read back, so it goes through the same door as a file and its errors show the line that
    /// a file would have. `${..}` means what it means in a file.
    ///
    /// # Errors
    /// Something in it is wrong.
    pub fn from_manifest(
        manifest: &Manifest,
        folder: &Path,
        variables: &Variables,
    ) -> Result<Self, ManifestError> {
        let text = toml::to_string(manifest).map_err(|error| {
            ManifestError::one(
                format!("the manifest cannot be written as TOML: {error}"),
                "correct the value",
            )
        })?;
        let source = Source::parse("manifest", &text)?;
        let origin = Origin {
            manifest: None,
            folder: path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
        };
        check::app(&source, origin, variables)
    }

    /// The same with an MQTT broker in the node, for development, under a name that no provider has.
    #[must_use]
    pub fn with_broker(mut self, listen: SocketAddr) -> Self {
        let numbered = (2..).map(|number| format!("mqtt-broker-{number}"));
        let mut names = std::iter::once("mqtt-broker".to_owned()).chain(numbered);
        let name = names.find(|name| !self.providers.contains_key(name));
        if let Some(name) = name {
            let settings = MqttBroker {
                listen,
                allow_remote: false,
                max_packet: whirlwind_provider_mqtt_broker::Config::default().max_packet,
            };
            let kind = Backend::MqttBroker(settings);
            self.providers.insert(name.clone(), Provider { name, kind });
        }
        self
    }

    /// The largest event that may be published on a topic, in bytes: what the most specific rule that has a size says.
    pub fn max_event(&self, topic: &Topic) -> u64 {
        let sizes = self.rules(topic).find_map(|rule| rule.max_event);
        sizes.unwrap_or(defaults::MAX_EVENT)
    }

    /// Where dead letters of a topic are published as well: what the most specific rule that has one says.
    pub fn dead_letter(&self, topic: &Topic) -> Option<&Topic> {
        self.rules(topic).find_map(|rule| rule.dead_letter.as_ref())
    }

    /// Whether a topic is durable: what the most specific rule that says so or not says.
    pub fn is_durable(&self, topic: &Topic) -> bool {
        let durable = self.rules(topic).find_map(|rule| rule.durable);
        durable.unwrap_or(false)
    }

    /// Whether any topic that a filter matches is durable. Where rules contradict each other below it, the answer is yes.
    pub fn may_be_durable(&self, filter: &TopicFilter) -> bool {
        let mut durable = self.topics.iter().filter(|r| r.durable == Some(true));
        durable.any(|rule| rule.filter.overlaps(filter))
    }

    /// Whether every topic that a filter matches is durable, as far as single rules tell.
    pub fn is_all_durable(&self, filter: &TopicFilter) -> bool {
        let mut rules = self.topics.iter();
        let durable = rules.position(|r| r.durable == Some(true) && r.filter.covers(filter));
        // A more specific rule may say otherwise of some of them.
        let before = durable.and_then(|place| self.topics.get(..place));
        before.is_some_and(|before| {
            let mut otherwise = before.iter().filter(|r| r.durable == Some(false));
            !otherwise.any(|rule| rule.filter.overlaps(filter))
        })
    }

    /// Whether of every topic that a filter matches it is remembered which events were handled, as far as single rules tell.
    pub fn is_all_remembered(&self, filter: &TopicFilter) -> bool {
        let mut rules = self.topics.iter().filter(|rule| rule.dedup.is_some());
        self.is_all_durable(filter) && rules.any(|rule| rule.filter.covers(filter))
    }

    /// Whether the app needs the node's store: for durable topics, or as a provider.
    pub fn needs_store(&self) -> bool {
        let mut providers = self.providers.values();
        self.topics.iter().any(|rule| rule.durable == Some(true))
            || providers.any(|provider| matches!(provider.kind, Backend::Store))
    }

    fn rules(&self, topic: &Topic) -> impl Iterator<Item = &TopicRule> {
        self.topics
            .iter()
            .filter(move |rule| rule.filter.matches(topic))
    }
}

impl Actor {
    /// Whether its allow-list has the topic. The topics of the system are on nobody's.
    pub fn may_publish(&self, topic: &Topic) -> bool {
        !topic.is_system() && self.publish.iter().any(|filter| filter.matches(topic))
    }
}

impl Supervisor {
    /// Stands where there is no tree, until the problems are handed out instead of the app.
    fn empty() -> Self {
        Self {
            name: String::new(),
            strategy: Strategy::default(),
            intensity: Intensity {
                max_restarts: defaults::MAX_RESTARTS,
                within: defaults::WITHIN,
            },
            backoff: Backoff {
                min: defaults::RESTART_MIN,
                max: defaults::RESTART_MAX,
                jitter: defaults::JITTER,
            },
            restart: Restart::default(),
            children: Vec::new(),
        }
    }
}
