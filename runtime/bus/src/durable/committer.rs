//! The way of commits to the disk, and what is done when they are there.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};
use whirlwind_store::{Batch, Commit, CommitError, Space, Store};

use super::queue::{Entry, Queue, QueuePlace};
use super::{key, record};
use crate::Envelope;

/// What is done with a commit when it is synced, or was undone.
pub(crate) type Then = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// An event for one subscriber, with its place.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) place: QueuePlace,
    /// As it will lie in the store.
    pub(crate) record: Bytes,
    pub(crate) envelope: Envelope,
}

/// Of a turn, none in most: with room for some in it, each turn would move that room about.
pub(crate) type Puts = Vec<Put>;

/// Gives commits to the store in an order, and finishes them in that order.
pub(crate) struct Committer {
    store: Store,
    order: Mutex<Order>,
    /// How many commits were undone.
    undone: Arc<AtomicU64>,
}

struct Order {
    /// The number of the next event that is accepted.
    next: u64,
    ends: mpsc::UnboundedSender<End>,
}

/// A commit on its way, and what it has put into queues.
struct End {
    /// None of one that only waits for those before it, where the store takes nothing.
    commit: Option<Commit>,
    put: SmallVec<[(Arc<Queue>, usize); 2]>,
    then: Then,
}

impl Committer {
    /// Over a store in which `next` is the first number that is free. Runs a task of its own, which ends with the last handle.
    pub(crate) fn start(store: Store, next: u64) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "as much waits as the store has room for"
        )]
        let (ends, ending) = mpsc::unbounded_channel();
        let undone = Arc::default();
        tokio::spawn(finish(ending, Arc::clone(&undone)));
        Self {
            store,
            order: Mutex::new(Order { next, ends }),
            undone,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// How many commits were undone.
    pub(crate) fn undone(&self) -> u64 {
        self.undone.load(Ordering::SeqCst)
    }

    /// Takes a batch together with events for queues. `then` is made if it was taken, and called when it is synced or undone:
    /// after those of all that were taken before.
    ///
    /// What waits for the disk is bounded for those who wait for [`Store::room`] first.
    ///
    /// # Errors
    /// As [`Store::commit`]; the places of the events are given back.
    pub(crate) fn commit(
        self: &Arc<Self>,
        mut batch: Batch,
        puts: Puts,
        then: impl FnOnce() -> Then,
    ) -> Result<(), CommitError> {
        // The order of commits, of numbers and of ends is one.
        let mut order = self.order();
        let first = order.next;
        for (number, put) in (first..).zip(&puts) {
            if let Some(queue) = put.place.queue() {
                let key = key::event(queue.id, number);
                batch.put(Space::Events, key, put.record.clone());
            }
        }
        let commit = self.store.commit(batch)?;
        order.next += puts.len() as u64;
        let at = match puts.is_empty() {
            true => 0,
            false => record::millis(std::time::SystemTime::now()),
        };
        let mut put = SmallVec::new();
        for (number, event) in (first..).zip(puts) {
            let Some((queue, bytes)) = event.place.fill() else {
                continue;
            };
            let entry = Entry {
                queue: Arc::clone(&queue),
                number,
                bytes,
                at,
            };
            queue.coming(number, event.envelope.in_store(entry));
            put.push((queue, bytes));
        }
        let end = End {
            commit: Some(commit),
            put,
            then: then(),
        };
        // The task ends only with the runtime: then nobody waits for anything any more.
        let lost = order.ends.send(end);
        drop(order);
        drop(lost);
        Ok(())
    }

    /// Takes a batch that ends something. `then` hears how it went, now or later.
    pub(crate) fn end(
        self: &Arc<Self>,
        batch: Batch,
        then: impl FnOnce(Result<(), CommitError>) + Send + 'static,
    ) {
        self.end_with(batch, Puts::new(), then);
    }

    /// The same, with events for queues.
    pub(crate) fn end_with(
        self: &Arc<Self>,
        batch: Batch,
        puts: Puts,
        then: impl FnOnce(Result<(), CommitError>) + Send + 'static,
    ) {
        let mut then = Some(then);
        let taken = self.commit(batch, puts, || match then.take() {
            Some(then) => Box::new(then),
            None => Box::new(|_| {}),
        });
        if let (Err(error), Some(then)) = (taken, then) {
            then(Err(error));
        }
    }

    /// Returns when all that was committed before has been finished.
    pub(crate) async fn finished(self: &Arc<Self>) {
        let (done, finished) = oneshot::channel();
        let then = Box::new(move |_| {
            // Whoever asked may have gone.
            let _ = done.send(());
        });
        self.after_all(then);
        // Lost it is with the runtime.
        let _ = finished.await;
    }

    /// Calls `then` when all that was committed before has been finished.
    fn after_all(&self, then: Then) {
        let order = self.order();
        let end = End {
            // A store that is down takes none, and those before it have ends all the same.
            commit: self.store.commit(Batch::new()).ok(),
            put: SmallVec::new(),
            then,
        };
        let lost = order.ends.send(end);
        drop(order);
        drop(lost);
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        // Nothing in here panics between two changes that belong together.
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finishes commits one after the other, in the order in which they were taken: the store answers in that order too.
async fn finish(mut ending: mpsc::UnboundedReceiver<End>, undone: Arc<AtomicU64>) {
    while let Some(End { commit, put, then }) = ending.recv().await {
        let done = match commit {
            Some(commit) => commit.await,
            None => Ok(()),
        };
        if let Err(error) = &done {
            undone.fetch_add(1, Ordering::SeqCst);
            tracing::error!("a commit could not be made durable: {error}");
        }
        for (queue, bytes) in put {
            match &done {
                Ok(()) => queue.synced(),
                Err(_) => queue.undone(bytes),
            }
        }
        // Whoever is told of one end must not keep the others from hearing of theirs.
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| then(done)));
        if told.is_err() {
            tracing::error!("a panic at the end of a commit");
        }
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer")
            .field("store", &self.store)
            .field("undone", &self.undone())
            .finish_non_exhaustive()
    }
}
