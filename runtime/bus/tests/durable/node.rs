//! A bus over a store, which can be stopped and opened again.

use std::ops::Bound;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Durable, Envelope, Inbox, Keep, Lease, Mailbox,
    MailboxSpec, NotDurable, Notice, Overflow, TopicRule, TopicRules, Transaction, TurnError,
};
use whirlwind_store::testing::Faults;
use whirlwind_store::{Space, Store};

use crate::common::{envelope, filter, topic};

pub struct Setup {
    pub keep: Keep,
    pub letters: DeadLetterLimits,
    pub subscribers: Vec<&'static str>,
    /// Hears what the bus tells.
    pub hear: Option<fn(&Bus, Notice<'_>)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            letters: DeadLetterLimits::default(),
            subscribers: vec!["a"],
            hear: None,
        }
    }
}

/// Every subscriber hears `all/#` and what is under its own name; `#` is durable, but for `plain/#`.
pub struct Node {
    pub bus: Arc<Bus>,
    pub inboxes: Vec<Inbox>,
    pub faults: Faults,
}

impl Node {
    pub async fn open(dir: &Path) -> Self {
        Self::with(dir, Setup::default()).await
    }

    pub async fn with(dir: &Path, setup: Setup) -> Self {
        let faults = Faults::default();
        let Setup {
            keep,
            letters,
            subscribers,
            hear,
        } = setup;
        let opening = {
            let (faults, dir, names) = (faults.clone(), dir.to_owned(), subscribers.clone());
            // It blocks.
            tokio::task::spawn_blocking(move || {
                Durable::open(faults.open(&dir).unwrap(), names).unwrap()
            })
        };
        let (durable, found) = opening.await.unwrap();
        let rule = |durable| TopicRule {
            durable: Some(durable),
            keep: Some(keep),
            ..TopicRule::default()
        };
        let rules = TopicRules::new([(filter("plain/#"), rule(false)), (filter("#"), rule(true))]);
        let bus = Arc::new_cyclic(|bus: &Weak<Bus>| {
            let bus = Weak::clone(bus);
            Bus::new(rules, DeadLetters::new(letters)).with_listener(move |notice| {
                if let (Some(hear), Some(bus)) = (hear, bus.upgrade()) {
                    hear(&bus, notice);
                }
            })
        });
        bus.open_durable(durable);
        for letter in found {
            bus.dead_letters().restore(letter);
        }
        // Without one who looks on at the system nothing is told.
        bus.observe(&filter("$sys/#"), &mailbox(&bus, "eye", 1).0);
        let inboxes = subscribers.iter().map(|name| {
            let (mailbox, inbox) = mailbox(&bus, name, 1024);
            bus.subscribe(&filter("all/#"), &mailbox);
            bus.subscribe(&filter(&format!("{name}/#")), &mailbox);
            bus.subscribe(&filter(&format!("plain/{name}")), &mailbox);
            inbox
        });
        let inboxes = inboxes.collect();
        Self {
            bus,
            inboxes,
            faults,
        }
    }

    pub fn store(&self) -> &Store {
        self.bus.durable().unwrap().store()
    }

    pub fn lease(&self) -> Lease {
        self.inboxes[0].lease(0).unwrap()
    }

    pub fn depth(&self) -> usize {
        self.inboxes[0].stats().depth
    }

    /// Publishes through a door, and waits for the disk.
    pub async fn publish(&self, on: &str, id: &str) -> Result<(), NotDurable> {
        let delivery = self.bus.publish(envelope(on, id));
        assert!(delivery.refused.is_empty());
        delivery.synced.unwrap().wait().await
    }

    pub async fn finished(&self) {
        self.bus.durable().unwrap().finished().await;
    }

    /// Brings all to the disk and lets go of it.
    pub async fn stop(self) {
        self.faults.release(0);
        self.finished().await;
        self.kill();
    }

    /// The same, with whatever is on its way left to the threads of the store.
    pub fn kill(self) {
        self.faults.release(0);
        self.store().close();
    }

    /// Bytes of a key of a bucket.
    pub fn value(&self, key: &'static str) -> Option<Bytes> {
        self.store().get(Space::Buckets, key.as_bytes()).unwrap()
    }

    /// How many events and letters are in the store.
    pub fn keys(&self) -> usize {
        self.keys_from(&[0], &[3])
    }

    /// How many letters are.
    pub fn keys_of_letters(&self) -> usize {
        self.keys_from(&[2], &[3])
    }

    fn keys_from(&self, from: &[u8], to: &[u8]) -> usize {
        let range = (Bound::Included(from), Bound::Excluded(to));
        let keys = self.store().scan_keys(Space::Events, range, usize::MAX);
        keys.unwrap().len()
    }

    /// Lets go of the disk while a sync waits, which goes on then.
    pub async fn stop_held(self) {
        self.faults.reached();
        self.stop().await;
    }
}

impl Drop for Node {
    /// A test that fails while syncs wait fails at once.
    fn drop(&mut self) {
        self.faults.release(0);
    }
}

pub fn mailbox(bus: &Bus, name: &str, events: usize) -> (Mailbox, Inbox) {
    bus.mailbox(MailboxSpec {
        name: name.into(),
        capacity: Capacity {
            events,
            ..Capacity::default()
        },
        overflow: Overflow::Reject,
        ..MailboxSpec::default()
    })
}

/// What a future comes to without waiting.
pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

pub fn id(envelope: &Envelope) -> String {
    envelope.event.id().to_owned()
}

/// The next event, which must be there.
pub fn take(lease: &mut Lease) -> String {
    id(now(lease.next()).expect("an event waits"))
}

/// Commits the event in hand with nothing else.
pub async fn commit(node: &Node, lease: &mut Lease) -> Result<(), TurnError> {
    lease.commit(&node.bus, Transaction::default(), || {}).await
}

/// All that can be read, in order, each handled.
pub async fn drain(node: &Node, lease: &mut Lease) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(envelope) = now(lease.next()) {
        ids.push(id(envelope));
        commit(node, lease).await.unwrap();
    }
    node.finished().await;
    ids
}

/// A turn that publishes `id` on `on`.
pub fn publishing(
    node: &Node,
    turn: &mut Transaction,
    on: &str,
    id: &str,
) -> impl FnOnce() + use<> {
    let event = crate::common::event(id, 0);
    let mut reservation = node.bus.reserve(topic(on), event, 1).unwrap();
    turn.publish(&mut reservation);
    let bus = Arc::clone(&node.bus);
    move || bus.send(reservation, None)
}
