//! The receiving end of a mailbox, and one incarnation's right to read it.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};
use whirlwind_event::{Event, Topic};

use crate::durable::key;
use crate::ended::Ended;
use crate::left::Left;
use crate::mailbox::{Counters, Shared};
use crate::order::Lane;
use crate::{Bus, Envelope, Mailbox, Reason, Stats};

/// The receiving end: held by the running app above the actor, so that it outlives every kind of restart. Clones share it.
#[derive(Clone)]
pub struct Inbox {
    pub(crate) shared: Arc<Shared>,
    slots: Arc<Mutex<HashMap<usize, Slot>>>,
    /// What workers left that do not come again.
    pub(crate) left: Arc<Left>,
    /// What the only reader ended, whichever incarnation it was.
    pub(crate) ended: Arc<Ended>,
}

/// What a worker's place at the inbox holds while nobody, or somebody, reads.
enum Slot {
    Leased,
    /// In a box: few are, and a table has room for several.
    Left(Box<InHand>),
}

/// An envelope taken from the queue and not yet ended.
pub(crate) struct InHand {
    pub(crate) envelope: Envelope,
    pub(crate) not_before: Option<Instant>,
    /// Its lane, if it is kept in order with others: left when this is dropped.
    pub(crate) lane: Option<Lane>,
}

impl InHand {
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            not_before: None,
            lane: None,
        }
    }

    pub(crate) fn in_lane(self, lane: Option<Lane>) -> Self {
        Self { lane, ..self }
    }

    /// It has come to its end in this mailbox, which counts it there.
    pub(crate) fn ended(self, mailbox: &Shared, counter: fn(&Counters) -> &AtomicU64) {
        let Self {
            mut envelope, lane, ..
        } = self;
        count(counter(&mailbox.counters));
        let awaited = envelope.is_awaited();
        if let Some(entry) = envelope.entry.take() {
            entry.queue.ended(entry.bytes);
        }
        envelope.settle();
        mailbox.ended(awaited);
        // The next of its key begins when nothing of this one is left to do.
        drop(lane);
    }
}

/// One incarnation's right to read, one event at a time.
///
/// A lease that is dropped with an event in hand leaves it in its worker's slot, and the next lease of that slot reads it
/// first: a queue cannot push to its front. A task that is aborted in mid-call therefore loses nothing and raises no attempt.
/// Where events are kept in order by a key, those of its key wait for it meanwhile.
/// Where no next lease of that slot will come ([`Inbox::workers`]), the leases of the others read it before the queue.
pub struct Lease {
    pub(crate) inbox: Inbox,
    worker: usize,
    pub(crate) in_hand: Option<InHand>,
    /// Whether the last event came from a durable topic: the others have the next turn.
    was_durable: bool,
}

/// An event that waits for the next reader of its slot.
#[derive(Clone, Debug)]
pub struct LeftInHand {
    /// Which worker's slot.
    pub worker: usize,
    /// The topic it was published on.
    pub topic: Topic,
    /// The event.
    pub event: Arc<Event>,
    /// Which delivery it is in, counted from 1.
    pub attempt: u32,
    /// Turns that lie behind it.
    pub hops: u32,
}

/// A worker's slot was asked for while an earlier incarnation still reads from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {worker} of the mailbox of `{name}` is still leased to an earlier incarnation")]
pub struct SlotTaken {
    /// Whose mailbox.
    pub name: Arc<str>,
    /// Which worker.
    pub worker: usize,
}

impl Inbox {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let left = Arc::new(Left::new(Arc::clone(&shared.more)));
        Self {
            shared,
            slots: Arc::default(),
            left,
            ended: Arc::default(),
        }
    }

    /// Whose mailbox this is.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// What the mailbox has seen, and what lies in it now.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The sending end.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox(Arc::clone(&self.shared))
    }

    /// What earlier incarnations left in their slots, in the order of slots, then what workers left that do not come again, then
    /// what waits for another of its key. A slot that is leased keeps what it has.
    pub(crate) fn take_left(&self) -> Vec<Envelope> {
        let mut slots = self.slots();
        let left = slots.extract_if(|_, slot| matches!(slot, Slot::Left(_)));
        let mut left: Vec<(usize, Slot)> = left.collect();
        left.sort_by_key(|(worker, _)| *worker);
        let envelopes = left.into_iter().filter_map(|(_, slot)| match slot {
            Slot::Left(in_hand) => Some(in_hand.envelope),
            Slot::Leased => None,
        });
        let orphans = std::iter::from_fn(|| self.left.take());
        let mut left: Vec<Envelope> = envelopes
            .chain(orphans.map(|in_hand| in_hand.envelope))
            .collect();
        if let Some(order) = &self.shared.order {
            left.extend(order.drain(&self.shared));
        }
        left
    }

    /// Whether somebody reads.
    pub fn is_leased(&self) -> bool {
        let slots = self.slots();
        slots.values().any(|slot| matches!(slot, Slot::Leased))
    }

    /// The right to read as worker number `worker`.
    pub fn lease(&self, worker: usize) -> Result<Lease, SlotTaken> {
        let in_hand = match self.slots().insert(worker, Slot::Leased) {
            None => None,
            Some(Slot::Left(in_hand)) => Some(*in_hand),
            Some(Slot::Leased) => {
                return Err(SlotTaken {
                    name: Arc::clone(&self.shared.name),
                    worker,
                });
            }
        };
        Ok(Lease {
            inbox: self.clone(),
            worker,
            in_hand,
            was_durable: false,
        })
    }

    /// Says how many workers there are: numbers 0 to `workers` - 1; as many as ask for a lease until this is called. What the
    /// others hold, or leave later, goes to these before what lies in the queue, with its attempt and its time to wait.
    pub fn workers(&self, workers: usize) {
        let mut slots = self.slots();
        self.left.set_workers(workers);
        if workers != 1 {
            self.ended.forget();
        }
        let mut gone: Vec<usize> = slots.keys().copied().filter(|at| *at >= workers).collect();
        gone.sort_unstable();
        for worker in gone {
            match slots.remove(&worker) {
                Some(Slot::Left(in_hand)) => self.left.push(*in_hand),
                // It leaves what it has when it ends.
                Some(Slot::Leased) => drop(slots.insert(worker, Slot::Leased)),
                None => {}
            }
        }
    }

    /// The events that readers which are gone left in hand; those of slots that are read now are not among them.
    pub fn left_in_hand(&self) -> Vec<LeftInHand> {
        let slots = self.slots();
        let left = slots.iter().filter_map(|(worker, slot)| match slot {
            Slot::Leased => None,
            Slot::Left(in_hand) => {
                let envelope = &in_hand.envelope;
                Some(LeftInHand {
                    worker: *worker,
                    topic: envelope.topic.clone(),
                    event: Arc::clone(&envelope.event),
                    attempt: envelope.attempt,
                    hops: envelope.hops,
                })
            }
        });
        left.collect()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<usize, Slot>> {
        // Nothing in here panics between two changes that belong together.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The event to handle: the one in hand, once its backoff is over, or else the next of the queue. Waits for it.
    ///
    /// Dropping this future loses nothing: an event leaves the queue only into the lease's hand.
    pub async fn next(&mut self) -> &Envelope {
        let in_hand = match self.in_hand.take() {
            Some(in_hand) => in_hand,
            None => self.receive().await,
        };
        let in_hand = self.in_hand.insert(in_hand);
        if let Some(at) = in_hand.not_before {
            sleep_until(at).await;
            in_hand.not_before = None;
        }
        &in_hand.envelope
    }

    /// Ends the event in hand: handled.
    pub fn handled(&mut self) {
        if self.in_hand().is_some_and(Envelope::is_durable) {
            if let Some(event) = self.entrust() {
                event.handled();
            }
        } else if let Some(in_hand) = self.in_hand.take() {
            in_hand.ended(&self.inbox.shared, |counters| &counters.handled);
        }
    }

    /// Lets the event in hand go, which is not there any more.
    pub(crate) fn forget(&mut self) {
        self.in_hand = None;
    }

    /// Keeps the event in hand for a turn more of the same attempt, not before `at`: what kept it from taking effect had nothing to
    /// do with it.
    pub fn again(&mut self, at: Option<Instant>) {
        let Some(mut in_hand) = self.in_hand.take() else {
            return;
        };
        in_hand.not_before = at;
        // What was undone is left, and comes before it.
        match in_hand.envelope.is_durable() && !self.inbox.left.is_empty() {
            true => self.inbox.left.push(in_hand),
            false => self.in_hand = Some(in_hand),
        }
    }

    /// Whether nobody else reads: then what it reads has an order.
    pub(crate) fn is_alone(&self) -> bool {
        self.inbox.left.is_only_worker(self.worker)
    }

    /// Keeps the event in hand for one attempt more, not before `at`.
    pub fn retry(&mut self, at: Instant) {
        if let Some(in_hand) = &mut self.in_hand {
            count(&self.inbox.shared.counters.failed);
            count(&self.inbox.shared.counters.retried);
            in_hand.envelope.attempt += 1;
            in_hand.not_before = Some(at);
        }
    }

    /// Ends the event in hand: a dead letter. Answers its id.
    pub fn dead_letter(&mut self, bus: &Arc<Bus>, reason: Reason, error: String) -> Option<u64> {
        // Should this be undone, it comes again before what comes after it, as a turn does.
        let entry = self.in_hand().and_then(|envelope| envelope.entry.as_ref());
        let ended = entry.map(|entry| key::event(entry.queue.id, entry.number));
        let id = self.entrust()?.dead_letter(bus, reason, error);
        if let Some(ended) = ended.filter(|_| self.is_alone()) {
            self.inbox.ended.add(ended);
        }
        id
    }

    /// The event in hand, if there is one.
    pub fn in_hand(&self) -> Option<&Envelope> {
        self.in_hand.as_ref().map(|in_hand| &in_hand.envelope)
    }

    async fn receive(&mut self) -> InHand {
        let in_hand = match self.at_once() {
            Some(in_hand) => in_hand,
            None => self.wait().await,
        };
        self.was_durable = in_hand.envelope.is_durable();
        in_hand
    }

    /// What there is without waiting: first what somebody left, then the two queues in turns, so that neither starves the other.
    fn at_once(&self) -> Option<InHand> {
        if let Some(left) = self.inbox.left.take() {
            return Some(left);
        }
        let shared = &self.inbox.shared;
        if let Some(order) = &shared.order {
            return order.next(shared, self.was_durable);
        }
        let Some(durable) = shared.durable.get() else {
            return self.queued();
        };
        let durable = || durable.take().map(InHand::new);
        match self.was_durable {
            true => self.queued().or_else(durable),
            false => durable().or_else(|| self.queued()),
        }
    }

    fn queued(&self) -> Option<InHand> {
        let envelope = self.inbox.shared.receiver.try_recv().ok()?;
        Some(self.took(envelope))
    }

    fn took(&self, envelope: Envelope) -> InHand {
        self.inbox.shared.release(envelope.size());
        InHand::new(envelope)
    }

    /// Waits for what somebody leaves, or for an event in a queue.
    ///
    /// Not with flume's future: one that was woken wakes all others when it is dropped while more lies in the queue, and a hundred
    /// idle instances would look for each event.
    async fn wait(&self) -> InHand {
        loop {
            let mut more = pin!(self.inbox.shared.more.notified());
            more.as_mut().enable();
            if let Some(in_hand) = self.at_once() {
                return in_hand;
            }
            more.await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut slots = self.inbox.slots();
        match self.in_hand.take() {
            Some(in_hand) if self.inbox.left.inherits(self.worker) => {
                slots.remove(&self.worker);
                self.inbox.left.push(in_hand);
            }
            Some(in_hand) => drop(slots.insert(self.worker, Slot::Left(Box::new(in_hand)))),
            None => drop(slots.remove(&self.worker)),
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("name", self.name()).finish()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("name", self.inbox.name())
            .field("worker", &self.worker)
            .finish()
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
