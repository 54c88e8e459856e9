//! A broker and a provider that connects to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use whirlwind_event::{EventBuilder, Topic};
use whirlwind_provider_api::{Handover, Link, Messaging, Receipt, SendError};
use whirlwind_provider_mqtt::{Backoff, Config, InMapping, Mode, Mqtt, OutMapping, Qos, Version};

use crate::broker::{Broker, Peer, soon};

/// The two, and how their connection stands.
#[derive(Debug)]
pub struct Stage {
    pub broker: Broker,
    pub mqtt: Arc<Mqtt>,
    link: watch::Receiver<Link>,
}

impl Stage {
    /// A provider that sends with this quality of service and takes nothing in.
    pub async fn out(version: Version, qos: Qos) -> Self {
        Self::with(version, qos, false, |_| {}).await
    }

    /// A provider that sends with QoS 1, and takes `in/+` in.
    pub async fn both(version: Version) -> Self {
        Self::with(version, Qos::AtLeastOnce, true, |_| {}).await
    }

    /// A provider that sends, and takes in or not, of a configuration with something else in it.
    pub async fn with(
        version: Version,
        qos: Qos,
        inward: bool,
        set: impl FnOnce(&mut Config),
    ) -> Self {
        let broker = Broker::start(version).await;
        let mut config = Config::new("here", &broker.url(), "here").unwrap();
        config.version = version;
        config.backoff = Backoff {
            min: Duration::from_millis(20),
            max: Duration::from_millis(200),
            jitter: 0.0,
        };
        let mut outward = OutMapping::new("send/+", "out/$1").unwrap();
        outward.qos = qos;
        outward.mode = Some(Mode::Data);
        let inward = inward.then(|| InMapping::new("in/+", "got/$1").unwrap());
        config = config.with_mappings(inward.into_iter().collect(), vec![outward]);
        set(&mut config);
        let mqtt = Mqtt::start(config).unwrap();
        let link = mqtt.link();
        Self { broker, mqtt, link }
    }

    /// A connection that the broker takes.
    pub async fn connect(&self, session: bool) -> Peer {
        let mut peer = self.broker.accept().await;
        peer.connack(session).await;
        peer
    }

    /// The first connection of a provider that takes something in, subscribed and up.
    pub async fn open(&mut self) -> Peer {
        let mut peer = self.connect(false).await;
        let (id, _) = peer.subscribed().await;
        peer.suback(id, &[1]).await;
        self.up().await;
        peer
    }

    pub async fn up(&mut self) {
        let up = self.link.wait_for(|link| *link == Link::Up);
        soon("the link is up", up).await.unwrap();
    }

    /// Why the connection is gone, and how many attempts have failed; each time it goes is told once.
    pub async fn down(&mut self) -> (String, u32) {
        soon("the link is down", async {
            loop {
                self.link.changed().await.unwrap();
                if let Link::Down { reason, attempts } = &*self.link.borrow_and_update() {
                    return (reason.clone(), *attempts);
                }
            }
        })
        .await
    }

    /// Sends an event whose message has this payload.
    pub fn try_send(&self, payload: impl ToString) -> Result<Handover, SendError> {
        self.send_to("send/x", payload)
    }

    /// The same on another topic.
    pub fn send_to(&self, topic: &str, payload: impl ToString) -> Result<Handover, SendError> {
        let event = EventBuilder::new()
            .id("1")
            .source("/test")
            .ty("test")
            .data(payload.to_string());
        let topic = Topic::parse(topic).unwrap();
        self.mqtt.send(&topic, &Arc::new(event.build().unwrap()))
    }

    pub fn send(&self, payload: impl ToString) -> Handover {
        self.try_send(payload).unwrap()
    }

    /// The next message that came in: its payload and its receipt.
    pub async fn receive(&self) -> (String, Option<Receipt>) {
        let received = soon("a message", self.mqtt.receive()).await.unwrap();
        let payload = received.event.data().unwrap_or_default().to_vec();
        (String::from_utf8(payload).unwrap(), received.receipt)
    }
}

/// How an event has ended.
pub async fn ended(handover: Handover) -> Result<(), SendError> {
    soon("a handover", handover).await
}
