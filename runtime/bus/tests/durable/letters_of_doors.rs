//! Dead letters of durable topics that no turn made.

use whirlwind_bus::{Capacity, MailboxSpec, Reason, Redelivered, Settlement, Verdict};

use crate::common::{envelope, event, filter, topic};
use crate::node::{Node, drain, now};

#[tokio::test]
async fn what_a_door_refuses_is_in_the_store_before_the_door_answers() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let (share, mut settled) = Settlement::new();
    node.faults.hold();
    let refused = envelope("a/1", "big").holding(Some(share));
    let error = "too large".to_owned();
    let id = node
        .bus
        .dead_letter(refused, "door".into(), Reason::Rejected, error);
    assert_eq!(now(&mut settled), None);
    node.faults.reached();
    node.faults.release(0);
    assert_eq!(settled.await, Verdict::Settled);
    node.kill();
    let node = Node::open(dir.path()).await;
    let letter = node.bus.dead_letters().get(id).unwrap();
    assert_eq!((letter.event.id(), letter.durable), ("big", true));
    assert_eq!((&*letter.actor, &*letter.error), ("door", "too large"));
}

#[tokio::test]
async fn one_that_the_store_does_not_take_is_none_where_it_will_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    // Undone, and refused by a store that is down.
    for failing in [1, 2] {
        let node = Node::open(dir.path()).await;
        for _ in 0..failing {
            let (share, settled) = Settlement::new();
            let refused = envelope("a/1", "big").holding(Some(share));
            node.faults.release(failing);
            node.bus
                .dead_letter(refused, "door".into(), Reason::Rejected, String::new());
            assert_eq!(settled.await, Verdict::Abandoned);
        }
        let letters = node.bus.dead_letters();
        assert_eq!((letters.len(), letters.recorded()), (0, 0));
        node.kill();
    }
    assert_eq!(Node::open(dir.path()).await.keys(), 0);
}

#[tokio::test]
async fn one_that_the_store_does_not_take_is_in_memory_where_it_will_not() {
    let dir = tempfile::tempdir().unwrap();
    for failing in [1, 2] {
        let node = Node::open(dir.path()).await;
        for at in 0..failing {
            let refused = envelope("a/1", "big");
            node.faults.release(failing);
            node.bus
                .dead_letter(refused, "door".into(), Reason::Rejected, String::new());
            node.finished().await;
            let letters = node.bus.dead_letters().list();
            assert_eq!(letters.len(), at + 1);
            assert!(letters.iter().all(|letter| !letter.durable));
        }
        node.kill();
    }
    assert_eq!(Node::open(dir.path()).await.keys(), 0);
}

/// Both commits are undone: the letter has nobody else who has its event.
#[tokio::test]
async fn one_that_was_redelivered_before_the_store_did_not_take_it_is_a_letter() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.faults.hold();
    let dead = envelope("a/1", "1");
    let id = node
        .bus
        .dead_letter(dead, "a".into(), Reason::ActorGone, String::new());
    assert_eq!(node.bus.redeliver(id), Ok(Redelivered::To("a".into())));
    node.faults.reached();
    node.faults.release(1);
    node.finished().await;
    assert_eq!(node.bus.dead_letters().ids(), [id]);
    assert_eq!(node.depth(), 0);
    // It lies in memory, and its event goes into the store all the same.
    assert!(!node.bus.dead_letters().get(id).unwrap().durable);
    node.faults.release(1);
    assert_eq!(node.bus.redeliver(id), Ok(Redelivered::To("a".into())));
    node.finished().await;
    assert_eq!(node.bus.dead_letters().ids(), [id]);
    node.faults.hold();
    assert_eq!(node.bus.redeliver(id), Ok(Redelivered::To("a".into())));
    node.stop_held().await;
    let node = Node::open(dir.path()).await;
    assert_eq!(drain(&node, &mut node.lease()).await, ["1"]);
}

/// The node's file has it.
#[tokio::test]
async fn at_the_end_of_a_node_one_of_an_event_in_memory_stays_there() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let (late, inbox) = crate::node::mailbox(&node.bus, "late", 8);
    node.bus.subscribe(&filter("late"), &late);
    node.publish("late", "1").await.unwrap();
    assert_eq!(node.bus.empty(&inbox, Reason::NodeEnded).dead, 1);
    node.finished().await;
    let letters = node.bus.dead_letters().list();
    assert!(letters.len() == 1 && !letters[0].durable);
    assert_eq!(node.keys(), 0);
}

/// Everybody else has handled the event.
#[tokio::test]
async fn what_one_who_looks_on_can_never_take_is_no_letter() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    let (eye, seen) = node.bus.mailbox(MailboxSpec {
        name: "eye".into(),
        capacity: Capacity {
            bytes: 1024,
            ..Capacity::default()
        },
        ..MailboxSpec::default()
    });
    node.bus.observe(&filter("#"), &eye);
    for on in ["a/1", "plain/a"] {
        let large = whirlwind_bus::Envelope::new(topic(on), event("large", 2048));
        let delivery = node.bus.publish(large);
        assert!(delivery.refused.is_empty());
        node.finished().await;
    }
    assert_eq!(node.bus.dead_letters().recorded(), 0);
    assert_eq!((seen.stats().dropped, node.depth()), (2, 2));
}
