//! What a gateway does with messages that are too much, too bad or not allowed, in both versions.

use std::path::Path;

use whirlwind::{End, PartState};
use whirlwind_tests::{Bed, Mosquitto, guest};

use crate::VERSIONS;
use crate::outside::Outside;

/// The session that the broker keeps for the door of `gate`.
const SESSION: &str = "whirlwind-gate-broker";

/// Nobody listens there.
const NOWHERE: &str = "mqtt://127.0.0.1:9";

/// The component does what comes in on `dev/+` tells it, and what it publishes goes out on `done/out` through a broker at `away`.
fn told(component: &Path, version: u8, broker: &str, ack: &str, away: &str) -> String {
    format!(
        r#"
        manifest = 1
        [app]
        name = "gate"
        [defaults]
        drain = "0s"
        retry = {{ max_deliver = 1 }}
        [actor.told]
        component = {component:?}
        subscribe = ["in/+"]
        publish   = ["out"]
        [provider.broker]
        type    = "mqtt"
        version = {version}
        url     = "{broker}"
        in      = [{{ mqtt = "dev/+", topic = "in/$1", ack = "{ack}" }}]
        backoff = {{ min = "20ms", max = "100ms" }}
        [provider.away]
        type    = "mqtt"
        version = {version}
        out     = [{{ topic = "out", mqtt = "done/out", mode = "data" }}]
        {away}
        backoff = {{ min = "20ms", max = "100ms" }}
        "#
    )
}

/// Fails if the broker still holds anything for the session of a node that has stopped.
async fn holds_nothing(broker: &Mosquitto, outside: &mut Outside) {
    let mut session = Outside::connect(broker, SESSION, &[]).await;
    outside.publish("dev/last", "last").await;
    assert_eq!(session.next().await.1, "last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_handled_is_a_dead_letter_and_is_acknowledged() {
    for version in VERSIONS {
        let (Some(told_what), Some(broker)) = (guest("misbehave"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        let away = format!("url = {:?}", broker.url());
        let manifest = told(&told_what, version, &broker.url(), "tree", &away);
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
        up.next().await;
        outside.publish("dev/a", "panic").await;
        outside.publish("dev/a", "publish 1 out").await;
        assert_eq!(outside.next().await.1, "1");
        let letters = bed.node.dead_letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(letters[0].event.data(), Some(&b"panic"[..]));
        assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
        holds_nothing(&broker, &mut outside).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_acknowledged_when_it_is_accepted_does_not_wait_for_what_it_caused() {
    for version in VERSIONS {
        let (Some(told_what), Some(broker)) = (guest("misbehave"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &[]).await;
        let away = format!("url = {NOWHERE:?}");
        let manifest = told(&told_what, version, &broker.url(), "accepted", &away);
        let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
        up.next().await;
        let mut published = bed.watch("out");
        outside.publish("dev/a", "publish 1 out").await;
        assert_eq!(published.text().await, "1");
        let node = bed.node.clone();
        bed.stop().await;
        // What it caused is in the file, and the broker was told long before.
        let left = node.left_behind().unwrap();
        assert_eq!((left.returned, left.letters), (0, 1));
        holds_nothing(&broker, &mut outside).await;
    }
}

#[tokio::test] // in one thread: nobody sends while a turn publishes
async fn an_outbox_that_is_full_does_what_its_overflow_says() {
    for (overflow, letters, dropped) in [("reject", 1, 0), ("drop-oldest", 0, 3)] {
        let (Some(told_what), Some(broker)) = (guest("misbehave"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &[]).await;
        let away =
            format!("url = {NOWHERE:?}\noutbox = {{ capacity = 2, overflow = {overflow:?} }}");
        let manifest = told(&told_what, 5, &broker.url(), "tree", &away);
        let (bed, mut news) = Bed::start_watched(&manifest, "$sys/#").await;
        news.json_on("$sys/provider/broker/up").await;
        let mut published = bed.watch("out");
        outside.publish("dev/a", "publish 5 out").await;
        match overflow {
            // The turn fails as a whole: nothing of it goes out.
            "reject" => drop(news.json_on("$sys/event/told/dead-lettered").await),
            _ => assert_eq!(published.texts(5).await, ["1", "2", "3", "4", "5"]),
        }
        assert_eq!(bed.node.dead_letters().len(), letters, "{overflow}");
        let door = bed.part("away/out").await;
        assert_eq!(door.dropped, Some(dropped), "{overflow}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_subscription_is_a_reason_that_names_the_filter() {
    for version in VERSIONS {
        let started = Mosquitto::start_with(|folder| {
            let file = folder.join("rights.json");
            std::fs::write(&file, RIGHTS).unwrap();
            let file = file.display();
            format!("allow_anonymous true\nplugin {PLUGIN}\nplugin_opt_config_file {file}")
        });
        let (Some(told_what), Some(broker)) = (guest("misbehave"), started) else {
            return;
        };
        let away = format!("url = {NOWHERE:?}");
        let manifest = told(&told_what, version, &broker.url(), "tree", &away);
        let (bed, mut news) = Bed::start_watched(&manifest, "$sys/provider/broker/down").await;
        let wanted = "subscription `dev/+` refused";
        loop {
            let (_, down) = news.json().await;
            let reason = down["reason"].as_str().unwrap();
            if reason.contains(wanted) {
                break;
            }
        }
        let part = bed.part("broker").await;
        assert_eq!(part.state, PartState::Down);
        assert!(part.detail.unwrap().contains(wanted));
        bed.stop().await;
    }
}

/// Of Debian's package, beside the broker.
const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";

/// Nobody may subscribe.
const RIGHTS: &str = r#"{
    "defaultACLAccess": {
        "publishClientSend": true, "publishClientReceive": true, "subscribe": false, "unsubscribe": true
    },
    "clients": [], "groups": [], "roles": []
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_that_it_is_there_and_that_it_leaves() {
    for version in VERSIONS {
        let Some(broker) = Mosquitto::start() else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["state/#"]).await;
        let url = broker.url();
        let manifest = format!(
            r#"
            manifest = 1
            [app]
            name = "gate"
            [provider.broker]
            type    = "mqtt"
            version = {version}
            url     = "{url}"
            state   = {{ mqtt = "state/gate", online = "here", offline = "away", qos = 1 }}
            "#
        );
        let bed = Bed::start(&manifest).await;
        let said = |text: &str| ("state/gate".to_owned(), text.to_owned());
        assert_eq!(outside.next().await, said("here"));
        bed.stop().await;
        assert_eq!(outside.next().await, said("away"));
        // It is retained: whoever comes later is told as well.
        let mut later = Outside::connect(&broker, "later", &["state/#"]).await;
        assert_eq!(later.next().await, said("away"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_of_a_group_split_one_stream() {
    const MESSAGES: usize = 40;
    for version in VERSIONS {
        let (Some(relay), Some(broker)) = (guest("relay"), Mosquitto::start()) else {
            return;
        };
        let mut outside = Outside::connect(&broker, "outside", &["done/#"]).await;
        let url = broker.url();
        let mut beds = Vec::new();
        for name in ["one", "two"] {
            let manifest = format!(
                r#"
                manifest = 1
                [app]
                name = "{name}"
                [actor.relay]
                component = {relay:?}
                subscribe = ["in/+"]
                publish   = ["out"]
                [provider.broker]
                type    = "mqtt"
                version = {version}
                url     = "{url}"
                in      = [{{ mqtt = "$share/gates/dev/+", topic = "in/$1" }}]
                out     = [{{ topic = "out", mqtt = "done/{name}", mode = "data" }}]
                "#
            );
            let (bed, mut up) = Bed::start_watched(&manifest, "$sys/provider/broker/up").await;
            up.next().await;
            beds.push(bed);
        }
        for number in 0..MESSAGES {
            outside.publish("dev/a", &number.to_string()).await;
        }
        let (mut numbers, mut topics) = (Vec::new(), Vec::new());
        for _ in 0..MESSAGES {
            let (topic, number) = outside.next().await;
            topics.push(topic);
            numbers.push(number.parse::<usize>().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
        for topic in ["done/one", "done/two"] {
            assert!(topics.iter().any(|on| on == topic), "{topics:?}");
        }
        for bed in beds {
            bed.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_and_comes_is_told() {
    for version in VERSIONS {
        let (Some(told_what), Some(mut broker)) = (guest("misbehave"), Mosquitto::start()) else {
            return;
        };
        let away = format!("url = {NOWHERE:?}");
        let manifest = told(&told_what, version, &broker.url(), "tree", &away);
        let (bed, mut news) = Bed::start_watched(&manifest, "$sys/provider/broker/#").await;
        news.json_on("$sys/provider/broker/up").await;
        broker.end();
        let down = news.json_on("$sys/provider/broker/down").await;
        assert_eq!(down["provider"], "broker");
        assert!(down["reason"].is_string(), "{down}");
        broker.again();
        news.json_on("$sys/provider/broker/up").await;
        assert_eq!(bed.part("broker").await.state, PartState::Running);
        bed.stop().await;
    }
}
