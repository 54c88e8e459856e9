//! How a worker hears that it should end.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio_util::sync::CancellationToken;

/// The orderly shutdown of one incarnation of a worker: asked once, heard by any number of clones.
///
/// A worker that is asked has its spec's shutdown time to end by itself; after that it is killed.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// A signal nobody has given yet. Supervisors make their own; this one is for tests of workers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the end. Asking twice changes nothing.
    pub fn ask(&self) {
        self.0.cancel();
    }

    /// Returns when the end was asked for; at once if it already was. Cancel safe.
    ///
    /// Cheap to poll again: a worker does at each event it waits for.
    pub async fn asked(&self) {
        let mut asked = pin!(self.0.cancelled());
        let mut waits: Option<Waker> = None;
        poll_fn(|context| match &waits {
            // The token has this waker already, and would have called it.
            Some(waker) if waker.will_wake(context.waker()) => match self.is_asked() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
            _ => {
                waits = Some(context.waker().clone());
                asked.as_mut().poll(context)
            }
        })
        .await;
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The token itself, for code that takes one.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_polled_last_is_woken_however_often_it_did() {
        let bells: [Arc<Bell>; 2] = Default::default();
        let stop = Stop::new();
        let mut asked = pin!(stop.asked());
        for at in [0, 0, 1, 1, 0, 1, 1] {
            let waker = Waker::from(Arc::clone(&bells[at]));
            let polled = asked.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        stop.ask();
        assert_eq!(bells[1].0.load(Ordering::SeqCst), 1);
        let waker = Waker::from(Arc::clone(&bells[1]));
        let polled = asked.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_ready());
    }
}
