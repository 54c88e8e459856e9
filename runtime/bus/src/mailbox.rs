//! The sending end of a mailbox: who gets in, and what happens when it is full.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::bus::Drain;
use crate::durable::Queue;
use crate::load::{self, Load};
use crate::order::Order;
use crate::{Envelope, Inbox, Partition};

/// A number of events, and of bytes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many events.
    pub events: usize,
    /// Of what size together.
    pub bytes: usize,
}

impl Default for Capacity {
    /// 1024 events in 16 MiB: sixteen of the largest events, or a thousand of 16 KiB.
    fn default() -> Self {
        Self {
            events: 1024,
            bytes: 16 * 1024 * 1024,
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} bytes", self.events, self.bytes)
    }
}

/// What a mailbox full by count or by bytes does with one event more.
///
/// | policy | from inside | from a door |
/// |---|---|---|
/// | `Reject` | the publish fails at once | refused from three quarters on: the door waits, which leaves the inside headroom |
/// | `DropOldest` | the oldest event goes and is counted | the same |
/// | `DropNewest` | the new event goes and is counted | the same |
/// | `DeadLetter` | the new event becomes a dead letter | the same |
///
/// `DropOldest` drops the oldest in the queue. It cannot reach events that wait for another of their key ([`MailboxSpec::partition`]):
/// where those take all the room, the new event goes.
///
/// There is no `Block`: two full actors that publish to each other would wait for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Refuse; the publisher decides.
    #[default]
    Reject,
    /// Keep what is new.
    DropOldest,
    /// Keep what is old.
    DropNewest,
    /// Keep both, the new one among the dead letters.
    DeadLetter,
}

impl Overflow {
    /// The word that the manifest has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// What a mailbox is made from.
#[derive(Clone, Debug, Default)]
pub struct MailboxSpec {
    /// The actor or door it belongs to, as errors and listings name it.
    pub name: Arc<str>,
    /// How much lies in it at most.
    pub capacity: Capacity,
    /// What happens past that.
    pub overflow: Overflow,
    /// What its events are kept in order by: those of one key are handled one at a time, in the order in which their queue has them,
    /// each when the one before has come to its end for good. Those of a durable topic are in no order with the others.
    pub partition: Option<Partition>,
}

/// The sending end of a mailbox; clones share it.
#[derive(Clone, Debug)]
pub struct Mailbox(pub(crate) Arc<Shared>);

/// What the two ends share. The receiver is here too, so that the queue outlives every reader and so that
/// [`Overflow::DropOldest`] can take from the front.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) capacity: Capacity,
    pub(crate) overflow: Overflow,
    pub(crate) sender: flume::Sender<Envelope>,
    pub(crate) receiver: flume::Receiver<Envelope>,
    pub(crate) load: Load,
    pub(crate) room: Room,
    pub(crate) counters: Counters,
    pub(crate) drain: Arc<Drain>,
    /// Whether its owner has left for good: whatever still comes is a dead letter.
    pub(crate) gone: AtomicBool,
    /// Told of what can be read.
    pub(crate) more: Arc<Notify>,
    /// What waits for it on durable topics, if it may hear any.
    pub(crate) durable: OnceLock<Arc<Queue>>,
    /// Whether it may hear a topic that knows events that come again.
    pub(crate) remembers: AtomicBool,
    /// Which of its events may run now, if they are kept in order by a key.
    pub(crate) order: Option<Arc<Order>>,
}

/// Wakes doors that wait for room; costs a mailbox that no door waits for one load.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// How many wait.
    waiting: AtomicUsize,
    made: Notify,
}

/// Counts one who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Room {
    fn wait(&self) -> Waiting<'_> {
        // SeqCst, as the load of the mailbox is: either who waits sees the room, or who makes it sees that somebody waits.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(&self.waiting)
    }

    fn made(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.made.notify_waiters();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) handled: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) duplicates: AtomicU64,
}

/// What a mailbox has seen since the node started, and what lies in it now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events waiting now, also for others of their key, and places reserved by running turns; of durable topics also those in hand.
    pub depth: usize,
    /// Events it took; those on topics of the system, and on durable topics, are not counted, as nobody waits for their end.
    pub accepted: u64,
    /// Turns that ended well.
    pub handled: u64,
    /// Turns that did not.
    pub failed: u64,
    /// Deliveries that were tried again.
    pub retried: u64,
    /// Events that ended as dead letters.
    pub dead: u64,
    /// Events that a dropping overflow ended.
    pub dropped: u64,
    /// Events that had been handled before, and were not again.
    pub duplicates: u64,
}

/// A publish from inside met a full mailbox that rejects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox of `{name}` is full ({capacity})")]
pub struct MailboxFull {
    /// Whose mailbox.
    pub name: Arc<str>,
    /// Its capacity.
    pub capacity: Capacity,
}

/// Room in a mailbox for one event. Dropped without being filled, it is given back.
#[derive(Debug)]
pub(crate) struct Place {
    mailbox: Mailbox,
    bytes: usize,
    held: bool,
}

/// Where an event came from, as far as room in a mailbox goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Door,
    Inside,
}

/// What filling a place came to.
pub(crate) enum Filled {
    Queued,
    /// The overflow policy dropped an event (this or an older one), and counted it.
    Dropped,
    /// The overflow policy wants this event among the dead letters.
    DeadLetter(Envelope, MailboxFull),
}

impl Mailbox {
    pub(crate) fn new(spec: MailboxSpec, drain: Arc<Drain>) -> (Self, Inbox) {
        let capacity = Capacity {
            events: spec.capacity.events.clamp(1, load::MAX.events),
            bytes: spec.capacity.bytes.clamp(1, load::MAX.bytes),
        };
        let (sender, receiver) = flume::bounded(capacity.events);
        let more = Arc::default();
        let order = |partition| Arc::new(Order::new(partition, Arc::clone(&more)));
        let order = spec.partition.map(order);
        let shared = Arc::new(Shared {
            name: spec.name,
            capacity,
            overflow: spec.overflow,
            sender,
            receiver,
            load: Load::default(),
            room: Room::default(),
            counters: Counters::default(),
            drain,
            gone: AtomicBool::new(false),
            more,
            durable: OnceLock::new(),
            remembers: AtomicBool::new(false),
            order,
        });
        (Self(Arc::clone(&shared)), Inbox::new(shared))
    }

    /// Whose mailbox this is.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// What waits for it on durable topics, if it may hear any.
    pub(crate) fn durable(&self) -> Option<&Arc<Queue>> {
        self.0.durable.get()
    }

    /// From now on it has what waits in `queue` too.
    pub(crate) fn read(&self, queue: &Arc<Queue>) {
        // Each has one queue, under its own name.
        if self.0.durable.set(Arc::clone(queue)).is_ok() {
            queue.read_by(&self.0.more);
        }
    }

    /// From now on it may hear a topic that knows events that come again.
    pub(crate) fn remember(&self) {
        self.0.remembers.store(true, Ordering::SeqCst);
    }

    /// Whether it ever might.
    pub(crate) fn remembers(&self) -> bool {
        self.0.remembers.load(Ordering::SeqCst)
    }

    /// What it has seen, and what lies in it now.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Room for one event of `bytes`, or the news that there is none. A lossy overflow always has room: what must go is
    /// decided when the place is filled, since a turn that fails fills nothing.
    pub(crate) fn reserve(&self, bytes: usize, from: Origin) -> Result<Place, MailboxFull> {
        let held = self.0.try_hold(bytes, from);
        if !held && self.0.overflow == Overflow::Reject {
            return Err(self.full());
        }
        Ok(Place {
            mailbox: self.clone(),
            bytes,
            held,
        })
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.0.overflow
    }

    /// Takes an event of a door if there is room now.
    ///
    /// # Errors
    /// The event, whatever the overflow says.
    pub(crate) fn take(&self, envelope: Envelope) -> Result<(), Envelope> {
        if !self.0.try_hold(envelope.size(), Origin::Door) {
            return Err(envelope);
        }
        self.0.push(envelope);
        Ok(())
    }

    /// The same, and else counts it as dropped.
    pub(crate) fn take_or_miss(&self, envelope: Envelope) {
        if let Err(envelope) = self.take(envelope) {
            self.miss(envelope);
        }
    }

    /// Counts an event as dropped.
    pub(crate) fn miss(&self, envelope: Envelope) {
        self.0.counters.dropped.fetch_add(1, Ordering::Relaxed);
        envelope.settle();
    }

    pub(crate) fn full(&self) -> MailboxFull {
        MailboxFull {
            name: Arc::clone(&self.0.name),
            capacity: self.0.capacity,
        }
    }

    /// Whether an event of `bytes` could ever fit.
    pub(crate) fn could_fit(&self, bytes: usize) -> bool {
        bytes <= self.0.capacity.bytes
    }

    /// Waits until a door may try an event of `bytes` again.
    pub(crate) async fn room(&self, bytes: usize) {
        loop {
            let waiting = self.0.room.wait();
            let mut woken = std::pin::pin!(self.0.room.made.notified());
            woken.as_mut().enable();
            if self.0.has_room(bytes) {
                return;
            }
            woken.await;
            drop(waiting);
        }
    }

    /// Whether its owner has left for good.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Another for each mailbox.
    pub(crate) fn address(&self) -> *const Shared {
        Arc::as_ptr(&self.0)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    fn try_hold(&self, bytes: usize, from: Origin) -> bool {
        self.load
            .try_add(bytes, |before, after| self.fits(from, before, after))
    }

    fn has_room(&self, bytes: usize) -> bool {
        let before = self.load.now();
        let after = Capacity {
            events: before.events + 1,
            bytes: before.bytes + bytes,
        };
        self.fits(Origin::Door, before, after)
    }

    fn fits(&self, from: Origin, before: Capacity, after: Capacity) -> bool {
        let Capacity { events, bytes } = self.capacity;
        match from {
            // A door stays below three quarters, but an empty mailbox takes any event that fits at all.
            Origin::Door if self.overflow == Overflow::Reject && before.events > 0 => {
                after.events <= events - events / 4 && after.bytes <= bytes - bytes / 4
            }
            Origin::Door | Origin::Inside => after.events <= events && after.bytes <= bytes,
        }
    }

    /// Gives a place back: its event was taken out of the queue, or never came.
    pub(crate) fn release(&self, bytes: usize) {
        self.load.remove(bytes);
        self.room.made();
    }

    /// One accepted event came to its end, if its end is waited for.
    pub(crate) fn ended(&self, awaited: bool) {
        if !awaited {
            return;
        }
        // SeqCst pairs with `Bus::idle`: either it sees this event ended, or this sees that it waits.
        self.counters.ended.fetch_add(1, Ordering::SeqCst);
        self.drain.wake();
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            depth: self.load.now().events + self.durable.get().map_or(0, |queue| queue.depth()),
            accepted: read(&self.counters.accepted),
            handled: read(&self.counters.handled),
            failed: read(&self.counters.failed),
            retried: read(&self.counters.retried),
            dead: read(&self.counters.dead),
            dropped: read(&self.counters.dropped),
            duplicates: read(&self.counters.duplicates),
        }
    }

    fn push(&self, envelope: Envelope) {
        if envelope.is_awaited() {
            self.counters.accepted.fetch_add(1, Ordering::SeqCst);
        }
        if let Err(refused) = self.sender.try_send(envelope) {
            // Places are never more than the queue is long, and the queue is never closed while `self` lives.
            debug_assert!(false, "a reserved place was not free");
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            self.ended(refused.into_inner().is_awaited());
        }
        // Who waited shortest: what it works with is still in the cache.
        self.more.notify_last();
    }

    /// Takes the oldest waiting event out and counts it as dropped; false when none waits.
    fn drop_oldest(&self, dropped: impl FnOnce(&Envelope)) -> bool {
        let Ok(oldest) = self.receiver.try_recv() else {
            return false;
        };
        self.release(oldest.size());
        self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        dropped(&oldest);
        let awaited = oldest.is_awaited();
        oldest.settle();
        self.ended(awaited);
        true
    }
}

impl Place {
    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Whether there is room for sure: one without is for an overflow policy to decide.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// `dropped` hears of each event that the overflow drops, before it is let go.
    pub(crate) fn fill(
        &mut self,
        envelope: Envelope,
        dropped: impl Fn(&Mailbox, &Envelope),
    ) -> Filled {
        let shared = &self.mailbox.0;
        if self.held {
            self.held = false; // the place is the queue's now; whoever takes the event out gives it back
            shared.push(envelope);
            return Filled::Queued;
        }
        match shared.overflow {
            Overflow::DeadLetter => {
                shared.counters.dead.fetch_add(1, Ordering::Relaxed);
                return Filled::DeadLetter(envelope, self.mailbox.full());
            }
            Overflow::DropOldest if self.mailbox.could_fit(self.bytes) => loop {
                // Room may have come since the place was asked for.
                if shared.try_hold(self.bytes, Origin::Inside) {
                    shared.push(envelope);
                    return Filled::Dropped;
                }
                if !shared.drop_oldest(|oldest| dropped(&self.mailbox, oldest)) {
                    break; // all room is reserved by turns that still run: nothing older is here to drop
                }
            },
            Overflow::DropOldest | Overflow::DropNewest | Overflow::Reject => {}
        }
        shared.counters.dropped.fetch_add(1, Ordering::Relaxed);
        dropped(&self.mailbox, &envelope);
        envelope.settle();
        Filled::Dropped
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            self.mailbox.0.release(self.bytes);
        }
    }
}
