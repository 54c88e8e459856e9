//! An MQTT broker inside the process, for development: MQTT 5 and 3.1.1 on one port, on loopback only
//! unless told.
//!
//! - `config`: [`Config`], what a broker is told
//! - `broker`: [`Broker`], one that runs; [`StartError`], why one does not
//!
//! The broker itself is the crate mqtt5. What this crate adds is a life that a supervisor can hold: a
//! broker has a thread and a runtime of its own, so that stopping it ends every task of it, however it
//! fares, and nothing it does takes a turn from an actor.
//!
//! Everything is kept in memory: when a broker ends, its sessions, retained messages and queues are gone.
//! This crate knows nothing of events, and nothing of the client in `whirlwind-provider-mqtt`.

mod broker;
mod config;

pub use broker::{Broker, StartError};
pub use config::Config;
