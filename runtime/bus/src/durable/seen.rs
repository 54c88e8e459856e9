//! Events that were seen, so that one that comes again is known.
//!
//! What a subscriber remembers of an event it handled is two entries of [`Space::Seen`], written with the turn:
//!
//! ```text
//! 0 | subscriber u32 | source | 0 | id    ->  number u64 | time u64               found by who the event is
//! 1 | subscriber u32 | number u64         ->  time u64 | source | 0 | id          in the order of age
//! ```
//!
//! Big-endian, so that the order of bytes is that of numbers; the time in nanoseconds since 1970. A source is a
//! URI-reference, in which no byte is 0.
//!
//! Turns only write. What falls out of the window is [swept](Seen::sweep) beside them, from the oldest number on.

use std::collections::HashMap;
use std::mem;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use whirlwind_event::Event;
use whirlwind_store::{Batch, ReadError, Space, Store};

/// The first byte of an entry that is found by who its event is.
const BY_IDENTITY: u8 = 0;
/// That of one in the order of age.
const BY_AGE: u8 = 1;
/// The byte after those.
const END: u8 = 2;

/// Bytes before the identity, or the number.
const PREFIX: usize = 1 + size_of::<u32>();

/// Entries that one sweep looks at, each an event. Fewer in tests, as below, so that a few events get there.
const SWEPT: usize = if cfg!(test) { 4 } else { 256 };

/// Bytes of a batch of a sweep from which it takes no more: what 256 identities of usual length come to, many times.
/// The longest are 64 KiB.
const SWEPT_BYTES: usize = if cfg!(test) { 700 } else { 1024 * 1024 };

/// Keys that are counted at a time.
const COUNTED: usize = if cfg!(test) { 4 } else { 4096 };

/// How far back events are known: an event outside of either bound is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenWindow {
    /// How many events of one subscriber, the latest by their numbers. Those before them are known until they are swept.
    pub count: u64,
    /// How long after it was handled, by the clock of the system. Where that steps back, for as much longer.
    pub age: Duration,
}

/// An event is new, and the batch of its turn will remember it. For [`Seen::remembered`], once that batch is durable.
#[derive(Debug)]
#[must_use = "what is not counted is swept late"]
pub(crate) struct Fresh {
    subscriber: u32,
    number: u64,
    time: u64,
    /// Whether this is one entry more, and not in place of one that was too old.
    added: bool,
}

impl SeenWindow {
    /// Asks, as part of a turn, whether `subscriber` has handled this event within the window. If not, the batch remembers
    /// it: from the moment on at which the batch is taken, and not if it is not. `None`: it was handled, so it is to be
    /// acknowledged and not handled again.
    ///
    /// The answer is compared when the batch is committed: of two turns with copies of one event, one is a conflict.
    ///
    /// `number` grows with the order in which events were accepted, and is never that of another event of this subscriber,
    /// copies included.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn check(
        &self,
        batch: &mut Batch,
        store: &Store,
        subscriber: u32,
        event: &Event,
        number: u64,
        now: SystemTime,
    ) -> Result<Option<Fresh>, ReadError> {
        let identity = identity(event);
        let by_identity = by_identity(subscriber, &identity);
        let before = batch.get(store, Space::Seen, &by_identity)?;
        let now = nanos(now);
        if let Some(before) = &before {
            let (number, time) = numbers(before)?;
            if !self.is_past(time, now) {
                return Ok(None);
            }
            batch.delete(Space::Seen, by_age(subscriber, number));
        }
        let time = now.to_be_bytes();
        batch.put(
            Space::Seen,
            by_identity,
            [number.to_be_bytes(), time].concat(),
        );
        batch.put(
            Space::Seen,
            by_age(subscriber, number),
            [&time[..], &identity].concat(),
        );
        Ok(Some(Fresh {
            subscriber,
            number,
            time: now,
            added: before.is_none(),
        }))
    }

    /// Whether an event of this time is too old.
    fn is_past(&self, time: u64, now: u64) -> bool {
        u128::from(now.saturating_sub(time)) > self.age.as_nanos()
    }
}

/// How much is remembered in one store, to know what to sweep.
///
/// It counts an entry once it is durable, and one that is swept no more from then on. A count may therefore be too low, which
/// keeps an event for longer; it is never too high.
#[derive(Debug)]
pub(crate) struct Seen(Mutex<HashMap<u32, Held>>);

/// What is remembered for one subscriber.
#[derive(Debug, Default)]
struct Held {
    /// Below zero while entries are swept before it is known that they are durable.
    entries: i64,
    /// No entry has a lower number; 0 where that is not known. A look begins here, and not at what was swept before, which
    /// the store passes over one by one until the deletions are in its tree.
    first: u64,
    /// No entry is older; 0 where that is not known.
    earliest: u64,
    /// How many were remembered since somebody was told to sweep.
    since: usize,
}

/// A batch that deletes what is out of the window.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// To be committed, by itself or with what else is written beside turns.
    pub(crate) batch: Batch,
    /// For [`Seen::kept`], should that fail.
    pub(crate) evicted: Evicted,
}

/// How much a sweep deletes.
#[derive(Debug)]
pub(crate) struct Evicted {
    subscriber: u32,
    entries: i64,
}

impl Seen {
    /// Counts what a store remembers. Before the first turn. Answers the highest number too.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn open(store: &Store) -> Result<(Self, Option<u64>), ReadError> {
        let mut held = HashMap::<u32, Held>::new();
        let (mut after, mut highest) = (vec![BY_AGE], None);
        loop {
            let range = (Bound::Excluded(&*after), Bound::Excluded(&[END][..]));
            let keys = store.scan_keys(Space::Seen, range, COUNTED)?;
            for key in &keys {
                let (subscriber, number) = parse_by_age(key)?;
                highest = highest.max(Some(number));
                held.entry(subscriber).or_default().entries += 1;
            }
            match keys.last() {
                Some(last) if keys.len() == COUNTED => after = last.to_vec(),
                _ => return Ok((Self(Mutex::new(held)), highest)),
            }
        }
    }

    /// Those who remember something, in no order.
    pub(crate) fn subscribers(&self) -> Vec<u32> {
        self.held().keys().copied().collect()
    }

    /// The batch of a fresh event is durable.
    pub(crate) fn remembered(&self, fresh: Fresh) {
        let mut all = self.held();
        let held = all.entry(fresh.subscriber).or_insert_with(Held::nothing);
        held.entries += i64::from(fresh.added);
        held.since += 1;
        held.first = held.first.min(fresh.number);
        held.earliest = held.earliest.min(fresh.time);
    }

    /// Whether so many were remembered for a subscriber that a sweep is worth its look: once for each time it is.
    pub(crate) fn is_due(&self, subscriber: u32) -> bool {
        let mut all = self.held();
        let Some(held) = all.get_mut(&subscriber).filter(|held| held.since >= SWEPT) else {
            return false;
        };
        held.since = 0;
        true
    }

    /// Finds what of a subscriber's is out of the window: some of it, the oldest by their numbers. `None` where there is
    /// nothing, which is usually known without a look at the store. Call it again until then.
    ///
    /// One that is inside of both bounds is not swept. The batch is a conflict where a turn remembers one of its events anew.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn sweep(
        &self,
        store: &Store,
        subscriber: u32,
        now: SystemTime,
        window: &SeenWindow,
    ) -> Result<Option<Sweep>, ReadError> {
        let now = nanos(now);
        let count = i64::try_from(window.count).unwrap_or(i64::MAX);
        let (excess, first) = {
            let mut all = self.held();
            let Some(held) = all.get_mut(&subscriber) else {
                return Ok(None);
            };
            let excess = held.entries.saturating_sub(count).max(0);
            if excess == 0 && !window.is_past(held.earliest, now) {
                return Ok(None);
            }
            // So that what is remembered from here on is not missed.
            let first = mem::replace(&mut held.first, u64::MAX);
            held.earliest = u64::MAX;
            (usize::try_from(excess).unwrap_or(usize::MAX), first)
        };
        let found = find(store, subscriber, first, |place, time| {
            place < excess || window.is_past(time, now)
        });
        let mut all = self.held();
        let held = all.entry(subscriber).or_insert_with(Held::nothing);
        let found = found.inspect_err(|_| held.look_again())?;
        held.first = held.first.min(found.first);
        held.earliest = held.earliest.min(found.earliest);
        held.entries -= found.evicted;
        if held.entries == 0 && held.earliest == u64::MAX {
            all.remove(&subscriber);
        }
        Ok((!found.batch.is_empty()).then_some(Sweep {
            batch: found.batch,
            evicted: Evicted {
                subscriber,
                entries: found.evicted,
            },
        }))
    }

    /// The batch of a sweep was not taken, or was undone: what it would have deleted is still there.
    pub(crate) fn kept(&self, evicted: Evicted) {
        let mut all = self.held();
        let held = all.entry(evicted.subscriber).or_default();
        held.entries += evicted.entries;
        held.look_again();
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u32, Held>> {
        // Nothing in here panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn nothing() -> Self {
        Self {
            entries: 0,
            first: u64::MAX,
            earliest: u64::MAX,
            since: 0,
        }
    }

    fn look_again(&mut self) {
        self.first = 0;
        self.earliest = 0;
    }
}

/// What a look at the oldest entries of a subscriber found.
struct Found {
    batch: Batch,
    evicted: i64,
    /// The lowest number of those that stay.
    first: u64,
    /// The time of the earliest that stays; 0 where that is not known.
    earliest: u64,
}

/// Looks at the oldest entries, none of which has a number below `first`, and deletes those that `is_out`, by their place from
/// the oldest and their time.
fn find(
    store: &Store,
    subscriber: u32,
    first: u64,
    is_out: impl Fn(usize, u64) -> bool,
) -> Result<Found, ReadError> {
    let mut found = Found {
        batch: Batch::new(),
        evicted: 0,
        first: u64::MAX,
        earliest: u64::MAX,
    };
    let (from, to) = (by_age(subscriber, first), by_age(subscriber, u64::MAX));
    let range = (Bound::Included(&*from), Bound::Included(&*to));
    let entries = store.scan(Space::Seen, range, SWEPT)?;
    let mut all = entries.len() < SWEPT;
    let mut next = u64::MAX;
    for (place, (key, value)) in entries.into_iter().enumerate() {
        let (_, number) = parse_by_age(&key)?;
        if found.batch.size() >= SWEPT_BYTES {
            all = false;
            next = number;
            break;
        }
        next = number.saturating_add(1);
        let (time, identity) = parse_aged(&value)?;
        if !is_out(place, time) {
            found.first = found.first.min(number);
            found.earliest = found.earliest.min(time);
            continue;
        }
        let by_identity = by_identity(subscriber, identity);
        // Through the batch, so that a turn that remembers this event anew in the meantime makes it a conflict.
        let latest = found.batch.get(store, Space::Seen, &by_identity)?;
        if let Some(latest) = latest
            && numbers(&latest)?.0 == number
        {
            found.batch.delete(Space::Seen, by_identity);
        }
        found.batch.delete(Space::Seen, key);
        found.evicted += 1;
    }
    if !all {
        found.first = found.first.min(next);
        if found.evicted > 0 {
            found.earliest = 0;
        }
    }
    Ok(found)
}

/// What tells an event from every other: CloudEvents 1.0.2, "id".
fn identity(event: &Event) -> Vec<u8> {
    [event.source().as_bytes(), &[0], event.id().as_bytes()].concat()
}

fn by_identity(subscriber: u32, identity: &[u8]) -> Vec<u8> {
    [&[BY_IDENTITY], &subscriber.to_be_bytes()[..], identity].concat()
}

fn by_age(subscriber: u32, number: u64) -> Vec<u8> {
    let (subscriber, number) = (subscriber.to_be_bytes(), number.to_be_bytes());
    [&[BY_AGE], &subscriber[..], &number[..]].concat()
}

/// The subscriber and the number in a key in the order of age.
fn parse_by_age(key: &[u8]) -> Result<(u32, u64), ReadError> {
    let (prefix, number) = key.split_at_checked(PREFIX).ok_or(DAMAGED)?;
    let subscriber = prefix.last_chunk().ok_or(DAMAGED)?;
    let number = number.try_into().map_err(|_| DAMAGED)?;
    Ok((u32::from_be_bytes(*subscriber), u64::from_be_bytes(number)))
}

/// The time and the identity in its value.
fn parse_aged(value: &[u8]) -> Result<(u64, &[u8]), ReadError> {
    let (time, identity) = value.split_first_chunk().ok_or(DAMAGED)?;
    Ok((u64::from_be_bytes(*time), identity))
}

/// The number and the time in the value of an entry that is found by its identity.
fn numbers(value: &[u8]) -> Result<(u64, u64), ReadError> {
    let (number, time) = value.split_first_chunk().ok_or(DAMAGED)?;
    let time = time.try_into().map_err(|_| DAMAGED)?;
    Ok((u64::from_be_bytes(*number), u64::from_be_bytes(time)))
}

const DAMAGED: ReadError = ReadError::Damaged { space: Space::Seen };

/// Nanoseconds since 1970, until 2554.
fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
