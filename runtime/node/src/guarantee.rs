//! What an event gets that an actor accepted.

use std::fmt;

use crate::app;
use crate::manifest::Overflow;

/// A promise, and why it is no more and no less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// An event may be dropped, and is counted then; one that is handled is not handled again unless an attempt failed.
    AtMostOnce,
    /// While the process lives every event is handled, or kept as a dead letter; a failed attempt is repeated, so a handler may
    /// see an event again.
    AtLeastOnce,
}

impl Guarantee {
    /// What `actor` gives.
    pub fn of(actor: &app::Actor) -> Self {
        match actor.mailbox.overflow {
            Overflow::DropOldest | Overflow::DropNewest => Self::AtMostOnce,
            Overflow::Reject | Overflow::DeadLetter => Self::AtLeastOnce,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }

    /// Why, in a sentence.
    pub fn why(self) -> &'static str {
        match self {
            Self::AtMostOnce => {
                "its mailbox drops events when it is full; those are counted, and events in mailboxes are lost when the process is killed"
            }
            Self::AtLeastOnce => {
                "failed attempts are repeated, then kept as dead letters; events in mailboxes are lost when the process is killed"
            }
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
