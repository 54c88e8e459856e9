//! A client beside the node, which is connected again whenever the broker is back.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use whirlwind_tests::Mosquitto;
use whirlwind_tests::bed::PATIENCE;

/// A session that the broker keeps.
pub struct Outside {
    client: AsyncClient,
    came: mpsc::Receiver<(String, String)>,
    confirmed: mpsc::Receiver<()>,
    polling: JoinHandle<()>,
}

impl Outside {
    /// Connected, and subscribed to `filters`.
    pub async fn connect(broker: &Mosquitto, id: &str, filters: &[&str]) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", broker.port());
        options.set_clean_start(false);
        options.set_session_expiry_interval(Some(3600));
        options.set_keep_alive(Duration::from_secs(60));
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, mut events) = AsyncClient::new(options, 16);
        for filter in filters {
            client.subscribe(*filter, QoS::AtLeastOnce).await.unwrap();
        }
        let mut subscribed = 0;
        while subscribed < filters.len() {
            let event = events.poll().await.unwrap();
            subscribed += usize::from(matches!(event, Event::Incoming(Packet::SubAck(_))));
        }
        let (arrived, came) = mpsc::channel(100_000);
        let (confirming, confirmed) = mpsc::channel(1024);
        let polling = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        let came = (text(&publish.topic), text(&publish.payload));
                        arrived.try_send(came).unwrap();
                    }
                    Ok(Event::Incoming(Packet::PubAck(_))) => confirming.try_send(()).unwrap(),
                    Ok(_) => {}
                    // The broker is away: another try, once others have had their turn.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        Self {
            client,
            came,
            confirmed,
            polling,
        }
    }

    /// Sends a message, and waits until the broker has it.
    pub async fn publish(&mut self, topic: &str, data: &str) {
        self.publish_with(&[], topic, data).await;
    }

    /// The same with these user properties.
    pub async fn publish_with(&mut self, user: &[(&str, &str)], topic: &str, data: &str) {
        let user = user.iter();
        let properties = PublishProperties {
            user_properties: user.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            ..PublishProperties::default()
        };
        let (qos, data) = (QoS::AtLeastOnce, data.to_owned());
        let client = &self.client;
        let sent = client.publish_with_properties(topic, qos, false, data, properties);
        sent.await.unwrap();
        let confirmed = timeout(PATIENCE, self.confirmed.recv()).await;
        confirmed.unwrap().unwrap();
    }

    /// The next message, by topic and text.
    pub async fn next(&mut self) -> (String, String) {
        let came = timeout(PATIENCE, self.came.recv()).await;
        came.unwrap().unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.polling.abort();
    }
}
