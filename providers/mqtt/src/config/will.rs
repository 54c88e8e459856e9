use bytes::Bytes;

use crate::Qos;

/// What the broker publishes when the connection is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The MQTT topic.
    pub topic: String,
    /// The bytes.
    pub payload: Bytes,
    /// How often it arrives.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// Where the provider says whether it is connected, in retained messages. `offline` is its will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTopic {
    /// The MQTT topic.
    pub topic: String,
    /// What it says once connected.
    pub online: Bytes,
    /// What it says when it closes, and the broker when the connection is lost.
    pub offline: Bytes,
    /// How often they arrive.
    pub qos: Qos,
}

impl StateTopic {
    /// The last word.
    pub(super) fn will(&self) -> Will {
        Will {
            topic: self.topic.clone(),
            payload: self.offline.clone(),
            qos: self.qos,
            retain: true,
        }
    }
}
