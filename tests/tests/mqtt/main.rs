//! A node between a real MQTT broker and an outside that speaks to it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod gateway;
mod ids;
mod outside;

use std::path::Path;

use whirlwind::{End, PartState};
use whirlwind_tests::{Bed, Mosquitto, guest};

use crate::outside::Outside;

/// Of the protocol, as a manifest numbers them.
const VERSIONS: [u8; 2] = [5, 4];

/// What comes in on `dev/+` is relayed by a component, and goes out on `done/out` through another provider, which is at `away`.
fn relayed(relay: &Path, version: u8, broker: &str, away: &str, drain: &str) -> String {
    format!(
        r#"
        manifest = 1
        [app]
        name = "gate"
        [defaults]
        drain = "{drain}"
        [actor.relay]
        component = {relay:?}
        subscribe = ["in/+"]
        publish   = ["out"]
        [provider.broker]
        type    = "mqtt"
        version = {version}
        url     = "{broker}"
        in      = [{{ mqtt = "dev/+", topic = "in/$1" }}]
        backoff = {{ min = "20ms", max = "100ms" }}
        [provider.away]
        type    = "mqtt"
        version = {version}
        url     = "{away}"
        out     = [{{ topic = "out", mqtt = "done/out", mode = "data" }}]
        backoff = {{ min = "20ms", max = "100ms" }}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_topic_answers_the_broker_at_once_and_keeps_what_is_to_go_out() {
    for version in VERSIONS {
        let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        let durable = r#"
        [topic."in/+"]
        durable = true
        [topic.out]
        durable = true
        "#;
        // Nobody listens there.
        let nowhere = "mqtt://127.0.0.1:9";
        let manifest = relayed(&relay, version, &broker.url(), nowhere, "0s") + durable;
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
        up.next().await;
        let mut relayed_on = bed.watch("out");
        outside.publish("dev/a", "hello").await;
        assert_eq!(relayed_on.text().await, "hello");
        // It is on the disk, so the broker is owed nothing, though what came of it has not gone out. That is told to the connection
        // before what came of it is seen, and the connection says so in its turn.
        while bed.part("broker/in").await.detail.is_some() {
            tokio::task::yield_now().await;
        }
        assert_eq!(bed.part("away/out").await.mailbox, Some(1));
        bed.node.kill();
        bed.node.ended().await;
        let folder = bed.leave();

        let manifest = relayed(&relay, version, &broker.url(), &broker.url(), "10s") + durable;
        let bed = Bed::start_in(folder, &manifest).await.unwrap();
        let out = ("done/out".to_owned(), "hello".to_owned());
        assert_eq!(outside.next().await, out);
        outside.publish("dev/b", "bye").await;
        let out = ("done/out".to_owned(), "bye".to_owned());
        assert_eq!(outside.next().await, out);
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_acknowledged_after_all_that_a_message_caused_has_ended() {
    for version in VERSIONS {
        let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        // Nobody listens there: what the component publishes goes nowhere.
        let nowhere = "mqtt://127.0.0.1:9";
        let manifest = relayed(&relay, version, &broker.url(), nowhere, "0s");
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
        up.next().await;
        let mut relayed_on = bed.watch("out");
        outside.publish("dev/a", "hello").await;
        assert_eq!(relayed_on.text().await, "hello");
        // The component has handled it; its child waits for the other broker, and so does the acknowledgement.
        let door = bed.part("broker/in").await;
        assert_eq!(door.detail.as_deref(), Some("1 not acknowledged yet"));
        assert_eq!(bed.part("away").await.state, PartState::Down);
        let node = bed.node.clone();
        bed.stop().await;
        let left = node.left_behind().unwrap();
        assert_eq!((left.returned, left.letters), (1, 0));

        // So the broker has it still, and the next node, which reaches both, ends it.
        let manifest = relayed(&relay, version, &broker.url(), &broker.url(), "10s");
        let bed = Bed::start(&manifest).await;
        assert_eq!(
            outside.next().await,
            ("done/out".to_owned(), "hello".to_owned())
        );
        assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_its_broker_and_sends_what_waited_in_order_when_it_comes() {
    for version in VERSIONS {
        let (Some(relay), Some(mut broker)) = (guest("relay"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        broker.end();
        let manifest = relayed(&relay, version, &broker.url(), &broker.url(), "10s");
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/away/up").await;
        let away = bed.part("away").await;
        assert_eq!(away.state, PartState::Down);
        for number in 0..200 {
            bed.publish("out", number.to_string()).await;
        }
        broker.again();
        up.next().await;
        for number in 0..200 {
            assert_eq!(outside.next().await.1, number.to_string());
        }
        assert_eq!(bed.part("away").await.state, PartState::Running);
        assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
    }
}
