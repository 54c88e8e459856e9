//! What lies in a mailbox.

use std::sync::Arc;

use whirlwind_event::{Event, Topic};

use crate::Settlement;
use crate::durable::Entry;

/// An event on its way to one subscriber: the event itself is shared, the rest is this delivery's own.
#[derive(Debug)]
pub struct Envelope {
    /// The concrete topic it was published on.
    pub topic: Topic,
    /// The event.
    pub event: Arc<Event>,
    /// Which delivery this is, counted from 1. A trap or a failed turn raises it; a kill or a group restart does not.
    pub attempt: u32,
    /// How many turns lie between this event and the door or timer that began the chain.
    pub hops: u32,
    settlement: Option<Settlement>,
    /// Whether this is a dead letter on its dead-letter topic.
    pub(crate) is_letter: bool,
    /// Its place in the store, if it was accepted on a durable topic. In a box, since most have none, and an envelope goes from hand
    /// to hand.
    pub(crate) entry: Option<Box<Entry>>,
}

impl Envelope {
    /// A first delivery, with no hops behind it and nobody waiting for its end.
    pub fn new(topic: Topic, event: Arc<Event>) -> Self {
        Self {
            topic,
            event,
            attempt: 1,
            hops: 0,
            settlement: None,
            is_letter: false,
            entry: None,
        }
    }

    /// The same, as it lies in the store.
    pub(crate) fn in_store(mut self, entry: Entry) -> Self {
        self.entry = Some(Box::new(entry));
        self
    }

    /// Whether it lies in the store, where it outlives the process.
    pub fn is_durable(&self) -> bool {
        self.entry.is_some()
    }

    /// The same, as the notice of a dead letter: should it end as one itself, nobody is told again.
    pub(crate) fn into_letter(mut self) -> Self {
        self.is_letter = true;
        self
    }

    /// The same, after `hops` turns.
    pub fn after_hops(mut self, hops: u32) -> Self {
        self.hops = hops;
        self
    }

    /// The same, holding a share of what a door owes.
    pub fn holding(mut self, settlement: Option<Settlement>) -> Self {
        self.settlement = settlement;
        self
    }

    /// The share this envelope holds, for the events its turn causes.
    pub fn settlement(&self) -> Option<&Settlement> {
        self.settlement.as_ref()
    }

    /// Ends this delivery in good order.
    pub fn settle(self) {
        if let Some(settlement) = self.settlement {
            settlement.settle();
        }
    }

    /// What it counts for against a mailbox's bytes.
    pub fn size(&self) -> usize {
        self.event.size()
    }

    /// Whether a drain waits for its end. News of the node holds none up: the end of a node makes some itself. Nor does what is
    /// there again after a restart.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.topic.is_system() && self.entry.is_none()
    }

    /// Its place in the store is free now.
    pub(crate) fn release(mut self) {
        if let Some(entry) = self.entry.take() {
            entry.queue.ended(entry.bytes);
        }
    }

    /// A copy for one more subscriber. An observer's holds no share: it holds up nobody's acknowledgement.
    pub(crate) fn copy(&self, observer: bool) -> Self {
        let settlement = match observer {
            true => None,
            false => self.settlement.clone(),
        };
        Self {
            topic: self.topic.clone(),
            event: Arc::clone(&self.event),
            attempt: self.attempt,
            hops: self.hops,
            settlement,
            is_letter: self.is_letter,
            entry: None,
        }
    }
}
