//! What becomes of a mailbox that nobody will read any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use whirlwind_event::TopicFilter;

use crate::mailbox::Shared;
use crate::{Bus, Envelope, Inbox, Mailbox, Reason};

/// What lay in a mailbox that was emptied for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emptied {
    /// Events that are dead letters now.
    pub dead: u64,
    /// Events that a door still owed an acknowledgement for. It will not give it, so whoever sent them will send them again.
    pub returned: u64,
    /// Events of durable topics: they lie in the store, and are there when their subscriber is.
    pub stored: u64,
}

impl std::ops::AddAssign for Emptied {
    fn add_assign(&mut self, other: Self) {
        self.dead += other.dead;
        self.returned += other.returned;
        self.stored += other.stored;
    }
}

impl Bus {
    /// The owner of `inbox`, subscribed with `filters`, has left for good: it hears of nothing more, and what lies in its mailbox,
    /// or was on its way there, ends as a dead letter. Call it when nobody leases.
    pub fn retire(self: &Arc<Self>, inbox: &Inbox, filters: &[TopicFilter]) -> Emptied {
        let mailbox = inbox.mailbox();
        for filter in filters {
            self.unsubscribe(filter, &mailbox);
        }
        // Turns and doors that looked before still hold places. From here on whoever fills one empties the mailbox himself.
        inbox.shared.gone.store(true, Ordering::SeqCst);
        self.empty(inbox, Reason::ActorGone)
    }

    /// The owner of `inbox` is back after all: it hears of its topics again, from now on.
    pub fn readmit(&self, inbox: &Inbox, filters: &[TopicFilter]) {
        inbox.shared.gone.store(false, Ordering::SeqCst);
        let mailbox = inbox.mailbox();
        for filter in filters {
            self.subscribe(filter, &mailbox);
        }
    }

    /// Ends the events in a mailbox: first those in hand when their instances ended, then those that
    /// wait for another of their key, then the queue. Each is a dead letter of
    /// this `reason`, except where a door waits to acknowledge it: that one goes back; and what lies in the store stays there.
    /// News of the node is dropped and counted. What a lease still has in hand stays.
    pub fn empty(self: &Arc<Self>, inbox: &Inbox, reason: Reason) -> Emptied {
        let mut emptied = Emptied::default();
        for envelope in inbox.take_left() {
            emptied += self.end(&inbox.shared, envelope, reason);
        }
        emptied += self.end_queued(&inbox.shared, reason);
        emptied
    }

    /// Ends what came into a mailbox whose owner is gone.
    pub(crate) fn bury(self: &Arc<Self>, mailbox: &Mailbox) {
        self.end_queued(mailbox.shared(), Reason::ActorGone);
    }

    fn end_queued(self: &Arc<Self>, shared: &Shared, reason: Reason) -> Emptied {
        let mut emptied = Emptied::default();
        while let Ok(envelope) = shared.receiver.try_recv() {
            shared.release(envelope.size());
            emptied += self.end(shared, envelope, reason);
        }
        emptied
    }

    fn end(self: &Arc<Self>, shared: &Shared, envelope: Envelope, reason: Reason) -> Emptied {
        let mut emptied = Emptied::default();
        if let Some(entry) = &envelope.entry {
            emptied.stored = 1;
            Arc::clone(&entry.queue).put_back(envelope);
            return emptied;
        }
        let awaited = envelope.is_awaited();
        if !awaited {
            // News of the node, which nobody is left to hear.
            shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
            envelope.settle();
        } else if envelope.settlement().is_some() {
            emptied.returned = 1;
            drop(envelope); // its share is let go unsettled, which abandons the whole
        } else {
            emptied.dead = 1;
            shared.counters.dead.fetch_add(1, Ordering::Relaxed);
            let error = match reason {
                Reason::ActorGone => "its actor left the supervision tree for good",
                _ => "the node ended before it was handled",
            };
            let name = Arc::clone(&shared.name);
            self.dead_letter(envelope, name, reason, error.to_owned());
        }
        shared.ended(awaited);
        emptied
    }
}
