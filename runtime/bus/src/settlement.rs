//! The counted acknowledgement token of an event that came through a door.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// One holder's share of an acknowledgement that a door owes to the outside.
///
/// Every in-memory descendant of the event holds a clone. [`settle`](Settlement::settle) lets a share go in good order;
/// a share that is merely dropped (an aborted task, a mailbox emptied at the end) abandons the whole, so that forgetting
/// can lead to a second delivery but never to a lost event.
#[derive(Debug)]
pub struct Settlement(Option<Arc<Owed>>);

/// The door's end: a future that is ready when the last holder let go.
#[derive(Debug)]
pub struct Settled(oneshot::Receiver<Verdict>);

/// How an event and all it caused ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every holder settled: the door acknowledges.
    Settled,
    /// At least one holder let go without settling: the door must not acknowledge.
    Abandoned,
}

#[derive(Debug)]
struct Owed {
    abandoned: AtomicBool,
    door: Option<oneshot::Sender<Verdict>>,
}

impl Settlement {
    /// A first share, and the door's end of it.
    pub fn new() -> (Self, Settled) {
        let (door, settled) = oneshot::channel();
        let owed = Owed {
            abandoned: AtomicBool::new(false),
            door: Some(door),
        };
        (Self(Some(Arc::new(owed))), Settled(settled))
    }

    /// Lets this share go in good order.
    pub fn settle(mut self) {
        self.0 = None;
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
        if let Some(door) = self.door.take() {
            // A door that went away no longer waits for the answer.
            let _ = door.send(verdict);
        }
    }
}

impl Future for Settled {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|verdict| verdict.unwrap_or(Verdict::Abandoned))
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

    fn futures_poll(future: Pin<&mut Settled>) -> Option<Verdict> {
        match future.poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        }
    }
}
