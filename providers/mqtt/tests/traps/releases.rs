//! The four packets of QoS 2, of which the client library forgets half when a connection goes.

use whirlwind_provider_api::Messaging;
use whirlwind_provider_mqtt::{Qos, Version};

use crate::packet::Packet;
use crate::stage::{Stage, ended};

in_both_versions! {
    a_release_of_what_an_earlier_connection_received_is_completed
    a_release_of_many_that_earlier_connections_received_costs_one_connection
    a_release_in_a_new_session_does_not_go_round
    a_message_of_qos_2_comes_in_once_in_all_its_packets
    a_message_of_qos_2_goes_out_once_in_all_its_packets
    ids_are_free_again_after_a_lost_session
    confirmations_in_any_order_stop_nothing
}

async fn a_release_of_what_an_earlier_connection_received_is_completed(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    peer.publish(7, 2, "seven").await;
    stage.receive().await.1.unwrap().give();
    assert_eq!(peer.packet().await, Packet::PubRec(7));
    drop(peer);
    stage.down().await;

    // The library does not know the id any more, and a real broker would send the release again for ever.
    let mut peer = stage.connect(true).await;
    peer.pubrel(7).await;
    let (reason, _) = stage.down().await;
    assert!(reason.contains("packet id 7"), "{reason}");

    for id in [7, 7, 65_535] {
        let mut peer = stage.connect(true).await;
        peer.pubrel(id).await;
        assert_eq!(peer.packet().await, Packet::PubComp(id));
        let handover = stage.send("on");
        let sent = peer.published().await;
        peer.puback(sent.id).await;
        ended(handover).await.unwrap();
        drop(peer);
        stage.down().await;
    }
    assert_eq!(stage.mqtt.counts().received, 1);
}

async fn a_release_of_many_that_earlier_connections_received_costs_one_connection(
    version: Version,
) {
    let mut stage = Stage::both(version).await;
    drop(stage.open().await);
    stage.down().await;
    let mut peer = stage.connect(true).await;
    peer.pubrel(1).await;
    stage.down().await;
    let mut peer = stage.connect(true).await;
    for id in 1..=100 {
        peer.pubrel(id).await;
    }
    for id in 1..=100 {
        assert_eq!(peer.packet().await, Packet::PubComp(id));
    }
    assert_eq!(stage.mqtt.counts().reconnects, 2);
}

async fn a_release_in_a_new_session_does_not_go_round(version: Version) {
    let mut stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    peer.pubrel(7).await;
    stage.down().await;
    let mut peer = stage.connect(false).await;
    peer.pubrel(7).await;
    assert_eq!(peer.packet().await, Packet::PubComp(7));
    stage.up().await;
}

async fn a_message_of_qos_2_comes_in_once_in_all_its_packets(version: Version) {
    let mut stage = Stage::both(version).await;
    let mut peer = stage.open().await;
    for _ in 0..3 {
        peer.publish(7, 2, "seven").await;
        let (payload, receipt) = stage.receive().await;
        assert_eq!(payload, "seven");
        receipt.unwrap().give();
        assert_eq!(peer.packet().await, Packet::PubRec(7));
        peer.pubrel(7).await;
        assert_eq!(peer.packet().await, Packet::PubComp(7));
    }
    let counts = stage.mqtt.counts();
    assert_eq!((counts.received, counts.reconnects), (3, 0));
}

async fn a_message_of_qos_2_goes_out_once_in_all_its_packets(version: Version) {
    let stage = Stage::out(version, Qos::ExactlyOnce).await;
    let mut peer = stage.connect(false).await;
    // More than there are packet ids in the library's circle.
    for number in 0..600 {
        let handover = stage.send(number);
        let sent = peer.published().await;
        assert_eq!((sent.qos, sent.payload), (2, number.to_string()));
        peer.pubrec(sent.id).await;
        assert_eq!(peer.packet().await, Packet::PubRel(sent.id));
        peer.pubcomp(sent.id).await;
        ended(handover).await.unwrap();
    }
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}

async fn ids_are_free_again_after_a_lost_session(version: Version) {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut stage = Stage::out(version, qos).await;
        let handovers: Vec<_> = (0..300).map(|number| stage.send(number)).collect();
        // Each time many are on their way when the session is lost, under ids that are the next to be used.
        for _ in 0..3 {
            let mut peer = stage.connect(false).await;
            let sent = peer.all_published(19).await;
            assert_eq!(sent[0].id, 1);
            drop(peer);
            stage.down().await;
        }
        let mut peer = stage.connect(false).await;
        let answering = tokio::spawn(async move {
            let mut next = 0;
            while let Some(packet) = peer.next().await {
                match packet {
                    Packet::Publish(sent) => {
                        assert_eq!(sent.payload, next.to_string());
                        next += 1;
                        peer.sized(
                            if sent.qos == 1 { 0x40 } else { 0x50 },
                            &sent.id.to_be_bytes(),
                        )
                        .await;
                    }
                    Packet::PubRel(id) => peer.pubcomp(id).await,
                    packet => assert_eq!(packet, Packet::Disconnect(0)),
                }
            }
            next
        });
        for handover in handovers {
            ended(handover).await.unwrap();
        }
        stage.mqtt.close().await;
        assert_eq!(answering.await.unwrap(), 300);
        assert_eq!(stage.mqtt.counts().sent, 300);
        assert_eq!(stage.mqtt.counts().reconnects, 3);
    }
}

async fn confirmations_in_any_order_stop_nothing(version: Version) {
    let stage = Stage::out(version, Qos::AtLeastOnce).await;
    let mut peer = stage.connect(false).await;
    let handovers: Vec<_> = (0..1000).map(|number| stage.send(number)).collect();
    // Backwards in tens: the library would find the next id taken.
    let mut held = Vec::new();
    for number in 0..1000 {
        let sent = peer.published().await;
        assert_eq!(sent.payload, number.to_string());
        held.push(sent.id);
        if held.len() == 10 {
            while let Some(id) = held.pop() {
                peer.puback(id).await;
            }
        }
    }
    for handover in handovers {
        ended(handover).await.unwrap();
    }
    assert_eq!(stage.mqtt.counts().reconnects, 0);
}
