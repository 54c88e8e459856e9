//! The slow lane: a turn that has run past a few ticks goes on only while it holds the one place in it,
//! so that spinning guests together take at most one core and leave the others to short turns.
//!
//! The place is held from the moment a guest goes on until the poll in which it does so ends, never
//! across a wait: a guest that waits for a host call does not keep others out.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The lane of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Semaphore>);

impl Lane {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// One instance's way into the lane.
    pub(crate) fn ticket(&self) -> Arc<Ticket> {
        Arc::new(Ticket {
            lane: Arc::clone(&self.0),
            inside: AtomicBool::new(false),
            place: Mutex::new(None),
        })
    }
}

/// Holds the place while its instance has it.
#[derive(Debug)]
pub(crate) struct Ticket {
    lane: Arc<Semaphore>,
    inside: AtomicBool,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Ticket {
    /// Lets others run, then waits for the place.
    pub(crate) fn enter(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let ticket = Arc::clone(self);
        Box::pin(async move {
            tokio::task::yield_now().await;
            // The semaphore is never closed; if it were, running on would be the harmless answer.
            let place = Arc::clone(&ticket.lane).acquire_owned().await.ok();
            *ticket.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
            ticket.inside.store(true, Ordering::Relaxed);
        })
    }

    /// Gives the place back, if it is held. Called at the end of every poll of a turn, in the same task
    /// as `enter`, so the flag needs no ordering.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.inside.load(Ordering::Relaxed) {
            self.inside.store(false, Ordering::Relaxed);
            self.place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
        }
    }
}
