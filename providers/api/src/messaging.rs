//! A way to and from other systems, through their messages.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use whirlwind_event::{Event, Topic};

use crate::Handover;

/// Somebody else's messages: those that come in become events, events that are sent become messages.
///
/// How topics of the other system map to ours, and which of its messages come in, a provider was told when it was made. It
/// connects by itself, and again whenever the connection is gone, until it is closed; [`link`](Self::link) tells how that stands.
#[async_trait]
pub trait Messaging: fmt::Debug + Send + Sync + 'static {
    /// The next message that came in, in the order of receipt; `None` once closed. One caller at a time; dropping the future
    /// loses nothing.
    ///
    /// What is received and not acknowledged is bounded: whoever does not receive, or does not acknowledge, is sent nothing more
    /// after a while. What the other side does not hold for us is dropped and counted then.
    async fn receive(&self) -> Option<Received>;

    /// [Receives](Self::receive), and while it waits, a provider may let `taker` take messages where they come in: that spares them
    /// the way from the task of the connection to this one.
    async fn receive_beside(&self, taker: &Arc<dyn Taker>) -> Option<Received> {
        let _ = taker;
        self.receive().await
    }

    /// Takes an event to be sent. It never waits. From here on the provider keeps it, through any loss of the connection, until
    /// the other side has taken it; the [`Handover`] is ready then. Events are sent in the order in which they were taken, and at
    /// least once: one whose answer was lost is sent again.
    ///
    /// # Errors
    /// [`SendError`]; of the event nothing was sent.
    fn send(&self, topic: &Topic, event: &Arc<Event>) -> Result<Handover, SendError>;

    /// Returns when [`send`](Self::send) has room for one more, or the provider is closed. Somebody else may be faster.
    async fn room(&self);

    /// How the connection stands, and every change of it.
    fn link(&self) -> watch::Receiver<Link>;

    /// What it has seen.
    fn counts(&self) -> MessagingCounts;

    /// Ends the connection in good order. Receiving answers `None`, handovers that are not ready are [`SendError::Closed`], receipts
    /// that come later have no effect. Closing again does nothing.
    async fn close(&self);
}

/// Takes messages in whatever a provider is doing when they come in. It may not block.
pub trait Taker: Send + Sync + 'static {
    /// Takes a message, or gives it back: it is received then, and what comes after it too, until nothing is left to receive.
    ///
    /// # Errors
    /// The message, of which nothing was taken.
    fn take(&self, received: Received) -> Result<(), Box<Received>>;
}

/// A message that came in.
#[derive(Debug)]
pub struct Received {
    /// The topic it goes to.
    pub topic: Topic,
    /// The message as an event.
    pub event: Arc<Event>,
    /// What the other side waits for; `None` where it does not.
    pub receipt: Option<Receipt>,
    /// When the receipt is to be given.
    pub acknowledge: Acknowledge,
}

/// When the other side is told that a message has arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// When the event and all that it caused in memory has come to its end.
    #[default]
    Tree,
    /// When every mailbox it was meant for has taken it.
    Accepted,
}

/// What the other side waits for. Dropped without being given, the message goes back: it is sent again, as soon as the other side
/// does such a thing.
pub struct Receipt {
    desk: Option<Arc<dyn ReceiptDesk>>,
    number: u64,
}

/// Where a provider hears of its receipts. It may not block.
pub trait ReceiptDesk: Send + Sync + 'static {
    /// The receipt of this number was given, or was dropped without.
    fn returned(&self, number: u64, given: bool);
}

/// How the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not yet, or not any more.
    Down {
        /// Why, in words, without secrets.
        reason: String,
        /// How many attempts to connect have failed since it was last up.
        attempts: u32,
    },
    /// Connected, and subscribed to all that comes in.
    Up,
    /// Closed for good.
    Closed,
}

/// Why an event was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As much waits to be sent as may wait. Nothing was taken; trying again helps, see [`Messaging::room`].
    #[error("{waiting} messages wait to be sent, as many as may")]
    Full {
        /// Messages that wait.
        waiting: usize,
    },
    /// It is larger than the other side takes.
    #[error("a message of {size} bytes is larger than the {max} that the other side takes")]
    TooLarge {
        /// Bytes of the message as it would be sent.
        size: usize,
        /// Bytes that may be sent.
        max: usize,
    },
    /// It leads nowhere, or has no form that could be sent.
    #[error("{0}")]
    Unsendable(String),
    /// The other side has refused it, and would again.
    #[error("the other side refused it: {0}")]
    Refused(String),
    /// The provider is closed. What it had taken may have been sent or not.
    #[error("the provider is closed")]
    Closed,
}

/// What a messaging provider has seen since it was made. Each number only grows, but `waiting` and `unacknowledged`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagingCounts {
    /// Messages that came in.
    pub received: u64,
    /// Of these, how many were said to be sent again.
    pub duplicates: u64,
    /// Receipts that reached the connection they were owed to.
    pub acknowledged: u64,
    /// Messages that nobody holds for us, dropped because too much was unread.
    pub dropped: u64,
    /// Messages that are no event and could not be made one; they are acknowledged.
    pub malformed: u64,
    /// Events that the other side has taken.
    pub sent: u64,
    /// Times that a connection was made after the first.
    pub reconnects: u64,
    /// Events that wait to be sent or to be confirmed, now.
    pub waiting: usize,
    /// Messages received and not acknowledged, now.
    pub unacknowledged: usize,
}

impl Receipt {
    /// The receipt of this number, to be returned at `desk`.
    pub fn new(desk: Arc<dyn ReceiptDesk>, number: u64) -> Self {
        let desk = Some(desk);
        Self { desk, number }
    }

    /// Tells the other side that the message has arrived for good.
    pub fn give(mut self) {
        if let Some(desk) = self.desk.take() {
            desk.returned(self.number, true);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.returned(self.number, false);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.number).finish()
    }
}
