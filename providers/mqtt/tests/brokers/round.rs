//! A provider that sends to itself, through the broker.

use std::fs::write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;
use whirlwind_event::{EventBuilder, Topic};
use whirlwind_provider_api::{Handover, Link, Messaging};
use whirlwind_provider_mqtt::{
    Backoff, Config, InMapping, Mode, Mqtt, OutMapping, ProbeError, Tls, Version, probe,
};

use crate::BOUND;
use crate::certificates::{Authority, Identity};

pub const VERSIONS: [Version; 2] = [Version::V5, Version::V4];

/// What the provider trusts and who it is, in files.
pub struct Papers {
    folder: TempDir,
    pub tls: Tls,
}

impl Papers {
    /// It trusts this authority alone.
    pub fn trust(authority: &Authority) -> Self {
        let folder = TempDir::new().unwrap();
        let mut papers = Self {
            folder,
            tls: Tls::default(),
        };
        papers.tls.ca = Some(papers.file("ca.pem", &authority.pem()));
        papers
    }

    pub fn known_as(mut self, identity: &Identity) -> Self {
        self.tls.cert = Some(self.file("client.pem", &identity.cert));
        self.tls.key = Some(self.file("client.key", &identity.key));
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        write(&path, text).unwrap();
        path
    }
}

/// A provider at this address. What it sends on `out` comes back on `in`.
pub fn config(url: &str, version: Version, tls: Option<Tls>) -> Config {
    let mut config = Config::new("provider", url, "provider").unwrap();
    config.version = version;
    config.tls = tls;
    config.backoff = Backoff {
        min: Duration::from_millis(5),
        max: Duration::from_millis(20),
        jitter: 0.2,
    };
    let mut outward = OutMapping::new("out", "round").unwrap();
    outward.mode = Some(Mode::Data);
    let inward = InMapping::new("round", "in").unwrap();
    config.with_mappings(vec![inward], vec![outward])
}

pub async fn up(mqtt: &Mqtt) {
    let mut link = mqtt.link();
    let up = link.wait_for(|link| *link == Link::Up);
    let why = mqtt.link().borrow().clone();
    let up = timeout(BOUND, up).await;
    up.unwrap_or_else(|_| panic!("the link is not up: {why:?}"))
        .unwrap();
}

pub fn send(mqtt: &Mqtt, data: &str) -> Handover {
    let event = EventBuilder::new().id("1").source("/test").ty("test");
    let event = event.data(data).build().unwrap();
    let topic = Topic::parse("out").unwrap();
    mqtt.send(&topic, &Arc::new(event)).unwrap()
}

/// The data of the next message that came, acknowledged.
pub async fn received(mqtt: &Mqtt) -> String {
    let received = timeout(BOUND, mqtt.receive()).await;
    let received = received.expect("a message").unwrap();
    assert_eq!(received.topic.as_str(), "in");
    received.receipt.unwrap().give();
    String::from_utf8(received.event.data().unwrap().to_vec()).unwrap()
}

/// The link comes up, and messages go both ways: small, and of many packets of whatever is below.
pub async fn good(mut config: Config) {
    // The last acknowledgement may still be on its way through a gate when the next provider comes.
    config.session_expiry = Duration::ZERO;
    probe(&config).await.unwrap();
    let mqtt = Mqtt::start(config).unwrap();
    up(&mqtt).await;
    for data in ["small", &"large".repeat(100_000), "small again"] {
        let handover = send(&mqtt, data);
        assert!(received(&mqtt).await == data);
        timeout(BOUND, handover).await.unwrap().unwrap();
    }
    mqtt.close().await;
    assert_eq!(mqtt.counts().reconnects, 0);
}

/// The link never comes up: what is said of it, after some attempts, by the provider and by a probe.
pub async fn bad(config: Config) -> [String; 2] {
    let probed = match probe(&config).await.unwrap_err() {
        ProbeError::Refused { reason } => reason,
        other => panic!("{other}"),
    };
    let mqtt = Mqtt::start(config).unwrap();
    let mut link = mqtt.link();
    // The attempts are counted since it was last up.
    let tried = |link: &Link| matches!(link, Link::Down { attempts, .. } if *attempts >= 3);
    let down = timeout(BOUND, link.wait_for(tried)).await.unwrap();
    let Link::Down { reason, .. } = down.unwrap().clone() else {
        unreachable!()
    };
    let handover = send(&mqtt, "never");
    mqtt.close().await;
    handover.await.unwrap_err();
    let counts = mqtt.counts();
    assert_eq!((counts.sent, counts.received), (0, 0));
    [reason, probed]
}
