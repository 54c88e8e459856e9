//! The counted acknowledgement token of an event that came through a door.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// One holder's share of an acknowledgement that a door owes to the outside.
///
/// Every in-memory descendant of the event holds a clone. [`settle`](Settlement::settle) lets a share go in good order;
/// a share that is merely dropped (an aborted task, a mailbox emptied at the end) abandons the whole, so that forgetting
/// can lead to a second delivery but never to a lost event.
#[derive(Debug)]
pub struct Settlement(Option<Arc<Owed>>);

/// The door's end: it learns how the last holder let go, as a future or [`then`](Self::then) and there.
#[derive(Debug)]
pub struct Settled(Door);

#[derive(Debug)]
enum Door {
    /// Nobody has asked yet. The door has a share of its own until it does.
    Silent(Settlement),
    Waiting(oneshot::Receiver<Verdict>),
}

/// How an event and all it caused ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every holder settled: the door acknowledges.
    Settled,
    /// At least one holder let go without settling: the door must not acknowledge.
    Abandoned,
}

/// What the shares share: dropped with the last of them.
#[derive(Default)]
struct Owed {
    abandoned: AtomicBool,
    told: OnceLock<Box<dyn FnOnce(Verdict) + Send + Sync>>,
}

impl Settlement {
    /// A first share, and the door's end of it.
    pub fn new() -> (Self, Settled) {
        let first = Self(Some(Arc::default()));
        let door = first.clone();
        (first, Settled(Door::Silent(door)))
    }

    /// Lets this share go in good order.
    pub fn settle(mut self) {
        self.0 = None;
    }
}

impl Settled {
    /// Calls `told` when the last holder lets go, in whatever that holder is doing: it may not block. If that has been,
    /// it is called now. For whoever has not polled this as a future: that has one who waits already.
    pub fn then(self, told: impl FnOnce(Verdict) + Send + Sync + 'static) {
        if let Door::Silent(share) = self.0 {
            if let Some(owed) = &share.0 {
                // It is empty: asking takes the only share that may fill it.
                let _ = owed.told.set(Box::new(told));
            }
            share.settle();
        }
    }
}

impl Clone for Settlement {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if let Some(owed) = &self.0 {
            // Relaxed is enough: the count of the Arc orders this before the last drop, which reads it.
            owed.abandoned.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let verdict = match *self.abandoned.get_mut() {
            true => Verdict::Abandoned,
            false => Verdict::Settled,
        };
        // A door that went away was told nothing to do.
        if let Some(told) = self.told.take() {
            told(verdict);
        }
    }
}

impl Future for Settled {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            match &mut self.0 {
                Door::Waiting(verdict) => {
                    let verdict = Pin::new(verdict).poll(cx);
                    return verdict.map(|verdict| verdict.unwrap_or(Verdict::Abandoned));
                }
                Door::Silent(_) => {
                    let (teller, verdict) = oneshot::channel();
                    let silent = std::mem::replace(&mut self.0, Door::Waiting(verdict));
                    Self(silent).then(move |verdict| {
                        // Whoever waited may have gone.
                        let _ = teller.send(verdict);
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owed")
            .field("abandoned", &self.abandoned)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_door_hears_when_the_last_holder_settled() {
        let (first, settled) = Settlement::new();
        let second = first.clone();
        first.settle();
        let mut settled = std::pin::pin!(settled);
        assert!(futures_poll(settled.as_mut()).is_none());
        second.settle();
        assert_eq!(settled.await, Verdict::Settled);
    }

    #[tokio::test]
    async fn one_dropped_share_abandons_the_whole() {
        let (first, settled) = Settlement::new();
        let second = first.clone();
        drop(second);
        first.settle();
        assert_eq!(settled.await, Verdict::Abandoned);
    }

    #[test]
    fn whoever_lets_go_last_tells_the_door() {
        let (told, hears) = std::sync::mpsc::sync_channel(1);
        let (first, settled) = Settlement::new();
        let second = first.clone();
        first.settle();
        settled.then(move |verdict| told.send(verdict).unwrap());
        assert!(hears.try_recv().is_err());
        second.settle();
        assert_eq!(hears.try_recv(), Ok(Verdict::Settled));
    }

    #[test]
    fn a_door_that_asks_late_is_told_at_once() {
        for (settles, verdict) in [(true, Verdict::Settled), (false, Verdict::Abandoned)] {
            let (told, hears) = std::sync::mpsc::sync_channel(1);
            let (share, settled) = Settlement::new();
            match settles {
                true => share.settle(),
                false => drop(share),
            }
            settled.then(move |verdict| told.send(verdict).unwrap());
            assert_eq!(hears.try_recv(), Ok(verdict));
        }
    }

    fn futures_poll(future: Pin<&mut Settled>) -> Option<Verdict> {
        match future.poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        }
    }
}
