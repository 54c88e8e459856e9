//! A commit on its way to the disk.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::CommitError;

/// A batch that was taken: readers see it, and this future is ready once it is synced to disk, or failed.
///
/// Commits are ready in the order in which they were taken. One that is dropped is synced all the same.
#[derive(Debug)]
#[must_use = "a commit is durable only once it was awaited"]
pub struct Commit(pub(crate) oneshot::Receiver<Result<(), CommitError>>);

impl Future for Commit {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|done| {
            // The writer answers whatever it took; without it nothing is known.
            done.unwrap_or_else(|_| {
                Err(CommitError::Down {
                    reason: "its writer ended".to_owned(),
                })
            })
        })
    }
}

impl Commit {
    /// Waits on a thread that may block.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn wait(self) -> Result<(), CommitError> {
        self.0.blocking_recv().unwrap_or_else(|_| {
            Err(CommitError::Down {
                reason: "its writer ended".to_owned(),
            })
        })
    }
}
