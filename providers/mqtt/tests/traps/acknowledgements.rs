//! Acknowledgements of what came in, which share the client library's one queue with all that goes out.

use whirlwind_provider_api::Messaging;
use whirlwind_provider_mqtt::{MAX_IN_FLIGHT, Version};

use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    acknowledgements_leave_in_the_order_of_receipt
    a_receipt_given_after_a_reconnect_is_not_sent
    a_receipt_given_after_a_new_session_is_not_sent
    a_receipt_that_is_dropped_fetches_its_message_again
    a_thousand_messages_and_as_many_acknowledgements_do_not_stop_each_other
    acknowledgements_leave_while_the_broker_confirms_nothing
    acknowledgements_leave_while_the_oldest_message_is_unconfirmed
}

async fn acknowledgements_leave_in_the_order_of_receipt(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let qos = [1, 2, 1, 2, 1];
    for (id, qos) in (10..).zip(qos) {
        peer.publish(id, qos, &id.to_string()).await;
    }
    let mut receipts = Vec::new();
    for id in 10..15 {
        let (payload, receipt) = stage.receive().await;
        assert_eq!(payload, id.to_string());
        receipts.push(receipt);
    }
    let give = |receipts: &mut Vec<Option<whirlwind_provider_api::Receipt>>, index: usize| {
        receipts[index].take().unwrap().give();
    };
    give(&mut receipts, 4);
    give(&mut receipts, 1);
    // They wait for the first: an event passes them.
    let handover = stage.send("passes");
    let sent = peer.published().await;
    peer.puback(sent.id).await;
    ended(handover).await.unwrap();
    give(&mut receipts, 0);
    assert_eq!(peer.packet().await, Packet::PubAck(10));
    assert_eq!(peer.packet().await, Packet::PubRec(11));
    give(&mut receipts, 3);
    give(&mut receipts, 2);
    assert_eq!(peer.packet().await, Packet::PubAck(12));
    assert_eq!(peer.packet().await, Packet::PubRec(13));
    assert_eq!(peer.packet().await, Packet::PubAck(14));
    peer.pubrel(13).await;
    assert_eq!(peer.packet().await, Packet::PubComp(13));
    peer.pubrel(11).await;
    assert_eq!(peer.packet().await, Packet::PubComp(11));
}

async fn a_receipt_given_after_a_reconnect_is_not_sent(version: Version) {
    for qos in [1, 2] {
        let mut stage = Stage::both(version).await;
        let mut peer = stage.open().await;
        peer.publish(5, qos, "five").await;
        let old = stage.receive().await.1.unwrap();
        drop(peer);
        stage.down().await;

        let mut peer = stage.connect(true).await;
        stage.up().await;
        peer.publish_again(5, qos, "five").await;
        let (payload, again) = stage.receive().await;
        assert_eq!(payload, "five");
        old.give();
        let handover = stage.send("passes");
        let sent = peer.published().await;
        peer.puback(sent.id).await;
        ended(handover).await.unwrap();
        again.unwrap().give();
        let expected = [Packet::PubAck(5), Packet::PubRec(5)];
        assert_eq!(peer.packet().await, expected[usize::from(qos) - 1]);
        let counts = stage.mqtt.counts();
        assert_eq!((counts.duplicates, counts.acknowledged), (1, 1));
        stage.mqtt.close().await;
        assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
    }
}

async fn a_receipt_given_after_a_new_session_is_not_sent(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    peer.publish(5, 1, "read").await;
    peer.publish(6, 1, "unread").await;
    let old = stage.receive().await.1.unwrap();
    while stage.mqtt.counts().received < 2 {
        tokio::task::yield_now().await;
    }
    drop(peer);
    stage.down().await;

    let mut peer = stage.open().await;
    old.give();
    // What only we have is not lost, and nobody waits for its receipt.
    let (payload, receipt) = stage.receive().await;
    assert_eq!((payload.as_str(), receipt.is_none()), ("unread", true));
    stage.mqtt.close().await;
    assert_eq!(peer.rest().await, [Packet::Disconnect(0)]);
}

async fn a_receipt_that_is_dropped_fetches_its_message_again(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    peer.publish(5, 1, "five").await;
    drop(stage.receive().await.1);
    assert!(peer.rest().await.is_empty());
    let (reason, _) = stage.down().await;
    assert_eq!(reason, "a message goes back to the broker");
    let mut peer = stage.connect(true).await;
    peer.publish_again(5, 1, "five").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(5));
}

async fn a_thousand_messages_and_as_many_acknowledgements_do_not_stop_each_other(version: Version) {
    const ALL: u16 = 1000;
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let handovers: Vec<_> = (0..ALL).map(|number| stage.send(number)).collect();
    let mqtt = stage.mqtt.clone();
    let reading = tokio::spawn(async move {
        for number in 0..ALL {
            let received = mqtt.receive().await.unwrap();
            assert_eq!(received.event.data(), Some(number.to_string().as_bytes()));
            received.receipt.unwrap().give();
        }
    });
    // As many on their way as the window is wide, and all confirmed late.
    const WINDOW: u16 = 64;
    let (mut given, mut acknowledged, mut published) = (0, 0, Vec::new());
    let mut next = 0;
    while acknowledged < ALL || next < usize::from(ALL) || !published.is_empty() {
        while given < ALL && given - acknowledged < WINDOW {
            peer.publish(given + 1, 1, &given.to_string()).await;
            given += 1;
        }
        match peer.packet().await {
            Packet::PubAck(id) => {
                acknowledged += 1;
                assert_eq!(id, acknowledged);
            }
            Packet::Publish(sent) => {
                assert_eq!(sent.payload, next.to_string());
                next += 1;
                published.push(sent.id);
            }
            packet => panic!("{packet:?}"),
        }
        if published.len() >= 19 || next == usize::from(ALL) {
            for id in published.drain(..) {
                peer.puback(id).await;
            }
        }
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    crate::broker::soon("all is read", reading).await.unwrap();
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

/// How many messages go before one is confirmed: one less than the broker takes, or is taken to.
fn window(version: Version) -> usize {
    match version {
        Version::V5 => usize::from(MAX_IN_FLIGHT) - 1,
        Version::V4 => 19,
    }
}

async fn acknowledgements_leave_while_the_broker_confirms_nothing(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let handovers: Vec<_> = (0..300).map(|number| stage.send(number)).collect();
    let sent = peer.all_published(window(version)).await;
    for id in 1..=40 {
        peer.publish(id, 1, "in").await;
        stage.receive().await.1.unwrap().give();
        assert_eq!(peer.packet().await, Packet::PubAck(id));
    }
    for sent in &sent {
        peer.puback(sent.id).await;
    }
    for _ in sent.len()..300 {
        let sent = peer.published().await;
        peer.puback(sent.id).await;
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
}

async fn acknowledgements_leave_while_the_oldest_message_is_unconfirmed(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    let mut handovers: Vec<_> = (0..300).map(|number| stage.send(number)).collect();
    let mut sent = peer.all_published(window(version)).await.into_iter();
    let oldest = sent.next().unwrap();
    for sent in sent {
        peer.puback(sent.id).await;
    }
    for handover in handovers.drain(1..window(version)) {
        ended(handover).await.unwrap();
    }
    // Soon after comes the packet id of the oldest; at that the library would take no requests until it is free, acknowledgements
    // included.
    peer.publish(9, 1, "in").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubAck(9));
    peer.puback(oldest.id).await;
    for _ in window(version)..300 {
        let sent = peer.published().await;
        peer.puback(sent.id).await;
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}
