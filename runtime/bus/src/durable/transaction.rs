//! What a turn commits.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use whirlwind_event::{Event, Topic};
use whirlwind_store::{Batch, CommitError, Space};

use super::committer::{Put, Puts};
use super::queue::{Queue, QueuePlace};
use super::{Keep, QueueFull, key, record};
use crate::bus::Reservation;
use crate::{Bus, Envelope, Lease};

/// What one turn read and wrote in the store, and what it publishes on durable topics: committed together with the end of its
/// event, or not at all.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What it read and wrote. Nothing here is about events: those are put in by [`Lease::commit`].
    pub batch: Batch,
    puts: Puts,
    /// Whether anything was done with the store.
    touched: bool,
}

/// Why a turn did not take effect. Nothing of it did, and its event is still in hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// Another turn changed what this one read: it has to run again, on an instance that has not seen the event.
    #[error("what it read was changed by another turn")]
    Conflict,
    /// The store takes nothing now.
    #[error("{0}")]
    Store(String),
}

/// An event's places in queues, and its record.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) places: SmallVec<[QueuePlace; 2]>,
    pub(crate) record: Bytes,
}

impl Placed {
    /// A place for the event in each of `queues`, or in none.
    ///
    /// # Errors
    /// The first that has no room.
    pub(crate) fn at(
        topic: &Topic,
        event: &Arc<Event>,
        hops: u32,
        queues: &[Arc<Queue>],
        keep: &Keep,
    ) -> Result<Self, (Arc<Queue>, QueueFull)> {
        let record = Bytes::from(record::of_event(topic, event, hops));
        let mut places = SmallVec::new();
        for queue in queues {
            let place = queue.reserve(record.len(), keep);
            places.push(place.map_err(|full| (Arc::clone(queue), full))?);
        }
        Ok(Self { places, record })
    }

    /// The event, `hops` turns from its door, at each of its places.
    pub(crate) fn puts(self, topic: &Topic, event: &Arc<Event>, hops: u32) -> Puts {
        let Self { places, record } = self;
        let put = |place| Put {
            place,
            record: record.clone(),
            envelope: Envelope::new(topic.clone(), Arc::clone(event)).after_hops(hops),
        };
        places.into_iter().map(put).collect()
    }
}

impl Transaction {
    /// Publishes an event that has places in queues: it goes there with the commit. What is left of the reservation is for
    /// [`Bus::send`], once the turn is known to have taken effect.
    pub fn publish(&mut self, reservation: &mut Reservation) {
        if let Some(placed) = reservation.placed.take() {
            let Reservation {
                topic, event, hops, ..
            } = reservation;
            let puts = placed.puts(topic, event, *hops);
            self.puts.extend(puts);
        }
    }

    /// The batch, to read and write in.
    pub fn batch(&mut self) -> &mut Batch {
        self.touched = true;
        &mut self.batch
    }
}

impl Lease {
    /// Ends the event in hand: handled, with all that its turn did.
    ///
    /// Where nothing of it has to do with the store, `then` is called at once. Else it is called when the turn is synced, and until
    /// then nothing of it is seen outside the store; the lease reads on meanwhile. Should the sync fail, the turn is undone: the event
    /// is left for the next that reads the mailbox, and `then` is dropped.
    ///
    /// # Errors
    /// [`TurnError`]; the event is still in hand.
    pub async fn commit(
        &mut self,
        bus: &Bus,
        turn: Transaction,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), TurnError> {
        let entry = self.in_hand().and_then(|envelope| envelope.entry.as_ref());
        let is_plain = entry.is_none() && !turn.touched && turn.puts.is_empty();
        let Some(durable) = bus.durable().filter(|_| !is_plain) else {
            then();
            self.handled();
            return Ok(());
        };
        let committer = durable.committer();
        if !committer.store().has_room() {
            committer.store().room().await;
        }
        let Transaction {
            mut batch, puts, ..
        } = turn;
        if let Some(entry) = entry {
            let key = key::event(entry.queue.id, entry.number);
            match batch.get(committer.store(), Space::Events, &key) {
                Ok(Some(_)) => batch.delete(Space::Events, key),
                // Its acceptance was undone, or it has taken effect already: there is nothing to do any more.
                Ok(None) => {
                    self.forget();
                    return Ok(());
                }
                Err(error) => return Err(TurnError::Store(error.to_string())),
            }
        }
        let mut then = Some(then);
        let taken = committer.commit(batch, puts, || {
            let (then, event) = (then.take(), self.entrust());
            Box::new(move |done| {
                if let Some(event) = event {
                    match done {
                        Ok(()) => {
                            if let Some(then) = then {
                                then();
                            }
                            event.took_effect();
                        }
                        Err(error) => event.undone(&error),
                    }
                }
            })
        });
        taken.map_err(|error| match error {
            CommitError::Conflict => TurnError::Conflict,
            other => TurnError::Store(other.to_string()),
        })
    }
}
