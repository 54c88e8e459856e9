//! What workers left that do not come again, for those that stay.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::inbox::InHand;

/// Events of workers that are gone, first the one that was left first; costs an inbox that has none of them one load.
pub(crate) struct Left {
    /// Workers from this number on do not come again. Read and written under the lock of the inbox's slots.
    workers: AtomicUsize,
    events: Mutex<VecDeque<InHand>>,
    count: AtomicUsize,
    more: Arc<Notify>,
}

impl Left {
    /// Nothing, and every worker comes again. `more` is told of what comes.
    pub(crate) fn new(more: Arc<Notify>) -> Self {
        Self {
            workers: AtomicUsize::new(usize::MAX),
            events: Mutex::default(),
            count: AtomicUsize::new(0),
            more,
        }
    }

    pub(crate) fn set_workers(&self, workers: usize) {
        self.workers.store(workers, Ordering::Relaxed);
    }

    /// Whether what `worker` leaves is for the others.
    pub(crate) fn inherits(&self, worker: usize) -> bool {
        worker >= self.workers.load(Ordering::Relaxed)
    }

    /// Whether `worker` is the only one.
    pub(crate) fn is_only_worker(&self, worker: usize) -> bool {
        worker == 0 && self.workers.load(Ordering::Relaxed) == 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn push(&self, in_hand: InHand) {
        let mut events = self.events();
        // What comes from a durable topic keeps its order there, in whatever order it is left.
        let number = |of: &InHand| of.envelope.entry.as_ref().map(|entry| entry.number);
        let later = |left: &InHand| number(left).is_some_and(|left| Some(left) > number(&in_hand));
        match number(&in_hand).and_then(|_| events.iter().position(later)) {
            Some(place) => events.insert(place, in_hand),
            None => events.push_back(in_hand),
        }
        self.count.store(events.len(), Ordering::SeqCst);
        drop(events);
        self.more.notify_waiters();
    }

    /// Whether the event of this number on durable topics is among them.
    pub(crate) fn has(&self, number: u64) -> bool {
        let of = |left: &InHand| left.envelope.entry.as_ref().map(|entry| entry.number);
        self.events().iter().any(|left| of(left) == Some(number))
    }

    pub(crate) fn take(&self) -> Option<InHand> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let mut events = self.events();
        let first = events.pop_front();
        self.count.store(events.len(), Ordering::SeqCst);
        first
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<InHand>> {
        // Nothing in here panics between two changes that belong together.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
