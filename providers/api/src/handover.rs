//! How a provider of messages says that the other side has taken an event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::SendError;

/// What is known when the other side has taken an event: a future, or a call made [`then`](Self::then) and there.
#[derive(Debug)]
pub struct Handover(Asked);

/// The provider's end of a [`Handover`]. Dropped, it says [`SendError::Closed`].
///
/// Whoever waits may be called by it, and may call the provider in turn: it is ended, or dropped, where no lock is held.
#[derive(Debug)]
pub struct HandoverSender(Arc<Answer>);

#[derive(Debug)]
enum Asked {
    NotYet(Arc<Answer>),
    Waiting(oneshot::Receiver<Result<(), SendError>>),
}

/// What the two ends share. The one that lets go last brings the answer and whoever waits for it together.
#[derive(Default)]
struct Answer {
    how: OnceLock<Result<(), SendError>>,
    told: OnceLock<Told>,
}

type Told = Box<dyn FnOnce(Result<(), SendError>) + Send + Sync>;

impl Handover {
    /// One that is ready when its sender says so.
    pub fn new() -> (HandoverSender, Self) {
        let answer = Arc::<Answer>::default();
        (HandoverSender(answer.clone()), Self(Asked::NotYet(answer)))
    }

    /// Calls `told` when it is known, in whatever the provider is doing: it may not block. If it is known, it is called now. For whoever
    /// has not polled this as a future: that has one who waits already.
    pub fn then(self, told: impl FnOnce(Result<(), SendError>) + Send + Sync + 'static) {
        if let Asked::NotYet(answer) = self.0 {
            // It is empty: asking takes the only end that may fill it.
            let _ = answer.told.set(Box::new(told));
        }
    }
}

impl HandoverSender {
    /// Says how it ended. Whoever went away is not told.
    pub fn end(self, how: Result<(), SendError>) {
        // It is empty: ending takes the only end that may fill it.
        let _ = self.0.how.set(how);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(told) = self.told.take() {
            told(self.how.take().unwrap_or(Err(SendError::Closed)));
        }
    }
}

impl Future for Handover {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                Asked::Waiting(answer) => {
                    let answer = Pin::new(answer).poll(cx);
                    return answer.map(|how| how.unwrap_or(Err(SendError::Closed)));
                }
                Asked::NotYet(_) => {
                    let (teller, answer) = oneshot::channel();
                    let before = std::mem::replace(&mut self.0, Asked::Waiting(answer));
                    Self(before).then(move |how| {
                        // Whoever waited may have gone.
                        let _ = teller.send(how);
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.how).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn whoever_waits_is_called_by_the_end_that_comes_last() {
        let (told, hears) = sync_channel(1);
        let ends: [fn(HandoverSender); 2] = [|sender| sender.end(Ok(())), drop];
        for (end, how) in ends.into_iter().zip([Ok(()), Err(SendError::Closed)]) {
            for asks_first in [true, false] {
                let (sender, handover) = Handover::new();
                let told = told.clone();
                let ask = move |handover: Handover| {
                    handover.then(move |how| told.send(how).unwrap());
                };
                if asks_first {
                    ask(handover);
                    assert!(hears.try_recv().is_err());
                    end(sender);
                } else {
                    end(sender);
                    assert!(hears.try_recv().is_err());
                    ask(handover);
                }
                assert_eq!(hears.try_recv(), Ok(how.clone()));
            }
        }
    }

    #[tokio::test]
    async fn it_is_a_future_too() {
        let (sender, handover) = Handover::new();
        let waits = tokio::spawn(handover);
        sender.end(Ok(()));
        assert_eq!(waits.await.unwrap(), Ok(()));
    }
}
