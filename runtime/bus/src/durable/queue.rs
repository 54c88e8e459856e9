//! What waits for one subscriber on durable topics.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use whirlwind_store::{ReadError, Space};

use super::committer::Committer;
use super::{key, record};
use crate::{Capacity, Envelope};

/// How much of a queue is kept in memory besides in the store: what comes past it is read from there when its turn comes.
const MOST: Capacity = Capacity {
    events: 1024,
    bytes: 4 * 1024 * 1024,
};

/// How many events are read from the store at once.
const PAGE: usize = 256;

/// How much may wait for one subscriber on a durable topic. A publisher that would go past it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many events.
    pub events: usize,
    /// Of what size together, in bytes as they lie in the store.
    pub bytes: u64,
    /// How long the oldest may have waited.
    pub age: Option<Duration>,
}

impl Default for Keep {
    /// A million events in 1 GiB, of any age: an hour of 277 events a second, which a small disk has room for.
    fn default() -> Self {
        Self {
            events: 1_000_000,
            bytes: 1 << 30,
            age: None,
        }
    }
}

/// Why a durable topic took no more for a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// Too many wait.
    #[error("{events} events wait for `{name}` on durable topics, as many as `keep` allows")]
    Events {
        /// For whom.
        name: Arc<str>,
        /// How many there are.
        events: usize,
    },
    /// They are too large together.
    #[error("{bytes} bytes wait for `{name}` on durable topics, and `keep` allows {most}")]
    Bytes {
        /// For whom.
        name: Arc<str>,
        /// What there is.
        bytes: u64,
        /// What there may be.
        most: u64,
    },
    /// The oldest waits for too long.
    #[error(
        "the oldest event on durable topics for `{name}` has waited for {} s, and `keep` allows {} s",
        waited.as_secs(), most.as_secs()
    )]
    Age {
        /// For whom.
        name: Arc<str>,
        /// For how long it has.
        waited: Duration,
        /// For how long it may.
        most: Duration,
    },
}

/// The place of an event in the store, held by its delivery.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Arc<Queue>,
    pub(crate) number: u64,
    /// Bytes of its record.
    pub(crate) bytes: usize,
    /// When it was accepted, in milliseconds since 1970.
    pub(crate) at: u64,
}

/// Room in a queue for one event. Dropped, it is given back.
#[derive(Debug)]
pub(crate) struct QueuePlace {
    /// None once it is filled.
    queue: Option<Arc<Queue>>,
    bytes: usize,
}

/// All that was accepted for one subscriber and has not come to its end. The first ones are in memory too.
pub(crate) struct Queue {
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) committer: Arc<Committer>,
    state: Mutex<State>,
    /// How many can be taken: with none, nobody takes the lock to see so.
    available: AtomicUsize,
    /// Who reads it.
    reader: OnceLock<Arc<Notify>>,
    room: Notify,
}

#[derive(Default)]
struct State {
    /// Accepted and not synced yet, in order. What there was no room for is only in the store.
    coming: VecDeque<(u64, Option<Envelope>)>,
    /// The next to be taken.
    ready: VecDeque<Envelope>,
    /// Bytes of both.
    bytes: usize,
    /// How many are synced and neither in `ready` nor taken: they lie in the store from `cursor` on.
    stored: usize,
    cursor: u64,
    /// All that has not ended, and places that are held.
    waiting: usize,
    waiting_bytes: u64,
}

impl Queue {
    /// A queue of which the store has `stored` events of `bytes`.
    pub(crate) fn new(
        id: u32,
        name: &str,
        committer: Arc<Committer>,
        stored: usize,
        bytes: u64,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            committer,
            state: Mutex::new(State {
                stored,
                waiting: stored,
                waiting_bytes: bytes,
                ..State::default()
            }),
            available: AtomicUsize::new(stored),
            reader: OnceLock::new(),
            room: Notify::new(),
        }
    }

    /// How many events have not come to their end.
    pub(crate) fn depth(&self) -> usize {
        self.lock().waiting
    }

    /// Room for an event of `bytes`, if `keep` allows one more.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        bytes: usize,
        keep: &Keep,
    ) -> Result<QueuePlace, QueueFull> {
        let mut state = self.lock();
        self.allows(&mut state, bytes, keep)?;
        state.waiting += 1;
        state.waiting_bytes += bytes as u64;
        drop(state);
        Ok(QueuePlace {
            queue: Some(Arc::clone(self)),
            bytes,
        })
    }

    fn allows(
        self: &Arc<Self>,
        state: &mut State,
        bytes: usize,
        keep: &Keep,
    ) -> Result<(), QueueFull> {
        let name = || Arc::clone(&self.name);
        if state.waiting >= keep.events {
            return Err(QueueFull::Events {
                name: name(),
                events: state.waiting,
            });
        }
        // One that is alone may be of any size: what a topic takes at all is another rule.
        if state.waiting > 0 && state.waiting_bytes + bytes as u64 > keep.bytes {
            return Err(QueueFull::Bytes {
                name: name(),
                bytes: state.waiting_bytes,
                most: keep.bytes,
            });
        }
        if let Some(most) = keep.age
            && let Some(oldest) = self.oldest(state)
        {
            let now = record::millis(SystemTime::now());
            let waited = Duration::from_millis(now.saturating_sub(oldest));
            if waited > most {
                return Err(QueueFull::Age {
                    name: name(),
                    waited,
                    most,
                });
            }
        }
        Ok(())
    }

    /// When the next one to be taken was accepted.
    fn oldest(self: &Arc<Self>, state: &mut State) -> Option<u64> {
        self.fetch(state);
        let entry = state.ready.front()?.entry.as_ref()?;
        Some(entry.at)
    }

    /// Returns when `keep` may allow an event of `bytes`.
    pub(crate) async fn room(self: &Arc<Self>, bytes: usize, keep: &Keep) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.allows(&mut self.lock(), bytes, keep).is_ok() {
                return;
            }
            room.await;
        }
    }

    /// An event was committed: it comes after all that came before, and can be taken once it is synced.
    pub(crate) fn coming(&self, number: u64, envelope: Envelope) {
        let mut state = self.lock();
        let fits = state.stored == 0
            && state.ready.len() + state.coming.len() < MOST.events
            && state.bytes + envelope.size() <= MOST.bytes;
        if fits {
            state.bytes += envelope.size();
        }
        state.coming.push_back((number, fits.then_some(envelope)));
    }

    /// The first of those that come is synced.
    pub(crate) fn synced(&self) {
        let mut state = self.lock();
        let Some((number, envelope)) = state.coming.pop_front() else {
            return;
        };
        match envelope {
            Some(envelope) if state.stored == 0 => state.ready.push_back(envelope),
            held => {
                state.bytes -= held.map_or(0, |envelope| envelope.size());
                if state.stored == 0 {
                    state.cursor = number;
                }
                state.stored += 1;
            }
        }
        self.available.fetch_add(1, Ordering::SeqCst);
        drop(state);
        self.tell();
    }

    /// The first of those that come will not: it was undone.
    pub(crate) fn undone(&self, bytes: usize) {
        let mut state = self.lock();
        if let Some((_, held)) = state.coming.pop_front() {
            state.bytes -= held.map_or(0, |envelope| envelope.size());
        }
        drop(state);
        self.ended(bytes);
    }

    /// The next event, if there is one.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Envelope> {
        if self.available.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let mut state = self.lock();
        self.fetch(&mut state);
        let envelope = state.ready.pop_front()?;
        state.bytes = state.bytes.saturating_sub(envelope.size());
        self.available.fetch_sub(1, Ordering::SeqCst);
        drop(state);
        // The oldest that waits is another one now.
        self.room.notify_waiters();
        Some(envelope)
    }

    /// One that was taken will be taken again.
    pub(crate) fn put_back(&self, envelope: Envelope) {
        let mut state = self.lock();
        let number = |of: &Envelope| of.entry.as_ref().map(|entry| entry.number);
        let place = state
            .ready
            .partition_point(|before| number(before) < number(&envelope));
        state.bytes += envelope.size();
        state.ready.insert(place, envelope);
        self.available.fetch_add(1, Ordering::SeqCst);
        drop(state);
        self.tell();
    }

    /// Lets go of what is in memory: it is there when the store is opened again.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let held = (
            std::mem::take(&mut state.ready),
            std::mem::take(&mut state.coming),
        );
        state.bytes = 0;
        state.stored = 0;
        self.available.store(0, Ordering::SeqCst);
        drop(state);
        drop(held);
    }

    /// From now on `reader` is told of events that can be taken.
    pub(crate) fn read_by(&self, reader: &Arc<Notify>) {
        // The same reader for as long as the queue lives: whoever opens the queues subscribes once.
        let _ = self.reader.set(Arc::clone(reader));
        self.tell();
    }

    fn tell(&self) {
        if let Some(reader) = self.reader.get() {
            reader.notify_waiters();
        }
    }

    /// An event of `bytes` came to its end, or never came.
    pub(crate) fn ended(&self, bytes: usize) {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(1);
        state.waiting_bytes = state.waiting_bytes.saturating_sub(bytes as u64);
        drop(state);
        self.room.notify_waiters();
    }

    /// Reads the next page from the store if nothing else is ready.
    fn fetch(self: &Arc<Self>, state: &mut State) {
        // A page may have nothing that can be read.
        while state.ready.is_empty() && state.stored > 0 {
            if let Err(error) = self.page(state) {
                tracing::error!(
                    subscriber = &*self.name,
                    "events on durable topics cannot be read: {error}"
                );
                return;
            }
        }
    }

    fn page(self: &Arc<Self>, state: &mut State) -> Result<(), ReadError> {
        let (from, to) = (
            key::event(self.id, state.cursor),
            key::event(self.id, u64::MAX),
        );
        let range = (Bound::Included(&*from), Bound::Included(&*to));
        let store = self.committer.store();
        let keys = store.scan_keys(Space::Events, range, state.stored.min(PAGE))?;
        if keys.is_empty() {
            return Err(ReadError::Failed {
                reason: format!("{} that were there are gone", state.stored),
            });
        }
        let mut at = 0;
        while let Some(key) = keys.get(at) {
            // One by one, so that one that is damaged costs itself.
            let envelope = match store.get(Space::Events, key) {
                Ok(Some(value)) => self.read(key, &value),
                Ok(None) => None,
                Err(error @ (ReadError::Down { .. } | ReadError::Closed)) => return Err(error),
                Err(error) => {
                    tracing::error!(
                        subscriber = &*self.name,
                        "an event on a durable topic cannot be read, and stays in the store: {error}"
                    );
                    None
                }
            };
            state.stored -= 1;
            state.cursor = key::event_number(key).map_or(u64::MAX, |number| number + 1);
            match envelope {
                Some(envelope) => {
                    state.bytes += envelope.size();
                    state.ready.push_back(envelope);
                }
                None => drop(self.available.fetch_sub(1, Ordering::SeqCst)),
            }
            at += 1;
            if state.bytes > MOST.bytes {
                break;
            }
        }
        Ok(())
    }
}

impl Queue {
    /// The event that lies at `key`, or the error that it is none.
    fn read(self: &Arc<Self>, key: &[u8], value: &[u8]) -> Option<Envelope> {
        let number = key::event_number(key)?;
        match record::event(value) {
            Ok(record) => {
                let entry = Entry {
                    queue: Arc::clone(self),
                    number,
                    bytes: value.len(),
                    at: record.at,
                };
                let envelope = Envelope::new(record.topic, Arc::new(record.event));
                Some(envelope.after_hops(record.hops).in_store(entry))
            }
            Err(error) => {
                tracing::error!(
                    subscriber = &*self.name,
                    "event {number} on a durable topic cannot be read, and stays in the store: {error}"
                );
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueuePlace {
    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.queue.as_ref()
    }

    /// Whose it is, and for how many bytes. From here on [`Queue::ended`] gives it back.
    pub(crate) fn fill(mut self) -> Option<(Arc<Queue>, usize)> {
        Some((self.queue.take()?, self.bytes))
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.ended(self.bytes);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}
