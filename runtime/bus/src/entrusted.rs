//! Events that one worker has in hand beside the one it reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use whirlwind_store::{Batch, CommitError, Space};

use crate::durable::{Committer, key, letters};
use crate::inbox::{InHand, count};
use crate::mailbox::Counters;
use crate::{Bus, Envelope, Inbox, Lease, Reason};

/// An event taken out of a lease's hand, to be ended later, while the lease reads on: for a worker that waits for answers to
/// several events at once.
///
/// Dropped without an end, it is left for the next that reads the mailbox, before the queue and in the order in which such events
/// were dropped.
pub struct Entrusted {
    inbox: Inbox,
    in_hand: Option<InHand>,
}

impl Lease {
    /// Takes the event in hand out of it, if there is one.
    pub fn entrust(&mut self) -> Option<Entrusted> {
        let in_hand = self.in_hand.take()?;
        Some(Entrusted {
            inbox: self.inbox.clone(),
            in_hand: Some(in_hand),
        })
    }
}

impl Entrusted {
    /// Ends it: handled. What lies in the store goes out of it with the next sync.
    pub fn handled(self) {
        match self.in_store() {
            None => self.took_effect(),
            Some((committer, batch)) => committer.end(batch, move |done| match done {
                Ok(()) => self.took_effect(),
                Err(error) => self.undone(&error),
            }),
        }
    }

    /// Ends it: a dead letter, which lies in the store if the event did. Answers its id.
    pub fn dead_letter(mut self, bus: &Arc<Bus>, reason: Reason, error: String) -> Option<u64> {
        let durable = self.in_store();
        let InHand { envelope, lane, .. } = self.in_hand.take()?;
        let inbox = &self.inbox;
        count(&inbox.shared.counters.failed);
        let Some((committer, mut batch)) = durable else {
            let awaited = envelope.is_awaited();
            let id = inbox.dead_letter(bus, envelope, reason, error);
            inbox.shared.ended(awaited);
            drop(lane);
            return Some(id);
        };
        let kept = envelope.twin();
        let id = inbox.dead_letter(bus, envelope, reason, error);
        let Some(letter) = bus.dead_letters().latest(id) else {
            // It was too large for the box, and went out of it at once.
            let inbox = inbox.clone();
            committer.end(batch, move |done| match done {
                Ok(()) => {
                    kept.release();
                    drop(lane);
                }
                Err(error) => Self::of(inbox, InHand::new(kept).in_lane(lane)).undone(&error),
            });
            return Some(id);
        };
        letters::put(&mut batch, &letter);
        let (letters, inbox) = (Arc::clone(bus.letters()), inbox.clone());
        committer.end(batch, move |done| match done {
            Ok(()) => {
                kept.release();
                drop(lane);
            }
            Err(error) => {
                // The event has not ended after all.
                letters.unrecord(id);
                Self::of(inbox, InHand::new(kept).in_lane(lane)).undone(&error);
            }
        });
        Some(id)
    }

    fn of(inbox: Inbox, in_hand: InHand) -> Self {
        Self {
            inbox,
            in_hand: Some(in_hand),
        }
    }

    /// How its place in the store is given up, if it has one.
    fn in_store(&self) -> Option<(Arc<Committer>, Batch)> {
        let entry = self.envelope()?.entry.as_ref()?;
        let mut batch = Batch::new();
        batch.delete(Space::Events, key::event(entry.queue.id, entry.number));
        Some((Arc::clone(&entry.queue.committer), batch))
    }

    /// It has been handled, and that is known to last.
    pub(crate) fn took_effect(self) {
        self.ended(|counters| &counters.handled);
    }

    /// It had been handled before, and that is known to last.
    pub(crate) fn was_seen(self) {
        self.ended(|counters| &counters.duplicates);
    }

    fn ended(mut self, counter: fn(&Counters) -> &AtomicU64) {
        if let Some(in_hand) = self.in_hand.take() {
            let InHand {
                mut envelope, lane, ..
            } = in_hand;
            count(counter(&self.inbox.shared.counters));
            let awaited = envelope.is_awaited();
            if let Some(entry) = envelope.entry.take() {
                entry.queue.ended(entry.bytes);
            }
            envelope.settle();
            self.inbox.shared.ended(awaited);
            // The next of its key begins when nothing of this one is left to do.
            drop(lane);
        }
    }

    /// Its end could not be synced: it is left for the next that reads, unless the store will not take that end either. Then it is
    /// there again when the store is opened.
    pub(crate) fn undone(mut self, error: &CommitError) {
        match error {
            CommitError::Undone { .. } | CommitError::Conflict => {}
            CommitError::Down { .. } | CommitError::Closed | CommitError::Read(_) => {
                if self.envelope().is_some_and(Envelope::is_durable) {
                    self.in_hand = None;
                }
            }
        }
    }

    /// The event.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.in_hand.as_ref().map(|in_hand| &in_hand.envelope)
    }
}

impl Drop for Entrusted {
    fn drop(&mut self) {
        if let Some(in_hand) = self.in_hand.take() {
            self.inbox.left.push(in_hand);
        }
    }
}

impl fmt::Debug for Entrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.envelope().map(|envelope| Arc::clone(&envelope.event));
        f.debug_tuple("Entrusted").field(&event).finish()
    }
}
