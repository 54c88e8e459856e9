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

impl From<CancellationToken> for Stop {
    fn from(token: CancellationToken) -> Self {
        Self(token)
    }
}
