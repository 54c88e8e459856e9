//! What a broker answers that is not what was hoped for.

use std::time::Duration;

use whirlwind_provider_api::{Link, Messaging, SendError};
use whirlwind_provider_mqtt::{Backoff, Config, Qos, Version};

use crate::broker::Peer;
use crate::clock::Clock;
use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    a_refused_connection_says_why
    garbage_instead_of_an_answer_is_no_broker
    a_packet_before_the_answer_is_no_broker
    a_broker_that_closes_without_an_answer_is_told_so
    a_second_answer_to_the_connection_ends_it
    a_confirmation_that_comes_twice_costs_a_connection_and_nothing_else
    a_confirmation_of_what_was_never_sent_costs_a_connection_and_nothing_else
    what_was_confirmed_just_before_the_end_is_confirmed
    each_failure_waits_longer_than_the_one_before
}

async fn a_refused_connection_says_why(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let refusals: &[(u8, &str)] = match version {
        Version::V5 => &[
            (0x86, "bad user name password"),
            (0x87, "not authorized"),
            (0x8A, "banned"),
            (0x84, "unsupported protocol version"),
        ],
        Version::V4 => &[
            (4, "bad user name password"),
            (5, "not authorized"),
            (1, "refused protocol version"),
        ],
    };
    for (attempt, (code, words)) in (1..).zip(refusals) {
        let mut peer = stage.broker.accept().await;
        match version {
            Version::V5 => peer.send(&[0x20, 3, 0, *code, 0]).await,
            Version::V4 => peer.send(&[0x20, 2, 0, *code]).await,
        }
        let reason = format!("the broker refused the connection: {words}");
        assert_eq!(stage.down().await, (reason, attempt));
    }
    let _peer = stage.connect(false).await;
    stage.up().await;
}

async fn garbage_instead_of_an_answer_is_no_broker(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let garbage: [&[u8]; 4] = [
        &[0, 0],
        &[0xFF; 64],
        b"\xF0\x00\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for (attempt, garbage) in (1..).zip(garbage) {
        let mut peer = stage.broker.accept().await;
        peer.send(garbage).await;
        let (reason, attempts) = stage.down().await;
        assert_eq!(attempts, attempt, "{reason}");
        let words = [
            "is no packet of this version",
            "no MQTT broker",
            "the limit is",
        ];
        assert!(words.iter().any(|words| reason.contains(words)), "{reason}");
    }
    let _peer = stage.connect(false).await;
    stage.up().await;
}

async fn a_packet_before_the_answer_is_no_broker(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.broker.accept().await;
    peer.send(&[0xD0, 0]).await;
    let (reason, _) = stage.down().await;
    assert_eq!(
        reason,
        "what answers there is no MQTT broker of this version"
    );
}

async fn a_broker_that_closes_without_an_answer_is_told_so(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    drop(stage.broker.accept().await);
    let (reason, attempts) = stage.down().await;
    assert_eq!(reason, "the broker closed the connection without a word");
    assert_eq!(attempts, 1);
}

async fn a_second_answer_to_the_connection_ends_it(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    let handover = stage.send(1);
    peer.published().await;
    peer.connack(false).await;
    stage.down().await;
    assert!(peer.rest().await.is_empty());
    let mut peer = stage.connect(true).await;
    let sent = peer.published().await;
    assert!(sent.dup);
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

async fn a_confirmation_that_comes_twice_costs_a_connection_and_nothing_else(version: Version) {
    for (qos, twice) in [
        (Qos::AtLeastOnce, 0x40),
        (Qos::ExactlyOnce, 0x50),
        (Qos::ExactlyOnce, 0x70),
    ] {
        let mut stage = Stage::out(version, qos).await;
        let mut peer = stage.connect(false).await;
        let handovers = [stage.send(1), stage.send(2)];
        peer.all_published(2).await;
        if twice == 0x70 {
            peer.pubrec(1).await;
            assert_eq!(peer.packet().await, Packet::PubRel(1));
        }
        peer.sized(twice, &[0, 1]).await;
        peer.sized(twice, &[0, 1]).await;
        let (reason, _) = stage.down().await;
        assert!(reason.contains("packet id 1 for nothing"), "{reason}");

        let mut peer = stage.connect(true).await;
        if twice == 0x50 {
            assert_eq!(peer.packet().await, Packet::PubRel(1));
            peer.pubcomp(1).await;
        }
        let sent = peer.published().await;
        assert_eq!((sent.id, sent.payload.as_str()), (2, "2"));
        finish(&mut peer, 2, sent.qos).await;
        for handover in handovers {
            ended(handover).await.unwrap();
        }
        assert_eq!(stage.mqtt.counts().sent, 2);
    }
}

async fn finish(peer: &mut Peer, id: u16, qos: u8) {
    if qos == 1 {
        return peer.puback(id).await;
    }
    peer.pubrec(id).await;
    assert_eq!(peer.packet().await, Packet::PubRel(id));
    peer.pubcomp(id).await;
}

async fn a_confirmation_of_what_was_never_sent_costs_a_connection_and_nothing_else(
    version: Version,
) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    for (kind, id) in [
        (0x40, 9_u16),
        (0x40, 60_000),
        (0x50, 60_000),
        (0x70, 60_000),
        (0x40, 0),
    ] {
        let mut peer = stage.connect(true).await;
        stage.up().await;
        peer.sized(kind, &id.to_be_bytes()).await;
        let (reason, attempts) = stage.down().await;
        assert!(
            reason.contains(&format!("packet id {id} for nothing")),
            "{reason}"
        );
        assert_eq!(attempts, 0);
    }
    let mut peer = stage.connect(true).await;
    let handover = stage.send(1);
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

async fn what_was_confirmed_just_before_the_end_is_confirmed(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..3).map(|number| stage.send(number)).collect();
    peer.all_published(3).await;
    // In one write, and after it what ends the connection: the library reads them in one go.
    peer.send(&[0x40, 2, 0, 1, 0x40, 2, 0, 2, 0x40, 2, 0, 3, 0, 0])
        .await;
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    stage.down().await;
    let mut peer = stage.connect(true).await;
    stage.mqtt.close().await;
    assert!(
        peer.rest()
            .await
            .iter()
            .all(|packet| *packet == Packet::Disconnect(0))
    );
}

async fn each_failure_waits_longer_than_the_one_before(version: Version) {
    let clock = Clock::stop();
    let stage = Stage::with(version, Qos::AtLeastOnce, false, slow).await;
    for wait in [0, 1, 2, 4, 8, 8] {
        let (peer, waited) = clock.until(stage.broker.accept()).await;
        assert!(waited >= Duration::from_secs(wait), "{waited:?}");
        drop(peer);
    }
    // One that comes up and ends at once is no better.
    let (mut peer, waited) = clock.until(stage.connect(false)).await;
    assert!(waited >= Duration::from_secs(8), "{waited:?}");
    peer.sized(0x40, &[0, 9]).await;
    let (_, waited) = clock.until(stage.broker.accept()).await;
    assert!(waited >= Duration::from_secs(8), "{waited:?}");
}

/// Waits of whole seconds.
fn slow(config: &mut Config) {
    config.backoff = Backoff {
        min: Duration::from_secs(1),
        max: Duration::from_secs(8),
        jitter: 0.0,
    };
}

#[tokio::test]
async fn a_refused_message_ends_as_refused_and_harms_no_other() {
    let mut stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let [first, refused, last] = [0, 1, 2].map(|number| stage.send(number));
    peer.all_published(3).await;
    peer.answer(0x40, 2, 0x87).await;
    peer.answer(0x40, 1, 0x10).await;
    peer.puback(3).await;
    let refusal = SendError::Refused("not authorized".to_owned());
    assert_eq!(ended(refused).await, Err(refusal));
    ended(first).await.unwrap();
    ended(last).await.unwrap();
    // The place is free again.
    for number in 0..600 {
        let handover = stage.send(number);
        let sent = peer.published().await;
        peer.answer(0x40, sent.id, if number % 2 == 0 { 0x97 } else { 0 })
            .await;
        assert_eq!(ended(handover).await.is_err(), number % 2 == 0);
    }
    let counts = stage.mqtt.counts();
    assert_eq!(
        (counts.reconnects, counts.sent, counts.waiting),
        (0, 302, 0)
    );
    stage.up().await;
}

#[tokio::test]
async fn a_message_of_qos_2_that_is_refused_ends_as_refused_and_harms_no_other() {
    let mut stage = Stage::out(Version::V5, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    let [first, refused, last] = [0, 1, 2].map(|number| stage.send(number));
    peer.all_published(3).await;
    peer.answer(0x50, 2, 0x97).await;
    let refusal = SendError::Refused("quota exceeded".to_owned());
    assert_eq!(ended(refused).await, Err(refusal));
    // The library would count it for ever: another connection counts anew.
    stage.down().await;
    let mut peer = stage.connect(true).await;
    let again = peer.all_published(2).await;
    assert_eq!(again.iter().map(|s| s.id).collect::<Vec<_>>(), [1, 3]);
    finish(&mut peer, 1, 2).await;
    finish(&mut peer, 3, 2).await;
    ended(first).await.unwrap();
    ended(last).await.unwrap();
}

#[tokio::test]
async fn a_message_of_qos_2_that_the_broker_has_forgotten_is_sent_and_harms_no_other() {
    let mut stage = Stage::out(Version::V5, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    let [forgotten, last] = [0, 1].map(|number| stage.send(number));
    peer.all_published(2).await;
    peer.pubrec(1).await;
    assert_eq!(peer.packet().await, Packet::PubRel(1));
    peer.answer(0x70, 1, 0x92).await;
    ended(forgotten).await.unwrap();
    stage.down().await;
    let mut peer = stage.connect(true).await;
    assert_eq!(peer.published().await.id, 2);
    finish(&mut peer, 2, 2).await;
    ended(last).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_takes_leave_says_why() {
    let mut stage = Stage::out(Version::V5, Qos::AtLeastOnce).await;
    let said = |code: u8, text: &str| {
        let mut bytes = vec![0xE0, 2, code, 0];
        if !text.is_empty() {
            // Reason String
            let length = u8::try_from(text.len()).unwrap();
            bytes = vec![0xE0, length + 5, code, length + 3, 31, 0, length];
            bytes.extend(text.as_bytes());
        }
        bytes
    };
    let table = [
        (said(0x8B, ""), "server shutting down"),
        (said(0x8E, ""), "session taken over"),
        (
            said(0x98, "for the night"),
            "administrative action: \"for the night\"",
        ),
        // Neither long nor a command to a terminal.
        (
            said(0x98, &format!("\u{1b}[2J{}", "x".repeat(90))),
            "administrative action: \"\\u{1b}[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...",
        ),
        (vec![0xE0, 0], "without a reason"),
    ];
    for (bytes, words) in table {
        let mut peer = stage.connect(false).await;
        stage.up().await;
        peer.send(&bytes).await;
        let (reason, _) = stage.down().await;
        assert!(
            reason.starts_with("the broker ended the connection"),
            "{reason}"
        );
        assert!(reason.ends_with(words), "{reason}");
    }
    // The library passes over the form without properties; then what counts is that the connection ends.
    let mut peer = stage.connect(false).await;
    peer.send(&[0xE0, 1, 0x8B]).await;
    drop(peer);
    let (reason, _) = stage.down().await;
    assert!(reason.contains("the connection"), "{reason}");
    assert!(matches!(*stage.mqtt.link().borrow(), Link::Down { .. }));
}
