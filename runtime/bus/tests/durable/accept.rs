//! From a door to the disk.

use std::sync::Arc;

use whirlwind_bus::{Envelope, Settlement, Transaction, Verdict};
use whirlwind_event::EventBuilder;

use crate::common::{envelope, filter, topic};
use crate::node::{Node, Setup, commit, drain, id, mailbox, now, publishing, take};

#[tokio::test]
async fn a_publisher_hears_yes_and_anybody_sees_the_event_when_it_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let subscribers = vec!["a", "b"];
    let setup = Setup {
        subscribers,
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    let (eye, seen) = mailbox(&node.bus, "eye", 8);
    node.bus.observe(&filter("#"), &eye);
    let (share, settled) = Settlement::new();
    let mut settled = Box::pin(settled);
    let before = node.store().counts();
    node.faults.hold();
    let delivery = node
        .bus
        .publish(envelope("all/x", "1").holding(Some(share)));
    // Whoever looks on is counted too, as on other topics.
    assert_eq!((delivery.delivered, delivery.refused.len()), (3, 0));
    let mut wait = Box::pin(delivery.synced.unwrap().wait());
    node.faults.reached();
    let mut leases: Vec<_> = node.inboxes.iter().map(|i| i.lease(0).unwrap()).collect();
    let mut eye = seen.lease(0).unwrap();
    // Whatever could run has run.
    tokio::task::yield_now().await;
    assert!(now(wait.as_mut()).is_none());
    assert!(now(settled.as_mut()).is_none());
    assert!(now(eye.next()).is_none());
    for lease in &mut leases {
        assert!(now(lease.next()).is_none());
    }
    node.faults.release(0);
    assert_eq!(wait.await, Ok(()));
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(take(&mut eye), "1");
    for lease in &mut leases {
        assert_eq!(take(lease), "1");
    }
    let after = node.store().counts();
    assert_eq!(after.commits - before.commits, 1, "one for both");
    assert_eq!(after.syncs - before.syncs, 1);
    assert_eq!(
        node.keys(),
        2,
        "a place for each, and none for who looks on"
    );
}

#[tokio::test]
async fn what_was_accepted_is_there_again_in_order_with_all_that_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let event = EventBuilder::new()
        .id("first")
        .source("/somewhere")
        .ty("of.some.kind")
        .subject("its subject")
        .datacontenttype("application/json")
        .extension("traceparent", "00-aa")
        .data(r#"{"x":[1,2,3]}"#)
        .build()
        .unwrap();
    let event = Arc::new(event);
    let first = Envelope::new(topic("a/deep/topic"), Arc::clone(&event)).after_hops(7);
    let synced = node.bus.publish(first).synced.unwrap();
    synced.wait().await.unwrap();
    for n in 0..20 {
        node.publish("all/x", &n.to_string()).await.unwrap();
    }
    node.kill();
    let node = Node::open(dir.path()).await;
    assert_eq!(node.depth(), 21);
    let mut lease = node.lease();
    let found = now(lease.next()).unwrap();
    assert_eq!(found.topic.as_str(), "a/deep/topic");
    assert_eq!((found.hops, found.attempt), (7, 1));
    assert_eq!(found.event, event);
    commit(&node, &mut lease).await.unwrap();
    let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(drain(&node, &mut lease).await, expected);
    assert_eq!((node.depth(), node.keys()), (0, 0));
    node.stop().await;
    assert_eq!(Node::open(dir.path()).await.depth(), 0);
}

#[tokio::test]
async fn who_has_no_queue_hears_of_an_event_once_it_is_there_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let (door, inbox) = mailbox(&node.bus, "door", 8);
    node.bus.subscribe(&filter("door/#"), &door);
    let mut lease = inbox.lease(0).unwrap();
    let delivery = node.bus.publish(envelope("door/1", "1"));
    assert!(now(lease.next()).is_none());
    delivery.synced.unwrap().wait().await.unwrap();
    assert_eq!(take(&mut lease), "1");
    assert!(!lease.in_hand().unwrap().is_durable());
    lease.handled();
    assert_eq!((node.bus.unfinished(), node.keys()), (0, 0));
}

#[tokio::test]
async fn an_event_for_nobody_is_counted_and_settled_without_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let before = node.store().counts();
    let (share, settled) = Settlement::new();
    let delivery = node
        .bus
        .publish(envelope("nobody", "1").holding(Some(share)));
    assert!(delivery.synced.is_none() && delivery.refused.is_empty());
    assert_eq!(now(settled), Some(Verdict::Settled));
    assert_eq!(node.bus.unrouted(), 1);
    assert_eq!(node.store().counts(), before);
}

#[tokio::test]
async fn what_a_turn_publishes_comes_with_the_turn_and_counts_as_heard() {
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup {
        subscribers: vec!["a", "b"],
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    node.publish("a/1", "in").await.unwrap();
    let mut lease = node.lease();
    take(&mut lease);
    let mut turn = Transaction::default();
    turn.batch().put(whirlwind_store::Space::Buckets, "k", "v");
    let then = publishing(&node, &mut turn, "b/1", "out");
    let mut b = node.inboxes[1].lease(0).unwrap();
    assert!(now(b.next()).is_none());
    lease.commit(&node.bus, turn, then).await.unwrap();
    assert!(now(b.next()).is_none(), "not synced yet");
    node.finished().await;
    let out = now(b.next()).unwrap();
    assert_eq!(
        (id(out).as_str(), out.hops, out.is_durable()),
        ("out", 1, true)
    );
    assert_eq!(node.value("k").as_deref(), Some(&b"v"[..]));
    assert_eq!(node.bus.unrouted(), 0);
    assert_eq!((node.depth(), node.keys()), (0, 1));
}

#[tokio::test]
async fn who_was_told_no_loses_the_place_that_its_turn_held() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let mut turn = Transaction::default();
    let then = publishing(&node, &mut turn, "a/1", "never");
    let unsent = node
        .bus
        .reserve(topic("a/1"), crate::common::event("never", 0), 1)
        .unwrap();
    assert_eq!(node.depth(), 2);
    drop((turn, then, unsent));
    assert_eq!((node.depth(), node.keys()), (0, 0));
}
