//! What became of an event that a door published, and of a publish from inside that found no room.

use std::sync::Arc;

use tokio::sync::oneshot;
use whirlwind_store::CommitError;

use crate::bus::Subscriber;
use crate::durable::Queue;
use crate::{Bus, Envelope, Keep, MailboxFull, QueueFull};

/// What became of an event that a door published.
#[derive(Debug, Default)]
pub struct Delivery {
    /// How many mailboxes took it, or ended it as their overflow says.
    pub delivered: usize,
    /// Those that have no room now, each with what it missed. On a durable topic one who has none refuses for all.
    pub refused: Vec<Refusal>,
    /// On a durable topic, the event is accepted when this says so.
    pub synced: Option<Synced>,
}

/// Whether an event on a durable topic has reached the disk.
#[derive(Debug)]
#[must_use = "an event on a durable topic is accepted when this says so"]
pub struct Synced(oneshot::Receiver<Result<(), CommitError>>);

impl Synced {
    pub(crate) fn new(told: oneshot::Receiver<Result<(), CommitError>>) -> Self {
        Self(told)
    }

    /// Waits for the disk.
    ///
    /// # Errors
    /// It is not there; nobody has it.
    pub async fn wait(self) -> Result<(), NotDurable> {
        match self.0.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NotDurable::new(&error)),
            Err(_) => Err(NotDurable("the node has ended".to_owned())),
        }
    }
}

/// An event could not be brought to the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be made durable: {0}")]
pub struct NotDurable(String);

impl NotDurable {
    pub(crate) fn new(error: &CommitError) -> Self {
        Self(error.to_string())
    }
}

/// A full mailbox, and the envelope it did not take. A retry reaches this mailbox alone; on a durable topic, all of them.
#[derive(Debug)]
pub struct Refusal {
    by: Box<By>,
    envelope: Envelope,
}

#[derive(Debug)]
pub(crate) enum By {
    Mailbox(Subscriber),
    Queue {
        queue: Arc<Queue>,
        bytes: usize,
        keep: Keep,
        full: QueueFull,
    },
    /// The store takes nothing now.
    Store(NotDurable),
}

impl Delivery {
    pub(crate) fn refused(by: By, envelope: Envelope) -> Self {
        Self {
            refused: vec![Refusal::new(by, envelope)],
            ..Self::default()
        }
    }
}

impl Refusal {
    pub(crate) fn new(by: By, envelope: Envelope) -> Self {
        Self {
            by: Box::new(by),
            envelope,
        }
    }

    /// What was not taken.
    pub(crate) fn into_envelope(self) -> Envelope {
        self.envelope
    }

    /// Whose mailbox is full; none where the store takes nothing.
    pub fn name(&self) -> Option<&Arc<str>> {
        match &*self.by {
            By::Mailbox(subscriber) => Some(subscriber.mailbox.name()),
            By::Queue { queue, .. } => Some(&queue.name),
            By::Store(_) => None,
        }
    }

    /// Why a durable topic did not take it; none of another topic, where room comes as soon as events are handled.
    pub fn not_durable(&self) -> Option<String> {
        match &*self.by {
            By::Mailbox(_) => None,
            By::Queue { full, .. } => Some(full.to_string()),
            By::Store(error) => Some(error.to_string()),
        }
    }

    /// Waits until there is room again; somebody else may be faster.
    pub async fn room(&self) {
        match &*self.by {
            By::Mailbox(subscriber) => subscriber.mailbox.room(self.envelope.size()).await,
            By::Queue {
                queue, bytes, keep, ..
            } => queue.room(*bytes, keep).await,
            // A store that is down stays so until the node is started again.
            By::Store(_) => std::future::pending().await,
        }
    }

    /// Waits until this mailbox has taken it, or has ended it as an event that can never fit.
    pub async fn insist(mut self, bus: &Arc<Bus>) {
        loop {
            self.room().await;
            match self.retry(bus) {
                Ok(()) => return,
                Err(again) => self = again,
            }
        }
    }

    /// Tries once more.
    pub fn retry(self, bus: &Arc<Bus>) -> Result<(), Self> {
        let Self { by, envelope } = self;
        match *by {
            By::Mailbox(subscriber) => bus.offer(&subscriber, envelope),
            // Whoever waits for the disk holds a share of a settlement.
            By::Queue { .. } | By::Store(_) => match bus.publish(envelope).refused.pop() {
                None => Ok(()),
                Some(again) => Err(again),
            },
        }
    }
}

/// Why a publish from inside found no room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// In a mailbox.
    #[error(transparent)]
    Mailbox(#[from] MailboxFull),
    /// On a durable topic.
    #[error(transparent)]
    Queue(#[from] QueueFull),
}
