//! What publishers were told of each event, written down outside the node.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bed::PATIENCE;

/// What became of a publish, as far as its publisher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    InFlight,
    /// The node said yes: it must take effect.
    Acknowledged,
    /// The node said no: it must not.
    Refused,
    /// The node was killed before it said anything: it may.
    Unknown,
}

/// The ledger of numbered events.
#[derive(Debug)]
pub struct Ledger {
    entries: Mutex<Entries>,
    changed: Notify,
}

/// What is known of all events.
#[derive(Debug)]
pub struct Entries {
    /// By number.
    pub fates: Vec<Fate>,
    pub acknowledged: u64,
    in_flight: u64,
    /// How many shall be acknowledged.
    goal: u64,
}

impl Ledger {
    /// One in which `goal` events will be acknowledged.
    pub fn new(goal: u64) -> Self {
        let entries = Entries {
            fates: Vec::new(),
            acknowledged: 0,
            in_flight: 0,
            goal,
        };
        Self {
            entries: Mutex::new(entries),
            changed: Notify::new(),
        }
    }

    pub fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }

    /// The number of an event that is about to be sent; none when the goal will be reached without it.
    pub fn offer(&self) -> Option<u64> {
        let mut entries = self.entries();
        if entries.acknowledged + entries.in_flight >= entries.goal {
            return None;
        }
        entries.in_flight += 1;
        entries.fates.push(Fate::InFlight);
        Some(entries.fates.len() as u64 - 1)
    }

    /// What has become of it.
    pub fn ended(&self, number: u64, fate: Fate) {
        let mut entries = self.entries();
        entries.fates[usize::try_from(number).unwrap()] = fate;
        entries.in_flight -= 1;
        entries.acknowledged += u64::from(fate == Fate::Acknowledged);
        drop(entries);
        self.changed.notify_waiters();
    }

    /// Waits until so many are acknowledged. The next one may take as long as the test has patience.
    pub async fn until(&self, acknowledged: u64) {
        loop {
            let changed = self.changed.notified();
            let now = self.entries().acknowledged;
            if now >= acknowledged {
                return;
            }
            let came = timeout(PATIENCE, changed).await;
            assert!(came.is_ok(), "after {now} events no other was acknowledged");
        }
    }
}
