//! A dead letter's way back into mailboxes.

use std::sync::Arc;

use whirlwind_event::Topic;

use whirlwind_store::{Batch, CommitError, Space};

use crate::bus::{Few, Subscriber, subscribers};
use crate::durable::{Durable, Placed, Queue, key, letters};
use crate::mailbox::{Origin, Place};
use crate::{Bus, DeadLetter, Envelope, MailboxFull, QueueFull, Reason};

/// Room for a letter's event.
enum Back {
    Mailboxes(Few<(Place, bool)>),
    /// Places of so many in their queues, which it has with the next sync.
    Queues(usize),
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
        let taken = self
            .dead_letters()
            .take_if(id, |letter, last| match letter.reason {
                Reason::MaxHops => self.places_on(letter, last),
                _ => self.back(letter, last),
            });
        let (letter, back) = taken.ok_or(RedeliverError::Unknown(id))??;
        let delivered = match back {
            Back::Queues(delivered) => delivered,
            Back::Mailboxes(places) => {
                self.dead_letters().off_shelf(&letter);
                let delivered = actors(&places);
                let envelope = Envelope::new(letter.topic.clone(), letter.event);
                self.fill_all(places, envelope);
                delivered
            }
        };
        Ok(match letter.reason {
            Reason::MaxHops => Redelivered::Published {
                topic: letter.topic,
                delivered,
            },
            _ => Redelivered::To(letter.actor),
        })
    }

    /// Takes a letter off its shelf, if it lies there, and its event to these queues, in one commit; and to the other places once
    /// that is synced.
    fn to_queues(
        self: &Arc<Self>,
        durable: &Durable,
        letter: &DeadLetter,
        queues: &[Arc<Queue>],
        places: Few<(Place, bool)>,
        last: u64,
    ) -> Result<Back, RedeliverError> {
        let keep = self.rules().keep(&letter.topic);
        let placed = Placed::at(&letter.topic, &letter.event, 0, queues, &keep);
        let placed = placed.map_err(|(_, _, full)| RedeliverError::QueueFull(full))?;
        let others = actors(&places);
        let committer = durable.committer();
        let (mut batch, place) = (Batch::new(), key::letter(letter.id));
        // Its event has not ended after all, where it does not lie there: that was undone, and the letter is about to go.
        let unknown = || RedeliverError::Unknown(letter.id);
        if letter.durable {
            let on_shelf = batch.get(committer.store(), Space::Events, &place);
            on_shelf
                .map_err(|error| RedeliverError::Store(error.to_string()))?
                .ok_or_else(unknown)?;
            letters::remove(&mut batch, letter.id, last);
        }
        let puts = placed.puts(&letter.topic, &letter.event, 0);
        let taken = committer.commit(batch, puts, || {
            let (bus, letter) = (Arc::clone(self), letter.clone());
            let store = committer.store().clone();
            Box::new(move |done| {
                // Undone together with what made it a letter, there is an event again and no letter.
                let is_letter =
                    || !letter.durable || matches!(store.get(Space::Events, &place), Ok(Some(_)));
                if done.is_ok() {
                    bus.fill_all(places, Envelope::new(letter.topic, letter.event));
                } else if is_letter() {
                    bus.dead_letters().restore(letter);
                }
            })
        });
        taken.map_err(|error| match error {
            CommitError::Conflict => unknown(),
            other => RedeliverError::Store(other.to_string()),
        })?;
        Ok(Back::Queues(queues.len() + others))
    }

    /// The store, if an event of this letter goes into it.
    fn store_for(&self, letter: &DeadLetter) -> Option<&Durable> {
        let durable = self.durable()?;
        (letter.durable || self.rules().is_durable(&letter.topic)).then_some(durable)
    }

    /// Its way back to the one who had not handled it.
    fn back(self: &Arc<Self>, letter: &DeadLetter, last: u64) -> Result<Back, RedeliverError> {
        let mailbox = self.named(&letter.actor);
        let mailbox = mailbox.ok_or_else(|| RedeliverError::NoActor(Arc::clone(&letter.actor)))?;
        if mailbox.is_gone() {
            return Err(RedeliverError::Gone(Arc::clone(&letter.actor)));
        }
        if let Some(durable) = self.store_for(letter)
            && let Some(queue) = mailbox.durable()
        {
            let queues = [Arc::clone(queue)];
            return self.to_queues(durable, letter, &queues, Few::new(), last);
        }
        let mut places = Few::new();
        places.push((self.room(&mailbox, letter.event.size())?, false));
        Ok(Back::Mailboxes(places))
    }

    /// Its way to all who subscribe to its topic.
    fn places_on(self: &Arc<Self>, letter: &DeadLetter, last: u64) -> Result<Back, RedeliverError> {
        let durable = self.store_for(letter);
        let (mut queues, mut places) = (Few::new(), Few::new());
        for &Subscriber {
            ref mailbox,
            observer,
        } in subscribers(&self.table(), &letter.topic)
        {
            let queue = mailbox.durable().filter(|_| durable.is_some() && !observer);
            if let Some(queue) = queue {
                queues.push(Arc::clone(queue));
                continue;
            }
            let bytes = letter.event.size();
            let place = match observer {
                true => mailbox
                    .reserve(bytes, Origin::Door)
                    .map_err(RedeliverError::Full)?,
                false => self.room(mailbox, bytes)?,
            };
            places.push((place, observer));
        }
        match durable.filter(|_| !queues.is_empty()) {
            Some(durable) => self.to_queues(durable, letter, &queues, places, last),
            None if places.iter().any(|(_, observer)| !observer) => Ok(Back::Mailboxes(places)),
            None => Err(RedeliverError::Nobody(letter.topic.clone())),
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

/// How many of those who hold places do more than look on.
fn actors(places: &Few<(Place, bool)>) -> usize {
    places.iter().filter(|(_, observer)| !observer).count()
}
