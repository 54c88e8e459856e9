//! Events that one worker has in hand beside the one it reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use whirlwind_store::{Batch, CommitError, Space};

use crate::dead_letters::Dead;
use crate::durable::{Committer, Puts, key, letters};
use crate::inbox::{InHand, count};
use crate::mailbox::Counters;
use crate::{Bus, DeadLetters, Envelope, Inbox, Lease, Reason};

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
        count(&inbox.shared.counters.dead);
        let actor = Arc::clone(inbox.name());
        let Some((committer, mut batch)) = durable else {
            let awaited = envelope.is_awaited();
            let id = bus.dead_letter(envelope, actor, reason, error);
            inbox.shared.ended(awaited);
            drop(lane);
            return Some(id);
        };
        let dead = Dead::new(&envelope, actor, reason, error);
        let mut held = Some(InHand::new(envelope).in_lane(lane));
        // Under the lock of the box: whoever drops or redelivers the letter does so in a later commit.
        let (id, taken) = bus.record(dead, true, |letter| {
            if let Some(letter) = letter {
                letters::put(&mut batch, letter);
            }
            let id = letter.map(|letter| letter.id);
            committer.commit(batch, Puts::new(), || {
                let (letters, inbox) = (Arc::clone(bus.letters()), inbox.clone());
                let held = held.take();
                Box::new(move |done| Self::buried(inbox, held, &letters, id, done))
            })
        });
        if let Err(error) = taken {
            Self::buried(inbox.clone(), held, bus.letters(), Some(id), Err(error));
        }
        Some(id)
    }

    /// The commit that makes an event a letter has come to its end.
    fn buried(
        inbox: Inbox,
        held: Option<InHand>,
        letters: &DeadLetters,
        id: Option<u64>,
        done: Result<(), CommitError>,
    ) {
        let Some(held) = held else {
            return;
        };
        match done {
            Ok(()) => {
                let InHand { envelope, lane, .. } = held;
                envelope.release();
                drop(lane);
            }
            Err(error) => {
                // The event has not ended after all.
                if let Some(id) = id {
                    letters.unrecord(id);
                }
                Self::of(inbox, held).undone(&error);
            }
        }
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

    pub(crate) fn counters(&self) -> &Counters {
        &self.inbox.shared.counters
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
            in_hand.ended(&self.inbox.shared, counter);
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
