//! Mailboxes whose events are kept in order by a key, read by several workers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;
#[path = "common/stored.rs"]
mod stored;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use common::{bus, filter, topic};
use tokio::time::Instant;
use whirlwind_bus::{
    Bus, Capacity, Entrusted, Envelope, Inbox, Lease, MailboxSpec, Overflow, Partition, Reason,
    Settlement, TopicRule, Transaction, Verdict,
};
use whirlwind_event::{Event, EventBuilder};

const WORKERS: usize = 4;

fn event(id: &str, subject: &str) -> Arc<Event> {
    let event = EventBuilder::new().id(id).source("/test").ty("test");
    let event = match subject {
        "" => event,
        subject => event.subject(subject),
    };
    Arc::new(event.build().unwrap())
}

fn envelope(on: &str, id: &str, subject: &str) -> Envelope {
    Envelope::new(topic(on), event(id, subject))
}

fn ordered(bus: &Bus, name: &str, on: &[&str], events: usize, overflow: Overflow) -> Inbox {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: name.into(),
        capacity: Capacity {
            events,
            ..Capacity::default()
        },
        overflow,
        partition: Some(Partition::Subject),
    });
    for on in on {
        bus.subscribe(&filter(on), &mailbox);
    }
    inbox
}

/// An inbox with these events in it, each of an id and a subject.
fn holding(events: &[(&str, &str)]) -> (Arc<Bus>, Inbox) {
    let bus = bus();
    let inbox = ordered(&bus, "a", &["a"], 8, Overflow::Reject);
    for (id, subject) in events {
        assert_eq!(bus.publish(envelope("a", id, subject)).delivered, 1);
    }
    (bus, inbox)
}

/// The id of the next event, if there is one that may run now.
async fn now(lease: &mut Lease) -> Option<String> {
    let mut next = std::pin::pin!(lease.next());
    std::future::poll_fn(|context| {
        Poll::Ready(match next.as_mut().poll(context) {
            Poll::Ready(envelope) => Some(envelope.event.id().to_owned()),
            Poll::Pending => None,
        })
    })
    .await
}

async fn next(lease: &mut Lease) -> String {
    lease.next().await.event.id().to_owned()
}

#[tokio::test]
async fn one_key_waits_for_its_first_event_and_others_do_not() {
    let (_bus, inbox) = holding(&[("1", "k"), ("2", "k"), ("3", "l"), ("4", ""), ("5", "")]);
    let [mut a, mut b, mut c, mut d, mut e] = [0, 1, 2, 3, 4].map(|at| inbox.lease(at).unwrap());
    assert_eq!(next(&mut a).await, "1");
    assert_eq!(next(&mut b).await, "3");
    assert_eq!(next(&mut c).await, "4");
    assert_eq!(next(&mut d).await, "5");
    assert_eq!(now(&mut e).await, None);
    b.handled();
    assert_eq!(now(&mut b).await, None);
    // What waits is not of the worker that has its key: whoever is free takes it.
    a.handled();
    assert_eq!(next(&mut e).await, "2");
    assert_eq!(now(&mut a).await, None);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_for_what_the_end_of_another_lets_run() {
    let (_bus, inbox) = holding(&[("1", "k"), ("2", "k")]);
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    let mut other = inbox.lease(1).unwrap();
    let waits = tokio::spawn(async move { next(&mut other).await });
    tokio::task::yield_now().await;
    lease.handled();
    let woken = tokio::time::timeout(Duration::from_secs(1), waits).await;
    assert_eq!(woken.unwrap().unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_for_what_is_published() {
    let (bus, inbox) = holding(&[]);
    let waits = [0, 1].map(|at| {
        let mut lease = inbox.lease(at).unwrap();
        tokio::spawn(async move { next(&mut lease).await })
    });
    tokio::task::yield_now().await;
    bus.publish(envelope("a", "1", "k"));
    bus.publish(envelope("a", "2", "l"));
    let mut woken = Vec::new();
    for waits in waits {
        let id = tokio::time::timeout(Duration::from_secs(1), waits).await;
        woken.push(id.unwrap().unwrap());
    }
    woken.sort();
    assert_eq!(woken, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_for_the_backoff_of_its_event_while_others_go_on() {
    let (_bus, inbox) = holding(&[("1", "k"), ("2", "k"), ("3", "l"), ("4", "l")]);
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    one.next().await;
    let start = Instant::now();
    one.retry(start + Duration::from_secs(3));
    for id in ["3", "4"] {
        assert_eq!(next(&mut two).await, id);
        two.handled();
    }
    assert_eq!(now(&mut two).await, None);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let again = one.next().await;
    assert_eq!((again.event.id(), again.attempt), ("1", 2));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(now(&mut two).await, None);
    one.handled();
    assert_eq!(next(&mut two).await, "2");
}

#[tokio::test]
async fn a_key_waits_for_a_worker_that_died_with_its_event() {
    let (_bus, inbox) = holding(&[("1", "k"), ("2", "k")]);
    let (mut dies, mut other) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    dies.next().await;
    drop(dies);
    assert_eq!(now(&mut other).await, None);
    let mut again = inbox.lease(0).unwrap();
    assert_eq!(next(&mut again).await, "1");
    again.handled();
    assert_eq!(next(&mut other).await, "2");
}

#[tokio::test]
async fn what_a_worker_leaves_that_does_not_come_again_comes_before_what_waits_for_it() {
    let (bus, inbox) = holding(&[("1", "k"), ("2", "k"), ("3", "k")]);
    let (mut stays, mut goes) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    goes.next().await;
    assert_eq!(now(&mut stays).await, None);
    inbox.workers(1);
    drop(goes);
    for id in ["1", "2", "3"] {
        assert_eq!(next(&mut stays).await, id);
        stays.handled();
    }
    assert_eq!((bus.unfinished(), inbox.stats().depth), (0, 0));
}

#[tokio::test]
async fn a_key_is_free_when_its_event_is_a_dead_letter() {
    let (bus, inbox) = holding(&[("1", "k"), ("2", "k")]);
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    one.next().await;
    assert_eq!(now(&mut two).await, None);
    one.dead_letter(&bus, Reason::MaxDeliver, "no".to_owned());
    assert_eq!(next(&mut two).await, "2");
}

#[tokio::test]
async fn an_entrusted_event_keeps_its_key_until_it_ends() {
    let (_bus, inbox) = holding(&[("1", "k"), ("2", "k"), ("3", "l")]);
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    let first = lease.entrust().unwrap();
    assert_eq!(next(&mut lease).await, "3");
    lease.handled();
    // One that is dropped without an end comes first again.
    drop(first);
    assert_eq!(next(&mut lease).await, "1");
    lease.entrust().map(Entrusted::handled).unwrap();
    assert_eq!(next(&mut lease).await, "2");
}

#[tokio::test]
async fn an_event_that_waits_for_another_keeps_its_place_in_the_mailbox() {
    let bus = bus();
    let inbox = ordered(&bus, "a", &["a"], 4, Overflow::DropNewest);
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    for id in ["1", "2", "3", "4"] {
        bus.publish(envelope("a", id, "k"));
    }
    assert_eq!(next(&mut one).await, "1");
    assert_eq!(now(&mut two).await, None);
    assert_eq!(inbox.stats().depth, 3);
    bus.publish(envelope("a", "5", "l"));
    bus.publish(envelope("a", "6", "l"));
    assert_eq!((inbox.stats().depth, inbox.stats().dropped), (4, 1));
    one.handled();
    assert_eq!(next(&mut one).await, "2");
    assert_eq!(inbox.stats().depth, 3);
}

#[tokio::test]
async fn a_mailbox_that_drops_the_oldest_drops_the_new_one_where_all_wait_for_others() {
    let bus = bus();
    let inbox = ordered(&bus, "a", &["a"], 2, Overflow::DropOldest);
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    bus.publish(envelope("a", "1", "k"));
    assert_eq!(next(&mut one).await, "1");
    for id in ["2", "3"] {
        bus.publish(envelope("a", id, "k"));
    }
    assert_eq!(now(&mut two).await, None);
    bus.publish(envelope("a", "4", "k"));
    assert_eq!((inbox.stats().depth, inbox.stats().dropped), (2, 1));
    one.handled();
    for id in ["2", "3"] {
        assert_eq!(next(&mut one).await, id);
        one.handled();
    }
    assert_eq!((now(&mut two).await, bus.unfinished()), (None, 0));
}

#[tokio::test]
async fn emptying_ends_what_waits_for_others_in_its_order() {
    let (bus, inbox) = holding(&[("1", "k"), ("2", "l"), ("3", "k"), ("4", "l")]);
    let (owed, settled) = Settlement::new();
    bus.publish(envelope("a", "5", "k").holding(Some(owed)));
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    one.next().await;
    two.next().await;
    let mut other = inbox.lease(2).unwrap();
    assert_eq!(now(&mut other).await, None);
    bus.publish(envelope("a", "6", "m"));
    // 1 is left in hand, 4 may run, and 3 and 5 wait for 1.
    drop(one);
    two.handled();
    drop((two, other));
    let emptied = bus.retire(&inbox, &[filter("a")]);
    assert_eq!((emptied.dead, emptied.returned), (4, 1));
    assert_eq!(settled.await, Verdict::Abandoned);
    let letters = bus.dead_letters().list();
    let ids: Vec<_> = letters.iter().map(|letter| letter.event.id()).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!((bus.unfinished(), inbox.stats().depth), (0, 0));
    // All keys are free for who comes after.
    bus.readmit(&inbox, &[filter("a")]);
    bus.publish(envelope("a", "7", "k"));
    assert_eq!(next(&mut inbox.lease(0).unwrap()).await, "7");
}

/// What workers tell of the keys they run.
#[derive(Default)]
struct Log(Mutex<HashMap<String, Of>>);

/// What is known of one key.
#[derive(Default)]
struct Of {
    /// The event that has begun and not come to its end.
    runs: Option<String>,
    ended: Vec<u32>,
}

impl Log {
    fn begins(&self, event: &Event) {
        let mut log = self.0.lock().unwrap();
        let Some(key) = event.subject() else { return };
        let of = log.entry(key.to_owned()).or_default();
        let before = of.runs.replace(event.id().to_owned());
        assert!(
            before.is_none_or(|before| before == event.id()),
            "{event:?} began before the end of another"
        );
    }

    fn ends(&self, event: &Event) {
        let mut log = self.0.lock().unwrap();
        let of = log
            .entry(event.subject().unwrap_or("").to_owned())
            .or_default();
        of.runs = None;
        of.ended.push(event.id().parse().unwrap());
    }

    /// That each of `events` ended once, and those of a key in their order.
    fn check(&self, events: u32) {
        let log = self.0.lock().unwrap();
        let mut all = Vec::<u32>::new();
        for (key, of) in &*log {
            assert!(
                key.is_empty() || of.ended.is_sorted(),
                "{key}: {:?}",
                of.ended
            );
            all.extend(&of.ended);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..events));
    }
}

/// Numbers by chance, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Works at an inbox until it is aborted, and fails in all ways.
async fn work(bus: Arc<Bus>, inbox: Inbox, worker: usize, log: Arc<Log>) {
    let mut dice = Dice(worker as u64 * 7919 + 1);
    let mut lease = inbox.lease(worker).unwrap();
    loop {
        let envelope = lease.next().await;
        let event = Arc::clone(&envelope.event);
        log.begins(&event);
        for _ in 0..dice.roll(4) {
            tokio::task::yield_now().await;
        }
        match dice.roll(12) {
            0 => lease.retry(Instant::now() + Duration::from_micros(dice.roll(300))),
            1 => lease.again(None),
            2 => {
                drop(lease);
                tokio::task::yield_now().await;
                lease = inbox.lease(worker).unwrap();
            }
            3 => drop(lease.entrust()),
            4 => {
                log.ends(&event);
                lease.dead_letter(&bus, Reason::Rejected, String::new());
            }
            5 => {
                let (entrusted, log) = (lease.entrust().unwrap(), Arc::clone(&log));
                tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    log.ends(&event);
                    entrusted.handled();
                });
            }
            _ => {
                let log = Arc::clone(&log);
                let then = move || log.ends(&event);
                let turn = Transaction::default();
                lease.commit(&bus, turn, then).await.unwrap();
            }
        }
    }
}

/// Lets four workers handle `events`, published on the topics `on` in turns.
async fn storm(bus: &Arc<Bus>, inbox: &Inbox, on: &[&str], events: u32) {
    let log = Arc::new(Log::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| tokio::spawn(work(Arc::clone(bus), inbox.clone(), at, Arc::clone(&log))))
        .collect();
    let mut dice = Dice(42);
    for number in 0..events {
        let key = match dice.roll(6) {
            0 => String::new(),
            key => key.to_string(),
        };
        // One queue for each key: there is no order between two.
        let on = on[usize::try_from(dice.0 % 6).unwrap() % on.len()];
        let delivery = bus.publish(envelope(on, &number.to_string(), &key));
        for full in delivery.refused {
            full.insist(bus).await;
        }
        if dice.roll(16) == 0 {
            tokio::task::yield_now().await;
        }
    }
    while inbox.stats().depth > 0 || bus.unfinished() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(workers.iter().all(|worker| !worker.is_finished()));
    for worker in workers {
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
    }
    log.check(events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_workers_that_fail_in_all_ways_keep_the_order_of_each_key() {
    let bus = bus();
    let inbox = ordered(&bus, "a", &["a"], 64, Overflow::Reject);
    storm(&bus, &inbox, &["a"], 20_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn they_keep_it_on_durable_topics_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, bus) = stored::open(dir.path(), "a", "d", TopicRule::default()).await;
    let inbox = ordered(&bus, "a", &["d", "m"], 64, Overflow::Reject);
    storm(&bus, &inbox, &["d", "m"], 5_000).await;
    stored::finished(&bus).await;
    assert_eq!(inbox.stats().depth, 0);
}

#[tokio::test]
async fn a_key_waits_until_the_end_of_its_durable_event_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, bus) = stored::open(dir.path(), "a", "a", TopicRule::default()).await;
    let inbox = ordered(&bus, "a", &["a"], 8, Overflow::Reject);
    for id in ["1", "2", "3", "4"] {
        stored::accept(&bus, envelope("a", id, "k")).await;
    }
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    assert_eq!(next(&mut one).await, "1");
    let turn = Transaction::default();
    one.commit(&bus, turn, || {}).await.unwrap();
    // On one thread: nothing is told of the disk before this waits.
    assert_eq!(now(&mut two).await, None);
    stored::finished(&bus).await;
    assert_eq!(now(&mut two).await.as_deref(), Some("2"));
    two.dead_letter(&bus, Reason::Rejected, String::new());
    assert_eq!(now(&mut one).await, None);
    stored::finished(&bus).await;
    assert_eq!(now(&mut one).await.as_deref(), Some("3"));
    one.handled();
    assert_eq!(now(&mut two).await, None);
    stored::finished(&bus).await;
    assert_eq!(now(&mut two).await.as_deref(), Some("4"));
}

#[tokio::test]
async fn emptying_puts_durable_events_that_wait_back_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, bus) = stored::open(dir.path(), "a", "a", TopicRule::default()).await;
    let inbox = ordered(&bus, "a", &["a"], 8, Overflow::Reject);
    for (id, key) in [("1", "k"), ("2", "l"), ("3", "k"), ("4", "l"), ("5", "m")] {
        stored::accept(&bus, envelope("a", id, key)).await;
    }
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    one.next().await;
    two.next().await;
    let mut other = inbox.lease(2).unwrap();
    assert_eq!(next(&mut other).await, "5");
    drop((one, two, other));
    assert_eq!(bus.empty(&inbox, Reason::NodeEnded).stored, 5);
    assert_eq!(inbox.stats().depth, 5);
    let mut lease = inbox.lease(0).unwrap();
    for id in ["1", "2", "3", "4", "5"] {
        assert_eq!(now(&mut lease).await.as_deref(), Some(id));
        lease.handled();
        stored::finished(&bus).await;
    }
    assert_eq!(inbox.stats().depth, 0);
}
