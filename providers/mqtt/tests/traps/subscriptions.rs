//! Subscriptions, which the client library neither makes again nor looks after.

use std::time::Duration;

use whirlwind_provider_mqtt::{Backoff, InMapping, Qos, Version};

use crate::clock::Clock;
use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    a_session_that_is_gone_is_subscribed_again
    a_session_that_is_kept_is_not_subscribed_again
    the_session_of_an_earlier_process_is_subscribed
    a_refused_subscription_is_named_and_tried_again_after_a_while
    an_answer_for_too_few_subscriptions_ends_the_connection
    an_answer_to_no_subscription_ends_the_connection
    a_connection_lost_before_the_answer_subscribes_again
    what_is_unconfirmed_goes_before_the_subscription
}

async fn a_session_that_is_gone_is_subscribed_again(version: Version) {
    let mut stage = Stage::both(version).await;
    drop(stage.open().await);
    stage.down().await;
    let mut peer = stage.connect(false).await;
    let (id, filters) = peer.subscribed().await;
    assert_eq!(filters, [("in/+".to_owned(), 1)]);
    peer.suback(id, &[1]).await;
    stage.up().await;
}

async fn a_session_that_is_kept_is_not_subscribed_again(version: Version) {
    let mut stage = Stage::both(version).await;
    let peer = stage.open().await;
    assert!(!peer.clean);
    drop(peer);
    stage.down().await;
    let mut peer = stage.connect(true).await;
    stage.up().await;
    // Had it subscribed, that would come first.
    let handover = stage.send(1);
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
}

async fn the_session_of_an_earlier_process_is_subscribed(version: Version) {
    let stage = Stage::both(version).await;
    let mut peer = stage.connect(true).await;
    peer.subscribed().await;
}

async fn a_refused_subscription_is_named_and_tried_again_after_a_while(version: Version) {
    let clock = Clock::stop();
    let mut stage = Stage::with(version, Qos::AtLeastOnce, true, |config| {
        let inward = ["in/+", "secret/#"].map(|filter| InMapping::new(filter, "got/x").unwrap());
        config.mappings = config
            .clone()
            .with_mappings(inward.into(), Vec::new())
            .mappings;
        config.backoff = Backoff {
            min: Duration::from_secs(1),
            max: Duration::from_secs(4),
            jitter: 0.0,
        };
    })
    .await;
    for (round, wait) in [0, 1, 2, 4, 4].into_iter().enumerate() {
        let (mut peer, waited) = clock.until(stage.connect(false)).await;
        assert!(waited >= Duration::from_secs(wait), "{round}: {waited:?}");
        let (id, _) = peer.subscribed().await;
        peer.suback(id, &[1, 0x80]).await;
        let (reason, attempts) = stage.down().await;
        assert!(reason.contains("`secret/#` refused"), "{reason}");
        assert_eq!(attempts as usize, round + 1);
        assert!(peer.rest().await.is_empty());
    }
    let (mut peer, _) = clock.until(stage.connect(false)).await;
    let (id, _) = peer.subscribed().await;
    peer.suback(id, &[1, 0]).await;
    stage.up().await;
}

async fn an_answer_for_too_few_subscriptions_ends_the_connection(version: Version) {
    let mut stage = Stage::with(version, Qos::AtLeastOnce, true, |config| {
        let inward = ["in/+", "in/#"].map(|filter| InMapping::new(filter, "got/x").unwrap());
        config.mappings = config
            .clone()
            .with_mappings(inward.into(), Vec::new())
            .mappings;
    })
    .await;
    for codes in [&[1][..], &[1, 1, 1]] {
        let mut peer = stage.connect(false).await;
        let (id, _) = peer.subscribed().await;
        peer.suback(id, codes).await;
        let (reason, _) = stage.down().await;
        assert_eq!(reason, "the broker did not answer every subscription");
    }
}

async fn an_answer_to_no_subscription_ends_the_connection(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    stage.up().await;
    peer.suback(1, &[1]).await;
    let (reason, _) = stage.down().await;
    assert!(reason.contains("was not made"), "{reason}");
    let _peer = stage.connect(false).await;
    stage.up().await;
}

async fn a_connection_lost_before_the_answer_subscribes_again(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.connect(false).await;
    peer.subscribed().await;
    drop(peer);
    stage.down().await;
    // Whether the broker had them, nobody knows.
    let mut peer = stage.connect(true).await;
    let (id, _) = peer.subscribed().await;
    peer.suback(id, &[1]).await;
    stage.up().await;
}

async fn what_is_unconfirmed_goes_before_the_subscription(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let handover = stage.send(1);
    let id = peer.published().await.id;
    drop(peer);
    stage.down().await;

    // The ids of what is on its way are in use: a subscription may not take one of them.
    let mut peer = stage.connect(true).await;
    assert!(matches!(peer.packet().await, Packet::Publish(sent) if sent.dup && sent.id == id));
    drop(peer);
    stage.down().await;
    let mut peer = stage.connect(true).await;
    peer.published().await;
    peer.puback(id).await;
    ended(handover).await.unwrap();
    drop(peer);
    stage.down().await;
    let mut peer = stage.connect(false).await;
    peer.subscribed().await;
}
