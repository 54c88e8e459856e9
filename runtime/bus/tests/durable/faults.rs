//! A disk that fails.

use whirlwind_bus::{Settlement, Transaction, TurnError, Verdict};
use whirlwind_store::Space;

use crate::common::{envelope, filter};
use crate::node::{Node, commit, drain, mailbox, now, publishing, take};

#[tokio::test]
async fn an_accept_that_is_undone_is_an_error_for_the_door_and_nobody_has_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let (eye, seen) = mailbox(&node.bus, "eye", 8);
    node.bus.observe(&filter("#"), &eye);
    let (share, settled) = Settlement::new();
    node.faults.release(1);
    let delivery = node
        .bus
        .publish(envelope("a/1", "lost").holding(Some(share)));
    let error = delivery.synced.unwrap().wait().await.unwrap_err();
    assert!(error.to_string().contains("no sync today"));
    assert_eq!(settled.await, Verdict::Abandoned);
    assert_eq!(node.bus.durable().unwrap().undone(), 1);
    let mut lease = node.lease();
    assert!(now(lease.next()).is_none());
    assert!(now(seen.lease(0).unwrap().next()).is_none());
    assert_eq!((node.depth(), node.keys()), (0, 0));
    node.publish("a/1", "kept").await.unwrap();
    assert_eq!(drain(&node, &mut lease).await, ["kept"]);
    node.kill();
    assert_eq!(Node::open(dir.path()).await.depth(), 0);
}

#[tokio::test]
async fn a_turn_that_is_undone_leaves_nothing_and_its_event_runs_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.publish("a/1", "in").await.unwrap();
    let mut lease = node.lease();
    take(&mut lease);
    let mut turn = Transaction::default();
    turn.batch().put(Space::Buckets, "k", "v");
    let send = publishing(&node, &mut turn, "a/2", "out");
    node.faults.release(1);
    let sent = std::sync::Arc::new(());
    let held = std::sync::Arc::downgrade(&sent);
    let then = move || {
        drop(sent);
        send();
        panic!("it did not take effect");
    };
    lease.commit(&node.bus, turn, then).await.unwrap();
    node.finished().await;
    assert!(held.upgrade().is_none(), "what it held is let go");
    // What `finished` commits to wait for may be undone with it.
    assert!(node.bus.durable().unwrap().undone() > 0);
    assert_eq!(node.value("k"), None);
    assert_eq!((node.depth(), node.keys()), (1, 1));
    let again = now(lease.next()).unwrap();
    assert_eq!((again.event.id(), again.attempt), ("in", 1));
    commit(&node, &mut lease).await.unwrap();
    node.finished().await;
    assert_eq!((node.depth(), node.keys()), (0, 0));
}

#[tokio::test]
async fn turns_that_are_undone_together_run_again_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    for id in ["1", "2", "3", "4"] {
        node.publish("a/1", id).await.unwrap();
    }
    let mut lease = node.lease();
    node.faults.hold();
    for id in ["1", "2", "3"] {
        assert_eq!(take(&mut lease), id);
        commit(&node, &mut lease).await.unwrap();
    }
    node.faults.reached();
    node.faults.release(1);
    node.finished().await;
    assert_eq!(drain(&node, &mut lease).await, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_store_that_goes_down_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    for id in ["1", "2"] {
        node.publish("a/1", id).await.unwrap();
    }
    let mut lease = node.lease();
    take(&mut lease);
    node.faults.release(2);
    commit(&node, &mut lease).await.unwrap();
    node.finished().await;
    let refused = node.bus.publish(envelope("a/1", "3"));
    let why = refused.refused[0].not_durable().unwrap();
    assert!(why.contains("down"), "{why}");
    assert_eq!(now(refused.refused[0].room()), None);
    // It may run once more, but not here.
    assert_eq!(take(&mut lease), "2");
    let down = commit(&node, &mut lease).await;
    assert!(matches!(down, Err(TurnError::Store(_))));
    drop(lease);
    node.kill();
    let node = Node::open(dir.path()).await;
    let found = drain(&node, &mut node.lease()).await;
    assert!(found == ["1", "2"] || found == ["2"], "{found:?}");
}
