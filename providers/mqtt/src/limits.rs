//! What one connection can carry out.

use std::time::Duration;

use whirlwind_provider_api::SendError;

use crate::{Message, Qos};

/// Messages that one connection may have sent and not had confirmed: the client library's ids go round in as many. Far more than a
/// broker takes by default (mosquitto: 20), and a table of as many slots is all it costs. (The library's own default, 65,535, takes
/// 13 MiB for each client.)
pub const MAX_IN_FLIGHT: u16 = 256;

/// What a broker of 3.1.1 is taken to accept at once, since none says: mosquitto's default. Version 2.0.11 of it confirms a message of
/// QoS 2 beyond that and loses it.
pub(crate) const UNTOLD: u16 = 20;

/// What a broker said, when it took the connection, that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Messages that may be on their way at once.
    pub(crate) window: usize,
    /// Bytes of a packet.
    pub(crate) packet: usize,
    /// The highest quality of service.
    pub(crate) qos: Qos,
    /// Whether it keeps messages.
    pub(crate) retain: bool,
    /// How often it wants to be pinged, where it does not leave that to us.
    pub(crate) keep_alive: Option<Duration>,
}

impl Limits {
    /// For a broker that takes `receive_maximum` unacknowledged messages.
    ///
    /// One less than that are sent: with as many as the broker takes on their way, the client library reads no requests, and our
    /// acknowledgements are among them.
    pub(crate) fn window(receive_maximum: u16) -> usize {
        usize::from(receive_maximum.min(MAX_IN_FLIGHT))
            .saturating_sub(1)
            .max(1)
    }

    /// Makes a message one that can go, if that loses nothing.
    pub(crate) fn fit(&self, message: &mut Message, size: usize) -> Result<(), SendError> {
        if size > self.packet {
            let max = self.packet;
            return Err(SendError::TooLarge { size, max });
        }
        if self.qos == Qos::AtMostOnce && message.qos > self.qos {
            return Err(SendError::Refused("it takes QoS 0 only".to_owned()));
        }
        if message.retain && !self.retain {
            return Err(SendError::Refused("it retains nothing".to_owned()));
        }
        message.qos = message.qos.min(self.qos);
        Ok(())
    }
}

/// Refuses what MQTT has no form for: texts and packets have lengths of so many bytes.
pub(crate) fn check(message: &Message, size: usize) -> Result<(), SendError> {
    const PACKET: usize = 268_435_455;
    let user = message.properties.user.iter();
    let mut texts = user
        .flat_map(|(name, value)| [name, value])
        .chain(&message.properties.content_type)
        .chain([&message.topic]);
    if let Some(text) = texts.find(|text| text.len() > usize::from(u16::MAX)) {
        let size = text.len();
        return Err(SendError::Unsendable(format!(
            "a text of {size} bytes does not go into an MQTT packet, 65535 do"
        )));
    }
    if size > PACKET {
        return Err(SendError::TooLarge { size, max: PACKET });
    }
    Ok(())
}
