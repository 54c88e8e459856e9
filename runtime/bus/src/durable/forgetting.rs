//! What nobody asks for any more of the events that were seen.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use whirlwind_store::{Batch, CommitError};

use super::{Committer, Durable, SeenWindow};
use crate::Bus;

/// Nothing is known in it.
const CLOSED: SeenWindow = SeenWindow {
    count: 0,
    age: Duration::ZERO,
};

impl Bus {
    /// Takes out of the store what is remembered of events that were handled, where no turn will: all of a subscriber that hears no
    /// topic with [`dedup`](crate::TopicRule::dedup), and of one that is not there what is past the widest window. Call it once
    /// all have subscribed.
    ///
    /// It deletes a few hundred entries at a time, each after those before are synced, and runs beside everything else. What it does
    /// not come to is there for the next start.
    pub async fn forget_seen(&self) {
        let Some(durable) = self.durable() else {
            return;
        };
        for subscriber in durable.seen().subscribers() {
            match self.forget(durable, subscriber).await {
                Ok(()) => {}
                Err(CommitError::Closed) => return,
                Err(error) => {
                    tracing::warn!(
                        "what nobody asks for of handled events stays in the store: {error}"
                    );
                    return;
                }
            }
        }
    }

    async fn forget(&self, durable: &Durable, subscriber: u32) -> Result<(), CommitError> {
        let (committer, seen) = (durable.committer(), durable.seen());
        // Looked at each time: one may subscribe meanwhile.
        while let Some(window) = self.unswept(durable, subscriber) {
            committer.store().room().await;
            let found = seen.sweep(committer.store(), subscriber, SystemTime::now(), &window);
            let Some(sweep) = found.map_err(CommitError::Read)? else {
                return Ok(());
            };
            let ended = ended(committer, sweep.batch).await;
            ended.inspect_err(|_| seen.kept(sweep.evicted))?;
        }
        Ok(())
    }

    /// What a subscriber still remembers that no turn sweeps; none where turns do.
    fn unswept(&self, durable: &Durable, subscriber: u32) -> Option<SeenWindow> {
        match durable.queue_of(subscriber) {
            None => Some(self.rules().widest().copied().unwrap_or(CLOSED)),
            Some(queue) => {
                let mailbox = self.named(&queue.name);
                let remembers = mailbox.is_some_and(|mailbox| mailbox.remembers());
                (!remembers).then_some(CLOSED)
            }
        }
    }
}

/// Returns when a batch is synced.
async fn ended(committer: &Arc<Committer>, batch: Batch) -> Result<(), CommitError> {
    let (told, ended) = oneshot::channel();
    committer.end(batch, move |done| {
        // The node may have ended.
        let _ = told.send(done);
    });
    ended.await.unwrap_or(Err(CommitError::Closed))
}
