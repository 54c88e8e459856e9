//! The order of a single reader while syncs fail.

use whirlwind_bus::{Begin, Lease, Reason, TurnError};
use whirlwind_store::Space;

use crate::node::{Node, id, now, take};

const LOG: &[u8] = b"log";

/// A node with these events, one reader, and syncs that wait.
async fn with_events(dir: &std::path::Path, ids: &[&str]) -> (Node, Lease) {
    let node = Node::open(dir).await;
    node.inboxes[0].workers(1);
    for id in ids {
        node.publish("a/1", id).await.unwrap();
    }
    node.faults.hold();
    let lease = node.lease();
    (node, lease)
}

/// A turn of the event in hand: it adds its id to the log.
async fn run(node: &Node, lease: &mut Lease) -> Result<(), TurnError> {
    let id = id(lease.in_hand().unwrap());
    let Begin::Run(mut turn) = lease.begin(&node.bus).await? else {
        panic!("it was not handled before");
    };
    let read = turn.batch().get(node.store(), Space::Buckets, LOG).unwrap();
    let log = [read.as_deref().unwrap_or(b""), id.as_bytes()].concat();
    turn.batch().put(Space::Buckets, LOG, log);
    lease.commit(&node.bus, turn, || {}).await
}

/// Runs all that can be read, and again what conflicts; answers the ids in the order of their turns.
async fn run_all(node: &Node, lease: &mut Lease) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(envelope) = now(lease.next()) {
        assert_eq!(envelope.attempt, 1);
        ids.push(id(envelope));
        assert!(ids.len() < 100, "it goes on for ever: {ids:?}");
        if run(node, lease).await == Err(TurnError::Conflict) {
            lease.again(None);
        }
    }
    node.finished().await;
    ids
}

/// What waits is undone.
async fn fail(node: &Node) {
    node.faults.reached();
    node.faults.release(1);
    node.finished().await;
}

async fn end(node: &Node, log: &str) {
    assert_eq!(node.store().get(Space::Buckets, LOG).unwrap().unwrap(), log);
    assert_eq!((node.depth(), node.keys()), (0, 0));
}

#[tokio::test]
async fn what_was_undone_takes_effect_before_what_is_in_hand() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2"]).await;
    take(&mut lease);
    run(&node, &mut lease).await.unwrap();
    assert_eq!(take(&mut lease), "2");
    fail(&node).await;
    assert_eq!(run_all(&node, &mut lease).await, ["2", "1", "2"]);
    end(&node, "12").await;
}

/// It may do better when it is tried again, so what comes after it waits for that.
#[tokio::test]
async fn a_dead_letter_that_was_undone_is_an_event_again_before_what_is_in_hand() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2"]).await;
    take(&mut lease);
    let letter = lease.dead_letter(&node.bus, Reason::Rejected, String::new());
    assert!(letter.is_some());
    assert_eq!(take(&mut lease), "2");
    fail(&node).await;
    assert_eq!(node.bus.dead_letters().ids(), [0_u64; 0]);
    assert_eq!(run_all(&node, &mut lease).await, ["2", "1", "2"]);
    end(&node, "12").await;
}

/// It begins on what is not there any more when it ends.
#[tokio::test]
async fn a_turn_that_runs_while_the_one_before_is_undone_runs_again_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2"]).await;
    take(&mut lease);
    run(&node, &mut lease).await.unwrap();
    take(&mut lease);
    let Begin::Run(turn) = lease.begin(&node.bus).await.unwrap() else {
        panic!("it was not handled before");
    };
    fail(&node).await;
    let conflict = lease.commit(&node.bus, turn, || {}).await;
    assert_eq!(conflict, Err(TurnError::Conflict));
    lease.again(None);
    assert_eq!(run_all(&node, &mut lease).await, ["1", "2"]);
    end(&node, "12").await;
}

/// The failure is known to the store before the reader's end of it is told: the conflict waits for that.
#[tokio::test]
async fn a_conflict_with_what_was_undone_is_said_when_that_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2"]).await;
    take(&mut lease);
    run(&node, &mut lease).await.unwrap();
    take(&mut lease);
    node.faults.reached();
    node.faults.release(1);
    // This runtime has one thread, so nobody is told while it spins.
    while node.store().counts().failures == 0 {
        std::thread::yield_now();
    }
    assert_eq!(run_all(&node, &mut lease).await, ["2", "1", "2"]);
    end(&node, "12").await;
}

#[tokio::test]
async fn several_that_are_undone_run_once_more_each_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2", "3", "4", "5"]).await;
    for _ in 0..3 {
        take(&mut lease);
        run(&node, &mut lease).await.unwrap();
    }
    assert_eq!(take(&mut lease), "4");
    fail(&node).await;
    let ids = run_all(&node, &mut lease).await;
    assert_eq!(ids, ["4", "1", "2", "3", "4", "5"]);
    end(&node, "12345").await;
}

#[tokio::test]
async fn the_order_outlives_the_incarnation_that_read() {
    let dir = tempfile::tempdir().unwrap();
    let (node, mut lease) = with_events(dir.path(), &["1", "2"]).await;
    take(&mut lease);
    run(&node, &mut lease).await.unwrap();
    take(&mut lease);
    drop(lease);
    let mut lease = node.lease();
    fail(&node).await;
    assert_eq!(run_all(&node, &mut lease).await, ["2", "1", "2"]);
    end(&node, "12").await;
}
