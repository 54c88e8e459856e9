//! Damaged packets by the thousand. None may bring the provider down: with the next broker that is in its right mind it works as before.
//!
//! By default about 20,000; a million with `WHIRLWIND_FULL` set, and then no more memory at the end than after the first tenth. The seed
//! is printed when the test fails, and `WHIRLWIND_SEED` takes it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use whirlwind_event::{EventBuilder, Topic};
use whirlwind_provider_api::{Link, Messaging};
use whirlwind_provider_mqtt::{Backoff, Config, InMapping, Mode, Mqtt, OutMapping, Qos, Version};

use crate::broker::{Broker, Peer, soon};
use crate::mutation::{self, MAX_PACKET, Random};
use crate::packet::Packet;

/// Providers of each version at once: while one waits to connect again, another works.
const PROVIDERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_damaged_packet_brings_the_provider_down() {
    let full = std::env::var_os("WHIRLWIND_FULL").is_some();
    let packets = if full { 1_000_000 } else { 20_000 };
    let seed = Random::seed();
    println!("WHIRLWIND_SEED={seed}");
    let mut random = Random(seed);
    let mut victims = Vec::new();
    for number in 0..2 * PROVIDERS {
        let version = [Version::V5, Version::V4][number % 2];
        victims.push(Victim::start(version, Random(random.next())).await);
    }
    let each = packets / victims.len();
    victims = feed(victims, each / 10).await;
    let before = resident();
    victims = feed(victims, each).await;
    let after = resident();
    let mut seen = Seen::default();
    for victim in victims {
        seen.add(victim.recover().await);
    }
    println!("{seen:?}\nresident: {before} KiB, then {after} KiB");
    assert!(seen.packets >= packets);
    if full {
        assert!(
            after < before + 16 * 1024,
            "{before} KiB grew to {after} KiB"
        );
    }
}

/// Lets each have so many packets, all at once.
async fn feed(victims: Vec<Victim>, packets: usize) -> Vec<Victim> {
    let feeding = victims.into_iter().map(|mut victim| {
        tokio::spawn(async move {
            victim.eat(packets).await;
            victim
        })
    });
    let feeding: Vec<_> = feeding.collect();
    let mut victims = Vec::new();
    for fed in feeding {
        victims.push(fed.await.unwrap());
    }
    victims
}

/// What the process has in memory, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What was done and how connections ended.
#[derive(Debug, Default)]
struct Seen {
    packets: usize,
    connections: usize,
    ends: BTreeMap<String, usize>,
    /// Panics of the client library, with what was sent before.
    panics: Vec<(String, String)>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.connections += other.connections;
        self.panics.extend(other.panics);
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

/// A provider, and a broker out of its mind.
struct Victim {
    version: Version,
    broker: Broker,
    mqtt: Arc<Mqtt>,
    reading: JoinHandle<()>,
    random: Random,
    /// Whether the provider knows itself subscribed.
    subscribed: bool,
    /// What the last connection was sent.
    last: Vec<u8>,
    seen: Seen,
}

impl Victim {
    async fn start(version: Version, random: Random) -> Self {
        let broker = Broker::start(version).await;
        let mut config = Config::new("here", &broker.url(), "here").unwrap();
        config.version = version;
        config.max_packet = MAX_PACKET;
        config.outbox = 16;
        // One that has had its share waits for the others.
        config.connect_timeout = Duration::from_secs(3600);
        config.keep_alive = Duration::from_secs(3600);
        config.backoff = Backoff {
            min: Duration::from_nanos(1),
            max: Duration::from_nanos(1),
            jitter: 0.0,
        };
        let outward = [("once/+", Qos::AtLeastOnce), ("twice/+", Qos::ExactlyOnce)];
        let outward = outward.map(|(filter, qos)| {
            let mut mapping = OutMapping::new(filter, "out/$1").unwrap();
            mapping.qos = qos;
            mapping.mode = Some(Mode::Data);
            mapping
        });
        let inward = InMapping::new("in/+", "got/$1").unwrap();
        let mqtt = Mqtt::start(config.with_mappings(vec![inward], outward.into())).unwrap();
        let reading = tokio::spawn({
            let mqtt = mqtt.clone();
            async move {
                while let Some(received) = mqtt.receive().await {
                    if let Some(receipt) = received.receipt {
                        receipt.give();
                    }
                }
            }
        });
        Self {
            version,
            broker,
            mqtt,
            reading,
            random,
            subscribed: false,
            last: Vec::new(),
            seen: Seen::default(),
        }
    }

    async fn eat(&mut self, packets: usize) {
        let end = self.seen.packets + packets;
        while self.seen.packets < end {
            let peer = self.accept().await;
            self.connection(peer).await;
        }
    }

    /// The next connection, after a look at how the last one ended.
    async fn accept(&mut self) -> Peer {
        let mut link = self.mqtt.link();
        let peer = tokio::select! {
            peer = self.broker.accept() => peer,
            _ = link.wait_for(|link| *link == Link::Closed) => {
                panic!("the provider is gone after {:02x?}", self.last)
            }
        };
        if let Link::Down { reason, .. } = &*link.borrow() {
            if reason.contains("panicked") {
                let sent = format!("{:02x?}", self.last);
                self.seen.panics.push((reason.clone(), sent));
            }
            assert!(!reason.contains(char::is_control), "{reason:?}");
            let kind: String = reason
                .chars()
                .filter(|letter| !letter.is_ascii_digit())
                .take(60)
                .collect();
            *self.seen.ends.entry(kind).or_default() += 1;
        }
        self.seen.connections += 1;
        peer
    }

    async fn connection(&mut self, mut peer: Peer) {
        self.send();
        let random = &mut self.random;
        self.last.clear();
        if random.one_in(16) {
            let connack = mutation::connack(self.version, random);
            self.last.extend(&connack);
            self.seen.packets += 1;
            // Who knows what was read in it.
            self.subscribed = false;
            peer.send(&connack).await;
            return peer.end().await;
        }
        let session = self.subscribed && !random.one_in(8);
        peer.connack(session).await;
        if !session {
            self.subscribed = false;
            let id = loop {
                match peer.packet().await {
                    Packet::Subscribe(id, _) => break id,
                    packet => assert!(matches!(packet, Packet::Publish(_)), "{packet:?}"),
                }
            };
            if random.one_in(4) {
                let body = mutation::suback(self.version == Version::V5, id, random);
                let suback = mutation::damaged(0x90, body, random);
                self.last.extend(&suback);
                self.seen.packets += 1;
                peer.send(&suback).await;
                return peer.end().await;
            }
            peer.suback(id, &[1]).await;
            self.subscribed = true;
        }
        let stream = mutation::stream(self.version, random);
        self.last.extend(&stream.bytes);
        self.seen.packets += stream.packets;
        peer.send(&stream.bytes).await;
        peer.end().await;
    }

    /// Events for whatever confirmations may come.
    fn send(&self) {
        for topic in ["once/x", "twice/x"] {
            let topic = Topic::parse(topic).unwrap();
            let event = EventBuilder::new().id("1").source("/test").ty("test");
            let event = Arc::new(event.data("x").build().unwrap());
            while self.mqtt.counts().waiting < 8 * (1 + usize::from(topic.as_str() == "twice/x")) {
                if self.mqtt.send(&topic, &event).is_err() {
                    break;
                }
            }
        }
    }

    /// With a broker in its right mind all is well.
    async fn recover(mut self) -> Seen {
        let mut peer = self.accept().await;
        peer.connack(false).await;
        let mut link = self.mqtt.link();
        let acknowledged = Cell::new(false);
        let well = async {
            while !acknowledged.get() || self.mqtt.counts().waiting > 0 {
                yield_now().await;
            }
        };
        let serving = async {
            loop {
                match peer.packet().await {
                    Packet::Subscribe(id, _) => {
                        peer.suback(id, &[1]).await;
                        link.wait_for(|link| *link == Link::Up).await.unwrap();
                        peer.publish(77, 1, "well").await;
                        self.send();
                    }
                    Packet::PubAck(77) => acknowledged.set(true),
                    Packet::Publish(sent) if sent.qos == 2 => peer.pubrec(sent.id).await,
                    Packet::Publish(sent) => peer.puback(sent.id).await,
                    Packet::PubRel(id) => peer.pubcomp(id).await,
                    packet => panic!("{packet:?}"),
                }
            }
        };
        let served = async {
            tokio::select! {
                () = well => {}
                () = serving => {}
            }
        };
        soon("all is well", served).await;
        soon("it is closed", self.mqtt.close()).await;
        assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
        soon("all is read", self.reading).await.unwrap();
        self.seen
    }
}
