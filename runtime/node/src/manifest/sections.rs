//! One struct for each table of the manifest, in the order of the page.
//!
//! The doc comments here are the descriptions in the generated JSON Schema, which editors show.

mod provider;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, TimeSpan};

pub use provider::{
    Ack, Format, IdSection, InSection, Mode, OutSection, ProviderKind, ProviderSection,
    StateSection, TlsSection, WillSection,
};

/// The manifest of a Whirlwind app, `whirlwind.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format: always 1.
    #[schemars(range(min = 1, max = 1))]
    pub manifest: u32,
    /// What the app is called.
    #[serde(default, skip_serializing_if = "is_default")]
    pub app: AppSection,
    /// Settings merged into every actor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub defaults: DefaultsSection,
    /// The supervision tree of the actors. `root` is its top; without it every actor stands directly under a one-for-one root.
    #[serde(default, skip_serializing_if = "is_default")]
    pub supervisor: BTreeMap<String, SupervisorSection>,
    /// The actors: one Wasm component each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub actor: BTreeMap<String, ActorSection>,
    /// Rules for topics, each under the topic filter it holds for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub topic: BTreeMap<String, TopicSection>,
    /// What actors link to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub provider: BTreeMap<String, ProviderSection>,
    /// What publishes by the clock.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timer: BTreeMap<String, TimerSection>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            manifest: 1,
            app: AppSection::default(),
            defaults: DefaultsSection::default(),
            supervisor: BTreeMap::new(),
            actor: BTreeMap::new(),
            topic: BTreeMap::new(),
            provider: BTreeMap::new(),
            timer: BTreeMap::new(),
        }
    }
}

/// `[app]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSection {
    /// The app's name; by default the name of the manifest's folder. The source of its events is `/<app>/<actor>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `[defaults]`: merged into every actor, key by key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultsSection {
    /// When an actor that ended is started again; by default `permanent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How much may wait for an actor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mailbox: MailboxSection,
    /// What one delivery may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: LimitsSection,
    /// How often a failed delivery is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: RetrySection,
    /// How many actors an event and what it causes may pass; 0 is no limit; by default 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u32>,
    /// How long a stopping node waits for mailboxes to empty: the longest of its actors' counts; by default `"10s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<TimeSpan>,
}

/// `mailbox = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailboxSection {
    /// How many events may wait; by default 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub capacity: Option<u32>,
    /// How many bytes the waiting events may hold together; by default `"16MiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteSize>,
    /// What a full mailbox does to a publish from inside; by default `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
}

/// `limits = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// How much linear memory one instance may grow to; by default `"64MiB"`, at most `"4GiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// How long one delivery may take; by default `"5s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<TimeSpan>,
}

/// `retry = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySection {
    /// How often one event is delivered, the first time counted, before it is a dead letter; by default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_deliver: Option<u32>,
    /// The pause before an event is delivered again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: RetryBackoffSection,
}

/// `retry.backoff = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBackoffSection {
    /// The first pause, doubled each time; by default `"50ms"`; `"0s"` is no pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<TimeSpan>,
    /// The longest pause; by default `"5s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<TimeSpan>,
}

/// `[supervisor.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupervisorSection {
    /// Who is restarted with a failed child; by default `one-for-one`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How many restarts within `within` are tolerated; one more and the supervisor gives up; by default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
    /// The sliding window in which restarts are counted; by default `"10s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<TimeSpan>,
    /// The pause before a restart; the first one is at once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: RestartBackoffSection,
    /// Actors and supervisors, in order of start; stop is the reverse. `root` may leave it out: all that no other supervisor lists, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<String>>,
    /// When this supervisor is itself started again by the one above it; by default `permanent`. `root` has none above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// `supervisor.NAME.backoff = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartBackoffSection {
    /// The pause before the second restart in a row, doubled each time; by default `"100ms"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<TimeSpan>,
    /// The longest pause; by default `"30s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<TimeSpan>,
    /// How far a pause may stray, as a part of itself, from 0 to 1; by default 0.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: Option<f64>,
}

/// `[actor.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorSection {
    /// The component's file, relative to the manifest's folder.
    pub component: String,
    /// The command that builds the component; run in the manifest's folder, and only by `build` and `up --build`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// How many instances work on the mailbox; by default 1. With more than one, order is only kept as `partition` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub instances: Option<u32>,
    /// Whether an instance lives on after an event; by default `resident`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether the key-value writes of an event take effect together with its end, or each at once; by default `atomic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnMode>,
    /// Keeps the order of events that agree in this, over all instances: `subject`, or the name of an extension attribute. Others, and
    /// those that lack it, are handled beside each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The topic filters whose events it receives; none: it receives nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subscribe: Vec<String>,
    /// The topic filters it may publish to; none: it may publish nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub publish: Vec<String>,
    /// Its capabilities.
    #[serde(default, skip_serializing_if = "is_default")]
    pub links: LinksSection,
    /// What `wasi:config` answers. Values may hold `${VARIABLES}`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config: BTreeMap<String, String>,
    /// Its whole environment. Values may hold `${VARIABLES}`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: BTreeMap<String, String>,
    /// As in `[defaults]`, for this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// As in `[defaults]`, for this actor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mailbox: MailboxSection,
    /// As in `[defaults]`, for this actor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: LimitsSection,
    /// As in `[defaults]`, for this actor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: RetrySection,
    /// As in `[defaults]`, for this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u32>,
    /// As in `[defaults]`, for this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<TimeSpan>,
    /// How many ends of its instances, failed deliveries counted, are tolerated within `within` before its supervisor is told.
    /// Without it failed deliveries are charged to the event alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
    /// The sliding window of `max_restarts`; by default `"10s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<TimeSpan>,
}

/// `links = { .. }`: one key for each interface that can be linked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinksSection {
    /// `wasi:keyvalue`: buckets by identifier, each `"provider"` or `"provider/bucket"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyvalue: Option<KeyValueLinks>,
}

/// The key-value links of an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyValueLinks {
    /// `keyvalue = "provider"`: short for the identifier `default`.
    Default(String),
    /// `keyvalue = { identifier = "provider/bucket" }`.
    Named(BTreeMap<String, String>),
}

/// `[topic."FILTER"]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicSection {
    /// The largest event on a matching topic; by default `"1MiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_event: Option<ByteSize>,
    /// The topic on which dead letters of matching topics are published as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// Whether an event is on the disk before its publisher hears that it was accepted, and stays there until each subscriber has handled
    /// it; by default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<bool>,
    /// How much may wait for one subscriber on a durable topic. Past it, publishers are refused.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: KeepSection,
    /// How long a handled event is remembered, on a durable topic: one with the same source and id is acknowledged then, and not handled
    /// again. Without it nothing is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup: Option<DedupSection>,
}

/// `dedup = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DedupSection {
    /// How many events are remembered for each subscriber; by default 100,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u64>,
    /// For how long; by default `"1h"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<TimeSpan>,
}

/// `keep = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepSection {
    /// How many events may wait for one subscriber; by default 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub events: Option<u64>,
    /// How many bytes they may take on the disk together; by default `"1GiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteSize>,
    /// How long the oldest of them may have waited; by default, for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<TimeSpan>,
}

/// `[timer.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimerSection {
    /// The topic on which it publishes.
    pub topic: String,
    /// The time from one tick to the next, at least `"10ms"`; this or `cron`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<TimeSpan>,
    /// The times of its ticks in UTC, as five fields: minute, hour, day of the month, month, day of the week; this or `every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The type of its events; by default `dev.whirlwind.timer.tick`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// The data of its events; by default they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What `data` is; by default `text/plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Only after an abnormal end.
    Transient,
    /// Never.
    Temporary,
}

/// Who is restarted with a failed child.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Only the failed child.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The failed child and those started after it.
    RestForOne,
}

/// What a full mailbox does to a publish from inside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The publisher is told at once.
    #[default]
    Reject,
    /// The oldest waiting event is dropped and counted.
    DropOldest,
    /// The new event is dropped and counted.
    DropNewest,
    /// The new event is a dead letter.
    DeadLetter,
}

/// Whether an instance lives on after an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// One instance handles event after event.
    #[default]
    Resident,
    /// A fresh instance for each event.
    PerMessage,
}

/// When what a handler writes to key-value buckets takes effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TurnMode {
    /// When it has returned ok; of one that fails nothing is seen.
    #[default]
    Atomic,
    /// At once.
    Immediate,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
