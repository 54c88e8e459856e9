//! Dead letters of durable topics.

use std::sync::Arc;

use whirlwind_bus::{DeadLetterLimits, Lease, Notice, Reason, RedeliverError, Redelivered};

use crate::node::{Node, Setup, commit, drain, now, take};

fn bury(node: &Node, lease: &mut Lease) -> u64 {
    take(lease);
    let id = lease.dead_letter(&node.bus, Reason::Rejected, "why".to_owned());
    id.unwrap()
}

async fn with_letters(dir: &std::path::Path, ids: &[&str]) -> (Node, Lease, Vec<u64>) {
    let node = Node::open(dir).await;
    let mut lease = node.lease();
    let mut letters = Vec::new();
    for id in ids {
        node.publish("a/1", id).await.unwrap();
        letters.push(bury(&node, &mut lease));
    }
    node.finished().await;
    (node, lease, letters)
}

#[tokio::test]
async fn they_are_there_again_with_all_that_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _lease, ids) = with_letters(dir.path(), &["1", "2"]).await;
    assert_eq!((node.depth(), node.keys()), (0, 2));
    let before = node.bus.dead_letters().list();
    node.kill();
    let node = Node::open(dir.path()).await;
    let after = node.bus.dead_letters().list();
    assert_eq!(node.bus.dead_letters().ids(), ids);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.topic, before.topic);
        assert_eq!((&after.actor, after.reason), (&before.actor, before.reason));
        assert_eq!(
            (&after.error, after.attempts),
            (&before.error, before.attempts)
        );
        assert_eq!(after.event.id(), before.event.id());
        assert!(after.durable && before.durable);
    }
}

#[tokio::test]
async fn those_that_were_taken_cleared_or_pushed_out_stay_away_and_ids_are_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _lease, ids) = with_letters(dir.path(), &["1", "2", "3"]).await;
    node.bus.dead_letters().take(ids[2]);
    node.stop().await;
    let (node, _lease, more) = with_letters(dir.path(), &["4"]).await;
    assert!(more[0] > ids[2], "{more:?} after {ids:?}");
    assert_eq!(node.bus.dead_letters().ids(), [ids[0], ids[1], more[0]]);
    node.stop().await;
    let letters = DeadLetterLimits {
        count: 2,
        ..DeadLetterLimits::default()
    };
    let setup = Setup {
        letters,
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    node.finished().await;
    assert_eq!(node.keys_of_letters(), 2, "the oldest was pushed out");
    assert_eq!(node.bus.dead_letters().clear(), 2);
    node.stop().await;
    let (node, _lease, last) = with_letters(dir.path(), &["5"]).await;
    assert!(last[0] > more[0]);
    assert_eq!(node.keys_of_letters(), 1);
}

#[tokio::test]
async fn one_that_is_redelivered_is_an_event_again_and_no_letter_whenever_the_node_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (node, lease, ids) = with_letters(dir.path(), &["1"]).await;
    node.faults.hold();
    assert_eq!(node.bus.redeliver(ids[0]), Ok(Redelivered::To("a".into())));
    assert_eq!(
        node.bus.redeliver(ids[0]),
        Err(RedeliverError::Unknown(ids[0]))
    );
    drop(lease);
    node.stop_held().await;
    let node = Node::open(dir.path()).await;
    assert!(node.bus.dead_letters().is_empty());
    let mut lease = node.lease();
    assert_eq!(now(lease.next()).unwrap().attempt, 1);
    assert_eq!(drain(&node, &mut lease).await, ["1"]);
    assert_eq!(node.keys_of_letters(), 0);
}

#[tokio::test]
async fn a_redelivery_that_is_undone_keeps_the_letter() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease, ids) = with_letters(dir.path(), &["1"]).await;
    node.faults.release(1);
    node.bus.redeliver(ids[0]).unwrap();
    node.finished().await;
    assert_eq!(node.bus.dead_letters().ids(), ids);
    assert!(now(lease.next()).is_none());
    assert_eq!((node.depth(), node.keys_of_letters()), (0, 1));
    node.bus.redeliver(ids[0]).unwrap();
    node.finished().await;
    assert_eq!(drain(&node, &mut lease).await, ["1"]);
}

#[tokio::test]
async fn a_letter_that_is_undone_is_an_event_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.publish("a/1", "1").await.unwrap();
    let mut lease = node.lease();
    node.faults.release(1);
    bury(&node, &mut lease);
    node.finished().await;
    assert!(node.bus.dead_letters().is_empty());
    assert_eq!(node.bus.dead_letters().recorded(), 0);
    assert_eq!(take(&mut lease), "1");
    commit(&node, &mut lease).await.unwrap();
    node.finished().await;
    assert_eq!((node.depth(), node.keys_of_letters()), (0, 0));
}

/// The letter and its redelivery are undone by the same failure: there is the event, once, and no letter.
#[tokio::test]
async fn a_letter_that_is_undone_after_it_was_redelivered_is_one_event() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.publish("a/1", "1").await.unwrap();
    let mut lease = node.lease();
    node.faults.hold();
    let id = bury(&node, &mut lease);
    node.bus.redeliver(id).unwrap();
    node.faults.reached();
    node.faults.release(1);
    node.finished().await;
    assert!(node.bus.dead_letters().is_empty());
    assert_eq!(drain(&node, &mut lease).await, ["1"]);
    assert_eq!((node.depth(), node.keys_of_letters()), (0, 0));
}

/// The bus tells of a letter as soon as there is one: nobody can be faster.
#[tokio::test]
async fn one_that_is_dropped_as_soon_as_it_is_seen_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup {
        hear: Some(|bus, notice| {
            if let Notice::DeadLettered { letter, .. } = notice {
                assert!(bus.dead_letters().take(letter.id).is_some());
            }
        }),
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    node.publish("a/1", "1").await.unwrap();
    let mut lease = node.lease();
    let id = bury(&node, &mut lease);
    node.finished().await;
    assert_eq!(node.bus.dead_letters().recorded(), id);
    assert_eq!((node.depth(), node.keys()), (0, 0));
    drop(lease);
    node.kill();
    let node = Node::open(dir.path()).await;
    assert!(node.bus.dead_letters().is_empty());
}

/// Its actor has no queue any more: it goes to a mailbox, and off the shelf.
#[tokio::test]
async fn a_letter_for_one_that_hears_no_durable_topics_any_more_is_delivered_once() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _lease, ids) = with_letters(dir.path(), &["1"]).await;
    node.stop().await;
    let setup = Setup {
        subscribers: vec!["b"],
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    let (a, inbox) = crate::node::mailbox(&node.bus, "a", 8);
    node.bus.subscribe(&crate::common::filter("plain/a"), &a);
    assert_eq!(
        node.bus.redeliver(ids[0]),
        Ok(Redelivered::To(Arc::from("a")))
    );
    node.finished().await;
    assert_eq!(inbox.stats().depth, 1);
    assert_eq!(node.keys_of_letters(), 0);
}
