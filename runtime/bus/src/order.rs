//! Which events of a mailbox may run now, where those of one key are handled one at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::inbox::InHand;
use crate::lanes::Lanes;
use crate::mailbox::Shared;
use crate::partition::Key;
use crate::{Capacity, Envelope, Partition};

/// How much of what lies in the store may wait here for others of its key. Past that, nothing is taken from there until some of it
/// runs. What lies in the mailbox alone keeps its place there while it waits, so the mailbox bounds it.
const STORED: Capacity = Capacity {
    events: 1024,
    bytes: 4 * 1024 * 1024,
};

/// Gives out events so that each key has at most one that has not come to its end, and those of one key come in the order of the
/// queue they lay in.
pub(crate) struct Order {
    partition: Partition,
    state: Mutex<State>,
    /// Told of events that may run now.
    more: Arc<Notify>,
}

struct State {
    lanes: Lanes<Envelope>,
    /// First of their lanes since the one before ended, and taken before the queues.
    ready: VecDeque<(Key, Envelope)>,
    /// How much of what waits in lanes lies in the store.
    stored: Capacity,
}

/// An event's right to run before all others of its key, until this is dropped: when the event has come to its end for good.
pub(crate) struct Lane {
    order: Arc<Order>,
    key: Key,
}

/// An event that may run, and its key.
type First = (Option<Key>, Envelope);

impl Order {
    /// Nothing runs yet. `more` is told when something may that waited for another.
    pub(crate) fn new(partition: Partition, more: Arc<Notify>) -> Self {
        Self {
            partition,
            state: Mutex::new(State {
                lanes: Lanes::new(),
                ready: VecDeque::new(),
                stored: Capacity {
                    events: 0,
                    bytes: 0,
                },
            }),
            more,
        }
    }

    /// The next event of the mailbox that may run, if there is one: first what waited for another of its key, then from the two
    /// queues in turns.
    pub(crate) fn next(self: &Arc<Self>, shared: &Shared, was_durable: bool) -> Option<InHand> {
        // Taken from a queue and into its lane under one lock: two readers would enter in another order than they took.
        let mut state = self.state();
        let (key, envelope) = match state.ready.pop_front() {
            Some((key, envelope)) => (Some(key), envelope),
            None => match was_durable {
                true => self
                    .queued(&mut state, shared)
                    .or_else(|| self.durable(&mut state, shared))?,
                false => self
                    .durable(&mut state, shared)
                    .or_else(|| self.queued(&mut state, shared))?,
            },
        };
        drop(state);
        if !envelope.is_durable() {
            shared.release(envelope.size());
        }
        let lane = key.map(|key| Lane {
            order: Arc::clone(self),
            key,
        });
        Some(InHand::new(envelope).in_lane(lane))
    }

    fn queued(&self, state: &mut State, shared: &Shared) -> Option<First> {
        loop {
            let envelope = shared.receiver.try_recv().ok()?;
            if let Some(first) = self.enter(state, envelope) {
                return Some(first);
            }
        }
    }

    fn durable(&self, state: &mut State, shared: &Shared) -> Option<First> {
        let queue = shared.durable.get()?;
        loop {
            if state.is_full() {
                return None;
            }
            let envelope = queue.take()?;
            if let Some(first) = self.enter(state, envelope) {
                return Some(first);
            }
        }
    }

    fn enter(&self, state: &mut State, envelope: Envelope) -> Option<First> {
        let key = self.partition.key(&envelope.event);
        let (is_durable, bytes) = (envelope.is_durable(), envelope.size());
        let first = state.lanes.enter(key, envelope);
        if first.is_none() && is_durable {
            state.stored.events += 1;
            state.stored.bytes += bytes;
        }
        first.map(|envelope| (key, envelope))
    }

    fn leave(&self, key: Key) {
        let mut state = self.state();
        let Some(next) = state.lanes.leave(Some(key)) else {
            return;
        };
        if next.is_durable() {
            state.stored.events -= 1;
            state.stored.bytes -= next.size();
        }
        state.ready.push_back((key, next));
        drop(state);
        // All: one takes it, and another may take from the store again.
        self.more.notify_waiters();
    }

    /// Takes everything that waits here, the first of each key first, and gives back its room in the mailbox. What runs keeps its
    /// lane.
    pub(crate) fn drain(&self, shared: &Shared) -> Vec<Envelope> {
        let mut state = self.state();
        let mut all = Vec::new();
        let parked = state.lanes.drain();
        while let Some((key, envelope)) = state.ready.pop_front() {
            all.push(envelope);
            // Nothing is behind it any more.
            let next = state.lanes.leave(Some(key));
            all.extend(next);
        }
        all.extend(parked);
        state.stored = Capacity {
            events: 0,
            bytes: 0,
        };
        drop(state);
        for envelope in all.iter().filter(|envelope| !envelope.is_durable()) {
            shared.release(envelope.size());
        }
        all
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether nothing more may be taken from the store: what comes next may be of a key that is free, but what is before it is not.
    fn is_full(&self) -> bool {
        self.stored.events >= STORED.events || self.stored.bytes >= STORED.bytes
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.order.leave(self.key);
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
