//! What one side tells the other that it takes.

use std::time::Duration;

use whirlwind_provider_api::{Messaging, SendError};
use whirlwind_provider_mqtt::{Backoff, Config, Mode, OutMapping, Qos, StateTopic, Version};

use crate::broker::Peer;
use crate::clock::Clock;
use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    a_packet_that_is_too_large_ends_the_connection_with_the_remedy_and_does_not_spin
    a_large_packet_within_the_limit_comes_in
    a_broker_that_passes_the_window_is_read_on
    what_passes_all_bounds_comes_again_after_what_came_before_it
}

async fn a_packet_that_is_too_large_ends_the_connection_with_the_remedy_and_does_not_spin(
    version: Version,
) {
    let clock = Clock::stop();
    let mut stage = Stage::with(version, Qos::AtLeastOnce, false, |config| {
        config.max_packet = 2000;
        config.backoff = Backoff {
            min: Duration::from_secs(1),
            max: Duration::from_secs(4),
            jitter: 0.0,
        };
    })
    .await;
    for (round, wait) in [0, 1, 2, 4, 4].into_iter().enumerate() {
        let (mut peer, waited) = clock.until(stage.connect(true)).await;
        assert!(waited >= Duration::from_secs(wait), "{round}: {waited:?}");
        // All that a kept session would do: send it again.
        peer.publish_again(1, 1, &"x".repeat(5000)).await;
        let (reason, attempts) = stage.down().await;
        assert!(
            reason.contains("the limit is 2000: raise `max_packet`"),
            "{reason}"
        );
        assert_eq!(attempts, 0);
        if round > 0 {
            let times = format!("({} times in a row)", round + 1);
            assert!(reason.ends_with(&times), "{reason}");
        }
    }
    let (_, waited) = clock.until(stage.connect(true)).await;
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
}

async fn a_large_packet_within_the_limit_comes_in(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    // A hundred times what the client library takes by itself.
    let large = "x".repeat(1_000_000);
    peer.publish(1, 1, &large).await;
    let (payload, receipt) = stage.receive().await;
    assert!(payload == large);
    receipt.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(1));
}

async fn a_broker_that_passes_the_window_is_read_on(version: Version) {
    let mut stage = Stage::with(version, Qos::AtLeastOnce, true, |config| config.window = 2).await;
    let mut peer = stage.open().await;
    for id in 1..=100 {
        peer.publish(id, 1, "in").await;
    }
    for id in 1..=100 {
        stage.receive().await.1.unwrap().give();
        assert_eq!(peer.packet().await, Packet::PubAck(id));
    }
}

async fn what_passes_all_bounds_comes_again_after_what_came_before_it(version: Version) {
    let mut stage = Stage::with(version, Qos::AtLeastOnce, true, |config| {
        config.window = 2;
        config.max_packet = 1024;
    })
    .await;
    let mut peer = stage.open().await;
    // Twice `window` times `max_packet` bytes may lie unread: these are past it with the fifth.
    let data = |id: u16| format!("{id}{}", "x".repeat(900));
    for id in 1..=8 {
        peer.publish(id, 1, &data(id)).await;
    }
    // What is confirmed after them shows that they have come.
    let handover = stage.send("out");
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
    for id in 1..=5 {
        let (payload, receipt) = stage.receive().await;
        assert_eq!(payload, data(id));
        receipt.unwrap().give();
        assert_eq!(peer.packet().await, Packet::PubAck(id));
    }
    let (reason, _) = stage.down().await;
    assert!(reason.contains("comes again"), "{reason}");
    let mut peer = stage.connect(true).await;
    stage.up().await;
    for id in 6..=8 {
        peer.publish_again(id, 1, &data(id)).await;
        let (payload, receipt) = stage.receive().await;
        assert_eq!(payload, data(id));
        receipt.unwrap().give();
        assert_eq!(peer.packet().await, Packet::PubAck(id));
    }
}

/// A broker that says what it takes, to a provider that also listens, subscribed and up.
async fn told(
    stage: &mut Stage,
    set: impl FnOnce(&mut rumqttc::v5::mqttbytes::v5::ConnAckProperties),
) -> Peer {
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, set).await;
    let (id, _) = peer.subscribed().await;
    peer.suback(id, &[1]).await;
    stage.up().await;
    peer
}

#[tokio::test]
async fn no_more_messages_are_on_their_way_than_the_broker_takes() {
    for most in [1_u16, 2, 5, 100, 300, u16::MAX] {
        let mut stage = Stage::both(Version::V5).await;
        let mut peer = told(&mut stage, |said| said.receive_max = Some(most)).await;
        let handovers: Vec<_> = (0..600).map(|number| stage.send(number)).collect();
        // One less, so that acknowledgements pass; with one it is one.
        let window = usize::from(most.min(256)).saturating_sub(1).max(1);
        let mut open = peer.all_published(window).await;
        if most > 1 {
            // What passes shows that no more have been sent.
            peer.publish(1, 1, "in").await;
            stage.receive().await.1.unwrap().give();
            assert_eq!(peer.packet().await, Packet::PubAck(1));
        }
        for _ in window..600 {
            peer.puback(open.remove(0).id).await;
            open.push(peer.published().await);
        }
        for sent in open {
            peer.puback(sent.id).await;
        }
        for handover in handovers {
            ended(handover).await.unwrap();
        }
        assert_eq!(stage.mqtt.counts().reconnects, 0);
    }
}

#[tokio::test]
async fn no_more_are_taken_to_be_on_their_way_than_twenty_where_the_broker_cannot_say() {
    let mut stage = Stage::both(Version::V4).await;
    let mut peer = stage.open().await;
    let _handovers: Vec<_> = (0..100).map(|number| stage.send(number)).collect();
    peer.all_published(19).await;
    peer.publish(1, 1, "in").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(1));
}

#[tokio::test]
async fn what_is_sent_again_keeps_to_what_the_broker_takes_now() {
    let mut stage = Stage::both(Version::V5).await;
    let mut peer = told(&mut stage, |said| said.receive_max = Some(10)).await;
    let handovers: Vec<_> = (0..9).map(|number| stage.send(number)).collect();
    peer.all_published(9).await;
    drop(peer);
    stage.down().await;

    let mut peer = stage.broker.accept().await;
    peer.connack_with(true, |said| said.receive_max = Some(3))
        .await;
    let mut open = peer.all_published(2).await;
    peer.publish(1, 1, "in").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(1));
    for _ in 2..9 {
        peer.puback(open.remove(0).id).await;
        open.push(peer.published().await);
    }
    for sent in open {
        assert!(sent.dup);
        peer.puback(sent.id).await;
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_takes_nothing_at_once_is_not_sent_anything() {
    let mut stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    let _handover = stage.send(1);
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.receive_max = Some(0))
        .await;
    let (reason, _) = stage.down().await;
    assert!(reason.contains("takes 0 messages"), "{reason}");
    assert!(peer.rest().await.is_empty());
}

#[tokio::test]
async fn a_message_is_refused_before_it_is_sent_where_the_broker_says_that_it_is_too_large() {
    let mut stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    // Taken before the broker has said so.
    let large = stage.send("x".repeat(101));
    let small = stage.send("small");
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.max_packet_size = Some(100))
        .await;
    let sent = peer.published().await;
    assert_eq!(sent.payload, "small");
    let too_large =
        |how: SendError| matches!(how, SendError::TooLarge { size, max: 100 } if size > 100);
    assert!(too_large(ended(large).await.unwrap_err()));
    peer.puback(sent.id).await;
    ended(small).await.unwrap();
    stage.up().await;
    assert!(too_large(stage.try_send("x".repeat(101)).unwrap_err()));
    // As large as may be: type, length, topic, id, no properties.
    let handover = stage.send("x".repeat(100 - 1 - 1 - 2 - 5 - 2 - 1));
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

#[tokio::test]
async fn a_broker_with_a_lower_quality_of_service_gets_that() {
    let stage = Stage::out(Version::V5, Qos::ExactlyOnce).await;
    let handover = stage.send(1);
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.max_qos = Some(1))
        .await;
    let sent = peer.published().await;
    assert_eq!(sent.qos, 1);
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

#[tokio::test]
async fn a_broker_without_confirmations_is_sent_nothing_that_wants_one() {
    let mut stage = Stage::with(Version::V5, Qos::AtLeastOnce, false, |config| {
        let mut loose = OutMapping::new("loose/+", "out/$1").unwrap();
        loose.qos = Qos::AtMostOnce;
        loose.mode = Some(Mode::Data);
        add(config, loose);
    })
    .await;
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.max_qos = Some(0))
        .await;
    stage.up().await;
    let refused = SendError::Refused("it takes QoS 0 only".to_owned());
    assert_eq!(ended(stage.send(1)).await, Err(refused));
    let handover = stage.send_to("loose/x", 2).unwrap();
    let sent = peer.published().await;
    assert_eq!((sent.id, sent.qos, sent.payload.as_str()), (0, 0, "2"));
    ended(handover).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_keeps_nothing_is_not_asked_to() {
    let stage = Stage::with(Version::V5, Qos::AtLeastOnce, false, |config| {
        let mut kept = OutMapping::new("kept/+", "out/$1").unwrap();
        kept.retain = true;
        add(config, kept);
        config.state = Some(StateTopic {
            topic: "state".to_owned(),
            online: "online".into(),
            offline: "offline".into(),
            qos: Qos::AtLeastOnce,
        });
    })
    .await;
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.retain_available = Some(0))
        .await;
    let refused = SendError::Refused("it retains nothing".to_owned());
    let kept = stage.send_to("kept/x", 1).unwrap();
    assert_eq!(ended(kept).await, Err(refused));
    // The word on how we are would be kept too: it is not said, and the rest goes on.
    let handover = stage.send(2);
    let sent = peer.published().await;
    assert_eq!((sent.retain, sent.topic.as_str()), (false, "out/x"));
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

/// One more way out.
fn add(config: &mut Config, mapping: OutMapping) {
    let mut outward = config.mappings.outward().to_vec();
    outward.push(mapping);
    config.mappings = config.clone().with_mappings(Vec::new(), outward).mappings;
}

#[tokio::test]
async fn a_topic_alias_ends_the_connection_because_none_are_taken() {
    let mut stage = Stage::both(Version::V5).await;
    let mut peer = stage.open().await;
    // PUBLISH, QoS 1, topic "in/x", id 1, Topic Alias 1; and one that uses it.
    let named = [0, 4, b'i', b'n', b'/', b'x', 0, 1, 3, 35, 0, 1, b'a'];
    peer.sized(0x32, &named).await;
    let (reason, _) = stage.down().await;
    assert!(reason.contains("topic alias"), "{reason}");
    let mut peer = stage.connect(true).await;
    peer.sized(0x32, &[0, 0, 0, 1, 3, 35, 0, 1, b'a']).await;
    let (reason, _) = stage.down().await;
    assert!(reason.contains("topic alias"), "{reason}");
    assert_eq!(stage.mqtt.counts().received, 0);
}

#[tokio::test]
async fn aliases_that_the_broker_takes_are_not_used() {
    let stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    let mut peer = stage.broker.accept().await;
    peer.connack_with(false, |said| said.topic_alias_max = Some(10))
        .await;
    for _ in 0..3 {
        let handover = stage.send(1);
        let sent = peer.published().await;
        assert_eq!(sent.topic, "out/x");
        peer.puback(sent.id).await;
        ended(handover).await.unwrap();
    }
}
