//! Turns that want the same key.

use bytes::Bytes;
use whirlwind_bus::{Transaction, TurnError};
use whirlwind_store::Space;

use crate::node::{Node, take};

const KEY: &[u8] = b"counter";

fn number(value: Option<&Bytes>) -> u64 {
    value.map_or(0, |value| u64::from_be_bytes((**value).try_into().unwrap()))
}

/// Two readers, plain get-then-put, and all that a runtime does between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_of_two_readers_is_lost() {
    const EVENTS: usize = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    for n in 0..EVENTS {
        let delivery = node
            .bus
            .publish(crate::common::envelope("a/1", &n.to_string()));
        drop(delivery.synced);
    }
    node.finished().await;
    let counting = [0, 1].map(|worker| {
        let (bus, inbox) = (node.bus.clone(), node.inboxes[0].clone());
        tokio::spawn(async move {
            let mut lease = inbox.lease(worker).unwrap();
            let (mut handled, mut conflicts) = (0, 0);
            let store = bus.durable().unwrap().store().clone();
            while crate::node::now(lease.next()).is_some() {
                loop {
                    let mut turn = Transaction::default();
                    let read = turn.batch().get(&store, Space::Buckets, KEY).unwrap();
                    tokio::task::yield_now().await;
                    let next = number(read.as_ref()) + 1;
                    turn.batch()
                        .put(Space::Buckets, KEY, next.to_be_bytes().to_vec());
                    match lease.commit(&bus, turn, || {}).await {
                        Ok(()) => break,
                        Err(TurnError::Conflict) => conflicts += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                handled += 1;
            }
            (handled, conflicts)
        })
    });
    let (mut handled, mut conflicts) = (0, 0);
    for one in counting {
        let (h, c) = one.await.unwrap();
        handled += h;
        conflicts += c;
    }
    node.finished().await;
    assert_eq!(handled, EVENTS);
    let value = node.store().get(Space::Buckets, KEY).unwrap();
    assert_eq!(number(value.as_ref()), EVENTS as u64);
    assert_eq!(node.store().counts().conflicts, conflicts);
    assert_eq!((node.depth(), node.keys()), (0, 0));
}

#[tokio::test]
async fn a_turn_whose_reads_are_stale_leaves_nothing_and_keeps_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.publish("a/1", "1").await.unwrap();
    node.publish("a/1", "2").await.unwrap();
    let mut leases = [0, 1].map(|worker| node.inboxes[0].lease(worker).unwrap());
    let mut turns = Vec::new();
    for lease in &mut leases {
        take(lease);
        let mut turn = Transaction::default();
        let seen = turn.batch().get(node.store(), Space::Buckets, KEY).unwrap();
        assert_eq!(seen, None);
        turn.batch().put(Space::Buckets, KEY, "mine");
        turns.push(turn);
    }
    let [first, second] = &mut leases;
    let mut late = turns.pop().unwrap();
    let sent = crate::node::publishing(&node, &mut late, "a/2", "out");
    first
        .commit(&node.bus, turns.pop().unwrap(), || {})
        .await
        .unwrap();
    let conflict = second.commit(&node.bus, late, sent).await;
    assert_eq!(conflict, Err(TurnError::Conflict));
    node.finished().await;
    assert_eq!(second.in_hand().unwrap().attempt, 1);
    assert_eq!((node.depth(), node.keys()), (1, 1));
}
