//! The tables of `[provider.NAME]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MailboxSection, RestartBackoffSection, is_default};
use crate::manifest::units::{ByteSize, TimeSpan};

/// `[provider.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSection {
    /// What it is: `memory`, `sled` or `store` for key-value, `mqtt` for messages, `mqtt-broker` for trying those out.
    #[serde(rename = "type")]
    pub kind: ProviderKind,
    /// `sled`: its folder under the data directory; by default its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `mqtt`: the broker, such as `"mqtt://localhost:1883"`; also `mqtts`, `ws` and `wss`. May hold `${VARIABLES}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `mqtt`: 5, the default, or 4, which is MQTT 3.1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 4, max = 5))]
    pub version: Option<u8>,
    /// `mqtt`: what the broker knows the session by; by default `whirlwind-<app>-<provider>`. May hold `${VARIABLES}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `mqtt`: the user. May hold `${VARIABLES}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `mqtt`: the password. May hold `${VARIABLES}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `mqtt`: the file that holds the password. Relative to the manifest's folder, unless a variable names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// `mqtt`: certificates.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tls: TlsSection,
    /// `mqtt`: what comes in. The first that matches a message takes it.
    #[serde(default, rename = "in", skip_serializing_if = "is_default")]
    pub inward: Vec<InSection>,
    /// `mqtt`: what goes out.
    #[serde(default, rename = "out", skip_serializing_if = "is_default")]
    pub outward: Vec<OutSection>,
    /// `mqtt`: how many messages may have come in and not been acknowledged; by default 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub window: Option<u16>,
    /// `mqtt`: how much may wait to be sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outbox: MailboxSection,
    /// `mqtt`, `mqtt-broker`: the largest packet; by default `"1088KiB"`, an event of 1 MiB and its attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_packet: Option<ByteSize>,
    /// `mqtt`: how long the broker keeps the session while the node is away; by default `"24h"`; `"0s"` keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_expiry: Option<TimeSpan>,
    /// `mqtt`: after how long of silence the connection is tried; by default `"30s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<TimeSpan>,
    /// `mqtt`: the pause before connecting again; by default from `"500ms"` to `"30s"`, with a jitter of 0.2.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: RestartBackoffSection,
    /// `mqtt`: what the broker publishes when the connection is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub will: Option<WillSection>,
    /// `mqtt`: where the provider says whether it is connected, in retained messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateSection>,
    /// `mqtt-broker`: the address to listen at; by default `"127.0.0.1:1883"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// `mqtt-broker`: whether the address may be one that other machines reach. Anybody who reaches it may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_remote: Option<bool>,
}

/// `tls = { .. }`: PEM files, relative to the manifest's folder, unless a variable names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The only authorities to trust; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The client's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One of `in = [{ .. }]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InSection {
    /// The MQTT topic filter to subscribe to; `$share/GROUP/` before it shares the stream.
    pub mqtt: String,
    /// The topic its messages go to: `$1` is what the first `+` stands for, `$#` what the `#` does.
    pub topic: String,
    /// 0, 1 or 2; by default 1. 2 is subscribed as 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub qos: Option<u8>,
    /// The type of events made of plain messages; by default `dev.whirlwind.mqtt.message`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// The content type of plain messages that do not say theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Where plain messages have the id of their events, by which one that is sent again is known; by default nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<IdSection>,
    /// When the broker is told: `tree`, the default, or `accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// What the messages are: `auto`, the default, `cloudevents` or `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

/// `id = { .. }`: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdSection {
    /// The user property that is the id; MQTT 5 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The JSON Pointer, such as `"/meta/seq"`, to a text or a number of the payload that is the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// One of `out = [{ .. }]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutSection {
    /// The topic filter whose events go out.
    pub topic: String,
    /// The MQTT topic they go to: `$1` is what the first `+` stands for, `$#` what the `#` does.
    pub mqtt: String,
    /// 0, 1 or 2; by default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub qos: Option<u8>,
    /// Whether the broker keeps the last one for whoever comes later; by default not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retain: bool,
    /// How an event becomes a message: `binary`, the default on MQTT 5, `structured`, the default on 3.1.1, or `data`, without
    /// its attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// `will = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WillSection {
    /// The MQTT topic.
    pub mqtt: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data: String,
    /// 0, 1 or 2; by default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub qos: Option<u8>,
    /// Whether the broker keeps it; by default not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retain: bool,
}

/// `state = { .. }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSection {
    /// The MQTT topic.
    pub mqtt: String,
    /// What it says once connected; by default `online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<String>,
    /// What it says when the node stops, and the broker when the connection is lost; by default `offline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline: Option<String>,
    /// 0, 1 or 2; by default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2))]
    pub qos: Option<u8>,
}

/// When a broker is told that a message has arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ack {
    /// When its event, and all that it caused in memory, has come to its end.
    #[default]
    Tree,
    /// When every mailbox it was meant for has taken it.
    Accepted,
}

/// What the messages of an `in` are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// CloudEvents where they are known to be, plain otherwise.
    #[default]
    Auto,
    /// CloudEvents; anything else is malformed.
    Cloudevents,
    /// Plain, whatever they look like.
    Plain,
}

/// How the events of an `out` become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The data is the payload, the attributes are properties; MQTT 5 only.
    Binary,
    /// All of it is one JSON document.
    Structured,
    /// The data is the payload, and the attributes stay here.
    Data,
}

/// The kinds of providers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// Key-value in memory: gone with the process.
    #[default]
    Memory,
    /// Key-value in a sled database: survives the process.
    Sled,
    /// Key-value in the node's own store: survives the process, and a power cut.
    Store,
    /// Messages through an MQTT broker.
    Mqtt,
    /// An MQTT broker in the node, for development.
    MqttBroker,
}

impl ProviderKind {
    /// Whether it has buckets, which actors can be linked to.
    pub(crate) fn has_buckets(self) -> bool {
        matches!(self, Self::Memory | Self::Sled | Self::Store)
    }

    /// The word for it in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sled => "sled",
            Self::Store => "store",
            Self::Mqtt => "mqtt",
            Self::MqttBroker => "mqtt-broker",
        }
    }
}
