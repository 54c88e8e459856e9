//! What passed between the node and its broker, written down outside both.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::packets::Packet;

/// How long the next thing may take to happen: far above what it does.
const PATIENCE: Duration = Duration::from_secs(120);

/// The ledger of a stream of numbered messages.
#[derive(Debug)]
pub struct Ledger {
    entries: Mutex<Entries>,
    changed: Notify,
}

/// What is known of all messages.
#[derive(Debug, Default)]
pub struct Entries {
    messages: Vec<Entry>,
    /// How many were sent to the broker.
    pub offered: u32,
    /// How many it has confirmed to their publisher.
    pub taken: u32,
    /// How many came out.
    pub done: u32,
    /// Messages that the node acknowledged before what they caused was confirmed to it: lost, had anything been killed then.
    pub too_early: Vec<u32>,
    /// Connections that were good for receiving.
    pub connections: u32,
    /// When the connection before the present one was lost.
    lost_at: Option<Instant>,
    /// The times from there to the present one.
    pub outages: Vec<Duration>,
    /// The broker was made to forget.
    forgot: bool,
    /// How many it had in its hands then, and have not come out all the same.
    forgotten: u32,
}

/// What is known of one.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// It was sent to the broker.
    offered: bool,
    /// The broker has confirmed it to its publisher.
    taken: bool,
    /// How often the broker sent it to the node.
    delivered: u32,
    /// The node has acknowledged it.
    acknowledged: bool,
    /// How often the node sent what it caused.
    sent: u32,
    /// The broker has confirmed that to the node.
    done: bool,
    /// The broker had it in its hands when it was made to forget.
    forgotten: bool,
}

/// How a stream ended.
#[derive(Default)]
pub struct Account {
    pub messages: usize,
    /// Not come out, though nobody but the node can have lost them.
    pub lost_by_us: Vec<usize>,
    pub lost_by_the_broker: usize,
    /// Deliveries beyond the first.
    pub delivered_again: u32,
    /// Messages out beyond the first.
    pub sent_again: u32,
}

impl Ledger {
    pub fn new(messages: u32) -> Self {
        let entries = Entries {
            messages: vec![Entry::default(); messages as usize],
            ..Entries::default()
        };
        Self {
            entries: Mutex::new(entries),
            changed: Notify::new(),
        }
    }

    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, so: impl Fn(&Entries) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if so(&self.entries()) {
                    return;
                }
                changed.await;
            }
        };
        let came = timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "not {what}: {}", self.account());
    }

    /// A message is about to be sent to the broker.
    pub fn offered(&self, number: u32) {
        let mut entries = self.entries();
        if let Some(entry) = entries.entry(number)
            && !std::mem::replace(&mut entry.offered, true)
        {
            entries.offered += 1;
        }
    }

    /// The broker has confirmed it to its publisher.
    pub fn taken(&self, number: u32) {
        let mut entries = self.entries();
        if let Some(entry) = entries.entry(number)
            && !std::mem::replace(&mut entry.taken, true)
        {
            entries.taken += 1;
        }
        self.changed.notify_waiters();
    }

    /// The broker is about to forget what it has.
    pub fn forgets(&self) {
        self.entries().forgot = true;
    }

    pub fn account(&self) -> Account {
        let entries = self.entries();
        let mut account = Account {
            messages: entries.messages.len(),
            ..Account::default()
        };
        for (number, entry) in entries.messages.iter().enumerate() {
            account.delivered_again += entry.delivered.saturating_sub(1);
            account.sent_again += entry.sent.saturating_sub(1);
            if entry.taken && !entry.done {
                match entry.forgotten && !entry.acknowledged {
                    true => account.lost_by_the_broker += 1,
                    false => account.lost_by_us.push(number),
                }
            }
        }
        account
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            messages,
            lost_by_us,
            lost_by_the_broker,
            delivered_again,
            sent_again,
        } = self;
        let lost = lost_by_us.len();
        write!(
            f,
            "{messages} messages: lost by us {lost}, lost by the broker {lost_by_the_broker}, delivered again {delivered_again}, \
             sent again {sent_again}"
        )
    }
}

impl Entries {
    /// Whether it came out and was acknowledged.
    pub fn has_ended(&self, number: u32) -> bool {
        let entry = self.messages.get(number as usize);
        entry.is_some_and(|entry| entry.done && entry.acknowledged)
    }

    /// How many are under way: the broker has not forgotten them, and they have not come out.
    pub fn under_way(&self) -> u32 {
        self.offered - self.done - self.forgotten
    }

    fn entry(&mut self, number: u32) -> Option<&mut Entry> {
        self.messages.get_mut(number as usize)
    }

    /// The node can receive again. What the broker was sent before may have come when nobody was subscribed.
    fn connected(&mut self) {
        self.connections += 1;
        if let Some(lost) = self.lost_at.take() {
            self.outages.push(lost.elapsed());
        }
        if std::mem::take(&mut self.forgot) {
            for entry in &mut self.messages {
                if entry.offered && !entry.done && !entry.forgotten {
                    entry.forgotten = true;
                    self.forgotten += 1;
                }
            }
        }
    }
}

/// One connection of the node, as the ledger sees it.
#[derive(Debug)]
pub struct Page<'a> {
    ledger: &'a Ledger,
    level: u8,
    /// Which one it is, once it is good for receiving.
    number: Option<u32>,
    /// A broker past its bound uses an id again before it is acknowledged.
    delivered: HashMap<u16, VecDeque<u32>>,
    sent: HashMap<u16, u32>,
}

impl<'a> Page<'a> {
    pub fn new(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            level: 4,
            number: None,
            delivered: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    /// The protocol level of the connection.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The connection is lost, or will be.
    pub fn lost(&self) {
        let mut entries = self.ledger.entries();
        if self.number == Some(entries.connections) {
            entries.lost_at.get_or_insert_with(Instant::now);
        }
    }

    /// The node has sent this.
    pub fn node_sent(&mut self, packet: &Packet) {
        let mut entries = self.ledger.entries();
        match packet {
            Packet::Connect(level) => self.level = *level,
            Packet::Publish(id, number) => {
                self.sent.insert(*id, *number);
                if let Some(entry) = entries.entry(*number) {
                    entry.sent += 1;
                }
            }
            Packet::PubAck(id) => {
                let number = self.delivered.get_mut(id).and_then(VecDeque::pop_front);
                if let Some(entry) = number.and_then(|number| entries.entry(number)) {
                    entry.acknowledged = true;
                    if !entry.done {
                        entries.too_early.extend(number);
                    }
                }
            }
            _ => return,
        }
        self.ledger.changed.notify_waiters();
    }

    /// The broker has sent this.
    pub fn broker_sent(&mut self, packet: &Packet) {
        let mut entries = self.ledger.entries();
        match packet {
            Packet::ConnAck {
                taken: true,
                session: true,
            }
            | Packet::SubAck
                if self.number.is_none() =>
            {
                entries.connected();
                self.number = Some(entries.connections);
            }
            Packet::Publish(id, number) => {
                self.delivered.entry(*id).or_default().push_back(*number);
                if let Some(entry) = entries.entry(*number) {
                    entry.delivered += 1;
                }
            }
            Packet::PubAck(id) => {
                let number = self.sent.get(id).copied();
                if let Some(entry) = number.and_then(|number| entries.entry(number))
                    && !std::mem::replace(&mut entry.done, true)
                {
                    let forgotten = entry.forgotten;
                    entries.done += 1;
                    entries.forgotten -= u32::from(forgotten);
                }
            }
            _ => return,
        }
        self.ledger.changed.notify_waiters();
    }
}
