//! Events that one worker has in hand beside the one it reads.

use std::fmt;
use std::sync::Arc;

use crate::inbox::{InHand, count};
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
    /// Ends it: handled.
    pub fn handled(mut self) {
        if let Some(in_hand) = self.in_hand.take() {
            count(&self.inbox.shared.counters.handled);
            let awaited = in_hand.envelope.is_awaited();
            in_hand.envelope.settle();
            self.inbox.shared.ended(awaited);
        }
    }

    /// Ends it: a dead letter.
    pub fn dead_letter(mut self, bus: &Bus, reason: Reason, error: String) {
        if let Some(in_hand) = self.in_hand.take() {
            count(&self.inbox.shared.counters.failed);
            let awaited = in_hand.envelope.is_awaited();
            self.inbox.dead_letter(bus, in_hand.envelope, reason, error);
            self.inbox.shared.ended(awaited);
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
