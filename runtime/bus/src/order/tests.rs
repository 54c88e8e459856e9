//! What cannot be seen from outside: turns that are undone, and how much waits.

use std::sync::Arc;

use tempfile::TempDir;
use whirlwind_event::{EventBuilder, Topic, TopicFilter};
use whirlwind_store::{CommitError, Store};

use super::*;
use crate::{
    Bus, DeadLetterLimits, DeadLetters, Durable, Inbox, Lease, MailboxSpec, TopicRule, TopicRules,
};

async fn bus(dir: &TempDir) -> (Arc<Bus>, Inbox) {
    let rule = TopicRule {
        durable: Some(true),
        ..TopicRule::default()
    };
    let filter = TopicFilter::parse("a").unwrap();
    let rules = TopicRules::new([(filter.clone(), rule)]);
    let bus = Bus::new(rules, DeadLetters::new(DeadLetterLimits::default()));
    let store = Store::open(dir.path()).unwrap().store;
    let open = tokio::task::spawn_blocking(|| Durable::open(store, ["a"]));
    bus.open_durable(open.await.unwrap().unwrap().0);
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "a".into(),
        partition: Some(Partition::Subject),
        ..MailboxSpec::default()
    });
    bus.subscribe(&filter, &mailbox);
    (Arc::new(bus), inbox)
}

async fn accept(bus: &Arc<Bus>, id: usize, subject: &str, bytes: usize) {
    let event = EventBuilder::new()
        .id(id.to_string())
        .source("/test")
        .ty("test")
        .subject(subject)
        .data(vec![0; bytes]);
    let event = Arc::new(event.build().unwrap());
    bus.publish(Envelope::new(Topic::parse("a").unwrap(), event))
        .synced
        .unwrap()
        .wait()
        .await
        .unwrap();
}

/// The next event that may run now, in hand or not yet, as a lease would take it.
fn next(lease: &Lease) -> Option<InHand> {
    let shared = &lease.inbox.shared;
    let left = lease.inbox.left.take();
    left.or_else(|| shared.order.as_ref().unwrap().next(shared, true))
}

#[tokio::test]
async fn an_undone_turn_runs_again_before_later_events_of_its_key() {
    let dir = TempDir::new().unwrap();
    let (bus, inbox) = bus(&dir).await;
    for id in 1..=2 {
        accept(&bus, id, "k", 0).await;
    }
    let (mut one, two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    assert_eq!(one.next().await.event.id(), "1");
    let turn = one.entrust().unwrap();
    assert!(next(&two).is_none());
    turn.undone(&CommitError::Undone {
        reason: "the disk is full".to_owned(),
    });
    assert_eq!(one.next().await.event.id(), "1");
    assert!(next(&two).is_none());
    one.entrust().unwrap().took_effect();
    assert_eq!(one.next().await.event.id(), "2");
}

#[tokio::test]
async fn a_bounded_number_of_stored_events_waits_for_others() {
    let dir = TempDir::new().unwrap();
    let (bus, inbox) = bus(&dir).await;
    let many = STORED.events + 10;
    let mut synced = Vec::new();
    for id in 0..many {
        let event = EventBuilder::new()
            .id(id.to_string())
            .source("/test")
            .ty("test")
            .subject("k");
        let event = Arc::new(event.build().unwrap());
        let delivery = bus.publish(Envelope::new(Topic::parse("a").unwrap(), event));
        synced.push(delivery.synced.unwrap());
    }
    for synced in synced {
        synced.wait().await.unwrap();
    }
    accept(&bus, many, "l", 0).await;
    let stored = || inbox.shared.order.as_ref().unwrap().state().stored.events;
    let lease = inbox.lease(0).unwrap();
    let first = next(&lease).unwrap();
    assert!(next(&lease).is_none());
    assert_eq!(stored(), STORED.events);
    // Each end lets one more be taken from the store, until the other key comes.
    let mut runs = Some(first);
    for id in 0..many {
        assert!(stored() <= STORED.events);
        let in_hand = runs.take().unwrap();
        assert_eq!(in_hand.envelope.event.id(), id.to_string());
        drop(in_hand);
        runs = next(&lease);
        if let Some(other) = next(&lease) {
            assert_eq!(other.envelope.event.id(), many.to_string());
            assert_eq!(id, many - STORED.events - 1);
        }
    }
    assert!(runs.is_none());
    assert_eq!(stored(), 0);
}

#[tokio::test]
async fn so_is_their_size() {
    let dir = TempDir::new().unwrap();
    let (bus, inbox) = bus(&dir).await;
    for id in 0..10 {
        accept(&bus, id, "k", STORED.bytes / 4).await;
    }
    let lease = inbox.lease(0).unwrap();
    let first = next(&lease).unwrap();
    assert!(next(&lease).is_none());
    let stored = inbox.shared.order.as_ref().unwrap().state().stored;
    assert_eq!(stored.events, 4);
    drop(first);
}
