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

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls like a turn: the place goes back at the end of the poll, if that is asked for.
    fn poll(entering: &mut Pin<Box<dyn Future<Output = ()> + Send>>) -> Poll<()> {
        entering
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn one_at_a_time_is_in_the_lane_in_the_order_they_came() {
        let lane = Lane::new();
        let tickets: Vec<_> = (0..3).map(|_| lane.ticket()).collect();
        let mut entering: Vec<_> = tickets.iter().map(|ticket| ticket.enter()).collect();
        for entering in &mut entering {
            // Others run first, even if the place is free.
            assert!(poll(entering).is_pending());
        }
        assert!(poll(&mut entering[0]).is_ready());
        assert!(poll(&mut entering[1]).is_pending());
        assert!(poll(&mut entering[2]).is_pending());
        tickets[0].leave();
        assert!(poll(&mut entering[2]).is_pending());
        assert!(poll(&mut entering[1]).is_ready());
        // One that is given up in the lane, or on the way to it, leaves it to the next.
        tickets[1].leave();
        drop(entering.remove(2));
        assert!(lane.0.try_acquire().is_ok());
    }

    #[tokio::test]
    async fn an_instance_that_is_gone_has_left_the_lane() {
        let lane = Lane::new();
        let ticket = lane.ticket();
        ticket.enter().await;
        assert!(lane.0.try_acquire().is_err());
        drop(ticket);
        assert!(lane.0.try_acquire().is_ok());
    }
}
