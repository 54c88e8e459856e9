//! What clients can count on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::time::Duration;

use common::{Five, Four, broker};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, PublishProperties};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn clients_of_both_versions_speak_to_each_other_on_one_port() {
    let broker = broker().await;
    let mut five = Five::connect(Five::options(&broker, "five")).await;
    let mut four = Four::connect(Four::options(&broker, "four")).await;
    five.subscribe("to/five").await;
    four.subscribe("to/four").await;
    five.publish("to/four", "hello from 5").await;
    assert_eq!(four.message().await.payload, "hello from 5");
    four.publish("to/five", "hello from 3.1.1").await;
    assert_eq!(five.message().await.payload, "hello from 3.1.1");
    broker.stop().await;
}

#[tokio::test]
async fn a_session_is_resumed_with_what_came_meanwhile() {
    let broker = broker().await;
    let mut options = Five::options(&broker, "five");
    options.set_clean_start(false);
    let mut five = Five::connect(options.clone()).await;
    let mut four = Four::connect(Four::options(&broker, "four")).await;
    assert!(!five.session_present && !four.session_present);
    five.subscribe("a").await;
    four.subscribe("a").await;
    drop((five, four));

    let mut other = Five::connect(Five::options(&broker, "other")).await;
    for n in 0..20 {
        other.publish("a", &n.to_string()).await;
    }

    let mut five = Five::connect(options).await;
    let mut four = Four::connect(Four::options(&broker, "four")).await;
    assert!(five.session_present && four.session_present);
    for n in 0..20 {
        assert_eq!(five.message().await.payload, n.to_string());
        assert_eq!(four.message().await.payload, n.to_string());
    }
    broker.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_as_a_duplicate() {
    let broker = broker().await;
    let mut options = Five::options(&broker, "late");
    options.set_clean_start(false);
    let mut late = Five::connect(options.clone()).await;
    late.subscribe("a").await;
    let mut other = Five::connect(Five::options(&broker, "other")).await;
    for n in 0..5 {
        other.publish("a", &n.to_string()).await;
    }
    for n in 0..5 {
        let publish = late.packet().await;
        if n < 2 {
            late.client.ack(&publish).await.unwrap();
        }
    }
    late.settle().await;
    drop(late);

    let mut late = Five::connect(options).await;
    for n in 2..5 {
        let message = late.message().await;
        assert_eq!((message.payload, message.dup), (n.to_string(), true));
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_retained_message_greets_who_subscribes_later() {
    let broker = broker().await;
    let mut other = Five::connect(Five::options(&broker, "other")).await;
    other
        .client
        .publish("state", QoS::AtLeastOnce, true, "on")
        .await
        .unwrap();
    other.settle().await;
    let mut late = Five::connect(Five::options(&broker, "late")).await;
    late.client
        .subscribe("state", QoS::AtLeastOnce)
        .await
        .unwrap();
    let message = late.message().await;
    assert_eq!(
        (
            message.topic.as_str(),
            message.payload.as_str(),
            message.retain
        ),
        ("state", "on", true)
    );
    broker.stop().await;
}

#[tokio::test]
async fn a_cut_connection_leaves_its_will() {
    let broker = broker().await;
    let mut heir = Four::connect(Four::options(&broker, "heir")).await;
    heir.subscribe("will").await;
    let mut options = Five::options(&broker, "testator");
    options
        .set_session_expiry_interval(Some(0))
        .set_last_will(LastWill::new("will", "gone", QoS::AtLeastOnce, false, None));
    drop(Five::connect(options).await);
    assert_eq!(heir.message().await.payload, "gone");
    broker.stop().await;
}

/// Its own `x-mqtt-client-id` comes last, which docs/mqtt-broker.md says.
#[tokio::test]
async fn properties_pass_and_one_is_added() {
    let broker = broker().await;
    let mut to = Five::connect(Five::options(&broker, "to")).await;
    to.subscribe("a").await;
    let mut from = Five::connect(Five::options(&broker, "from")).await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let sent = PublishProperties {
        user_properties: vec![pair("id", "1"), pair("source", "/ä"), pair("id", "2")],
        content_type: Some("application/json; charset=utf-8".to_owned()),
        ..PublishProperties::default()
    };
    from.client
        .publish_with_properties("a", QoS::AtLeastOnce, false, "{}", sent.clone())
        .await
        .unwrap();
    from.settle().await;
    let mut expected = sent;
    expected
        .user_properties
        .push(pair("x-mqtt-client-id", "from"));
    assert_eq!(to.packet().await.properties, Some(expected));
    broker.stop().await;
}

#[tokio::test]
async fn a_packet_over_the_limit_costs_its_sender_the_connection_alone() {
    let broker = broker().await;
    let mut other = Five::connect(Five::options(&broker, "other")).await;
    let mut big = Four::connect(Four::options(&broker, "big")).await;
    big.client
        .publish("a", rumqttc::QoS::AtLeastOnce, false, vec![b'x'; 2 << 20])
        .await
        .unwrap();
    big.cut().await;
    other.publish("a", "b").await;
    broker.stop().await;
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody_else() {
    let broker = broker().await;
    let mut other = Five::connect(Five::options(&broker, "other")).await;
    let connect = *b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03bad";
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap()
    };
    for n in 0..300 {
        let mut bytes = if n % 2 == 0 {
            Vec::new()
        } else {
            connect.to_vec()
        };
        bytes.extend((0..random() % 200).map(|_| u8::try_from(random() % 256).unwrap()));
        let mut socket = TcpStream::connect(broker.address()).await.unwrap();
        // It may have hung up before the last byte.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let read = socket.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .expect("it is not hung up on");
    }
    other.publish("a", "b").await;
    broker.stop().await;
}
