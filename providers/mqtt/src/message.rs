use bytes::Bytes;

/// How often a message arrives (MQTT 5, 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// 0: nobody holds it, and it may be lost.
    AtMostOnce,
    /// 1: held until it is acknowledged, and sent again if that is not known.
    #[default]
    AtLeastOnce,
    /// 2: held, and not sent again once it has arrived.
    ExactlyOnce,
}

impl Qos {
    /// The level of this number.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    pub fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

impl From<Qos> for rumqttc::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
            Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Qos> for rumqttc::v5::mqttbytes::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
            Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<rumqttc::QoS> for Qos {
    fn from(qos: rumqttc::QoS) -> Self {
        match qos {
            rumqttc::QoS::AtMostOnce => Self::AtMostOnce,
            rumqttc::QoS::AtLeastOnce => Self::AtLeastOnce,
            rumqttc::QoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<rumqttc::v5::mqttbytes::QoS> for Qos {
    fn from(qos: rumqttc::v5::mqttbytes::QoS) -> Self {
        use rumqttc::v5::mqttbytes::QoS;
        match qos {
            QoS::AtMostOnce => Self::AtMostOnce,
            QoS::AtLeastOnce => Self::AtLeastOnce,
            QoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

/// A PUBLISH of either version, without what belongs to its packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The MQTT topic: concrete, without wildcards.
    pub topic: String,
    /// The bytes.
    pub payload: Bytes,
    /// How often it arrives.
    pub qos: Qos,
    /// Outward: the broker shall keep it for later subscribers. Inward: it was kept.
    pub retain: bool,
    /// Inward: it may have been here before. Outward it is the client's.
    pub dup: bool,
    /// Empty on 3.1.1.
    pub properties: Properties,
}

/// The properties of a PUBLISH that the binding uses (MQTT 5, 3.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Content Type.
    pub content_type: Option<String>,
    /// User Properties, in their order; a name may come again.
    pub user: Vec<(String, String)>,
}

impl Properties {
    /// Whether there is none, so that a packet needs no property of the binding.
    pub fn is_empty(&self) -> bool {
        self.content_type.is_none() && self.user.is_empty()
    }

    /// Bytes of these properties in a packet.
    fn size(&self) -> usize {
        // An identifier of one byte, then strings of two bytes' length.
        let content_type = self.content_type.as_ref().map_or(0, |text| 3 + text.len());
        let user = self.user.iter();
        content_type
            + user
                .map(|(name, value)| 5 + name.len() + value.len())
                .sum::<usize>()
    }
}

impl Message {
    /// Bytes that its packet has at most: an MQTT 5 packet with these properties and a packet
    /// identifier. It may be four bytes less on 3.1.1 and at QoS 0.
    pub fn size(&self) -> usize {
        let properties = self.properties.size();
        let remaining =
            2 + self.topic.len() + 2 + variable_size(properties) + properties + self.payload.len();
        1 + variable_size(remaining) + remaining
    }
}

/// Bytes of a Variable Byte Integer (MQTT 5, 1.5.5).
fn variable_size(number: usize) -> usize {
    match number {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_large_as_the_client_writes_it() {
        use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};
        for payload in [0, 1, 100, 127, 128, 20_000, 3_000_000] {
            let message = Message {
                topic: "a/b".into(),
                payload: vec![0; payload].into(),
                properties: Properties {
                    content_type: Some("text/plain".into()),
                    user: vec![("id".into(), "1".into()), ("é".into(), "x".repeat(200))],
                },
                ..Message::default()
            };
            let mut publish = Publish::new(
                "a/b",
                rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
                message.payload.clone(),
                Some(PublishProperties {
                    content_type: message.properties.content_type.clone(),
                    user_properties: message.properties.user.clone(),
                    ..PublishProperties::default()
                }),
            );
            publish.pkid = 1;
            let mut out = bytes::BytesMut::new();
            publish.write(&mut out).unwrap();
            assert_eq!(message.size(), out.len(), "{payload}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_message_is_as_large_as_the_client_writes_it_or_four_bytes_less(
            topic in "[a-zé/]{1,200}",
            payload in 0..40_000_usize,
            content_type in proptest::option::of("[a-z/]{0,140}"),
            user in proptest::collection::vec((".{0,90}", ".{0,90}"), 0..6),
            level in 0..3_u8,
        ) {
            let message = Message {
                topic,
                payload: vec![0; payload].into(),
                qos: Qos::from_level(level).unwrap(),
                properties: Properties { content_type, user },
                ..Message::default()
            };
            let properties = rumqttc::v5::mqttbytes::v5::PublishProperties {
                content_type: message.properties.content_type.clone(),
                user_properties: message.properties.user.clone(),
                ..Default::default()
            };
            let (topic, payload) = (message.topic.clone(), message.payload.clone());
            let some = (!message.properties.is_empty()).then_some(properties);
            let mut out = bytes::BytesMut::new();
            let mut publish = rumqttc::v5::mqttbytes::v5::Publish::new(
                topic.clone(), message.qos.into(), payload.clone(), some,
            );
            publish.pkid = 7;
            publish.write(&mut out).unwrap();
            // Without an identifier its length may go into one byte less, too.
            let less = if level == 0 { 0..=3 } else { 0..=0 };
            proptest::prop_assert!(less.contains(&(message.size() - out.len())));

            let bare = Message { properties: Properties::default(), ..message };
            let mut publish = rumqttc::Publish::from_bytes(topic, bare.qos.into(), payload);
            publish.pkid = 7;
            out.clear();
            publish.write(&mut out).unwrap();
            proptest::prop_assert!((0..=4).contains(&(bare.size() - out.len())));
        }
    }
}
