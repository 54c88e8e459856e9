//! Dead letters of what a turn published and may go no further.

use whirlwind_bus::{Begin, Lease, Reason, Redelivered, Transaction, TurnError};
use whirlwind_store::Space;

use crate::common::{envelope, filter, topic};
use crate::node::{Node, Setup, commit, drain, id, mailbox, now, take};

/// A turn with the next event that publishes `far` on `on`, one turn too far.
async fn turn(node: &Node, lease: &mut Lease, on: &str) -> Transaction {
    take(lease);
    let Ok(Begin::Run(mut turn)) = lease.begin(&node.bus).await else {
        panic!("it is new");
    };
    let far = envelope(on, "far").after_hops(3);
    turn.too_far(&node.bus, &far, &"a".into(), "a loop?".to_owned());
    turn
}

async fn with_event(dir: &std::path::Path) -> (Node, Lease) {
    let node = Node::open(dir).await;
    node.publish("a/1", "1").await.unwrap();
    let lease = node.lease();
    (node, lease)
}

#[tokio::test]
async fn it_is_in_the_store_with_the_end_of_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_event(dir.path()).await;
    let turn = turn(&node, &mut lease, "a/2").await;
    node.faults.hold();
    lease.commit(&node.bus, turn, || {}).await.unwrap();
    let letters = node.bus.dead_letters();
    assert!(letters.is_empty(), "it is seen when it is synced");
    assert_eq!(node.keys_of_letters(), 1);
    drop(lease);
    node.stop_held().await;
    let node = Node::open(dir.path()).await;
    assert_eq!((node.depth(), node.keys_of_letters()), (0, 1));
    let letters = node.bus.dead_letters().list();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.event.id(), letter.topic.as_str()), ("far", "a/2"));
    assert_eq!((&*letter.actor, letter.reason), ("a", Reason::MaxHops));
    assert_eq!((&*letter.error, letter.durable), ("a loop?", true));
}

#[tokio::test]
async fn it_is_counted_once_the_turn_took_effect_and_is_there_before_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_event(dir.path()).await;
    let turn = turn(&node, &mut lease, "a/2").await;
    let bus = std::sync::Arc::clone(&node.bus);
    let then = move || assert_eq!(bus.dead_letters().ids(), [1]);
    lease.commit(&node.bus, turn, then).await.unwrap();
    node.finished().await;
    let stats = node.inboxes[0].stats();
    assert_eq!((stats.handled, stats.dead), (1, 1));
    assert_eq!(node.bus.dead_letters().recorded(), 1);
}

#[tokio::test]
async fn a_turn_that_is_undone_or_in_conflict_leaves_none() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_event(dir.path()).await;
    let mut conflict = turn(&node, &mut lease, "a/2").await;
    conflict
        .batch()
        .expect(Space::Buckets, "k", Some("v".into()));
    let refused = lease.commit(&node.bus, conflict, || {}).await;
    assert_eq!(refused, Err(TurnError::Conflict));
    node.faults.release(1);
    lease.again(None);
    let undone = turn(&node, &mut lease, "a/2").await;
    lease.commit(&node.bus, undone, || {}).await.unwrap();
    node.finished().await;
    assert_eq!(node.bus.dead_letters().recorded(), 0);
    assert_eq!(take(&mut lease), "1");
    commit(&node, &mut lease).await.unwrap();
    node.finished().await;
    assert_eq!((node.depth(), node.keys()), (0, 0));
    assert_eq!(node.inboxes[0].stats().dead, 0);
}

#[tokio::test]
async fn of_a_topic_in_memory_it_is_in_memory_once_its_cause_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_event(dir.path()).await;
    node.bus.publish(envelope("plain/a", "2"));
    let of_durable = turn(&node, &mut lease, "plain/b").await;
    lease.commit(&node.bus, of_durable, || {}).await.unwrap();
    assert!(node.bus.dead_letters().is_empty());
    node.finished().await;
    let of_memory = turn(&node, &mut lease, "plain/b").await;
    lease.commit(&node.bus, of_memory, || {}).await.unwrap();
    let letters = node.bus.dead_letters().list();
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| !letter.durable));
    assert_eq!((node.keys(), node.inboxes[0].stats().dead), (0, 2));
}

/// Its cause is in memory, and it is not: it is there before the end of its cause is.
#[tokio::test]
async fn of_a_turn_on_a_topic_in_memory_it_is_in_the_store_too() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let mut lease = node.lease();
    node.bus.publish(envelope("plain/a", "1"));
    let turn = turn(&node, &mut lease, "a/2").await;
    node.faults.hold();
    lease.commit(&node.bus, turn, || {}).await.unwrap();
    assert_eq!(node.inboxes[0].stats().handled, 0);
    assert_eq!(node.keys_of_letters(), 1);
    drop(lease);
    node.stop_held().await;
    assert_eq!(Node::open(dir.path()).await.keys_of_letters(), 1);
}

#[tokio::test]
async fn redelivered_it_goes_to_all_queues_of_its_topic_and_off_the_shelf_in_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let both = || Setup {
        subscribers: vec!["a", "b"],
        ..Setup::default()
    };
    let node = Node::with(dir.path(), both()).await;
    let (eye, seen) = mailbox(&node.bus, "eye", 8);
    node.bus.observe(&filter("all/#"), &eye);
    node.publish("a/1", "1").await.unwrap();
    let mut lease = node.lease();
    let turn = turn(&node, &mut lease, "all/2").await;
    lease.commit(&node.bus, turn, || {}).await.unwrap();
    node.finished().await;
    // Undone, it is a letter as before.
    node.faults.release(1);
    node.bus.redeliver(1).unwrap();
    node.finished().await;
    assert_eq!(node.bus.dead_letters().ids(), [1]);
    assert!(now(lease.next()).is_none());
    assert!(now(seen.lease(0).unwrap().next()).is_none());
    node.faults.hold();
    let published = Redelivered::Published {
        topic: topic("all/2"),
        delivered: 2,
    };
    assert_eq!(node.bus.redeliver(1), Ok(published));
    assert!(now(seen.lease(0).unwrap().next()).is_none());
    node.faults.reached();
    node.faults.release(0);
    node.finished().await;
    assert_eq!(now(seen.lease(0).unwrap().next()).map(id).unwrap(), "far");
    drop(lease);
    node.kill();
    let node = Node::with(dir.path(), both()).await;
    assert!(node.bus.dead_letters().is_empty());
    for inbox in &node.inboxes {
        let mut lease = inbox.lease(0).unwrap();
        assert_eq!(now(lease.next()).unwrap().hops, 0);
        assert_eq!(drain(&node, &mut lease).await, ["far"]);
    }
}
