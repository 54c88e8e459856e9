//! One event's way, sentence by sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{bus, envelope, event, filter, subscriber, topic, with_rules};
use tokio::time::Instant;
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Envelope, MailboxSpec, Overflow, Reason,
    Settlement, TopicRule, TopicRules, Verdict,
};

/// What a fresh lease reads next, ended as handled.
async fn handle_next(lease: &mut whirlwind_bus::Lease) -> String {
    let id = lease.next().await.event.id().to_owned();
    lease.handled();
    id
}

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
async fn what_comes_to_one_who_has_left_is_a_dead_letter_at_once() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 1, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    let refusal = bus.publish(envelope("a", "2")).refused.pop().unwrap();
    bus.retire(&inbox, &[filter("a")]);
    refusal.retry(&bus).unwrap();
    assert_eq!(inbox.stats().depth, 0);
    let letters = bus.dead_letters().list();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, [Reason::ActorGone, Reason::ActorGone]);
}

/// The dead letter is published in the middle of the publish that it comes of.
#[tokio::test]
async fn whoever_looks_on_sees_an_event_before_the_letter_that_it_becomes() {
    let rule = TopicRule {
        dead_letter: Some(topic("dead")),
        ..TopicRule::default()
    };
    let bus = with_rules(TopicRules::new([(filter("a"), rule)]));
    let (_mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DeadLetter);
    let (eye, seen) = bus.mailbox(MailboxSpec::default());
    bus.observe(&filter("#"), &eye);
    for id in ["1", "2"] {
        bus.publish(envelope("a", id));
    }
    let mut seen = seen.lease(0).unwrap();
    for on in ["a", "a", "dead"] {
        assert_eq!(seen.next().await.topic.as_str(), on);
        seen.handled();
    }
}

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

#[tokio::test]
async fn a_dead_letter_goes_to_the_dead_letter_topic_too_and_never_round_in_circles() {
    let to = TopicRule {
        dead_letter: Some(topic("dead")),
        ..TopicRule::default()
    };
    let bus = with_rules(TopicRules::new([(filter("#"), to)]));
    let (_mailbox, inbox) = subscriber(&bus, "dead", 8, Overflow::Reject);
    bus.dead_letter(
        envelope("a", "1"),
        "x".into(),
        Reason::Rejected,
        "no".into(),
    );
    assert_eq!(inbox.stats().accepted, 1);
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    lease.dead_letter(&bus, Reason::Rejected, "no".into());
    assert_eq!(
        inbox.stats().accepted,
        1,
        "a rule that matches its own dead-letter topic"
    );
    assert_eq!(bus.dead_letters().len(), 2);
}

#[test]
fn dead_letter_topics_that_lead_to_each_other_end_with_the_first_notice() {
    let to = |dead: &str| TopicRule {
        dead_letter: Some(topic(dead)),
        ..TopicRule::default()
    };
    let rules = [(filter("a"), to("b")), (filter("b"), to("a"))];
    let bus = with_rules(TopicRules::new(rules));
    let (mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DeadLetter);
    bus.subscribe(&filter("b"), &mailbox);
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    // The second did not fit, and neither did the notice of it on `b`.
    let letters = bus.dead_letters().list();
    let topics: Vec<_> = letters.iter().map(|letter| letter.topic.as_str()).collect();
    assert_eq!(topics, ["a", "b"]);
}

#[test]
fn the_first_rule_that_says_something_holds() {
    let rules = TopicRules::new([
        (
            filter("a/b"),
            TopicRule {
                max_event: Some(5),
                ..TopicRule::default()
            },
        ),
        (
            filter("a/+"),
            TopicRule {
                max_event: Some(10),
                dead_letter: Some(topic("dead")),
                ..TopicRule::default()
            },
        ),
    ]);
    assert_eq!(rules.max_event(&topic("a/b")), 5);
    assert_eq!(rules.max_event(&topic("a/c")), 10);
    assert_eq!(
        rules.max_event(&topic("z")),
        whirlwind_bus::DEFAULT_MAX_EVENT
    );
    assert_eq!(rules.dead_letter(&topic("a/b")).unwrap().as_str(), "dead");
    assert!(rules.dead_letter(&topic("z")).is_none());
}

#[test]
fn a_full_box_of_dead_letters_pushes_the_oldest_out_and_counts_it() {
    let letters = DeadLetters::new(DeadLetterLimits {
        count: 2,
        bytes: usize::MAX,
    });
    let bus = Arc::new(Bus::new(TopicRules::default(), letters));
    for n in 1..=3 {
        let envelope = envelope("a", &n.to_string());
        bus.dead_letter(envelope, "x".into(), Reason::Rejected, String::new());
    }
    let letters = bus.dead_letters();
    let kept: Vec<u64> = letters.list().iter().map(|l| l.id).collect();
    assert_eq!(kept, [2, 3]);
    assert_eq!((letters.recorded(), letters.pushed_out()), (3, 1));
    assert_eq!(letters.take(2).unwrap().event.id(), "2");
    assert!(letters.get(2).is_none());
    assert_eq!(letters.len(), 1);
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
