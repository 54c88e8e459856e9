//! Who gets an event, and who hears of its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{bus, envelope, event, filter, handle_next, subscriber, topic};
use whirlwind_bus::{Capacity, MailboxSpec, Overflow, Reason, Settlement, Verdict};

#[tokio::test]
async fn every_subscriber_gets_an_event_once_however_many_of_its_filters_match() {
    let bus = bus();
    let (a, a_inbox) = subscriber(&bus, "a/b", 8, Overflow::Reject);
    bus.subscribe(&filter("a/+"), &a);
    bus.subscribe(&filter("#"), &a);
    let (_b, b_inbox) = subscriber(&bus, "a/#", 8, Overflow::Reject);

    assert_eq!(bus.publish(envelope("a/b", "1")).delivered, 2);
    assert_eq!(a_inbox.stats().depth, 1);
    assert_eq!(b_inbox.stats().depth, 1);
    assert_eq!(bus.unrouted(), 0);
}

#[tokio::test]
async fn many_subscribers_get_an_event_once_each_too() {
    let bus = bus();
    let subscribers: Vec<_> = (0..100)
        .map(|_| subscriber(&bus, "a/b", 8, Overflow::Reject))
        .collect();
    for (n, (mailbox, _)) in subscribers.iter().enumerate() {
        let other = if n % 2 == 0 { "a/+" } else { "a/b" };
        bus.subscribe(&filter(other), mailbox);
    }
    assert_eq!(bus.publish(envelope("a/b", "1")).delivered, 100);
    for (_, inbox) in &subscribers {
        assert_eq!(inbox.stats().depth, 1);
    }
}

#[tokio::test]
async fn one_who_subscribes_twice_to_the_same_is_there_once_and_gone_at_once() {
    let bus = bus();
    let (mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    bus.subscribe(&filter("a"), &mailbox);
    bus.observe(&filter("a"), &mailbox);
    assert_eq!(bus.publish(envelope("a", "1")).delivered, 1);
    assert_eq!(inbox.stats().depth, 1);
    bus.unsubscribe(&filter("a"), &mailbox);
    assert_eq!(bus.publish(envelope("a", "2")).delivered, 0);
    assert_eq!(bus.unrouted(), 1);

    let (news, _inbox) = bus.mailbox(MailboxSpec::default());
    bus.subscribe_all(&[
        (filter("$sys/a"), news.clone()),
        (filter("$sys/a"), news.clone()),
    ]);
    assert!(bus.is_system_heard());
    bus.unsubscribe(&filter("$sys/a"), &news);
    assert!(!bus.is_system_heard());
}

/// Wherever the one who looks on stands among them, the last included: alone, it is the last.
#[tokio::test]
async fn a_door_waits_for_those_who_handle_and_not_for_those_who_look_on() {
    for actors in 0..3 {
        let bus = bus();
        let (eye, eye_inbox) = bus.mailbox(MailboxSpec::default());
        bus.observe(&filter("a"), &eye);
        let inboxes: Vec<_> = (0..actors)
            .map(|_| subscriber(&bus, "a", 8, Overflow::Reject).1)
            .collect();
        let (share, settled) = Settlement::new();
        let mut settled = std::pin::pin!(settled);
        let delivery = bus.publish(envelope("a", "1").holding(Some(share)));
        assert_eq!(delivery.delivered, actors + 1);
        for inbox in inboxes {
            tokio::select! {
                biased;
                verdict = &mut settled => panic!("{verdict:?} before all had handled it"),
                () = std::future::ready(()) => {}
            }
            handle_next(&mut inbox.lease(0).unwrap()).await;
        }
        assert_eq!(settled.as_mut().await, Verdict::Settled);
        assert_eq!(eye_inbox.stats().depth, 1);
    }
}

#[tokio::test]
async fn an_event_that_nobody_subscribes_to_is_counted_and_its_door_answered() {
    let bus = bus();
    let (share, settled) = Settlement::new();
    let delivery = bus.publish(envelope("nobody", "1").holding(Some(share)));
    assert_eq!(delivery.delivered, 0);
    assert_eq!(bus.unrouted(), 1);
    assert_eq!(settled.await, Verdict::Settled);
}

#[tokio::test]
async fn a_door_that_does_not_wait_gives_an_event_to_all_or_to_none() {
    let bus = bus();
    let (_wide, wide) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (_narrow, narrow) = subscriber(&bus, "a", 1, Overflow::Reject);
    bus.try_publish(envelope("a", "1")).unwrap();
    let (share, settled) = Settlement::new();
    let back = bus.try_publish(envelope("a", "2").holding(Some(share)));
    let back = back.unwrap_err();
    assert_eq!(back.event.id(), "2");
    assert_eq!((wide.stats().depth, narrow.stats().depth), (1, 1));

    let (mut wide, mut narrow) = (wide.lease(0).unwrap(), narrow.lease(0).unwrap());
    assert_eq!(handle_next(&mut narrow).await, "1");
    bus.try_publish(back).unwrap();
    for id in ["1", "2"] {
        assert_eq!(handle_next(&mut wide).await, id);
    }
    assert_eq!(handle_next(&mut narrow).await, "2");
    assert_eq!(settled.await, Verdict::Settled);
    bus.try_publish(envelope("nobody", "3")).unwrap();
    assert_eq!(bus.unrouted(), 1);
}

#[tokio::test]
async fn an_unsubscribed_mailbox_gets_nothing_more_and_keeps_what_it_has() {
    let bus = bus();
    let (mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    bus.unsubscribe(&filter("a"), &mailbox);
    bus.publish(envelope("a", "2"));
    assert_eq!(inbox.stats().depth, 1);
    assert_eq!(bus.unrouted(), 1);
}

#[tokio::test]
async fn the_settlement_waits_for_everything_the_event_caused() {
    let bus = bus();
    let (_a, a) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (_b, b) = subscriber(&bus, "b", 8, Overflow::Reject);
    let (share, settled) = Settlement::new();
    bus.publish(envelope("a", "1").holding(Some(share)));
    let mut settled = Box::pin(settled);

    let mut a = a.lease(0).unwrap();
    let cause = a.next().await.settlement().cloned();
    let place = bus.reserve(topic("b"), event("2", 0), 1).unwrap();
    bus.send(place, cause);
    a.handled();
    tokio::select! {
        biased;
        _ = &mut settled => panic!("settled while its descendant still waits"),
        () = std::future::ready(()) => {}
    }
    let mut b = b.lease(0).unwrap();
    b.next().await;
    b.dead_letter(&bus, Reason::Rejected, "no".into());
    assert_eq!(settled.await, Verdict::Settled);
}

#[tokio::test]
async fn an_observer_sees_events_and_holds_up_nothing() {
    let bus = bus();
    let (observer, seen) = bus.mailbox(MailboxSpec {
        name: "looker".into(),
        capacity: Capacity::default(),
        overflow: Overflow::DropNewest,
        partition: None,
    });
    bus.observe(&filter("#"), &observer);
    let (share, settled) = Settlement::new();
    let delivery = bus.publish(envelope("a", "1").holding(Some(share)));
    assert_eq!(delivery.delivered, 1);
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(bus.unfinished(), 0);
    let mut seen = seen.lease(0).unwrap();
    assert_eq!(handle_next(&mut seen).await, "1");

    // What a turn publishes likewise, though nobody else hears it.
    let (share, settled) = Settlement::new();
    let place = bus.reserve(topic("a"), event("2", 0), 1).unwrap();
    bus.send(place, Some(share));
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(handle_next(&mut seen).await, "2");
}

#[tokio::test]
async fn idle_waits_for_the_last_event_and_for_what_it_caused() {
    let bus = Arc::new(bus());
    let (_a, a) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (_b, b) = subscriber(&bus, "b", 8, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    let idle = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.idle().await }
    });
    tokio::task::yield_now().await;
    let mut a = a.lease(0).unwrap();
    a.next().await;
    let caused = bus.reserve(topic("b"), event("2", 0), 1).unwrap();
    bus.send(caused, None);
    a.handled();
    tokio::task::yield_now().await;
    assert!(!idle.is_finished());
    handle_next(&mut b.lease(0).unwrap()).await;
    idle.await.unwrap();
}
