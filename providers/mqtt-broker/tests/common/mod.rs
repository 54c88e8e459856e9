//! Clients of both versions, brought to what the tests ask of them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;
use whirlwind_provider_mqtt_broker::{Broker, Config};

/// Longer than anything here takes: a test that waits for ever fails instead.
pub const BOUND: Duration = Duration::from_secs(20);

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

/// A client, over the names that rumqttc has once for each version.
macro_rules! client {
    ($name:ident) => {
        /// Dropped, its connection is cut without a word.
        pub struct $name {
            pub client: AsyncClient,
            events: EventLoop,
            pub session_present: bool,
        }

        impl $name {
            pub async fn connect(options: MqttOptions) -> Self {
                let (client, events) = AsyncClient::new(options, 100);
                let mut it = Self {
                    client,
                    events,
                    session_present: false,
                };
                let Packet::ConnAck(ack) = it.next(|p| matches!(p, Packet::ConnAck(_))).await
                else {
                    unreachable!()
                };
                it.session_present = ack.session_present;
                it
            }

            async fn next(&mut self, wanted: fn(&Packet) -> bool) -> Packet {
                let next = async {
                    loop {
                        if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                            && wanted(&packet)
                        {
                            return packet;
                        }
                    }
                };
                let next = timeout(BOUND, next).await;
                next.expect("a packet that does not come")
            }

            pub async fn subscribe(&mut self, filter: &str) {
                let asked = self.client.subscribe(filter, QoS::AtLeastOnce).await;
                asked.unwrap();
                self.next(|p| matches!(p, Packet::SubAck(_))).await;
            }

            /// Publishes with QoS 1, and waits until the broker has it.
            pub async fn publish(&mut self, topic: &str, payload: &str) {
                let payload = payload.to_owned();
                let sent = self.client.publish(topic, QoS::AtLeastOnce, false, payload);
                sent.await.unwrap();
                self.next(|p| matches!(p, Packet::PubAck(_))).await;
            }

            pub async fn packet(&mut self) -> Publish {
                let Packet::Publish(publish) = self.next(|p| matches!(p, Packet::Publish(_))).await
                else {
                    unreachable!()
                };
                publish
            }

            /// The next message, unacknowledged.
            pub async fn message(&mut self) -> Message {
                let publish = self.packet().await;
                Message {
                    topic: String::from_utf8(publish.topic.into()).unwrap(),
                    payload: String::from_utf8(publish.payload.into()).unwrap(),
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
                let cut = timeout(BOUND, cut).await;
                cut.expect("the connection is still there");
            }
        }
    };
}

pub use five::Five;
#[allow(unused_imports, reason = "as above")]
pub use four::Four;

/// MQTT 5.
mod five {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
    use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

    use super::{BOUND, Broker, Message, timeout};

    client!(Five);

    impl Five {
        pub fn options(broker: &Broker, id: &str) -> MqttOptions {
            let mut options = MqttOptions::new(id, "127.0.0.1", broker.address().port());
            options.set_manual_acks(true);
            options.set_session_expiry_interval(Some(3600));
            options
        }
    }
}

/// MQTT 3.1.1.
mod four {
    use rumqttc::mqttbytes::QoS;
    use rumqttc::mqttbytes::v4::{Packet, Publish};
    use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions};

    use super::{BOUND, Broker, Message, timeout};

    client!(Four);

    impl Four {
        pub fn options(broker: &Broker, id: &str) -> MqttOptions {
            let mut options = MqttOptions::new(id, "127.0.0.1", broker.address().port());
            options.set_clean_session(false);
            options.set_max_packet_size(10 << 20, 10 << 20);
            options
        }
    }
}
