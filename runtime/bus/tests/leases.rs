//! What a reader has in hand: left to the next one, tried again, ended in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::{bus, envelope, handle_next, subscriber};
use tokio::time::Instant;
use whirlwind_bus::{Overflow, Reason, Settlement, Verdict};

#[tokio::test]
async fn an_aborted_reader_leaves_its_event_to_the_next_one_of_its_slot_with_no_attempt_more() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    let mut lease = inbox.lease(0).unwrap();
    assert_eq!(lease.next().await.event.id(), "1");
    drop(lease);
    assert_eq!(bus.unfinished(), 2);

    let mut lease = inbox.lease(0).unwrap();
    let first = lease.next().await;
    assert_eq!((first.event.id(), first.attempt), ("1", 1));
    lease.handled();
    assert_eq!(handle_next(&mut lease).await, "2");
}

#[tokio::test]
async fn a_slot_has_one_reader_at_a_time() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let first = inbox.lease(3).unwrap();
    assert_eq!(inbox.lease(3).unwrap_err().worker, 3);
    assert!(inbox.lease(4).is_ok());
    drop(first);
    assert!(inbox.lease(3).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_its_backoff_and_keeps_its_place_before_later_events() {
    let bus = bus();
    let (mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    let start = Instant::now();
    lease.retry(start + Duration::from_secs(3));
    drop(lease); // the backoff outlives the reader

    let mut lease = inbox.lease(0).unwrap();
    let again = lease.next().await;
    assert_eq!((again.event.id(), again.attempt), ("1", 2));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    lease.handled();
    assert_eq!(handle_next(&mut lease).await, "2");
    let stats = mailbox.stats();
    assert_eq!((stats.handled, stats.failed, stats.retried), (2, 1, 1));
}

#[tokio::test]
async fn a_worker_may_have_several_events_in_hand_and_ends_each_when_it_can() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (share, settled) = Settlement::new();
    bus.publish(envelope("a", "1").holding(Some(share)));
    bus.publish(envelope("a", "2"));
    bus.publish(envelope("a", "3"));
    let mut lease = inbox.lease(0).unwrap();
    let mut in_hand = Vec::new();
    for id in ["1", "2", "3"] {
        assert_eq!(lease.next().await.event.id(), id);
        in_hand.push(lease.entrust().unwrap());
        assert!(lease.entrust().is_none());
    }
    assert_eq!((inbox.stats().depth, bus.unfinished()), (0, 3));
    in_hand
        .pop()
        .unwrap()
        .dead_letter(&bus, Reason::Rejected, "refused".to_owned());
    in_hand.remove(0).handled();
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(bus.unfinished(), 1);
    assert_eq!(inbox.stats().handled, 1);
    assert_eq!(bus.dead_letters().list()[0].event.id(), "3");
}

#[tokio::test]
async fn what_was_entrusted_and_not_ended_is_read_again_first_and_in_order() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    for id in ["1", "2", "3"] {
        bus.publish(envelope("a", id));
    }
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    let first = lease.entrust();
    lease.next().await;
    let second = lease.entrust();
    drop(first);
    drop(second);
    drop(lease);
    let mut lease = inbox.lease(0).unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(lease.next().await.attempt, 1);
        assert_eq!(handle_next(&mut lease).await, id);
    }
    assert_eq!(bus.unfinished(), 0);
}
