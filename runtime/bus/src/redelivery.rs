//! A dead letter's way back into mailboxes.

use std::sync::Arc;

use whirlwind_event::Topic;

use whirlwind_store::{Batch, CommitError, Space};

use crate::bus::{Few, Subscriber};
use crate::durable::{Durable, Placed, key, letters};
use crate::mailbox::{Origin, Place};
use crate::{Bus, DeadLetter, Envelope, MailboxFull, QueueFull, Reason};

/// Room for a letter's event.
enum Back {
    Mailboxes(Few<(Place, bool)>),
    /// Its place in a queue, which it has with the next sync.
    Queue,
}

/// Where a dead letter went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redelivered {
    /// Into the mailbox of the actor that had not handled it. The others had.
    To(Arc<str>),
    /// To all who subscribe to its topic: it had stopped on its way there.
    Published {
        /// The topic.
        topic: Topic,
        /// How many took it.
        delivered: usize,
    },
}

/// Why a dead letter was not delivered again. It is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeliverError {
    /// It is not there: it never was, or somebody was faster.
    #[error("there is no dead letter {0}")]
    Unknown(u64),
    /// No actor of this name subscribes to anything.
    #[error("no actor `{0}` takes events here; the letter is kept")]
    NoActor(Arc<str>),
    /// Its actor will not read it.
    #[error("actor `{0}` has left the supervision tree for good; the letter is kept")]
    Gone(Arc<str>),
    /// Nobody would hear of it.
    #[error("nobody subscribes to `{0}`; the letter is kept")]
    Nobody(Topic),
    /// There is no room for it now.
    #[error("{0}; the letter is kept")]
    Full(MailboxFull),
    /// Too much waits for its actor on durable topics.
    #[error("{0}; the letter is kept")]
    QueueFull(QueueFull),
    /// There never will be.
    #[error("an event of {bytes} bytes can never fit: {full}; the letter is kept")]
    TooLarge {
        /// Bytes of the event.
        bytes: usize,
        /// The mailbox it does not fit in.
        full: MailboxFull,
    },
    /// The store takes nothing now.
    #[error("{0}; the letter is kept")]
    Store(String),
}

impl RedeliverError {
    /// Whether the same may succeed later, without anything being changed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full(_) | Self::QueueFull(_))
    }
}

impl Bus {
    /// Delivers a dead letter again, as a first attempt with no turns behind it.
    ///
    /// It goes back to the actor that could not handle it, and to nobody else. One that stopped for [`Reason::MaxHops`] never
    /// reached anybody: it is published on its topic. Either it is gone from the box and in every mailbox that it should be in,
    /// or nothing has changed; of several who try at the same time, one succeeds.
    ///
    /// # Errors
    /// [`RedeliverError`]. Where an overflow policy would drop something to make room, there is no room.
    pub fn redeliver(self: &Arc<Self>, id: u64) -> Result<Redelivered, RedeliverError> {
        let taken = self.dead_letters().take_if(id, |letter, last| {
            let event = letter.event.size();
            match letter.reason {
                Reason::MaxHops => self.places_on(&letter.topic, event).map(Back::Mailboxes),
                _ => self.back(letter, event, last),
            }
        });
        let (letter, back) = taken.ok_or(RedeliverError::Unknown(id))??;
        let places = match back {
            Back::Mailboxes(places) => places,
            Back::Queue => return Ok(Redelivered::To(letter.actor)),
        };
        self.dead_letters().off_shelf(&letter);
        let mut delivered = 0;
        let envelope = Envelope::new(letter.topic.clone(), letter.event);
        for (place, observer) in places {
            delivered += usize::from(!observer);
            self.fill(place, observer, envelope.copy(observer));
        }
        Ok(match letter.reason {
            Reason::MaxHops => Redelivered::Published {
                topic: letter.topic,
                delivered,
            },
            _ => Redelivered::To(letter.actor),
        })
    }

    /// Takes a letter off the shelf and its event back to its queue, in one commit.
    fn back_to_queue(
        &self,
        durable: &Durable,
        letter: &DeadLetter,
        placed: Placed,
        last: u64,
    ) -> Result<(), RedeliverError> {
        let committer = durable.committer();
        let (mut batch, place) = (Batch::new(), key::letter(letter.id));
        let on_shelf = batch.get(committer.store(), Space::Events, &place);
        // Its event has not ended after all, where it does not lie there: that was undone, and the letter is about to go.
        let unknown = || RedeliverError::Unknown(letter.id);
        on_shelf
            .map_err(|error| RedeliverError::Store(error.to_string()))?
            .ok_or_else(unknown)?;
        letters::remove(&mut batch, letter.id, last);
        let puts = placed.puts(&letter.topic, &letter.event, 0);
        let taken = committer.commit(batch, puts, || {
            let (letters, letter) = (Arc::clone(self.letters()), letter.clone());
            let store = committer.store().clone();
            Box::new(move |done| {
                // Undone together with what made it a letter, there is an event again and no letter.
                let is_there = || matches!(store.get(Space::Events, &place), Ok(Some(_)));
                if done.is_err() && is_there() {
                    letters.restore(letter);
                }
            })
        });
        taken.map_err(|error| match error {
            CommitError::Conflict => unknown(),
            other => RedeliverError::Store(other.to_string()),
        })
    }

    fn back(&self, letter: &DeadLetter, bytes: usize, last: u64) -> Result<Back, RedeliverError> {
        let mailbox = self.named(&letter.actor);
        let mailbox = mailbox.ok_or_else(|| RedeliverError::NoActor(Arc::clone(&letter.actor)))?;
        if mailbox.is_gone() {
            return Err(RedeliverError::Gone(Arc::clone(&letter.actor)));
        }
        if let Some(durable) = self.durable()
            && let Some(queue) = mailbox.durable().filter(|_| letter.durable)
        {
            let keep = self.rules().keep(&letter.topic);
            let queues = [Arc::clone(queue)];
            let placed = Placed::at(&letter.topic, &letter.event, 0, &queues, &keep);
            let placed = placed.map_err(|(_, _, full)| RedeliverError::QueueFull(full))?;
            self.back_to_queue(durable, letter, placed, last)?;
            return Ok(Back::Queue);
        }
        let mut places = Few::new();
        places.push((self.room(&mailbox, bytes)?, false));
        Ok(Back::Mailboxes(places))
    }

    fn places_on(&self, topic: &Topic, bytes: usize) -> Result<Few<(Place, bool)>, RedeliverError> {
        let mut places = Few::new();
        for Subscriber { mailbox, observer } in self.subscribers(topic) {
            let place = match observer {
                true => mailbox
                    .reserve(bytes, Origin::Door)
                    .map_err(RedeliverError::Full)?,
                false => self.room(&mailbox, bytes)?,
            };
            places.push((place, observer));
        }
        match places.iter().any(|(_, observer)| !observer) {
            true => Ok(places),
            false => Err(RedeliverError::Nobody(topic.clone())),
        }
    }

    /// Room that drops nothing else.
    fn room(&self, mailbox: &crate::Mailbox, bytes: usize) -> Result<Place, RedeliverError> {
        if !mailbox.could_fit(bytes) {
            let full = mailbox.full();
            return Err(RedeliverError::TooLarge { bytes, full });
        }
        match mailbox.reserve(bytes, Origin::Door) {
            Ok(place) if place.is_held() => Ok(place),
            Ok(_) => Err(RedeliverError::Full(mailbox.full())),
            Err(full) => Err(RedeliverError::Full(full)),
        }
    }
}
