//! A broker that is there and does nothing, or not all that it should.

use std::time::Duration;

use whirlwind_provider_api::{Link, Messaging};
use whirlwind_provider_mqtt::{Qos, Version};

use crate::clock::{Clock, STEP};
use crate::packet::Packet;
use crate::stage::{Stage, ended};

const KEEP_ALIVE: Duration = Duration::from_secs(5);

in_both_versions! {
    a_broker_that_confirms_nothing_is_left
    a_broker_that_confirms_nothing_that_is_sent_again_is_left
    a_broker_that_goes_silent_is_left
    a_broker_that_does_not_read_any_more_is_left
    a_broker_that_does_not_answer_is_left
    a_broker_that_does_not_answer_the_subscriptions_is_left
    a_broker_that_has_nothing_to_say_is_kept
    a_broker_that_confirms_late_is_kept
}

/// A provider that pings as often as it may.
async fn stage(version: Version, inward: bool) -> Stage {
    Stage::with(version, Qos::AtLeastOnce, inward, |config| {
        config.keep_alive = KEEP_ALIVE;
        config.connect_timeout = Duration::from_secs(10);
    })
    .await
}

async fn a_broker_that_confirms_nothing_is_left(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let mut peer = stage.connect(false).await;
    let handover = stage.send(1);
    peer.published().await;
    // It answers every ping all the same.
    let reading = tokio::spawn(async move { peer.rest().await });
    let ((reason, _), waited) = clock.until(stage.down()).await;
    assert_eq!(reason, "the broker has confirmed nothing for 15 s");
    assert!(waited >= 3 * KEEP_ALIVE, "{waited:?}");
    assert!(reading.await.unwrap().is_empty());
    let (mut peer, _) = clock.until(stage.connect(false)).await;
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

async fn a_broker_that_confirms_nothing_that_is_sent_again_is_left(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let mut peer = stage.connect(false).await;
    let handover = stage.send(1);
    peer.published().await;
    drop(peer);
    stage.down().await;
    let (mut peer, _) = clock.until(stage.connect(true)).await;
    // The library takes a moment between those that it sends again.
    assert!(clock.until(peer.published()).await.0.dup);
    let reading = tokio::spawn(async move { peer.rest().await });
    let ((reason, _), _) = clock.until(stage.down()).await;
    assert_eq!(reason, "the broker has confirmed nothing for 15 s");
    assert!(reading.await.unwrap().is_empty());
    let (mut peer, _) = clock.until(stage.connect(true)).await;
    let (sent, _) = clock.until(peer.published()).await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

async fn a_broker_that_goes_silent_is_left(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let mut peer = stage.connect(false).await;
    peer.answers_pings = false;
    stage.up().await;
    let ((reason, _), waited) = clock.until(stage.down()).await;
    assert_eq!(reason, "the broker does not answer pings");
    assert!(waited <= 2 * KEEP_ALIVE + 5 * STEP, "{waited:?}");
    assert_eq!(peer.rest().await, [Packet::Ping]);
    let (_peer, _) = clock.until(stage.connect(true)).await;
    stage.up().await;
}

async fn a_broker_that_does_not_read_any_more_is_left(version: Version) {
    let clock = Clock::stop();
    // Of messages that nobody confirms, so that nothing is missed but that something moves.
    let mut stage = Stage::with(version, Qos::AtMostOnce, false, |config| {
        config.keep_alive = KEEP_ALIVE;
    })
    .await;
    let peer = stage.connect(false).await;
    stage.up().await;
    // More than the sockets hold.
    let handovers: Vec<_> = (0..30).map(|_| stage.send("x".repeat(500_000))).collect();
    let ((reason, _), waited) = clock.until(stage.down()).await;
    assert!(waited <= 3 * KEEP_ALIVE + 5 * STEP, "{waited:?}: {reason}");
    drop(peer);
    let (mut peer, _) = clock.until(stage.connect(false)).await;
    let reading = tokio::spawn(async move { peer.rest().await });
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    stage.mqtt.close().await;
    let rest = reading.await.unwrap();
    assert!((2..30).contains(&rest.len()), "{}", rest.len());
}

async fn a_broker_that_does_not_answer_is_left(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let _silent = stage.broker.accept().await;
    let ((reason, attempts), waited) = clock.until(stage.down()).await;
    assert_eq!((reason.as_str(), attempts), ("no answer within 10s", 1));
    assert!(waited <= Duration::from_secs(10) + 5 * STEP, "{waited:?}");
    let (_peer, _) = clock.until(stage.connect(true)).await;
    stage.up().await;
}

async fn a_broker_that_does_not_answer_the_subscriptions_is_left(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, true).await;
    let mut peer = stage.connect(false).await;
    peer.subscribed().await;
    let reading = tokio::spawn(async move { peer.rest().await });
    let ((reason, _), _) = clock.until(stage.down()).await;
    assert_eq!(reason, "no answer to the subscriptions within 10s");
    assert!(reading.await.unwrap().is_empty());
    let (mut peer, _) = clock.until(stage.connect(false)).await;
    let (id, _) = peer.subscribed().await;
    peer.suback(id, &[1]).await;
    stage.up().await;
}

async fn a_broker_that_has_nothing_to_say_is_kept(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    let answering = async {
        peer.answers_pings = false;
        for _ in 0..20 {
            assert_eq!(peer.packet().await, Packet::Ping);
            peer.send(&[0xD0, 0]).await;
        }
    };
    let ((), waited) = clock.until(answering).await;
    assert!(waited >= 20 * KEEP_ALIVE, "{waited:?}");
    assert_eq!(*stage.mqtt.link().borrow(), Link::Up);
}

async fn a_broker_that_confirms_late_is_kept(version: Version) {
    let clock = Clock::stop();
    let mut stage = stage(version, false).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    let mut handovers: Vec<_> = (0..10).map(|number| stage.send(number)).collect();
    let sent = peer.all_published(10).await;
    // One in two keep-alives is little, but it is something.
    let confirming = async {
        peer.answers_pings = false;
        for sent in sent {
            for _ in 0..2 {
                assert_eq!(peer.packet().await, Packet::Ping);
                peer.send(&[0xD0, 0]).await;
            }
            peer.puback(sent.id).await;
            ended(handovers.remove(0)).await.unwrap();
        }
    };
    let ((), waited) = clock.until(confirming).await;
    assert!(waited >= 20 * KEEP_ALIVE, "{waited:?}");
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

/// A broker that says how often it wants to be pinged, and how often it was, in a time without anything else.
async fn pings(server_keep_alive: u16, time: Duration) -> (Stage, usize) {
    let clock = Clock::stop();
    let mut stage = stage(Version::V5, false).await;
    let mut peer = stage.broker.accept().await;
    peer.answers_pings = false;
    peer.connack_with(false, |said| {
        said.server_keep_alive = Some(server_keep_alive)
    })
    .await;
    stage.up().await;
    let mut count = 0;
    let pinged = async {
        loop {
            assert_eq!(peer.whenever().await, Some(Packet::Ping));
            peer.send(&[0xD0, 0]).await;
            count += 1;
        }
    };
    let over = clock.until(tokio::time::sleep(time));
    tokio::select! {
        () = pinged => {}
        _ = over => {}
    }
    assert_eq!(*stage.mqtt.link().borrow(), Link::Up, "{server_keep_alive}");
    let handover = stage.send(1);
    let sent = loop {
        match peer.packet().await {
            Packet::Ping => count += 1,
            Packet::Publish(sent) => break sent,
            packet => panic!("{packet:?}"),
        }
    };
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
    (stage, count)
}

#[tokio::test]
async fn a_broker_that_wants_no_pings_gets_few() {
    let (stage, count) = pings(0, 10 * KEEP_ALIVE).await;
    assert!((5..=12).contains(&count), "{count}");
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

#[tokio::test]
async fn a_broker_that_wants_more_pings_gets_them() {
    let (stage, count) = pings(1, Duration::from_secs(30)).await;
    assert!(count >= 25, "{count}");
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

#[tokio::test]
async fn a_broker_that_wants_fewer_pings_is_not_taken_for_dead() {
    let (stage, count) = pings(60, Duration::from_secs(70)).await;
    assert!((1..=2).contains(&count), "{count}");
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}
