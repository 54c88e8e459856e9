//! Messages through an MQTT broker, 5 and 3.1.1.
//!
//! # Map
//!
//! - [`Config`]: the broker, the session and the bounds, as meant; it makes the client's options.
//! - [`InMapping`], [`OutMapping`]: which MQTT topics become which of ours, and back; [`circles`]
//!   finds those that would feed each other for ever; [`IdPlace`]: where plain messages say which they are.
//! - [`Message`]: a PUBLISH of either version, without its packet.
//! - [`binding`]: messages as events and events as messages, by the CloudEvents MQTT binding 1.0.2.
//!
//! - [`probe`](probe()): a broker tried out, beside whatever session there is.
//! - [`Mqtt`]: the provider. Inside it: `connection`, one after another until closed; `session`, one
//!   of them; `inbound` and `outbox`, the queues of what comes in and goes out, without time and
//!   without a connection; `limits`, what a connection can carry; `shared`, what callers and the
//!   connection share; `wire`, the client library, one face for both versions; `absorb`, a task that
//!   wakes itself.
//!
//! # Errors
//!
//! [`ConfigError`] and [`MappingError`] are for whoever wrote the manifest and say the remedy;
//! [`Malformed`] is about one message from outside, and names its topic. None shows a password or
//! a payload.

mod absorb;
pub mod binding;
mod config;
mod connection;
mod inbound;
mod limits;
mod mapping;
mod message;
mod mqtt;
mod outbox;
mod probe;
mod session;
mod shared;
mod wire;

pub use binding::{Cause, Malformed};
pub use config::{
    Backoff, BrokerUrl, Config, ConfigError, Scheme, Secret, StateTopic, Tls, Version, Will,
};
pub use limits::MAX_IN_FLIGHT;
pub use mapping::{
    Circle, DEFAULT_TYPE, Format, IdPlace, InMapping, MappingError, Mappings, Mode, OutMapping,
    circles,
};
pub use message::{Message, Properties, Qos};
pub use mqtt::Mqtt;
pub use probe::{Probe, ProbeError, Subscription, probe};
