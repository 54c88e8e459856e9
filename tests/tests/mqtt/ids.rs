//! Messages that say which they are, and come again.

use std::path::Path;

use whirlwind_tests::{Bed, Mosquitto, guest};

use crate::outside::Outside;

/// What comes in on `dev/+`, with its id where `id` says, is relayed by a component on durable topics that remember, and goes out on
/// `done/out`.
fn relayed(relay: &Path, version: u8, broker: &str, id: &str) -> String {
    format!(
        r#"
        manifest = 1
        [app]
        name = "gate"
        [actor.relay]
        component = {relay:?}
        subscribe = ["in/+"]
        publish   = ["out"]
        [topic."in/+"]
        durable = true
        dedup   = {{}}
        [topic.out]
        durable = true
        [provider.broker]
        type    = "mqtt"
        version = {version}
        url     = "{broker}"
        in      = [{{ mqtt = "dev/+", topic = "in/$1", id = {id} }}]
        out     = [{{ topic = "out", mqtt = "done/out", mode = "data" }}]
        "#
    )
}

/// Sends a message that has this id both in a user property and in its payload, or none.
async fn send(outside: &mut Outside, topic: &str, id: Option<&str>, text: &str) {
    match id {
        Some(id) => {
            let data = format!(r#"{{"meta":{{"seq":{id}}},"text":"{text}"}}"#);
            let user = [("message-id", id)];
            outside.publish_with(&user, topic, &data).await;
        }
        None => {
            outside
                .publish(topic, &format!(r#"{{"text":"{text}"}}"#))
                .await
        }
    }
}

/// The text of the next message that went out.
async fn next(outside: &mut Outside) -> String {
    let (topic, data) = outside.next().await;
    assert_eq!(topic, "done/out");
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    data["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_takes_effect_once_where_its_mapping_names_its_id() {
    for (version, id) in [
        (5, r#"{ property = "message-id" }"#),
        (5, r#"{ field = "/meta/seq" }"#),
        (4, r#"{ field = "/meta/seq" }"#),
    ] {
        let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        let manifest = relayed(&relay, version, &broker.url(), id);
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
        up.next().await;
        for (topic, id, text) in [
            ("dev/a", Some("1"), "one"),
            ("dev/a", Some("1"), "one again"),
            ("dev/b", Some("1"), "one of another topic"),
            ("dev/a", None, "nameless"),
            ("dev/a", None, "nameless"),
            ("dev/a", Some("2"), "two"),
            ("dev/a", Some("1"), "one at last"),
            ("dev/a", Some("3"), "three"),
        ] {
            send(&mut outside, topic, id, text).await;
        }
        let effects = [
            "one",
            "one of another topic",
            "nameless",
            "nameless",
            "two",
            "three",
        ];
        for effect in effects {
            assert_eq!(next(&mut outside).await, effect, "{id} on {version}");
        }
        let mut actor = bed.part("relay").await;
        // What it published may be here before it is counted.
        while actor.mailbox != Some(0) {
            tokio::task::yield_now().await;
            actor = bed.part("relay").await;
        }
        assert_eq!(actor.guarantee.as_deref(), Some("effectively-once"));
        assert_eq!(actor.handled, Some(effects.len() as u64));
        let again = "2 events came again and were not handled";
        assert_eq!(actor.detail.as_deref(), Some(again));
        let door = bed.part("broker/in").await.detail.unwrap_or_default();
        assert!(door.contains("2 had no id where `in` says"), "{door}");

        // The next node remembers what this one handled.
        let folder = bed.stop().await;
        let bed = Bed::start_in(folder, &manifest).await.unwrap();
        send(&mut outside, "dev/a", Some("2"), "two again").await;
        send(&mut outside, "dev/a", Some("4"), "four").await;
        assert_eq!(next(&mut outside).await, "four", "{id} on {version}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_its_id_a_message_that_comes_again_is_another() {
    let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start()) else {
        return;
    };
    let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
    let place = r#", id = { property = "message-id" }"#;
    let manifest = relayed(&relay, 5, &broker.url(), r#"{ property = "message-id" }"#);
    let manifest = manifest.replace(place, "");
    assert!(!manifest.contains("message-id"));
    let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
    up.next().await;
    for text in ["one", "one again"] {
        send(&mut outside, "dev/a", Some("1"), text).await;
        assert_eq!(next(&mut outside).await, text);
    }
    bed.stop().await;
}
