//! Events as somebody who looks on sees them.

use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use whirlwind_bus::{Bus, Capacity, Lease, Mailbox, MailboxSpec, Overflow};
use whirlwind_event::{Event, Topic, TopicFilter};

/// The events of matching topics, from the moment it was made. It looks on: it holds up nobody's acknowledgement, and what does
/// not fit in its buffer (1024 events, 16 MiB) it misses.
#[derive(Debug)]
pub struct Subscription {
    bus: Arc<Bus>,
    filter: TopicFilter,
    mailbox: Mailbox,
    /// None only if the slot was taken, which a fresh mailbox's is not.
    lease: Option<Lease>,
    missed: u64,
    /// The node has ended.
    over: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What a [`Subscription`] sees.
#[derive(Clone, Debug)]
pub enum Seen {
    /// An event.
    Event {
        /// The topic it was published on.
        topic: Topic,
        /// The event.
        event: Arc<Event>,
    },
    /// So many events did not fit in the buffer since the last such news.
    Missed(u64),
}

impl Subscription {
    pub(crate) fn new(bus: &Arc<Bus>, filter: &TopicFilter, over: CancellationToken) -> Self {
        let (mailbox, inbox) = bus.mailbox(MailboxSpec {
            name: format!("subscription to {filter}").into(),
            capacity: Capacity::default(),
            overflow: Overflow::DropNewest,
            partition: None,
        });
        bus.observe(filter, &mailbox);
        Self {
            bus: Arc::clone(bus),
            filter: filter.clone(),
            lease: inbox.lease(0).ok(),
            mailbox,
            missed: 0,
            over: Box::pin(over.cancelled_owned()),
        }
    }

    /// The next event, or the news that some were missed; none when the node has ended and all it published has been seen.
    pub async fn next(&mut self) -> Option<Seen> {
        let dropped = self.mailbox.stats().dropped;
        if dropped > self.missed {
            let missed = dropped - self.missed;
            self.missed = dropped;
            return Some(Seen::Missed(missed));
        }
        let lease = self.lease.as_mut()?;
        tokio::select! {
            biased;
            _ = lease.next() => {}
            () = &mut self.over => return None,
        }
        let envelope = lease.in_hand()?;
        let seen = Seen::Event {
            topic: envelope.topic.clone(),
            event: Arc::clone(&envelope.event),
        };
        lease.handled();
        Some(seen)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.bus.unsubscribe(&self.filter, &self.mailbox);
    }
}
