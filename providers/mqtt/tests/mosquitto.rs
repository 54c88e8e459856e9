//! The provider and a real broker, which is ended and started again under it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use whirlwind_event::{Event, EventBuilder, Topic};
use whirlwind_peers::Mosquitto;
use whirlwind_provider_api::{Link, Messaging, Receipt};
use whirlwind_provider_mqtt::{
    Backoff, Config, InMapping, Mqtt, OutMapping, Qos, StateTopic, Version,
};

/// More than any of this takes; a test that waits so long fails.
const BOUND: Duration = Duration::from_secs(60);

/// A broker that `keeps` its sessions over a restart, or is killed at each.
struct Broker {
    mosquitto: Mosquitto,
    keeps: bool,
}

impl Broker {
    fn start(keeps: bool) -> Option<Self> {
        let mosquitto = Mosquitto::start()?;
        Some(Self { mosquitto, keeps })
    }

    fn restart(&mut self) {
        match self.keeps {
            true => self.mosquitto.end(),
            false => self.mosquitto.kill(),
        }
        self.mosquitto.again();
    }

    fn config(&self, name: &str, version: Version) -> Config {
        let mut config = Config::new(name, &self.mosquitto.url(), name).unwrap();
        config.version = version;
        config.backoff = Backoff {
            min: Duration::from_millis(20),
            max: Duration::from_millis(200),
            jitter: 0.2,
        };
        config
    }
}

fn event(number: usize) -> Arc<Event> {
    let event = EventBuilder::new()
        .id(number.to_string())
        .source("/test")
        .ty("test.number")
        .data("x");
    Arc::new(event.build().unwrap())
}

fn receiver(broker: &Broker, version: Version) -> Arc<Mqtt> {
    let inward = InMapping::new("bus/+", "got/$1").unwrap();
    let config = broker.config("receiver", version);
    Mqtt::start(config.with_mappings(vec![inward], Vec::new())).unwrap()
}

fn sender(broker: &Broker, version: Version, qos: Qos) -> Arc<Mqtt> {
    let mut outward = OutMapping::new("send/+", "bus/$1").unwrap();
    outward.qos = qos;
    let config = broker.config("sender", version);
    Mqtt::start(config.with_mappings(Vec::new(), vec![outward])).unwrap()
}

async fn up(mqtt: &Mqtt) {
    let up = async {
        mqtt.link()
            .wait_for(|link| *link == Link::Up)
            .await
            .map(drop)
    };
    timeout(BOUND, up).await.expect("the link is up").unwrap();
}

/// Receives and acknowledges until all numbers below `count` are there.
async fn all(receiver: &Mqtt, got: &mut HashSet<usize>, count: usize, what: &str) {
    while !(0..count).all(|number| got.contains(&number)) {
        let received = timeout(BOUND, receiver.receive()).await;
        let received = received.unwrap_or_else(|_| {
            let missing = (0..count).filter(|number| !got.contains(number));
            let missing: Vec<_> = missing.collect();
            panic!("{what}: missing {missing:?}, {:?}", receiver.counts())
        });
        let received = received.unwrap();
        got.insert(received.event.id().parse().unwrap());
        received.receipt.unwrap().give();
    }
}

/// A stream of events through a broker that is restarted again and again.
async fn stream(mut broker: Broker, version: Version, qos: Qos) {
    const EACH: usize = 150;
    const ROUNDS: usize = 4;
    let receiver = receiver(&broker, version);
    let sender = sender(&broker, version, qos);
    up(&receiver).await;
    up(&sender).await;
    let reading = tokio::spawn({
        let (receiver, keeps) = (receiver.clone(), broker.keeps);
        let what = format!("{version:?} {qos:?}");
        async move {
            // A broker that forgets its sessions forgets what it has confirmed: that is not waited for.
            let mut got = HashSet::new();
            let count = if keeps { EACH * ROUNDS } else { 0 };
            all(&receiver, &mut got, count, &what).await;
            got
        }
    });
    let topic = Topic::parse("send/x").unwrap();
    let mut handovers = Vec::new();
    for number in 0..EACH * ROUNDS {
        if number > EACH && number % EACH == EACH / 2 {
            broker.restart();
        }
        sender.room().await;
        handovers.push(sender.send(&topic, &event(number)).unwrap());
        if number + 1 == EACH {
            for handover in handovers.drain(..) {
                timeout(BOUND, handover).await.unwrap().unwrap();
            }
        }
    }
    for (number, handover) in handovers.into_iter().enumerate() {
        let how = timeout(BOUND, handover).await;
        how.unwrap_or_else(|_| panic!("{number}: {:?}", sender.counts()))
            .unwrap();
    }
    reading.await.unwrap();
    assert_eq!(sender.counts().sent, (EACH * ROUNDS) as u64);
    assert_eq!(sender.counts().waiting, 0);
    assert!(sender.counts().reconnects > 0);
    // All is well afterwards.
    up(&receiver).await;
    let last = sender.send(&topic, &event(usize::MAX)).unwrap();
    timeout(BOUND, last).await.unwrap().unwrap();
    loop {
        let received = timeout(BOUND, receiver.receive()).await.unwrap().unwrap();
        // A broker that has forgotten a message waits for no receipt of it.
        received.receipt.into_iter().for_each(Receipt::give);
        if received.event.id() == usize::MAX.to_string() {
            break;
        }
    }
    sender.close().await;
    receiver.close().await;
    assert_eq!(*sender.link().borrow(), Link::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_over_restarts_of_a_broker_that_keeps_its_sessions() {
    for version in [Version::V5, Version::V4] {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let Some(broker) = Broker::start(true) else {
                return;
            };
            stream(broker, version, qos).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_sent_over_kills_of_a_broker_that_forgets_its_sessions() {
    for version in [Version::V5, Version::V4] {
        let Some(broker) = Broker::start(false) else {
            return;
        };
        stream(broker, version, Qos::AtLeastOnce).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_receipt_is_dropped_comes_again() {
    for version in [Version::V5, Version::V4] {
        let Some(broker) = Broker::start(true) else {
            return;
        };
        let receiver = receiver(&broker, version);
        let sender = sender(&broker, version, Qos::AtLeastOnce);
        up(&receiver).await;
        let topic = Topic::parse("send/x").unwrap();
        sender.send(&topic, &event(1)).unwrap().await.unwrap();
        let first = timeout(BOUND, receiver.receive()).await.unwrap().unwrap();
        drop(first.receipt);
        let again = timeout(BOUND, receiver.receive()).await.unwrap().unwrap();
        assert_eq!(again.event.id(), "1");
        again.receipt.unwrap().give();
        assert_eq!(receiver.counts().duplicates, 1);
        assert_eq!(receiver.counts().reconnects, 1);
        receiver.close().await;
        sender.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_topic_says_online_and_offline_and_so_does_the_will() {
    for version in [Version::V5, Version::V4] {
        let Some(broker) = Broker::start(false) else {
            return;
        };
        let receiver = receiver(&broker, version);
        up(&receiver).await;
        let state = |name: &str| {
            let mut config = broker.config(name, version);
            config.state = Some(StateTopic {
                topic: format!("bus/{name}"),
                online: "online".into(),
                offline: "offline".into(),
                qos: Qos::AtLeastOnce,
            });
            Mqtt::start(config).unwrap()
        };
        let said = async || {
            let received = timeout(BOUND, receiver.receive()).await.unwrap().unwrap();
            received.receipt.unwrap().give();
            let said = received.event.data().unwrap().to_vec();
            (
                received.topic.as_str().to_owned(),
                String::from_utf8(said).unwrap(),
            )
        };
        let expected = |name: &str, said: &str| (format!("got/{name}"), said.to_owned());
        let closed = state("closed");
        assert_eq!(said().await, expected("closed", "online"));
        closed.close().await;
        assert_eq!(said().await, expected("closed", "offline"));
        let dropped = state("dropped");
        assert_eq!(said().await, expected("dropped", "online"));
        drop(dropped);
        assert_eq!(said().await, expected("dropped", "offline"));
        receiver.close().await;
    }
}
