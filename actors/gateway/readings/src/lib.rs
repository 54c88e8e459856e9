//! What the gateway does with a message, as functions that touch nothing
//! outside: no topic, no bucket, no clock.
//!
//! - [`report`]: the device and the readings that a message of Zigbee2MQTT
//!   holds, or why it is rejected
//! - [`quantity`]: what can be measured, in what unit and between what bounds
//! - [`settings`]: the unit and the thresholds, as the manifest gives them
//! - [`alarms`]: which of them are raised, and what a reading changes
//! - [`turn`]: all of it together: what to publish and what to write

pub mod alarms;
pub mod quantity;
pub mod report;
pub mod settings;
pub mod turn;

use std::fmt;

/// Why a message is no report of a device: a sentence without its subject, and
/// without anything of the message that could be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection(pub String);

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejection {}
