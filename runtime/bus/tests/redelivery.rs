//! A dead letter's way back, and what becomes of a mailbox that nobody will read any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use common::{bus, envelope, event, filter, subscriber, topic, with_rules};
use proptest::prelude::*;
use whirlwind_bus::{
    Bus, Emptied, Overflow, Reason, RedeliverError, Redelivered, Settled, Settlement, TopicRule,
    TopicRules, Verdict,
};

fn letter(bus: &Arc<Bus>, actor: &str, reason: Reason) -> u64 {
    bus.dead_letter(
        envelope("t", "dead"),
        actor.into(),
        reason,
        "why".to_owned(),
    )
}

#[tokio::test]
async fn a_letter_goes_back_to_its_actor_alone_as_a_first_attempt() {
    let bus = bus();
    let (a, a_inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (b, _b_inbox) = subscriber(&bus, "b", 8, Overflow::Reject);
    bus.subscribe(&filter("t"), &a);
    bus.subscribe(&filter("t"), &b);
    let id = letter(&bus, "a", Reason::MaxDeliver);
    assert_eq!(bus.redeliver(id), Ok(Redelivered::To("a".into())));
    assert_eq!((a.stats().depth, b.stats().depth), (1, 0));
    let mut lease = a_inbox.lease(0).unwrap();
    let again = lease.next().await;
    assert_eq!((again.topic.as_str(), again.event.id()), ("t", "dead"));
    assert_eq!((again.attempt, again.hops), (1, 0));
    lease.handled();
    assert_eq!(bus.unfinished(), 0);
    assert!(bus.dead_letters().is_empty());
    assert_eq!(bus.redeliver(id), Err(RedeliverError::Unknown(id)));
}

#[test]
fn a_letter_that_went_too_far_is_published_anew_to_all_or_to_none() {
    let bus = bus();
    let id = letter(&bus, "publisher", Reason::MaxHops);
    assert_eq!(bus.redeliver(id), Err(RedeliverError::Nobody(topic("t"))));
    let (a, _a_inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (b, _b_inbox) = subscriber(&bus, "b", 1, Overflow::Reject);
    bus.subscribe(&filter("t"), &a);
    bus.subscribe(&filter("t"), &b);
    bus.publish(envelope("b", "1"));
    let Err(RedeliverError::Full(full)) = bus.redeliver(id) else {
        panic!("b is full")
    };
    assert_eq!(&*full.name, "b");
    assert_eq!(a.stats().depth, 0, "its place was given back");
    assert_eq!(bus.dead_letters().ids(), [id]);
    bus.unsubscribe(&filter("t"), &b);
    let published = Redelivered::Published {
        topic: topic("t"),
        delivered: 1,
    };
    assert_eq!(bus.redeliver(id), Ok(published));
    assert_eq!(a.stats().depth, 1);
}

#[test]
fn a_letter_that_finds_no_room_or_no_actor_is_kept() {
    for overflow in [
        Overflow::Reject,
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::DeadLetter,
    ] {
        let bus = bus();
        let (a, inbox) = subscriber(&bus, "a", 1, overflow);
        bus.publish(envelope("a", "1"));
        let full = letter(&bus, "a", Reason::Rejected);
        let nowhere = letter(&bus, "nobody", Reason::Rejected);
        let refused = bus.redeliver(full).unwrap_err();
        assert!(refused.is_transient(), "{overflow:?}: {refused}");
        let refused = bus.redeliver(nowhere).unwrap_err();
        assert_eq!(refused, RedeliverError::NoActor("nobody".into()));
        bus.retire(&inbox, &[filter("a")]);
        let refused = bus.redeliver(full).unwrap_err();
        assert_eq!(refused, RedeliverError::Gone("a".into()));
        // Kept where they were, before the one that lay in the mailbox.
        assert_eq!(bus.dead_letters().ids(), [full, nowhere, 3]);
        assert_eq!((a.stats().depth, a.stats().dropped), (0, 0), "{overflow:?}");
    }
}

#[test]
fn of_two_who_deliver_the_same_letter_one_does() {
    for _ in 0..200 {
        let bus = Arc::new(bus());
        let (a, _inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
        let id = letter(&bus, "a", Reason::Rejected);
        let ready = Arc::new(Barrier::new(2));
        let tries = [(); 2].map(|()| {
            let (bus, ready) = (Arc::clone(&bus), Arc::clone(&ready));
            std::thread::spawn(move || {
                ready.wait();
                bus.redeliver(id).is_ok()
            })
        });
        let done = tries.map(|one| usize::from(one.join().unwrap()));
        assert_eq!(done.iter().sum::<usize>(), 1);
        assert_eq!(a.stats().depth, 1);
    }
}

#[tokio::test]
async fn a_mailbox_that_is_emptied_makes_letters_of_what_it_held_and_abandons_what_a_door_owes() {
    let bus = bus();
    let (a, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let mut lease = inbox.lease(1).unwrap();
    bus.publish(envelope("a", "in hand"));
    lease.next().await;
    lease.retry(tokio::time::Instant::now());
    let (share, settled) = Settlement::new();
    bus.publish(envelope("a", "owed").holding(Some(share)));
    bus.publish(envelope("a", "waiting"));
    assert!(inbox.is_leased());
    drop(lease);
    assert!(!inbox.is_leased());
    let emptied = bus.empty(&inbox, Reason::NodeEnded);
    let expected = Emptied {
        dead: 2,
        returned: 1,
        stored: 0,
    };
    assert_eq!(emptied, expected);
    assert_eq!(settled.await, Verdict::Abandoned);
    let letters = bus.dead_letters().list();
    let found: Vec<_> = letters
        .iter()
        .map(|l| (l.event.id(), l.attempts, l.reason))
        .collect();
    let expected = [
        ("in hand", 2, Reason::NodeEnded),
        ("waiting", 1, Reason::NodeEnded),
    ];
    assert_eq!(found, expected);
    assert_eq!(bus.unfinished(), 0);
    assert_eq!((a.stats().depth, a.stats().dead), (0, 2));
}

#[test]
fn whoever_left_hears_nothing_until_it_is_back() {
    let rules = TopicRule {
        dead_letter: Some(topic("dead")),
        ..TopicRule::default()
    };
    let bus = with_rules(TopicRules::new([(filter("#"), rules)]));
    let (_a, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (told, _) = subscriber(&bus, "dead", 8, Overflow::Reject);
    bus.publish(envelope("a", "before"));
    let place = bus.reserve(topic("a"), event("on its way", 0), 1).unwrap();
    assert_eq!(bus.retire(&inbox, &[filter("a")]).dead, 1);
    assert_eq!(bus.publish(envelope("a", "after")).delivered, 0);
    assert_eq!(bus.unrouted(), 1);
    bus.send(place, None);
    let letters = bus.dead_letters().list();
    let found: Vec<_> = letters.iter().map(|l| (l.event.id(), l.reason)).collect();
    let gone = Reason::ActorGone;
    assert_eq!(found, [("before", gone), ("on its way", gone)]);
    assert_eq!(told.stats().depth, 2, "a dead-letter topic hears of both");
    bus.readmit(&inbox, &[filter("a")]);
    assert_eq!(bus.publish(envelope("a", "back")).delivered, 1);
    assert!(bus.redeliver(1).is_ok());
    assert_eq!(inbox.stats().depth, 2);
}

/// Two publishers, one through the door and one from inside, while the actor leaves: nothing is left lying.
#[test]
fn nothing_is_left_in_a_mailbox_whose_owner_leaves_under_fire() {
    const EACH: usize = 50;
    for round in 0..100 {
        let bus = Arc::new(bus());
        let (a, inbox) = subscriber(&bus, "a", 1024, Overflow::Reject);
        let ready = Arc::new(Barrier::new(3));
        let [door, inside] = [true, false].map(|door| {
            let (bus, ready) = (Arc::clone(&bus), Arc::clone(&ready));
            std::thread::spawn(move || {
                ready.wait();
                let mut held = Vec::new();
                for n in 0..EACH {
                    let id = format!("{door}-{n}");
                    if door {
                        bus.publish(envelope("a", &id));
                    } else {
                        // A turn goes on for a while between the place and the event.
                        held.push(bus.reserve(topic("a"), event(&id, 0), 1).unwrap());
                        std::thread::yield_now();
                    }
                    if held.len() == 5 {
                        held.drain(..).for_each(|place| bus.send(place, None));
                    }
                }
            })
        });
        ready.wait();
        bus.retire(&inbox, &[filter("a")]);
        door.join().unwrap();
        inside.join().unwrap();
        let stats = a.stats();
        assert_eq!((stats.depth, stats.accepted), (0, stats.dead), "{round}");
        let ended = stats.dead + bus.unrouted();
        assert_eq!(ended as usize, 2 * EACH, "{round}");
        assert_eq!(bus.unfinished(), 0);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Publish { owed: bool },
    Take(usize),
    Handled(usize),
    Retry(usize),
    Dead(usize),
    Crash(usize),
    Redeliver,
    Leave,
}

fn op() -> impl Strategy<Value = Op> {
    let worker = 0..2_usize;
    prop_oneof![
        6 => any::<bool>().prop_map(|owed| Op::Publish { owed }),
        4 => worker.clone().prop_map(Op::Take),
        2 => worker.clone().prop_map(Op::Handled),
        1 => worker.clone().prop_map(Op::Retry),
        2 => worker.clone().prop_map(Op::Dead),
        1 => worker.prop_map(Op::Crash),
        2 => Just(Op::Redeliver),
        1 => Just(Op::Leave),
    ]
}

proptest! {
    /// However an event ends, it ends once: handled, as a letter, dropped, or given back to its door. Also through the end.
    #[test]
    fn every_accepted_event_ends_exactly_once_through_the_end(
        overflow in prop_oneof![
            Just(Overflow::Reject), Just(Overflow::DropOldest), Just(Overflow::DropNewest), Just(Overflow::DeadLetter),
        ],
        ops in prop::collection::vec(op(), 1..100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _in_runtime = runtime.enter();
        let bus = bus();
        let (mailbox, inbox) = subscriber(&bus, "a", 4, overflow);
        let mut leases = [inbox.lease(0).ok(), inbox.lease(1).ok()];
        let mut doors: BTreeMap<String, Settled> = BTreeMap::new();
        let (mut published, mut refused) = (0_u64, 0_u64);
        let (mut handled, mut redelivered) = (0_u64, 0_u64);
        let mut returned = 0_u64;
        let mut left = false;
        for op in ops {
            match op {
                Op::Publish { owed } => {
                    published += 1;
                    let id = published.to_string();
                    let share = owed.then(|| {
                        let (share, settled) = Settlement::new();
                        doors.insert(id.clone(), settled);
                        share
                    });
                    refused += bus.publish(envelope("a", &id).holding(share)).refused.len() as u64;
                }
                Op::Take(n) => if let Some(lease) = &mut leases[n] { now(lease.next()); },
                Op::Handled(n) => if let Some(lease) = &mut leases[n] {
                    handled += u64::from(lease.in_hand().is_some());
                    lease.handled();
                },
                Op::Retry(n) => if let Some(lease) = &mut leases[n] { lease.retry(tokio::time::Instant::now()) },
                Op::Dead(n) => if let Some(lease) = &mut leases[n] {
                    lease.dead_letter(&bus, Reason::Rejected, String::new());
                },
                Op::Crash(n) => if !left {
                    drop(leases[n].take());
                    leases[n] = inbox.lease(n).ok();
                },
                Op::Redeliver => if let Some(id) = bus.dead_letters().ids().first() {
                    redelivered += u64::from(bus.redeliver(*id).is_ok());
                },
                Op::Leave => {
                    left = true;
                    leases = [None, None];
                    returned += bus.retire(&inbox, &[filter("a")]).returned;
                    prop_assert_eq!(mailbox.stats().depth, 0);
                }
            }
        }
        drop(leases);
        returned += bus.empty(&inbox, Reason::NodeEnded).returned;
        let stats = mailbox.stats();
        prop_assert_eq!(bus.unfinished(), 0);
        prop_assert_eq!(stats.depth, 0);
        prop_assert_eq!(stats.handled, handled);
        // A letter that went back is an event anew; those in the box are the rest.
        let letters = bus.dead_letters().len() as u64;
        let ends = handled + letters + stats.dropped + returned + bus.unrouted() + refused;
        prop_assert_eq!(ends, published);
        prop_assert_eq!(stats.dead, letters + redelivered);
        // And no door waits for ever.
        for (id, settled) in doors {
            prop_assert!(now(settled).is_some(), "the door of {} waits", id);
        }
    }
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    use std::task::{Context, Poll, Waker};
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn ids_go_on_after_the_highest_of_an_earlier_node_and_the_bounds_hold_for_its_letters_too() {
    let earlier = bus();
    let ids = [(); 3].map(|()| letter(&earlier, "a", Reason::Rejected));
    let limits = whirlwind_bus::DeadLetterLimits {
        count: 2,
        bytes: usize::MAX,
    };
    let letters = whirlwind_bus::DeadLetters::new(limits);
    let bus = Arc::new(Bus::new(TopicRules::default(), letters));
    for letter in earlier.dead_letters().list() {
        bus.dead_letters().restore(letter);
    }
    assert_eq!(bus.dead_letters().ids(), ids[1..]);
    assert_eq!(letter(&bus, "a", Reason::Rejected), ids[2] + 1);
    let counts = bus.dead_letters().counts();
    assert_eq!((counts.kept, counts.recorded, counts.pushed_out), (2, 1, 2));
    // Until the end, when all of them are about to be written.
    bus.dead_letters().lift_bounds();
    letter(&bus, "a", Reason::NodeEnded);
    assert_eq!(bus.dead_letters().len(), 3);
    assert_eq!(bus.dead_letters().clear(), 3);
    assert!(bus.dead_letters().is_empty());
}
