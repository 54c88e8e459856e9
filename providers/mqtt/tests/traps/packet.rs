//! What a client sends, one face for both versions.

use bytes::{Buf as _, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use whirlwind_provider_mqtt::Version;

/// A packet of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Connect {
        clean: bool,
        will: bool,
    },
    Publish(Sent),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe(u16, Vec<(String, u8)>),
    Ping,
    /// With the reason of MQTT 5: 0 where the will is not to be sent.
    Disconnect(u8),
}

/// A PUBLISH of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub id: u16,
    pub qos: u8,
    pub dup: bool,
    pub retain: bool,
    pub topic: String,
    pub payload: String,
}

/// The next packet of a stream, if all of it is there.
pub fn read(version: Version, bytes: &mut BytesMut) -> Option<Packet> {
    // The library does not read the short form that it writes.
    if bytes.starts_with(&[0xE0, 0]) {
        bytes.advance(2);
        return Some(Packet::Disconnect(0));
    }
    match version {
        Version::V5 => match v5::Packet::read(bytes, None) {
            Ok(packet) => Some(of_v5(packet)),
            Err(rumqttc::v5::mqttbytes::Error::InsufficientBytes(_)) => None,
            Err(error) => panic!("the client sent {error}"),
        },
        Version::V4 => match v4::Packet::read(bytes, usize::MAX) {
            Ok(packet) => Some(of_v4(packet)),
            Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => None,
            Err(error) => panic!("the client sent {error}"),
        },
    }
}

fn of_v5(packet: v5::Packet) -> Packet {
    match packet {
        v5::Packet::Connect(connect, will, _) => Packet::Connect {
            clean: connect.clean_start,
            will: will.is_some(),
        },
        v5::Packet::Publish(publish) => Packet::Publish(Sent {
            id: publish.pkid,
            qos: publish.qos as u8,
            dup: publish.dup,
            retain: publish.retain,
            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
        }),
        v5::Packet::PubAck(ack) => Packet::PubAck(ack.pkid),
        v5::Packet::PubRec(ack) => Packet::PubRec(ack.pkid),
        v5::Packet::PubRel(ack) => Packet::PubRel(ack.pkid),
        v5::Packet::PubComp(ack) => Packet::PubComp(ack.pkid),
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter();
            let filters = filters.map(|filter| (filter.path, filter.qos as u8));
            Packet::Subscribe(subscribe.pkid, filters.collect())
        }
        v5::Packet::PingReq(_) => Packet::Ping,
        v5::Packet::Disconnect(disconnect) => Packet::Disconnect(disconnect.reason_code as u8),
        packet => panic!("the client sent {packet:?}"),
    }
}

fn of_v4(packet: v4::Packet) -> Packet {
    match packet {
        v4::Packet::Connect(connect) => Packet::Connect {
            clean: connect.clean_session,
            will: connect.last_will.is_some(),
        },
        v4::Packet::Publish(publish) => Packet::Publish(Sent {
            id: publish.pkid,
            qos: publish.qos as u8,
            dup: publish.dup,
            retain: publish.retain,
            topic: publish.topic,
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
        }),
        v4::Packet::PubAck(ack) => Packet::PubAck(ack.pkid),
        v4::Packet::PubRec(ack) => Packet::PubRec(ack.pkid),
        v4::Packet::PubRel(ack) => Packet::PubRel(ack.pkid),
        v4::Packet::PubComp(ack) => Packet::PubComp(ack.pkid),
        v4::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter();
            let filters = filters.map(|filter| (filter.path, filter.qos as u8));
            Packet::Subscribe(subscribe.pkid, filters.collect())
        }
        v4::Packet::PingReq => Packet::Ping,
        v4::Packet::Disconnect => Packet::Disconnect(0),
        packet => panic!("the client sent {packet:?}"),
    }
}
