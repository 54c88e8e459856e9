//! Many publishers, many readers, readers that die: every accepted event ends exactly once.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{bus, envelope, filter, subscriber, topic};
use whirlwind_bus::{Capacity, Envelope, MailboxSpec, Overflow};

const PUBLISHERS: usize = 4;
const EACH: usize = 5_000;
const READERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_readers_that_die_every_seventh_event_end_each_of_20_000_once() {
    let bus = Arc::new(bus());
    let (mailbox, inbox) = subscriber(&bus, "a", 64, Overflow::Reject);
    let ended: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();

    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (inbox, ended) = (inbox.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut read = 0_u64;
                loop {
                    let mut lease = inbox.lease(reader).unwrap();
                    loop {
                        let id = lease.next().await.event.id().to_owned();
                        read += 1;
                        if read.is_multiple_of(7) {
                            break; // dies with the event in hand
                        }
                        lease.handled();
                        *ended.lock().unwrap().entry(id).or_default() += 1;
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();

    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                for n in 0..EACH {
                    let mut refused = bus
                        .publish(envelope("a", &format!("{publisher}-{n}")))
                        .refused;
                    while let Some(refusal) = refused.pop() {
                        refusal.room().await;
                        refused.extend(refusal.retry(&bus).err());
                    }
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    bus.idle().await;
    for reader in &readers {
        reader.abort();
    }

    let ended = ended.lock().unwrap();
    let mut wrong: Vec<_> = ended.iter().filter(|(_, times)| **times != 1).collect();
    wrong.truncate(5);
    assert!(wrong.is_empty(), "{wrong:?}");
    let stats = mailbox.stats();
    assert_eq!(stats.accepted as usize, PUBLISHERS * EACH);
    assert_eq!(stats.handled as usize, PUBLISHERS * EACH);
    assert_eq!(stats.depth, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_sees_a_cause_before_its_effect() {
    let bus = Arc::new(bus());
    let (_echo, inbox) = subscriber(&bus, "cause", 64, Overflow::Reject);
    let (observer, seen) = bus.mailbox(MailboxSpec {
        name: "observer".into(),
        capacity: Capacity::default(),
        overflow: Overflow::Reject,
        partition: None,
    });
    bus.observe(&filter("#"), &observer);
    let echo = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            let mut lease = inbox.lease(0).unwrap();
            loop {
                let effect = Arc::clone(&lease.next().await.event);
                bus.publish(Envelope::new(topic("effect"), effect));
                lease.handled();
            }
        }
    });
    let mut seen = seen.lease(0).unwrap();
    for n in 0..EACH {
        bus.publish(envelope("cause", &n.to_string()));
        for expected in ["cause", "effect"] {
            assert_eq!(seen.next().await.topic.as_str(), expected, "event {n}");
            seen.handled();
        }
    }
    echo.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_event_is_read_whatever_drops_the_older_ones_under_the_readers_hands() {
    let bus = Arc::new(bus());
    let (mailbox, inbox) = subscriber(&bus, "a", 1, Overflow::DropOldest);
    let reader = tokio::spawn(async move {
        let mut lease = inbox.lease(0).unwrap();
        loop {
            lease.next().await;
            lease.handled();
        }
    });
    for round in 0..2_000 {
        let publishers = [1, 2, 3].map(|publisher| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move { bus.publish(envelope("a", &format!("{round}-{publisher}"))) })
        });
        for publisher in publishers {
            publisher.await.unwrap();
        }
        let idle = tokio::time::timeout(std::time::Duration::from_secs(30), bus.idle());
        assert!(idle.await.is_ok(), "round {round}: an event lies unread");
    }
    reader.abort();
    let stats = mailbox.stats();
    assert_eq!(stats.handled + stats.dropped, 6_000);
}
