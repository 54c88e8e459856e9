//! Who finds room: doors, the inside, and what a full mailbox does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{bus, envelope, event, filter, handle_next, subscriber, topic};
use whirlwind_bus::{Capacity, Envelope, MailboxSpec, Overflow, Reason, Settlement, Verdict};

#[tokio::test]
async fn a_door_stays_below_three_quarters_and_the_inside_fills_the_rest() {
    let bus = bus();
    let (_mailbox, _inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    for n in 0..6 {
        assert_eq!(bus.publish(envelope("a", &n.to_string())).delivered, 1);
    }
    assert_eq!(bus.publish(envelope("a", "refused")).refused.len(), 1);
    for _ in 6..8 {
        let place = bus
            .reserve(topic("a"), event("in", 0), 1)
            .expect("headroom for the inside");
        bus.send(place, None);
    }
    let full = bus.reserve(topic("a"), event("in", 0), 1).unwrap_err();
    assert_eq!(full.to_string().split('`').nth(1), Some("a"));
}

#[tokio::test]
async fn a_mailbox_of_one_takes_one_from_a_door() {
    let bus = bus();
    let (_mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::Reject);
    assert_eq!(bus.publish(envelope("a", "1")).delivered, 1);
    assert_eq!(bus.publish(envelope("a", "2")).refused.len(), 1);
}

#[tokio::test]
async fn a_mailbox_is_bounded_by_bytes_too() {
    let bus = bus();
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "a".into(),
        capacity: Capacity {
            events: 100,
            bytes: 10_000,
        },
        overflow: Overflow::Reject,
        partition: None,
    });
    bus.subscribe(&filter("a"), &mailbox);
    let big = |id: &str| Envelope::new(topic("a"), event(id, 4_000));
    assert_eq!(bus.publish(big("1")).delivered, 1);
    assert_eq!(
        bus.publish(big("2")).refused.len(),
        1,
        "past three quarters"
    );
    let place = bus
        .reserve(topic("a"), event("3", 4_000), 1)
        .expect("headroom");
    bus.send(place, None);
    assert!(bus.reserve(topic("a"), event("3", 4_000), 1).is_err());
    let mut lease = inbox.lease(0).unwrap();
    assert_eq!(handle_next(&mut lease).await, "1");
    assert!(
        bus.reserve(topic("a"), event("3", 4_000), 1).is_ok(),
        "its bytes came back"
    );
}

#[tokio::test]
async fn an_event_that_can_never_fit_is_a_dead_letter_and_its_door_is_answered() {
    let bus = bus();
    let (mailbox, _inbox) = bus.mailbox(MailboxSpec {
        name: "a".into(),
        capacity: Capacity {
            events: 10,
            bytes: 100,
        },
        overflow: Overflow::Reject,
        partition: None,
    });
    bus.subscribe(&filter("a"), &mailbox);
    let (share, settled) = Settlement::new();
    let big = Envelope::new(topic("a"), event("big", 1_000)).holding(Some(share));
    assert!(bus.publish(big).refused.is_empty());
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(bus.dead_letters().list()[0].reason, Reason::MailboxFull);
}

#[tokio::test]
async fn a_refused_door_hears_of_room_and_its_retry_reaches_only_who_missed_it() {
    let bus = Arc::new(bus());
    let (_a, a) = subscriber(&bus, "t", 1, Overflow::Reject);
    let (b, _b) = subscriber(&bus, "t", 8, Overflow::Reject);
    assert_eq!(bus.publish(envelope("t", "1")).delivered, 2);

    let mut delivery = bus.publish(envelope("t", "2"));
    assert_eq!((delivery.delivered, delivery.refused.len()), (1, 1));
    let refusal = delivery.refused.pop().unwrap();
    let waiting = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            refusal.room().await;
            refusal.retry(&bus).is_ok()
        }
    });
    let mut lease = a.lease(0).unwrap();
    assert_eq!(handle_next(&mut lease).await, "1");
    assert!(waiting.await.unwrap());
    assert_eq!(handle_next(&mut lease).await, "2");
    assert_eq!(b.stats().accepted, 2, "the retry did not reach `b` again");
}

#[tokio::test]
async fn a_reservation_that_is_dropped_gives_every_place_back() {
    let bus = bus();
    let (a, _a_inbox) = subscriber(&bus, "x", 1, Overflow::Reject);
    drop(bus.reserve(topic("x"), event("in", 0), 1).unwrap());
    assert_eq!(a.stats().depth, 0);
    assert!(bus.reserve(topic("x"), event("in", 0), 1).is_ok());
}

#[tokio::test]
async fn a_reservation_takes_a_place_everywhere_or_nowhere() {
    let bus = bus();
    let (a, _a_inbox) = subscriber(&bus, "x", 4, Overflow::Reject);
    let (b, _b_inbox) = subscriber(&bus, "x", 1, Overflow::Reject);
    let held = bus.reserve(topic("x"), event("in", 0), 1).unwrap();
    assert!(bus.reserve(topic("x"), event("in", 0), 1).is_err());
    assert_eq!(
        a.stats().depth,
        1,
        "the failed one gave its place at `a` back"
    );
    drop(held);
    assert_eq!((a.stats().depth, b.stats().depth), (0, 0));
}

#[tokio::test]
async fn drop_oldest_keeps_the_newest_and_counts_what_went() {
    let bus = bus();
    let (mailbox, inbox) = subscriber(&bus, "a", 2, Overflow::DropOldest);
    for n in 1..=5 {
        assert_eq!(bus.publish(envelope("a", &n.to_string())).delivered, 1);
    }
    let mut lease = inbox.lease(0).unwrap();
    assert_eq!(handle_next(&mut lease).await, "4");
    assert_eq!(handle_next(&mut lease).await, "5");
    assert_eq!(mailbox.stats().dropped, 3);
    assert_eq!(bus.unfinished(), 0);
}

#[tokio::test]
async fn drop_newest_keeps_the_oldest_and_counts_what_went() {
    let bus = bus();
    let (mailbox, inbox) = subscriber(&bus, "a", 2, Overflow::DropNewest);
    for n in 1..=5 {
        bus.publish(envelope("a", &n.to_string()));
    }
    let mut lease = inbox.lease(0).unwrap();
    assert_eq!(handle_next(&mut lease).await, "1");
    assert_eq!(handle_next(&mut lease).await, "2");
    assert_eq!(mailbox.stats().dropped, 3);
}

#[tokio::test]
async fn the_dead_letter_overflow_keeps_what_does_not_fit() {
    let bus = bus();
    let (mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DeadLetter);
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    let letters = bus.dead_letters().list();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].event.id(), "2");
    assert_eq!(letters[0].reason, Reason::MailboxFull);
    assert_eq!(mailbox.stats().dead, 1);
}

#[tokio::test]
async fn a_turn_that_fails_drops_nobody_elses_event() {
    let bus = bus();
    let (mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DropOldest);
    bus.publish(envelope("a", "1"));
    drop(bus.reserve(topic("a"), event("in", 0), 1).unwrap());
    assert_eq!(mailbox.stats().dropped, 0);
    assert_eq!(mailbox.stats().depth, 1);
}
