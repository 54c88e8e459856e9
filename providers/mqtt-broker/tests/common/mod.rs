//! Clients of both versions, brought to what the tests ask of them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{AsyncClient, EventLoop, v5};
use tokio::time::timeout;
use whirlwind_provider_mqtt_broker::{Broker, Config};

/// Longer than anything here takes: a test that waits for ever fails instead.
const BOUND: Duration = Duration::from_secs(20);

/// A message, as far as the tests look.
#[derive(Debug, PartialEq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
    pub dup: bool,
    pub retain: bool,
}

pub async fn broker() -> Broker {
    Broker::start(free()).await.unwrap()
}

/// A configuration with a free port.
pub fn free() -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Config::default()
    }
}

/// An MQTT 5 client. Dropped, its connection is cut without a word.
pub struct Five {
    pub client: v5::AsyncClient,
    events: v5::EventLoop,
    pub session_present: bool,
}

impl Five {
    pub fn options(broker: &Broker, id: &str) -> v5::MqttOptions {
        let mut options = v5::MqttOptions::new(id, "127.0.0.1", broker.address().port());
        options
            .set_manual_acks(true)
            .set_session_expiry_interval(Some(3600));
        options
    }

    pub async fn connect(options: v5::MqttOptions) -> Self {
        let (client, events) = v5::AsyncClient::new(options, 100);
        let mut it = Self {
            client,
            events,
            session_present: false,
        };
        let v5::mqttbytes::v5::Packet::ConnAck(ack) = it
            .next(|p| matches!(p, v5::mqttbytes::v5::Packet::ConnAck(_)))
            .await
        else {
            unreachable!()
        };
        it.session_present = ack.session_present;
        it
    }

    async fn next(
        &mut self,
        wanted: fn(&v5::mqttbytes::v5::Packet) -> bool,
    ) -> v5::mqttbytes::v5::Packet {
        let next = async {
            loop {
                if let v5::Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && wanted(&packet)
                {
                    return packet;
                }
            }
        };
        timeout(BOUND, next)
            .await
            .expect("a packet that does not come")
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, v5::mqttbytes::QoS::AtLeastOnce)
            .await
            .unwrap();
        self.next(|p| matches!(p, v5::mqttbytes::v5::Packet::SubAck(_)))
            .await;
    }

    /// Publishes with QoS 1, and waits until the broker has it.
    pub async fn publish(&mut self, topic: &str, payload: &str) {
        self.client
            .publish(
                topic,
                v5::mqttbytes::QoS::AtLeastOnce,
                false,
                payload.to_owned(),
            )
            .await
            .unwrap();
        self.next(|p| matches!(p, v5::mqttbytes::v5::Packet::PubAck(_)))
            .await;
    }

    pub async fn packet(&mut self) -> v5::mqttbytes::v5::Publish {
        let v5::mqttbytes::v5::Packet::Publish(publish) = self
            .next(|p| matches!(p, v5::mqttbytes::v5::Packet::Publish(_)))
            .await
        else {
            unreachable!()
        };
        publish
    }

    /// The next message, unacknowledged.
    pub async fn message(&mut self) -> Message {
        let publish = self.packet().await;
        Message {
            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
            dup: publish.dup,
            retain: publish.retain,
        }
    }

    /// Waits until the broker has taken all that was sent before: it answers in order.
    pub async fn settle(&mut self) {
        self.subscribe("settle").await;
    }

    /// Waits until the broker cuts the connection.
    pub async fn cut(&mut self) {
        let cut = async { while self.events.poll().await.is_ok() {} };
        timeout(BOUND, cut)
            .await
            .expect("the connection is still there");
    }
}

/// An MQTT 3.1.1 client. Dropped, its connection is cut without a word.
pub struct Four {
    pub client: AsyncClient,
    events: EventLoop,
    pub session_present: bool,
}

impl Four {
    pub fn options(broker: &Broker, id: &str) -> rumqttc::MqttOptions {
        let mut options = rumqttc::MqttOptions::new(id, "127.0.0.1", broker.address().port());
        options
            .set_clean_session(false)
            .set_max_packet_size(10 << 20, 10 << 20);
        options
    }

    pub async fn connect(options: rumqttc::MqttOptions) -> Self {
        let (client, events) = AsyncClient::new(options, 100);
        let mut it = Self {
            client,
            events,
            session_present: false,
        };
        let rumqttc::Packet::ConnAck(ack) =
            it.next(|p| matches!(p, rumqttc::Packet::ConnAck(_))).await
        else {
            unreachable!()
        };
        it.session_present = ack.session_present;
        it
    }

    async fn next(&mut self, wanted: fn(&rumqttc::Packet) -> bool) -> rumqttc::Packet {
        let next = async {
            loop {
                if let rumqttc::Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && wanted(&packet)
                {
                    return packet;
                }
            }
        };
        timeout(BOUND, next)
            .await
            .expect("a packet that does not come")
    }

    pub async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, rumqttc::QoS::AtLeastOnce)
            .await
            .unwrap();
        self.next(|p| matches!(p, rumqttc::Packet::SubAck(_))).await;
    }

    /// Publishes with QoS 1, and waits until the broker has it.
    pub async fn publish(&mut self, topic: &str, payload: &str) {
        self.client
            .publish(topic, rumqttc::QoS::AtLeastOnce, false, payload.to_owned())
            .await
            .unwrap();
        self.next(|p| matches!(p, rumqttc::Packet::PubAck(_))).await;
    }

    pub async fn message(&mut self) -> Message {
        let rumqttc::Packet::Publish(publish) = self
            .next(|p| matches!(p, rumqttc::Packet::Publish(_)))
            .await
        else {
            unreachable!()
        };
        Message {
            topic: publish.topic.clone(),
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
            dup: publish.dup,
            retain: publish.retain,
        }
    }

    /// Waits until the broker cuts the connection.
    pub async fn cut(&mut self) {
        let cut = async { while self.events.poll().await.is_ok() {} };
        timeout(BOUND, cut)
            .await
            .expect("the connection is still there");
    }
}
