//! The end, in good order.

use std::time::Duration;

use whirlwind_provider_api::{Link, Messaging, SendError};
use whirlwind_provider_mqtt::{Qos, StateTopic, Version, Will};

use crate::broker::soon;
use crate::clock::{Clock, STEP};
use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    the_farewell_is_the_last_after_all_confirmations
    a_farewell_keeps_the_will_unsent
    the_word_that_we_leave_goes_before_the_farewell
    a_broker_that_confirms_nothing_does_not_keep_us
    a_broker_that_does_not_read_does_not_keep_us
    closing_while_connecting_returns_at_once
    closing_while_waiting_to_connect_returns_at_once
    closing_while_subscribing_says_farewell
    closing_while_sending_again_says_farewell
    a_provider_that_is_dropped_says_no_farewell
}

async fn the_farewell_is_the_last_after_all_confirmations(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let handovers: Vec<_> = (0..3).map(|number| stage.send(number)).collect();
    let sent = peer.all_published(3).await;
    peer.publish(8, 1, "in").await;
    let receipt = stage.receive().await.1.unwrap();
    let mqtt = stage.mqtt.clone();
    let closing = tokio::spawn(async move { mqtt.close().await });
    while !matches!(stage.try_send("late"), Err(SendError::Closed)) {
        tokio::task::yield_now().await;
    }
    // Not yet: this would come after it.
    receipt.give();
    assert_eq!(peer.packet().await, Packet::PubAck(8));
    for sent in sent {
        peer.puback(sent.id).await;
    }
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    soon("it is closed", closing).await.unwrap();
    assert_eq!(*stage.mqtt.link().borrow(), Link::Closed);
    assert!(stage.mqtt.receive().await.is_none());
    stage.mqtt.close().await;
}

async fn a_farewell_keeps_the_will_unsent(version: Version) {
    let mut stage = Stage::with(version, Qos::AtLeastOnce, false, |config| {
        config.will = Some(Will {
            topic: "gone".to_owned(),
            payload: "gone".into(),
            qos: Qos::AtLeastOnce,
            retain: false,
        });
    })
    .await;
    let mut peer = stage.connect(false).await;
    assert!(peer.will);
    stage.up().await;
    soon("it is closed", stage.mqtt.close()).await;
    // A reason other than 0 would have it sent.
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
}

async fn the_word_that_we_leave_goes_before_the_farewell(version: Version) {
    let mut stage = Stage::with(version, Qos::AtLeastOnce, false, |config| {
        config.state = Some(StateTopic {
            topic: "state".to_owned(),
            online: "online".into(),
            offline: "offline".into(),
            qos: Qos::AtLeastOnce,
        });
    })
    .await;
    let mut peer = stage.connect(false).await;
    let online = peer.published().await;
    assert_eq!((online.payload.as_str(), online.retain), ("online", true));
    peer.puback(online.id).await;
    stage.up().await;
    let handover = stage.send(1);
    let sent = peer.published().await;
    let mqtt = stage.mqtt.clone();
    let closing = tokio::spawn(async move { mqtt.close().await });
    let offline = peer.published().await;
    assert_eq!(
        (offline.payload.as_str(), offline.retain),
        ("offline", true)
    );
    peer.puback(sent.id).await;
    peer.puback(offline.id).await;
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
    ended(handover).await.unwrap();
    soon("it is closed", closing).await.unwrap();
}

async fn a_broker_that_confirms_nothing_does_not_keep_us(version: Version) {
    let clock = Clock::stop();
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    let handovers: Vec<_> = (0..30).map(|number| stage.send(number)).collect();
    peer.all_published(19).await;
    let ((), waited) = clock.until(stage.mqtt.close()).await;
    assert!(waited <= Duration::from_secs(5), "{waited:?}");
    let mut rest = peer.rest().await;
    assert_eq!(rest.pop(), Some(Packet::Disconnect(0)));
    for handover in handovers {
        assert_eq!(ended(handover).await, Err(SendError::Closed));
    }
}

async fn a_broker_that_does_not_read_does_not_keep_us(version: Version) {
    let clock = Clock::stop();
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    let _handovers: Vec<_> = (0..30).map(|_| stage.send("x".repeat(500_000))).collect();
    // It is on its way, and soon stuck.
    peer.published().await;
    let ((), waited) = clock.until(stage.mqtt.close()).await;
    assert!(waited <= Duration::from_secs(5), "{waited:?}");
}

/// Closes, and takes no time for it.
async fn close_at_once(clock: &Clock, stage: &Stage) {
    let ((), waited) = clock.until(stage.mqtt.close()).await;
    assert!(waited <= 5 * STEP, "{waited:?}");
    assert_eq!(*stage.mqtt.link().borrow(), Link::Closed);
}

async fn closing_while_connecting_returns_at_once(version: Version) {
    let clock = Clock::stop();
    let stage = Stage::out(version, Qos::AtLeastOnce).await;
    let handover = stage.send(1);
    let mut peer = stage.broker.accept().await;
    close_at_once(&clock, &stage).await;
    assert!(peer.rest().await.is_empty());
    assert_eq!(ended(handover).await, Err(SendError::Closed));
}

async fn closing_while_waiting_to_connect_returns_at_once(version: Version) {
    let clock = Clock::stop();
    let mut stage = Stage::with(version, Qos::AtLeastOnce, false, |config| {
        config.backoff.min = Duration::from_secs(100);
        config.backoff.max = Duration::from_secs(100);
    })
    .await;
    drop(stage.broker.accept().await);
    stage.down().await;
    close_at_once(&clock, &stage).await;
}

async fn closing_while_subscribing_says_farewell(version: Version) {
    let clock = Clock::stop();
    let stage = Stage::both(version).await;
    let mut peer = stage.connect(false).await;
    peer.subscribed().await;
    close_at_once(&clock, &stage).await;
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
}

async fn closing_while_sending_again_says_farewell(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let handover = stage.send(1);
    peer.published().await;
    drop(peer);
    stage.down().await;
    let mut peer = stage.connect(true).await;
    peer.published().await;
    soon("it is closed", stage.mqtt.close()).await;
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
    assert_eq!(ended(handover).await, Err(SendError::Closed));
}

async fn a_provider_that_is_dropped_says_no_farewell(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    drop(stage.mqtt);
    assert!(peer.rest().await.is_empty());
}
