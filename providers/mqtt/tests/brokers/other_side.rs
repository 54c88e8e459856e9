use std::sync::atomic::{AtomicU64, Ordering};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::BOUND;

/// Where messages go to the provider.
pub const TO_US: &str = "side/in";

/// And where they come from it.
pub const FROM_US: &str = "side/out";

/// A client of a broker, of 3.1.1, that is not ours.
pub struct OtherSide {
    client: AsyncClient,
    published: AtomicU64,
    confirmed: watch::Receiver<u64>,
    taken: Mutex<mpsc::Receiver<String>>,
    polling: JoinHandle<()>,
}

impl OtherSide {
    /// One that is subscribed to what comes out.
    pub async fn connect(port: u16) -> Self {
        let mut options = MqttOptions::new("other-side", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options, 100);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let subscribed = client.subscribe(FROM_US, QoS::AtLeastOnce).await;
        subscribed.unwrap();
        let (confirming, confirmed) = watch::channel(0);
        let (taking, taken) = mpsc::channel(1000);
        let (ready, mut is_ready) = watch::channel(false);
        let polling = tokio::spawn(poll(events, ready, confirming, taking));
        let up = timeout(BOUND, is_ready.wait_for(|ready| *ready)).await;
        up.expect("the other side is connected").unwrap();
        Self {
            client,
            published: AtomicU64::new(0),
            confirmed,
            taken: Mutex::new(taken),
            polling,
        }
    }

    /// Publishes with QoS 1, and waits until the broker has it.
    pub async fn publish(&self, topic: &str, data: &str) {
        let number = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        let left = self.client.publish(topic, QoS::AtLeastOnce, false, data);
        left.await.unwrap();
        let mut confirmed = self.confirmed.clone();
        let confirmed = confirmed.wait_for(|confirmed| *confirmed >= number);
        timeout(BOUND, confirmed).await.expect("a PUBACK").unwrap();
    }

    /// Publishes to the provider with QoS 0, and waits until the broker has had it.
    pub async fn publish_loose(&self, data: &str) {
        let left = self.client.publish(TO_US, QoS::AtMostOnce, false, data);
        left.await.unwrap();
        self.publish("side/nobody", "").await;
    }

    /// The next that came out of the provider.
    pub async fn taken(&self) -> String {
        let taken = timeout(BOUND, async { self.taken.lock().await.recv().await }).await;
        taken.expect("a message").unwrap()
    }
}

impl Drop for OtherSide {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

async fn poll(
    mut events: EventLoop,
    ready: watch::Sender<bool>,
    confirmed: watch::Sender<u64>,
    taken: mpsc::Sender<String>,
) {
    loop {
        let event = match events.poll().await {
            Ok(event) => event,
            Err(error) => panic!("the other side: {error}"),
        };
        match event {
            Event::Incoming(Packet::SubAck(_)) => {
                ready.send_replace(true);
            }
            Event::Incoming(Packet::PubAck(_)) => confirmed.send_modify(|count| *count += 1),
            Event::Incoming(Packet::Publish(publish)) => {
                let data = String::from_utf8(publish.payload.to_vec()).unwrap();
                taken.try_send(data).unwrap();
            }
            _ => {}
        }
    }
}
