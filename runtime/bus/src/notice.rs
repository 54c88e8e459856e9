//! What the bus tells of events that nobody will handle.

use std::fmt;

use whirlwind_event::{Event, Topic};

use crate::{DeadLetter, Overflow};

/// The end of an event that was not handled, told where it happens and outside every lock.
///
/// Nothing is told while nobody subscribes to a topic of the system, and nothing of events on such topics: news of news would go
/// round in circles.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// It is a dead letter.
    DeadLettered {
        /// The letter, as it was recorded.
        letter: &'a DeadLetter,
        /// Turns that lie behind the event.
        hops: u32,
    },
    /// A full mailbox dropped it.
    Dropped {
        /// Whose mailbox.
        actor: &'a str,
        /// What the mailbox does when it is full.
        overflow: Overflow,
        /// The topic it was published on.
        topic: &'a Topic,
        /// The event.
        event: &'a Event,
        /// Turns that lie behind it.
        hops: u32,
    },
    /// It was a dead letter, and a newer one took its place in the full box.
    PushedOut {
        /// The letter that is gone.
        letter: &'a DeadLetter,
        /// Turns that lie behind the event that took its place.
        hops: u32,
    },
}

/// Whom an announcement reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who subscribes to its topic.
    Everybody,
    /// Only observers: they cause nothing, so nothing can come of it that would be announced again.
    Observers,
}

/// Who hears the notices of a bus.
pub(crate) struct Listener(Box<dyn Fn(Notice<'_>) + Send + Sync>);

impl Listener {
    pub(crate) fn new(hear: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Box::new(hear))
    }

    pub(crate) fn tell(&self, notice: Notice<'_>) {
        (self.0)(notice);
    }

    /// Tells of a letter, and of those that made room for it, `hops` turns behind it.
    pub(crate) fn tell_of(
        &self,
        letter: Option<&DeadLetter>,
        pushed_out: &[DeadLetter],
        hops: u32,
    ) {
        if let Some(letter) = letter {
            self.tell(Notice::DeadLettered { letter, hops });
        }
        for letter in pushed_out.iter().filter(|out| !out.topic.is_system()) {
            self.tell(Notice::PushedOut { letter, hops });
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
