//! The provider and a real broker, which is ended and started again under it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use whirlwind_event::{Event, EventBuilder, Topic};
use whirlwind_provider_api::{Link, Messaging, Receipt};
use whirlwind_provider_mqtt::{
    Backoff, Config, InMapping, Mqtt, OutMapping, Qos, StateTopic, Version,
};

const BROKER: &str = "/usr/sbin/mosquitto";

/// More than any of this takes; a test that waits so long fails.
const BOUND: Duration = Duration::from_secs(60);

/// A broker on a port of its own; `keeps` its sessions in a file when it is told to end.
struct Mosquitto {
    dir: TempDir,
    port: u16,
    keeps: bool,
    child: Child,
}

impl Mosquitto {
    /// `None`, with a word, where there is none; in CI there must be one.
    fn start(keeps: bool) -> Option<Self> {
        if !Path::new(BROKER).exists() {
            assert!(std::env::var_os("CI").is_none(), "{BROKER} is not there");
            eprintln!("skipped: {BROKER} is not there");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence {keeps}\n\
             persistence_location {}/\nmax_queued_messages 0\nset_tcp_nodelay true\nuser root\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("conf"), text).unwrap();
        let child = Self::spawn(dir.path());
        Some(Self {
            dir,
            port,
            keeps,
            child,
        })
    }

    fn spawn(dir: &Path) -> Child {
        Command::new(BROKER)
            .arg("-c")
            .arg(dir.join("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Told to end if it is to keep its sessions, else killed; then started again.
    fn restart(&mut self) {
        if self.keeps {
            let pid = self.child.id().to_string();
            assert!(Command::new("kill").arg(pid).status().unwrap().success());
        } else {
            self.child.kill().unwrap();
        }
        self.child.wait().unwrap();
        self.child = Self::spawn(self.dir.path());
    }

    fn config(&self, name: &str, version: Version) -> Config {
        let url = format!("mqtt://127.0.0.1:{}", self.port);
        let mut config = Config::new(name, &url, name).unwrap();
        config.version = version;
        config.backoff = Backoff {
            min: Duration::from_millis(20),
            max: Duration::from_millis(200),
            jitter: 0.2,
        };
        config
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port below those that the system gives to clients: one that tries to connect while the broker is away could be given the
/// broker's own, be connected with itself, and keep the broker from coming back.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 18_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed));
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

fn event(number: usize) -> Arc<Event> {
    let event = EventBuilder::new()
        .id(number.to_string())
        .source("/test")
        .ty("test.number")
        .data("x");
    Arc::new(event.build().unwrap())
}

fn receiver(broker: &Mosquitto, version: Version) -> Arc<Mqtt> {
    let inward = InMapping::new("bus/+", "got/$1").unwrap();
    let config = broker.config("receiver", version);
    Mqtt::start(config.with_mappings(vec![inward], Vec::new())).unwrap()
}

fn sender(broker: &Mosquitto, version: Version, qos: Qos) -> Arc<Mqtt> {
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
async fn stream(mut broker: Mosquitto, version: Version, qos: Qos) {
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
            let Some(broker) = Mosquitto::start(true) else {
                return;
            };
            stream(broker, version, qos).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_sent_over_kills_of_a_broker_that_forgets_its_sessions() {
    for version in [Version::V5, Version::V4] {
        let Some(broker) = Mosquitto::start(false) else {
            return;
        };
        stream(broker, version, Qos::AtLeastOnce).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_receipt_is_dropped_comes_again() {
    for version in [Version::V5, Version::V4] {
        let Some(broker) = Mosquitto::start(true) else {
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
        let Some(broker) = Mosquitto::start(false) else {
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
