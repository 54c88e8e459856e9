//! What was sent and not confirmed when the connection went.

use whirlwind_provider_api::{Messaging, SendError};
use whirlwind_provider_mqtt::{Qos, Version};

use crate::broker::Peer;
use crate::packet::{Packet, Sent};
use crate::stage::{Stage, ended};

in_both_versions! {
    unconfirmed_messages_are_sent_anew_when_the_session_is_gone
    unconfirmed_messages_are_sent_again_when_the_session_is_kept
    what_is_recorded_is_released_again_and_not_sent_again
    what_is_recorded_is_sent_anew_when_the_session_is_gone
    nothing_new_is_sent_before_all_that_is_sent_again_is_confirmed
    five_hundred_messages_outlive_a_broker_that_forgets_them
    a_connection_lost_while_sending_again_loses_nothing
}

fn numbers(sent: &[Sent]) -> Vec<(u16, bool, &str)> {
    let all = sent.iter();
    all.map(|sent| (sent.id, sent.dup, sent.payload.as_str()))
        .collect()
}

/// All handovers are ready, and each was once.
async fn all_taken(stage: &Stage, handovers: Vec<whirlwind_provider_api::Handover>) {
    let count = handovers.len() as u64;
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    assert_eq!(stage.mqtt.counts().sent, count);
    assert_eq!(stage.mqtt.counts().waiting, 0);
}

async fn unconfirmed_messages_are_sent_anew_when_the_session_is_gone(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let mut handovers: Vec<_> = (0..4).map(|number| stage.send(number)).collect();
    peer.all_published(4).await;
    peer.puback(1).await;
    ended(handovers.remove(0)).await.unwrap();
    drop(peer);
    stage.down().await;
    handovers.push(stage.send(4));

    let mut peer = stage.connect(false).await;
    let sent = peer.all_published(4).await;
    let expected = [
        (1, false, "1"),
        (2, false, "2"),
        (3, false, "3"),
        (4, false, "4"),
    ];
    assert_eq!(numbers(&sent), expected);
    for id in 1..=4 {
        peer.puback(id).await;
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    assert_eq!(stage.mqtt.counts().sent, 5);
}

async fn unconfirmed_messages_are_sent_again_when_the_session_is_kept(version: Version) {
    for (qos, level) in [(Qos::AtLeastOnce, 1), (Qos::ExactlyOnce, 2)] {
        let mut stage = Stage::out(version, qos).await;
        let mut peer = stage.connect(false).await;
        let handovers: Vec<_> = (0..4).map(|number| stage.send(number)).collect();
        let first = peer.all_published(4).await;
        assert!(first.iter().all(|sent| !sent.dup && sent.qos == level));
        confirm(&mut peer, 2, level).await;
        drop(peer);
        stage.down().await;

        let mut peer = stage.connect(true).await;
        let sent = peer.all_published(3).await;
        let expected = [(1, true, "0"), (3, true, "2"), (4, true, "3")];
        assert_eq!(numbers(&sent), expected);
        for id in [1, 3, 4] {
            confirm(&mut peer, id, level).await;
        }
        all_taken(&stage, handovers).await;
    }
}

/// Says that the broker has a message.
async fn confirm(peer: &mut Peer, id: u16, level: u8) {
    if level == 1 {
        return peer.puback(id).await;
    }
    peer.pubrec(id).await;
    assert_eq!(peer.packet().await, Packet::PubRel(id));
    peer.pubcomp(id).await;
}

async fn what_is_recorded_is_released_again_and_not_sent_again(version: Version) {
    let mut stage = Stage::out(version, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..3).map(|number| stage.send(number)).collect();
    peer.all_published(3).await;
    peer.pubrec(2).await;
    assert_eq!(peer.packet().await, Packet::PubRel(2));
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(true).await;
    assert_eq!(numbers(&[peer.published().await]), [(1, true, "0")]);
    assert_eq!(peer.packet().await, Packet::PubRel(2));
    assert_eq!(numbers(&[peer.published().await]), [(3, true, "2")]);
    peer.pubcomp(2).await;
    confirm(&mut peer, 1, 2).await;
    confirm(&mut peer, 3, 2).await;
    all_taken(&stage, handovers).await;
}

async fn what_is_recorded_is_sent_anew_when_the_session_is_gone(version: Version) {
    let mut stage = Stage::out(version, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..2).map(|number| stage.send(number)).collect();
    peer.all_published(2).await;
    peer.pubrec(1).await;
    assert_eq!(peer.packet().await, Packet::PubRel(1));
    drop(peer);
    stage.down().await;

    // The client library would go on to release what the broker does not know any more.
    let mut peer = stage.connect(false).await;
    let sent = peer.all_published(2).await;
    assert_eq!(numbers(&sent), [(1, false, "0"), (2, false, "1")]);
    confirm(&mut peer, 1, 2).await;
    confirm(&mut peer, 2, 2).await;
    all_taken(&stage, handovers).await;
    stage.mqtt.close().await;
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
}

async fn nothing_new_is_sent_before_all_that_is_sent_again_is_confirmed(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let mut handovers: Vec<_> = (0..2).map(|number| stage.send(number)).collect();
    let ids: Vec<_> = peer.all_published(2).await.iter().map(|s| s.id).collect();
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(true).await;
    peer.all_published(2).await;
    handovers.push(stage.send(2));
    // An acknowledgement overtakes it, which shows that it waits.
    peer.publish(7, 1, "in").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(7));
    for id in ids {
        peer.puback(id).await;
    }
    let sent = peer.published().await;
    assert_eq!((sent.dup, sent.payload.as_str()), (false, "2"));
    peer.puback(sent.id).await;
    all_taken(&stage, handovers).await;
}

async fn five_hundred_messages_outlive_a_broker_that_forgets_them(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..500).map(|number| stage.send(number)).collect();
    peer.all_published(10).await;
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(false).await;
    for number in 0..500 {
        let sent = peer.published().await;
        assert_eq!(sent.payload, number.to_string());
        peer.puback(sent.id).await;
    }
    all_taken(&stage, handovers).await;
}

async fn a_connection_lost_while_sending_again_loses_nothing(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..3).map(|number| stage.send(number)).collect();
    peer.all_published(3).await;
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(true).await;
    peer.all_published(3).await;
    peer.puback(1).await;
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(true).await;
    let sent = peer.all_published(2).await;
    assert_eq!(numbers(&sent), [(2, true, "1"), (3, true, "2")]);
    drop(peer);
    stage.down().await;

    let mut peer = stage.connect(false).await;
    let sent = peer.all_published(2).await;
    assert_eq!(numbers(&sent), [(1, false, "1"), (2, false, "2")]);
    peer.puback(1).await;
    peer.puback(2).await;
    all_taken(&stage, handovers).await;
    assert_eq!(stage.mqtt.counts().reconnects, 3);
}

#[tokio::test]
async fn a_message_that_a_kept_session_cannot_carry_any_more_ends_and_the_others_go() {
    let mut stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let large = stage.send("x".repeat(500));
    let small = stage.send("small");
    peer.all_published(2).await;
    drop(peer);
    stage.down().await;

    let mut peer = stage.broker.accept().await;
    peer.connack_with(true, |said| said.max_packet_size = Some(100))
        .await;
    let sent = peer.published().await;
    assert_eq!((sent.dup, sent.payload.as_str()), (true, "small"));
    assert!(matches!(
        ended(large).await,
        Err(SendError::TooLarge { max: 100, .. })
    ));
    peer.puback(sent.id).await;
    ended(small).await.unwrap();
}

#[tokio::test]
async fn a_message_of_qos_2_that_a_kept_session_cannot_carry_any_more_frees_its_id() {
    let mut stage = Stage::out(Version::V5, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    let large = stage.send("x".repeat(500));
    let small = stage.send("small");
    peer.all_published(2).await;
    drop(peer);
    stage.down().await;

    // Perhaps the broker has recorded the first, and would take another under its id for the same.
    let mut peer = stage.broker.accept().await;
    peer.connack_with(true, |said| said.max_packet_size = Some(100))
        .await;
    assert_eq!(peer.packet().await, Packet::PubRel(1));
    assert_eq!(numbers(&[peer.published().await]), [(2, true, "small")]);
    assert!(matches!(
        ended(large).await,
        Err(SendError::TooLarge { max: 100, .. })
    ));
    peer.pubcomp(1).await;
    confirm(&mut peer, 2, 2).await;
    ended(small).await.unwrap();
    let next = stage.send("next");
    let sent = peer.published().await;
    confirm(&mut peer, sent.id, 2).await;
    ended(next).await.unwrap();
    assert_eq!(stage.mqtt.counts().reconnects, 1);
}
