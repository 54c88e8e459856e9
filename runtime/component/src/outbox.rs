//! Where a turn publishes to. This crate knows nothing of what lies behind it.

use std::any::Any;

use whirlwind_event::EventBuilder;

/// What a turn publishes, until its end is known: whoever hands it to a [`Turn`](crate::Turn) gets it back
/// in [`Reply::Ok`](crate::Reply::Ok) if the handler returned ok; else it is dropped, and a dropped outbox is
/// a discarded one.
pub trait Outbox: Any + Send {
    /// Takes an event for this topic and answers its id. Whether the topic may be published on, is a
    /// topic at all, and has room is decided here and now; what the guest left out of the event
    /// (id, source, type) is filled in here.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was taken then.
    fn publish(&mut self, topic: &str, event: EventBuilder) -> Result<String, PublishError>;
}

/// Why a publish was refused. A guest sees it as `publish-error` of `whirlwind:actor`, or as `error` of
/// `wasi:messaging`:
///
/// | | `whirlwind:actor` | `wasi:messaging` |
/// |---|---|---|
/// | [`NotAllowed`](Self::NotAllowed) | `not-allowed` | `permission-denied` |
/// | [`Invalid`](Self::Invalid) | `invalid` | `other` |
/// | [`MailboxFull`](Self::MailboxFull) | `mailbox-full` | `connection` |
/// | [`TooLarge`](Self::TooLarge) | `too-large` | `other` |
///
/// A handler of `wasi:messaging` that passes the error on as its own answer thereby asks for what
/// helps: a full mailbox empties, so `connection` means retry; for the others trying again is in vain,
/// and both variants mean reject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic is not in the actor's `publish` list, or is reserved, or no turn is running.
    #[error("{0}")]
    NotAllowed(String),
    /// The topic or an attribute breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// A mailbox that must take the event is full.
    #[error("{0}")]
    MailboxFull(String),
    /// The event is larger than its topic allows.
    #[error("the event is larger than its topic allows")]
    TooLarge,
}

impl PublishError {
    /// A publish while no turn is running, as from a start function.
    pub(crate) fn outside_a_turn() -> Self {
        Self::NotAllowed("publishing is only possible while an event is being handled".to_owned())
    }
}
