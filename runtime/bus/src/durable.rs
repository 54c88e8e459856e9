//! Durable topics: what was accepted on one is on the disk before its publisher hears yes, and stays there until its subscriber has
//! settled it.
//!
//! ```text
//! Bus::publish     a record of the event for each subscriber, one commit   committer.rs
//!   synced         into the queue of each subscriber                       queue.rs
//! Lease::next      from the queue, in the order of acceptance; what does not fit in memory is read from the store
//! Lease::commit    the record is deleted in the commit that has the turn's writes and publishes   transaction.rs
//! ```
//!
//! A commit that cannot be synced is undone: whoever waits for it hears so, and its event is handled again.

mod committer;
mod forgetting;
pub(crate) mod key;
pub(crate) mod letters;
mod queue;
mod record;
pub(crate) mod seen;
mod stored;
mod transaction;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use whirlwind_store::{Batch, CommitError, ReadError, Space, Store};

pub(crate) use committer::{Committer, Puts};
pub(crate) use letters::Shelf;
pub(crate) use queue::{Entry, Queue};
pub use queue::{Keep, QueueFull};
use seen::Seen;
pub use seen::SeenWindow;
pub use stored::Stored;
pub(crate) use transaction::Placed;
pub use transaction::{Begin, Transaction, TurnError};

use crate::DeadLetter;

/// How many entries are looked at in one go when a store is opened.
const PAGE: usize = 1024;

/// The queues of durable topics in a store. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Durable(Arc<Inner>);

struct Inner {
    committer: Arc<Committer>,
    /// What was handled on topics that know what comes again.
    seen: Arc<Seen>,
    queues: BTreeMap<String, Arc<Queue>>,
    /// Events of those who are not subscribers any more, by their names.
    orphans: BTreeMap<String, usize>,
    /// The highest id that a durable dead letter ever had.
    last_letter: u64,
}

/// Why the queues cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written to.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What waits for one name.
#[derive(Default)]
struct Waiting {
    events: usize,
    bytes: u64,
    last: Option<u64>,
}

impl Durable {
    /// The queues of `subscribers` in `store`, with all that waits in them, and the dead letters that are in it. Looks at every event
    /// that waits (not at its data), so it blocks; needs a tokio runtime.
    ///
    /// # Errors
    /// [`DurableError`].
    pub fn open<'a>(
        store: Store,
        subscribers: impl IntoIterator<Item = &'a str>,
    ) -> Result<(Self, Vec<DeadLetter>), DurableError> {
        let mut known = names(&store)?;
        let mut batch = Batch::new();
        let mut free = known.values().max().map_or(1, |last| last + 1);
        let subscribers: Vec<_> = subscribers.into_iter().collect();
        for name in &subscribers {
            if !known.contains_key(*name) {
                let id = free.to_be_bytes().to_vec();
                batch.put(Space::Positions, name.as_bytes().to_vec(), id);
                known.insert((*name).to_owned(), free);
                free += 1;
            }
        }
        if !batch.is_empty() {
            store.commit(batch)?.wait()?;
        }
        // A number that is remembered is not given to another event.
        let (seen, highest) = Seen::open(&store)?;
        let (mut found, mut next) = (Vec::new(), highest.map_or(0, |highest| highest + 1));
        for (name, id) in known {
            let waiting = waiting(&store, id)?;
            next = next.max(waiting.last.map_or(0, |last| last + 1));
            found.push((name, id, waiting));
        }
        let letters = letters::all(&store)?;
        let last_letter = letters::last(&store)?;
        let committer = Arc::new(Committer::start(store, next));
        let (mut queues, mut orphans) = (BTreeMap::new(), BTreeMap::new());
        for (name, id, Waiting { events, bytes, .. }) in found {
            if subscribers.contains(&name.as_str()) {
                let queue = Queue::new(id, &name, Arc::clone(&committer), events, bytes);
                queues.insert(name, Arc::new(queue));
            } else if events > 0 {
                orphans.insert(name, events);
            }
        }
        let inner = Inner {
            committer,
            seen: Arc::new(seen),
            queues,
            orphans,
            last_letter,
        };
        Ok((Self(Arc::new(inner)), letters))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.0.committer.store()
    }

    /// Events that wait for names that are not among the subscribers, and how many: they stay in the store.
    pub fn orphans(&self) -> &BTreeMap<String, usize> {
        &self.0.orphans
    }

    /// How many commits were undone since the start, because they could not be synced. Whoever keeps something in memory that
    /// follows from the store compares it.
    pub fn undone(&self) -> u64 {
        self.0.committer.undone()
    }

    /// Returns when all that was committed before is synced, or undone, and whoever waits for it was told.
    pub async fn finished(&self) {
        self.0.committer.finished().await;
    }

    /// Brings what was committed to the disk, and lets go of the store. Blocks.
    pub fn close(&self) {
        self.store().close();
        for queue in self.0.queues.values() {
            queue.close();
        }
    }

    pub(crate) fn committer(&self) -> &Arc<Committer> {
        &self.0.committer
    }

    pub(crate) fn last_letter(&self) -> u64 {
        self.0.last_letter
    }

    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.0.seen
    }

    /// The queue of the subscriber with this number in the store.
    fn queue_of(&self, subscriber: u32) -> Option<&Arc<Queue>> {
        let mut queues = self.0.queues.values();
        queues.find(|queue| queue.id == subscriber)
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Arc<Queue>> {
        self.0.queues.get(name)
    }
}

/// The subscribers that the store knows, and their numbers in it.
fn names(store: &Store) -> Result<BTreeMap<String, u32>, ReadError> {
    let mut names = BTreeMap::new();
    let mut from = Bound::Unbounded;
    let mut last;
    loop {
        let page = store.scan(Space::Positions, (from, Bound::Unbounded), PAGE)?;
        for (name, id) in &page {
            // What is sealed is as it was written, and nothing else was written here.
            if let Ok(name) = std::str::from_utf8(name)
                && let Ok(id) = <[u8; 4]>::try_from(&**id)
            {
                names.insert(name.to_owned(), u32::from_be_bytes(id));
            }
        }
        match page.last() {
            Some((name, _)) if page.len() == PAGE => last = name.clone(),
            _ => return Ok(names),
        }
        from = Bound::Excluded(&last);
    }
}

/// How many events wait for subscriber `id`.
fn waiting(store: &Store, id: u32) -> Result<Waiting, ReadError> {
    let mut waiting = Waiting::default();
    let (mut from, to) = (Bound::Included(key::event(id, 0)), key::event(id, u64::MAX));
    loop {
        let range = (from.as_ref().map(|key| &**key), Bound::Included(&*to));
        let page = store.scan_lengths(Space::Events, range, PAGE)?;
        waiting.events += page.len();
        waiting.bytes += page.iter().map(|(_, bytes)| *bytes as u64).sum::<u64>();
        let Some((key, _)) = page.last() else {
            return Ok(waiting);
        };
        waiting.last = key::event_number(key);
        if page.len() < PAGE {
            return Ok(waiting);
        }
        from = Bound::Excluded(key.clone());
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("queues", &self.0.queues)
            .field("orphans", &self.0.orphans)
            .finish_non_exhaustive()
    }
}
