//! What the bus tells of events that nobody will handle, and what it announces.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{envelope, event, filter, subscriber, topic};
use whirlwind_bus::{
    Audience, Bus, Capacity, DeadLetterLimits, DeadLetters, Inbox, MailboxSpec, Notice, Overflow,
    Reason, TopicRules,
};

type Told = Arc<Mutex<Vec<String>>>;

/// A bus with room for two dead letters, and what it tells.
fn bus() -> (Arc<Bus>, Told) {
    let told = Told::default();
    let letters = DeadLetters::new(DeadLetterLimits {
        count: 2,
        bytes: usize::MAX,
    });
    let bus = Bus::new(TopicRules::default(), letters).with_listener({
        let told = Arc::clone(&told);
        move |notice| {
            told.lock().unwrap().push(match notice {
                Notice::DeadLettered { letter, hops } => {
                    format!("dead {} {} hops {hops}", letter.actor, letter.event.id())
                }
                Notice::Dropped {
                    actor,
                    overflow,
                    event,
                    hops,
                    ..
                } => format!("{} {actor} {} hops {hops}", overflow.as_str(), event.id()),
                Notice::PushedOut { letter, hops } => {
                    format!("out {} {} hops {hops}", letter.actor, letter.event.id())
                }
            });
        }
    });
    (Arc::new(bus), told)
}

fn taken(told: &Told) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}

/// Somebody who looks on at the topics of the system.
fn observer(bus: &Arc<Bus>, events: usize) -> Inbox {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "observer".into(),
        capacity: Capacity {
            events,
            ..Capacity::default()
        },
        overflow: Overflow::DropNewest,
        partition: None,
    });
    bus.observe(&filter("$sys/#"), &mailbox);
    inbox
}

#[tokio::test]
async fn a_drop_is_told_with_its_policy_and_the_event_that_went() {
    let (bus, told) = bus();
    let _observer = observer(&bus, 8);
    let _newest = subscriber(&bus, "newest", 1, Overflow::DropNewest);
    let _oldest = subscriber(&bus, "oldest", 1, Overflow::DropOldest);
    for name in ["newest", "oldest"] {
        bus.publish(envelope(name, "1"));
        bus.publish(envelope(name, "2").after_hops(7));
    }
    assert_eq!(
        taken(&told),
        ["drop-newest newest 2 hops 7", "drop-oldest oldest 1 hops 0"]
    );
}

#[tokio::test]
async fn a_dead_letter_is_told_and_so_is_the_one_it_pushes_out() {
    let (bus, told) = bus();
    let _observer = observer(&bus, 8);
    let _full = subscriber(&bus, "full", 1, Overflow::DeadLetter);
    for id in ["1", "2", "3", "4"] {
        bus.publish(envelope("full", id).after_hops(2));
    }
    let expected = [
        "dead full 2 hops 2",
        "dead full 3 hops 2",
        "dead full 4 hops 2",
        "out full 2 hops 2",
    ];
    assert_eq!(taken(&told), expected);
}

#[tokio::test]
async fn nothing_is_told_while_nobody_listens_to_the_system() {
    let (bus, told) = bus();
    let _newest = subscriber(&bus, "newest", 1, Overflow::DropNewest);
    bus.publish(envelope("newest", "1"));
    bus.publish(envelope("newest", "2"));
    bus.dead_letter(
        envelope("a", "3"),
        "x".into(),
        Reason::Rejected,
        String::new(),
    );
    assert!(!bus.is_system_heard());
    assert_eq!(taken(&told), [""; 0]);

    let (mailbox, _inbox) = subscriber(&bus, "$sys/a/+", 1, Overflow::Reject);
    assert!(bus.is_system_heard());
    assert!(bus.is_heard(&topic("$sys/a/b")) && !bus.is_heard(&topic("$sys/b/a")));
    bus.unsubscribe(&filter("$sys/a/+"), &mailbox);
    assert!(!bus.is_system_heard() && !bus.is_heard(&topic("$sys/a/b")));
}

#[tokio::test]
async fn of_the_end_of_an_event_of_the_system_nothing_is_told() {
    let (bus, told) = bus();
    let _observer = observer(&bus, 8);
    for id in ["1", "2", "3"] {
        let news = envelope("$sys/a", id);
        bus.dead_letter(news, "x".into(), Reason::Rejected, String::new());
    }
    // One of somebody's pushes the last of the system's out.
    bus.dead_letter(
        envelope("a", "4"),
        "x".into(),
        Reason::Rejected,
        String::new(),
    );
    assert_eq!(bus.dead_letters().pushed_out(), 2);
    assert_eq!(taken(&told), ["dead x 4 hops 0"]);
    let _newest = subscriber(&bus, "$sys/b", 1, Overflow::DropNewest);
    bus.publish(envelope("$sys/b", "5"));
    bus.publish(envelope("$sys/b", "6"));
    assert_eq!(taken(&told), [""; 0]);
}

#[tokio::test]
async fn an_announcement_waits_for_nobody_displaces_nothing_and_what_is_missed_is_counted() {
    let (bus, told) = bus();
    let watching = observer(&bus, 2);
    let policies = [
        Overflow::Reject,
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::DeadLetter,
    ];
    let inboxes = policies.map(|overflow| {
        let (mailbox, inbox) = subscriber(&bus, overflow.as_str(), 1, overflow);
        bus.subscribe(&filter("$sys/#"), &mailbox);
        bus.publish(envelope(overflow.as_str(), "first"));
        inbox
    });
    for id in ["1", "2", "3"] {
        bus.announce(&topic("$sys/a"), &event(id, 0), 3, Audience::Everybody);
    }
    for inbox in inboxes {
        let stats = inbox.stats();
        assert_eq!((stats.depth, stats.dropped), (1, 3), "{}", inbox.name());
        let mut lease = inbox.lease(0).unwrap();
        assert_eq!(lease.next().await.event.id(), "first");
    }
    assert_eq!(watching.stats().dropped, 1);
    let mut lease = watching.lease(0).unwrap();
    assert_eq!(lease.next().await.hops, 3);
    assert_eq!(bus.dead_letters().recorded(), 0);
    assert_eq!(taken(&told), [""; 0]);
}

#[tokio::test]
async fn an_announcement_for_observers_reaches_nobody_else_and_none_is_waited_for() {
    let (bus, _told) = bus();
    let watching = observer(&bus, 8);
    let (_mailbox, inbox) = subscriber(&bus, "$sys/#", 8, Overflow::Reject);
    bus.announce(&topic("$sys/a"), &event("1", 0), 0, Audience::Observers);
    assert_eq!((watching.stats().depth, inbox.stats().depth), (1, 0));
    bus.announce(&topic("$sys/a"), &event("2", 0), 0, Audience::Everybody);
    assert_eq!((watching.stats().depth, inbox.stats().depth), (2, 1));
    // It waits there, and a drain does not.
    assert_eq!(bus.unfinished(), 0);
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    lease.handled();
    assert_eq!((bus.unfinished(), inbox.stats().handled), (0, 1));
}

#[tokio::test]
async fn what_a_reader_that_is_gone_left_in_hand_can_be_looked_at() {
    let (bus, _told) = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    bus.publish(envelope("a", "1").after_hops(5));
    let mut lease = inbox.lease(3).unwrap();
    lease.next().await;
    lease.retry(tokio::time::Instant::now());
    assert!(inbox.left_in_hand().is_empty(), "it is read");
    drop(lease);
    let left = inbox.left_in_hand().pop().unwrap();
    assert_eq!((left.worker, left.attempt, left.hops), (3, 2, 5));
    assert_eq!((left.topic.as_str(), left.event.id()), ("a", "1"));
}
