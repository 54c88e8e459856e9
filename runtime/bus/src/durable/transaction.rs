//! What a turn commits.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use smallvec::SmallVec;
use whirlwind_event::{Event, Topic};
use whirlwind_store::{Batch, CommitError, ReadError, Space};

use super::committer::{Committer, Put, Puts};
use super::queue::{Queue, QueuePlace};
use super::seen::{Fresh, Seen, SeenWindow};
use super::{Durable, Keep, QueueFull, key, letters, record};
use crate::bus::Reservation;
use crate::dead_letters::Dead;
use crate::inbox::count;
use crate::mailbox::Counters;
use crate::{Bus, DeadLetter, Envelope, Lease, Reason};

/// What one turn read and wrote in the store, and what it publishes on durable topics: committed together with the end of its
/// event, or not at all.
#[derive(Debug, Default)]
pub struct Transaction {
    /// What it read and wrote. Nothing here is about events: those are put in by [`Lease::commit`].
    pub batch: Batch,
    puts: Puts,
    /// Whether anything was done with the store.
    touched: bool,
    /// What is remembered of its event.
    fresh: Option<Fresh>,
    /// What it published that may go no further.
    too_far: Option<Box<TooFar>>,
}

/// Events that end with their turn as dead letters.
#[derive(Debug)]
struct TooFar {
    bus: Arc<Bus>,
    dead: Vec<Dead>,
}

/// The letters of a turn, once it is about to be committed.
struct Letters {
    bus: Arc<Bus>,
    /// Those that go into the store with it, and the turns behind their events.
    stored: Vec<(DeadLetter, u32)>,
    /// The others.
    dead: Vec<Dead>,
}

/// What is to be done with the event in hand.
#[derive(Debug)]
pub enum Begin {
    /// It is to be handled, in this transaction.
    Run(Transaction),
    /// It was handled before: it has come to its end without a turn.
    Duplicate,
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
    /// The first that has no room, and the bytes that have to fit: those of the record, which is larger than the event.
    pub(crate) fn at(
        topic: &Topic,
        event: &Arc<Event>,
        hops: u32,
        queues: &[Arc<Queue>],
        keep: &Keep,
    ) -> Result<Self, (Arc<Queue>, usize, QueueFull)> {
        let record = Bytes::from(record::of_event(topic, event, hops));
        let mut places = SmallVec::new();
        for queue in queues {
            let place = queue.reserve(record.len(), keep);
            places.push(place.map_err(|full| (Arc::clone(queue), record.len(), full))?);
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

    /// An event that the turn published lies further from its door than it may: it ends as a dead letter of the turn's actor, for
    /// [`Reason::MaxHops`], if the turn takes effect. On a durable topic it is part of the commit. The letter needs no share of what
    /// the turn's door owes: it is there before the turn's own event has come to its end.
    pub fn too_far(
        &mut self,
        bus: &Arc<Bus>,
        envelope: &Envelope,
        actor: &Arc<str>,
        error: String,
    ) {
        let dead = Dead::new(envelope, Arc::clone(actor), Reason::MaxHops, error);
        let new = || {
            Box::new(TooFar {
                bus: Arc::clone(bus),
                dead: Vec::new(),
            })
        };
        self.too_far.get_or_insert_with(new).dead.push(dead);
    }

    /// The batch, to read and write in.
    pub fn batch(&mut self) -> &mut Batch {
        self.touched = true;
        &mut self.batch
    }
}

impl TooFar {
    /// Whether one of them is part of the commit.
    fn is_durable(&self) -> bool {
        let mut dead = self.dead.iter();
        dead.any(|dead| self.bus.durable_for(dead).is_some())
    }

    /// Puts into the batch what is part of the commit.
    fn put_into(self, batch: &mut Batch) -> Letters {
        let Self { bus, dead } = self;
        let (mut stored, mut others) = (Vec::new(), Vec::new());
        for dead in dead {
            if bus.durable_for(&dead).is_none() {
                others.push(dead);
                continue;
            }
            let hops = dead.hops;
            let letter = dead.letter(bus.dead_letters().next_id(), true);
            letters::put(batch, &letter);
            stored.push((letter, hops));
        }
        Letters {
            bus,
            stored,
            dead: others,
        }
    }
}

impl Letters {
    /// The turn took effect.
    fn record(self, counters: &Counters) {
        let Self { bus, stored, dead } = self;
        for (letter, hops) in stored {
            count(&counters.dead);
            bus.record_stored(letter, hops);
        }
        for dead in dead {
            count(&counters.dead);
            bus.record(dead, false, |_| ());
        }
    }
}

impl Lease {
    /// Begins a turn with the event in hand. One of a durable topic that knows what comes again ends here if it was handled before.
    ///
    /// What is found is compared by [`commit`](Self::commit): of two turns with copies of one event, one is a conflict.
    ///
    /// # Errors
    /// [`TurnError`]; the event is still in hand.
    pub async fn begin(&mut self, bus: &Bus) -> Result<Begin, TurnError> {
        match self.in_hand().is_some_and(Envelope::is_durable) {
            // In a box, so that a worker that waits does not hold room for it.
            true => Box::pin(self.begin_durable(bus)).await,
            false => Ok(Begin::Run(Transaction::default())),
        }
    }

    async fn begin_durable(&mut self, bus: &Bus) -> Result<Begin, TurnError> {
        let mut turn = Transaction::default();
        let Some(envelope) = self.in_hand() else {
            return Ok(Begin::Run(turn));
        };
        let (Some(entry), Some(durable)) = (&envelope.entry, bus.durable()) else {
            return Ok(Begin::Run(turn));
        };
        let (committer, store) = (durable.committer(), durable.store());
        let key = key::event(entry.queue.id, entry.number);
        let there = turn.batch.get(store, Space::Events, &key);
        if there.map_err(unreadable)?.is_none() {
            self.forget();
            return Ok(Begin::Duplicate);
        }
        // Should the end of the one before be undone, it runs again first.
        for before in self.before(&key) {
            turn.batch.expect(Space::Events, before, None);
        }
        let Some(window) = bus.rules().dedup(&envelope.topic) else {
            return Ok(Begin::Run(turn));
        };
        let (event, now) = (&envelope.event, SystemTime::now());
        let fresh = window.check(
            &mut turn.batch,
            store,
            entry.queue.id,
            event,
            entry.number,
            now,
        );
        turn.fresh = fresh.map_err(unreadable)?;
        if turn.fresh.is_some() {
            return Ok(Begin::Run(turn));
        }
        if !store.has_room() {
            store.room().await;
        }
        turn.batch.delete(Space::Events, key.clone());
        let taken = committer.commit(turn.batch, Puts::new(), || {
            let event = self.entrust();
            Box::new(move |done| match (event, done) {
                (Some(event), Ok(())) => event.was_seen(),
                (Some(event), Err(error)) => event.undone(&error),
                (None, _) => {}
            })
        });
        if let Err(error) = taken {
            self.left_again(committer, &key, &error).await;
            return Err(not_taken(error));
        }
        Ok(Begin::Duplicate)
    }

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
        let is_plain = !self.in_hand().is_some_and(Envelope::is_durable)
            && !turn.touched
            && turn.puts.is_empty()
            && !turn.too_far.as_ref().is_some_and(|of| of.is_durable());
        if let Some(durable) = bus.durable().filter(|_| !is_plain) {
            // In a box, as above.
            return Box::pin(self.commit_durable(bus, durable, turn, then)).await;
        }
        if let Some(too_far) = turn.too_far {
            let letters = too_far.put_into(&mut Batch::new());
            letters.record(&self.inbox.shared.counters);
        }
        then();
        self.handled();
        Ok(())
    }

    async fn commit_durable(
        &mut self,
        bus: &Bus,
        durable: &Durable,
        turn: Transaction,
        then: impl FnOnce() + Send + 'static,
    ) -> Result<(), TurnError> {
        let entry = self.in_hand().and_then(|envelope| envelope.entry.as_ref());
        let committer = durable.committer();
        if !committer.store().has_room() {
            committer.store().room().await;
        }
        let Transaction {
            mut batch,
            puts,
            fresh,
            too_far,
            ..
        } = turn;
        let subscriber = entry
            .filter(|_| fresh.is_some())
            .map(|entry| entry.queue.id);
        let mut fresh = fresh.map(|fresh| (Arc::clone(durable.seen()), fresh));
        let ended = entry.map(|entry| key::event(entry.queue.id, entry.number));
        if let Some(key) = ended.clone() {
            match batch.get(committer.store(), Space::Events, &key) {
                Ok(Some(_)) => batch.delete(Space::Events, key),
                // Its acceptance was undone, or it has taken effect already: there is nothing to do any more.
                Ok(None) => {
                    self.forget();
                    return Ok(());
                }
                Err(error) => return Err(unreadable(error)),
            }
        }
        let mut letters = too_far.map(|too_far| too_far.put_into(&mut batch));
        let mut then = Some(then);
        let taken = committer.commit(batch, puts, || {
            let (then, event, fresh) = (then.take(), self.entrust(), fresh.take());
            let letters = letters.take();
            Box::new(move |done| {
                if let Some(event) = event {
                    match done {
                        Ok(()) => {
                            if let Some((seen, fresh)) = fresh {
                                seen.remembered(fresh);
                            }
                            if let Some(letters) = letters {
                                letters.record(event.counters());
                            }
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
        if let Err(error) = taken {
            if let Some(key) = &ended {
                self.left_again(committer, key, &error).await;
            }
            return Err(not_taken(error));
        }
        if let Some(ended) = ended.filter(|_| self.is_alone()) {
            self.inbox.ended.add(ended);
        }
        if let (Some(subscriber), Some(window)) = (subscriber, bus.rules().widest())
            && durable.seen().is_due(subscriber)
        {
            sweep(committer, durable.seen(), subscriber, window);
        }
        Ok(())
    }

    /// What has to be gone before the event at `key` ends; nothing where others read too.
    fn before(&self, key: &[u8]) -> impl Iterator<Item = Bytes> + use<> {
        let before = self.is_alone().then(|| self.inbox.ended.before(key));
        before.into_iter().flatten()
    }

    /// After a conflict, returns when what was undone of what comes before the event at `key` is left to be read again: until then a
    /// turn of that event would be in vain.
    async fn left_again(&self, committer: &Arc<Committer>, key: &[u8], error: &CommitError) {
        let is_awaited = |before: Bytes| {
            let there = committer.store().get(Space::Events, &before);
            let is_left =
                key::event_number(&before).is_some_and(|number| self.inbox.left.has(number));
            !is_left && there.is_ok_and(|there| there.is_some())
        };
        if matches!(error, CommitError::Conflict) && self.before(key).any(is_awaited) {
            committer.finished().await;
        }
    }
}

/// Takes out of the store what of a subscriber's is past the window: twice as much as comes in between two sweeps, so that what has
/// piled up goes too.
fn sweep(committer: &Arc<Committer>, seen: &Arc<Seen>, subscriber: u32, window: &SeenWindow) {
    for _ in 0..2 {
        let found = seen.sweep(committer.store(), subscriber, SystemTime::now(), window);
        let sweep = match found {
            Ok(Some(sweep)) => sweep,
            Ok(None) => return,
            Err(error) => {
                tracing::error!("what was handled long ago cannot be looked at: {error}");
                return;
            }
        };
        let seen = Arc::clone(seen);
        committer.end(sweep.batch, move |done| {
            if done.is_err() {
                seen.kept(sweep.evicted);
            }
        });
    }
}

fn unreadable(error: ReadError) -> TurnError {
    TurnError::Store(error.to_string())
}

fn not_taken(error: CommitError) -> TurnError {
    match error {
        CommitError::Conflict => TurnError::Conflict,
        other => TurnError::Store(other.to_string()),
    }
}
