//! Events that could not be handled, with their cause.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use whirlwind_event::{Event, Topic};

use crate::Envelope;
use crate::durable::Shelf;

/// The longest cause kept with a dead letter: room for a trap with its backtrace.
const MAX_ERROR: usize = 8 * 1024;

/// An event that ended without being handled.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Counted per node, from 1, and on over its restarts; never used twice.
    pub id: u64,
    /// The topic it was published on.
    pub topic: Topic,
    /// Who could not handle it.
    pub actor: Arc<str>,
    /// Why it is here.
    pub reason: Reason,
    /// Which attempt it had come to, counted from 1.
    pub attempts: u32,
    /// The last failure in words, with the trap's text where there was one.
    pub error: String,
    /// When it was recorded.
    pub at: SystemTime,
    /// The event itself.
    pub event: Arc<Event>,
    /// Whether it lies in the store, since its topic is durable: then it is there again after the end of the process.
    pub durable: bool,
}

/// What is to be a dead letter.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) topic: Topic,
    pub(crate) event: Arc<Event>,
    pub(crate) hops: u32,
    /// Whether it is a dead letter on its dead-letter topic already.
    pub(crate) is_letter: bool,
    pub(crate) actor: Arc<str>,
    pub(crate) reason: Reason,
    attempts: u32,
    error: String,
}

impl Dead {
    pub(crate) fn new(
        envelope: &Envelope,
        actor: Arc<str>,
        reason: Reason,
        mut error: String,
    ) -> Self {
        if error.len() > MAX_ERROR {
            error.truncate(error.floor_char_boundary(MAX_ERROR));
            error.push_str("...");
        }
        Self {
            topic: envelope.topic.clone(),
            event: Arc::clone(&envelope.event),
            hops: envelope.hops,
            is_letter: envelope.is_letter,
            actor,
            reason,
            attempts: envelope.attempt,
            error,
        }
    }

    /// The letter, as of now.
    pub(crate) fn letter(self, id: u64, durable: bool) -> DeadLetter {
        DeadLetter {
            id,
            topic: self.topic,
            actor: self.actor,
            reason: self.reason,
            attempts: self.attempts,
            error: self.error,
            at: SystemTime::now(),
            event: self.event,
            durable,
        }
    }
}

/// Why an event became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every attempt failed.
    MaxDeliver,
    /// The handler refused it.
    Rejected,
    /// The mailbox was full and its overflow is [`Overflow::DeadLetter`](crate::Overflow::DeadLetter), or the event could never fit.
    MailboxFull,
    /// More turns lay behind it than `max_hops` allows: a loop.
    MaxHops,
    /// The node ended before its turn came, or while it waited to be tried again.
    NodeEnded,
    /// Its actor left the supervision tree for good.
    ActorGone,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::MaxDeliver,
        Self::Rejected,
        Self::MailboxFull,
        Self::MaxHops,
        Self::NodeEnded,
        Self::ActorGone,
    ];

    /// The word that listings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxDeliver => "max-deliver",
            Self::Rejected => "rejected",
            Self::MailboxFull => "mailbox-full",
            Self::MaxHops => "max-hops",
            Self::NodeEnded => "node-ended",
            Self::ActorGone => "actor-gone",
        }
    }
}

/// A word that is no [`Reason`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is no reason of a dead letter", whirlwind_event::Excerpt::of(.0))]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        let mut known = Self::ALL.into_iter();
        known
            .find(|reason| reason.as_str() == word)
            .ok_or_else(|| UnknownReason(word.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many dead letters are kept. Past either bound the oldest is pushed out and counted.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterLimits {
    /// How many.
    pub count: usize,
    /// Of what size together, in bytes.
    pub bytes: usize,
}

impl Default for DeadLetterLimits {
    /// 10,000 letters in 64 MiB: four mailboxes' worth of bytes, ten of events.
    fn default() -> Self {
        Self {
            count: 10_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The dead letters of a node, kept in memory.
#[derive(Debug)]
pub struct DeadLetters {
    limits: DeadLetterLimits,
    kept: Mutex<Kept>,
    /// Where those that are durable lie.
    shelf: OnceLock<Shelf>,
}

#[derive(Debug, Default)]
struct Kept {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
    last_id: u64,
    recorded: u64,
    pushed_out: u64,
    /// Whether the box takes whatever comes, since it is about to be written away.
    unbounded: bool,
}

/// How many dead letters there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// Kept now.
    pub kept: usize,
    /// Recorded since the start, without those that were put back in at the start.
    pub recorded: u64,
    /// Pushed out of a full box since the start: they are lost.
    pub pushed_out: u64,
}

impl DeadLetters {
    /// An empty box.
    pub fn new(limits: DeadLetterLimits) -> Self {
        Self {
            limits,
            kept: Mutex::default(),
            shelf: OnceLock::new(),
        }
    }

    /// Records what died; answers the letter's id, which letters made room for it, and what `shelve` did.
    ///
    /// A durable one is put on the shelf by `shelve`, under the lock of the box: whatever anybody does with the letter is
    /// committed after it. It gets none where the letter is too large for the box, and went out of it at once. It may neither
    /// wait nor record.
    pub(crate) fn record<T>(
        &self,
        dead: Dead,
        durable: bool,
        shelve: impl FnOnce(Option<&DeadLetter>) -> T,
    ) -> (u64, Vec<DeadLetter>, T) {
        let mut kept = self.lock();
        let id = kept.last_id + 1;
        kept.recorded += 1;
        let pushed_out = self.keep(&mut kept, dead.letter(id, durable));
        let mut newest = kept.letters.iter().rev();
        let shelved = shelve(newest.find(|letter| letter.id == id));
        (id, pushed_out, shelved)
    }

    /// An id for a letter that is recorded [later](Self::record_stored), if at all.
    pub(crate) fn next_id(&self) -> u64 {
        let mut kept = self.lock();
        kept.last_id += 1;
        kept.last_id
    }

    /// Records a letter that lies on the shelf already; answers which letters made room for it.
    pub(crate) fn record_stored(&self, letter: DeadLetter) -> Vec<DeadLetter> {
        let mut kept = self.lock();
        kept.recorded += 1;
        self.keep(&mut kept, letter)
    }

    /// The store has not taken a letter, or has lost it again: it is in memory, wherever it went meanwhile.
    pub(crate) fn unshelved(&self, letter: DeadLetter) {
        let mut kept = self.lock();
        let mut found = kept.letters.iter_mut();
        match found.find(|other| other.id == letter.id) {
            Some(found) => found.durable = false,
            None => {
                let durable = false;
                self.keep(&mut kept, DeadLetter { durable, ..letter });
            }
        }
    }

    /// Puts a letter of an earlier node back in, in the order of ids. Ids go on after the highest ever seen.
    pub fn restore(&self, letter: DeadLetter) {
        self.keep(&mut self.lock(), letter);
    }

    /// Durable letters lie on this shelf from now on, on which there were ids up to `last`.
    pub(crate) fn shelve(&self, shelf: Shelf, last: u64) {
        let mut kept = self.lock();
        kept.last_id = kept.last_id.max(last);
        drop(kept);
        // Once, before anything dies.
        let _ = self.shelf.set(shelf);
    }

    /// Undoes the recording of a letter whose event has not ended after all.
    pub(crate) fn unrecord(&self, id: u64) {
        let mut kept = self.lock();
        if let Some(place) = kept.letters.iter().position(|letter| letter.id == id) {
            kept.recorded -= 1;
            let letter = kept.letters.remove(place);
            kept.bytes -= letter.as_ref().map_or(0, size);
        }
    }

    /// Takes letters that are out of the box off the shelf too. Under the lock of the box, so that the highest id on the shelf
    /// only grows.
    fn clear_off<'a>(&self, kept: &Kept, letters: impl IntoIterator<Item = &'a DeadLetter>) {
        if let Some(shelf) = self.shelf.get() {
            let durable = letters.into_iter().filter(|letter| letter.durable);
            shelf.remove(durable.map(|letter| letter.id), kept.last_id);
        }
    }

    /// Puts a letter in; answers those that made room for it.
    fn keep(&self, kept: &mut Kept, letter: DeadLetter) -> Vec<DeadLetter> {
        kept.last_id = kept.last_id.max(letter.id);
        kept.bytes += size(&letter);
        let place = kept.letters.partition_point(|before| before.id < letter.id);
        kept.letters.insert(place, letter);
        let mut pushed_out = Vec::new();
        let DeadLetterLimits { count, bytes } = self.limits;
        while !kept.unbounded && (kept.letters.len() > count || kept.bytes > bytes) {
            let Some(oldest) = kept.letters.pop_front() else {
                break;
            };
            kept.bytes -= size(&oldest);
            kept.pushed_out += 1;
            pushed_out.push(oldest);
        }
        self.clear_off(kept, &pushed_out);
        pushed_out
    }

    /// From now on nothing is pushed out any more: for the end, when all of it is about to be written away.
    pub fn lift_bounds(&self) {
        self.lock().unbounded = true;
    }

    /// All that are kept, oldest first.
    pub fn list(&self) -> Vec<DeadLetter> {
        self.lock().letters.iter().cloned().collect()
    }

    /// The ids of all that are kept, oldest first.
    pub fn ids(&self) -> Vec<u64> {
        self.lock().letters.iter().map(|letter| letter.id).collect()
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<DeadLetter> {
        self.lock().letters.iter().find(|l| l.id == id).cloned()
    }

    /// Takes one out, to forget it.
    pub fn take(&self, id: u64) -> Option<DeadLetter> {
        let taken = self.take_if(id, |_, _| Ok::<_, std::convert::Infallible>(()));
        let Ok((letter, ())) = taken?;
        self.off_shelf(&letter);
        Some(letter)
    }

    /// Takes one that is out of the box off the shelf too, if it lies there.
    pub(crate) fn off_shelf(&self, letter: &DeadLetter) {
        self.clear_off(&self.lock(), [letter]);
    }

    /// Takes one out if `may`, which is told the highest id there was too, says so, in one step: of several who try, one has it. `may` runs under the lock of the box, so it may
    /// neither wait nor record. A durable one stays on its shelf.
    pub(crate) fn take_if<T, E>(
        &self,
        id: u64,
        may: impl FnOnce(&DeadLetter, u64) -> Result<T, E>,
    ) -> Option<Result<(DeadLetter, T), E>> {
        let mut kept = self.lock();
        let place = kept.letters.iter().position(|l| l.id == id)?;
        let got = match may(kept.letters.get(place)?, kept.last_id) {
            Ok(got) => got,
            Err(error) => return Some(Err(error)),
        };
        let letter = kept.letters.remove(place)?;
        kept.bytes -= size(&letter);
        Some(Ok((letter, got)))
    }

    /// Forgets all of them; answers how many.
    pub fn clear(&self) -> usize {
        let mut kept = self.lock();
        kept.bytes = 0;
        let letters = std::mem::take(&mut kept.letters);
        self.clear_off(&kept, &letters);
        letters.len()
    }

    /// How many there are and were, as of one moment.
    pub fn counts(&self) -> DeadLetterCounts {
        let kept = self.lock();
        DeadLetterCounts {
            kept: kept.letters.len(),
            recorded: kept.recorded,
            pushed_out: kept.pushed_out,
        }
    }

    /// How many are kept now.
    pub fn len(&self) -> usize {
        self.lock().letters.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were recorded since the start.
    pub fn recorded(&self) -> u64 {
        self.lock().recorded
    }

    /// How many a full box pushed out since the start.
    pub fn pushed_out(&self) -> u64 {
        self.lock().pushed_out
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics between two changes that belong together.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(letter: &DeadLetter) -> usize {
    letter.event.size() + letter.error.len()
}
