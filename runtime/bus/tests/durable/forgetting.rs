//! What is remembered of handled events where nobody asks for it any more.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use whirlwind_bus::{
    Begin, Bus, DeadLetterLimits, DeadLetters, Durable, Inbox, SeenWindow, TopicRule, TopicRules,
};
use whirlwind_store::Space;
use whirlwind_store::testing::Faults;

use crate::common::{envelope, filter};
use crate::node::mailbox;

const EVENTS: usize = 600;

struct Node {
    bus: Arc<Bus>,
    inboxes: Vec<Inbox>,
    faults: Faults,
}

impl Node {
    /// `names` hear the topic of their own name. All are durable, and those of `known` know what comes again, the last `count`.
    async fn open(dir: &Path, names: &[&'static str], known: &[&str], count: u64) -> Self {
        let faults = Faults::default();
        let opening = {
            let (faults, dir, names) = (faults.clone(), dir.to_owned(), names.to_vec());
            tokio::task::spawn_blocking(move || {
                Durable::open(faults.open(&dir).unwrap(), names).unwrap()
            })
        };
        let (durable, _) = opening.await.unwrap();
        let rule = |dedup| TopicRule {
            durable: Some(true),
            dedup,
            ..TopicRule::default()
        };
        let window = SeenWindow {
            count,
            age: Duration::from_secs(3600),
        };
        let known = known.iter().map(|on| (filter(on), rule(Some(window))));
        let rules = TopicRules::new(known.chain([(filter("#"), rule(None))]));
        let letters = DeadLetters::new(DeadLetterLimits::default());
        let bus = Arc::new(Bus::new(rules, letters));
        bus.open_durable(durable);
        let inboxes = names.iter().map(|name| {
            let (mailbox, inbox) = mailbox(&bus, name, 8);
            bus.subscribe(&filter(name), &mailbox);
            inbox
        });
        let inboxes = inboxes.collect();
        Self {
            bus,
            inboxes,
            faults,
        }
    }

    /// Publishes events with these numbers on `on`, and lets the subscriber handle them. Answers how many it had handled before.
    async fn handle(&self, on: &str, numbers: impl Iterator<Item = usize>) -> u64 {
        for number in numbers {
            let delivery = self.bus.publish(envelope(on, &number.to_string()));
            assert!(delivery.refused.is_empty());
        }
        self.bus.durable().unwrap().finished().await;
        let mut inboxes = self.inboxes.iter();
        let inbox = inboxes.find(|inbox| **inbox.name() == *on).unwrap();
        let before = inbox.stats().duplicates;
        let mut lease = inbox.lease(0).unwrap();
        for _ in 0..inbox.stats().depth {
            lease.next().await;
            if let Begin::Run(turn) = lease.begin(&self.bus).await.unwrap() {
                lease.commit(&self.bus, turn, || {}).await.unwrap();
            }
        }
        self.bus.durable().unwrap().finished().await;
        inbox.stats().duplicates - before
    }

    /// Entries of events that were seen, two of each.
    fn remembered(&self) -> usize {
        let store = self.bus.durable().unwrap().store();
        let all = (Bound::Unbounded, Bound::Unbounded);
        store.scan_keys(Space::Seen, all, usize::MAX).unwrap().len() / 2
    }

    fn close(self) {
        self.bus.durable().unwrap().close();
    }
}

/// A store in which `a` and `b` remember all they handled.
async fn remembering(dir: &Path) {
    let node = Node::open(dir, &["a", "b"], &["#"], 10_000).await;
    node.handle("a", 0..EVENTS).await;
    node.handle("b", 0..EVENTS).await;
    assert_eq!(node.remembered(), 2 * EVENTS);
    node.close();
}

#[tokio::test]
async fn of_a_subscriber_whose_topics_know_nothing_any_more_all_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    remembering(dir.path()).await;
    let node = Node::open(dir.path(), &["a", "b"], &["b"], 10_000).await;
    let syncs = node.bus.durable().unwrap().store().counts().syncs;
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), EVENTS);
    let syncs = node.bus.durable().unwrap().store().counts().syncs - syncs;
    assert!(syncs >= 3, "256 events at a time, not {EVENTS} in {syncs}");
    assert_eq!(node.handle("b", 0..10).await, 10, "it knows them still");
    assert_eq!(node.handle("a", 0..10).await, 0);
    node.close();
    let node = Node::open(dir.path(), &["a", "b"], &[], 10_000).await;
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), 0);
}

#[tokio::test]
async fn of_one_that_is_not_there_what_is_past_the_widest_window_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    remembering(dir.path()).await;
    let node = Node::open(dir.path(), &["a"], &["a"], 100).await;
    node.bus.forget_seen().await;
    // Its own turns see to what `a` remembers.
    assert_eq!(node.remembered(), EVENTS + 100);
    node.close();
    let node = Node::open(dir.path(), &["a", "b"], &["#"], 100).await;
    assert_eq!(node.handle("b", EVENTS - 100..EVENTS).await, 100);
    node.close();
    let node = Node::open(dir.path(), &["a"], &[], 100).await;
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), 0);
}

#[tokio::test]
async fn what_is_not_forgotten_for_a_failing_disk_is_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    remembering(dir.path()).await;
    let node = Node::open(dir.path(), &["a", "b"], &[], 100).await;
    node.faults.release(1);
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), 2 * EVENTS);
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), 0);
}

/// What a topic remembers that somebody came to hear late is not taken from him.
#[tokio::test]
async fn one_who_comes_to_hear_a_topic_that_knows_keeps_what_he_remembers() {
    let dir = tempfile::tempdir().unwrap();
    remembering(dir.path()).await;
    let node = Node::open(dir.path(), &["a", "b"], &["b", "late"], 10_000).await;
    node.bus
        .subscribe(&filter("late"), &node.inboxes[0].mailbox());
    node.bus.forget_seen().await;
    assert_eq!(node.remembered(), 2 * EVENTS);
}
