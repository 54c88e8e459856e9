//! Which answer belongs to which event.
//!
//! | how | when | which |
//! |---|---|---|
//! | by number | the first answer begins with a number of this run | the event with that number |
//! | by order | it does not, or all events have the same data | of the accepted events that wait and were sent before it came, the one sent first: right where one instance answers each event once |
//!
//! An answer may be here before the acknowledgement of its event. It counts once the event is accepted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::latency::Latencies;
use super::payload::{Run, Stamp};
use crate::exit::Failure;

/// The most events that wait for an answer at a time, in about 100 MiB. Past that the oldest is given up.
const MOST: usize = 1024 * 1024;

/// How an answer finds its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Number,
    Order,
}

impl By {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Order => "order",
        }
    }
}

/// An event that waits for its answer.
#[derive(Debug)]
struct Pending {
    /// Where its latency begins.
    from: Instant,
    sent: Instant,
    accepted: bool,
    /// When the answer came, where that was before the acknowledgement.
    answered: Option<Instant>,
    /// Dropped, it lets the next event of a closed loop go.
    _place: Option<oneshot::Sender<()>>,
}

/// The answers to a run, and the events that wait for theirs.
#[derive(Debug)]
pub(super) struct Answers {
    run: Run,
    /// Known from the first answer on.
    by: Option<By>,
    pending: BTreeMap<u64, Pending>,
    /// Accepted and waiting, in the order in which they were sent. Empty when answers are found by number.
    accepted: BTreeSet<(Instant, u64)>,
    /// Answers by order for which there is no accepted event yet.
    early: VecDeque<Instant>,
    /// Sent, and neither accepted nor refused yet: at most a window of them.
    in_flight: BTreeSet<(Instant, u64)>,
    /// Accepted and waiting.
    waiting: u64,
    given_up: u64,
    /// Answers that the node's buffer had no room for, as it said.
    missed: u64,
    /// Those of them whose event is known, and no longer waits.
    unseen: u64,
    pub(super) unexpected: u64,
    pub(super) latencies: Latencies,
    /// When the last answer came.
    pub(super) last: Option<Instant>,
    most: usize,
}

impl Answers {
    /// `by` where it is known before the first answer.
    pub(super) fn new(run: Run, by: Option<By>) -> Result<Self, Failure> {
        Ok(Self {
            run,
            by,
            pending: BTreeMap::new(),
            accepted: BTreeSet::new(),
            early: VecDeque::new(),
            in_flight: BTreeSet::new(),
            waiting: 0,
            given_up: 0,
            missed: 0,
            unseen: 0,
            unexpected: 0,
            latencies: Latencies::new()?,
            last: None,
            most: MOST,
        })
    }

    pub(super) fn by(&self) -> Option<By> {
        self.by
    }

    /// Accepted events whose answer may still come.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Answers that the node had no room for.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// Accepted events without an answer, for which no missed answer can be blamed.
    pub(super) fn lost(&self) -> u64 {
        (self.waiting + self.given_up).saturating_sub(self.missed - self.unseen)
    }

    /// An event goes out. What is answered resolves when its place is free for the next one: it was answered, or refused.
    pub(super) fn sent(
        &mut self,
        number: u64,
        from: Instant,
        at: Instant,
        holds_place: bool,
    ) -> Option<oneshot::Receiver<()>> {
        let (place, free) = match holds_place {
            true => {
                let (place, free) = oneshot::channel();
                (Some(place), Some(free))
            }
            false => (None, None),
        };
        self.in_flight.insert((at, number));
        let pending = Pending {
            from,
            sent: at,
            accepted: false,
            answered: None,
            _place: place,
        };
        self.pending.insert(number, pending);
        if self.pending.len() > self.most {
            self.give_up_oldest();
        }
        free
    }

    pub(super) fn accepted(&mut self, number: u64) {
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        self.in_flight.remove(&(pending.sent, number));
        pending.accepted = true;
        self.waiting += 1;
        if let Some(at) = pending.answered {
            self.complete(number, at);
        } else if self.by != Some(By::Number) {
            self.accepted.insert((pending.sent, number));
            self.pair();
        }
    }

    pub(super) fn refused(&mut self, number: u64) {
        let Some(event) = self.pending.remove(&number) else {
            return;
        };
        self.in_flight.remove(&(event.sent, number));
        self.unexpected += u64::from(event.answered.is_some());
        self.pair();
    }

    /// An answer came.
    pub(super) fn came(&mut self, data: Option<&[u8]>, at: Instant) {
        let stamp = match self.by {
            Some(By::Order) => Stamp::None,
            _ => self.run.read(data.unwrap_or_default()),
        };
        match (self.by, stamp) {
            // It says nothing of how this run's answers look.
            (_, Stamp::Foreign) => self.unexpected += 1,
            (_, Stamp::Ours(number)) => {
                self.by = Some(By::Number);
                self.accepted.clear();
                self.answer_of(number, at);
            }
            (Some(By::Number), Stamp::None) => self.unexpected += 1,
            (_, Stamp::None) => {
                self.by = Some(By::Order);
                self.early.push_back(at);
                self.pair();
            }
        }
    }

    /// So many answers were not seen. By order it is known whose: of those that wait the first ones'.
    pub(super) fn missed_some(&mut self, count: u64) {
        self.missed += count;
        if self.by != Some(By::Order) {
            return;
        }
        for _ in 0..count {
            let Some((_, number)) = self.accepted.pop_first() else {
                return;
            };
            self.pending.remove(&number);
            self.waiting = self.waiting.saturating_sub(1);
            self.unseen += 1;
        }
    }

    fn answer_of(&mut self, number: u64, at: Instant) {
        match self.pending.get_mut(&number) {
            Some(event) if event.accepted => self.complete(number, at),
            Some(event) if event.answered.is_none() => event.answered = Some(at),
            // A second answer, or one to an event that was refused or given up.
            _ => self.unexpected += 1,
        }
    }

    /// Brings answers and accepted events together, the first with the first. An answer that came before any of them was sent
    /// belongs to one that is still in flight, and waits for it; where there is none, or not enough of them, to no event at all.
    fn pair(&mut self) {
        let mut early = VecDeque::new();
        while let Some(at) = self.early.pop_front() {
            match self.accepted.first().copied() {
                Some((sent, number)) if sent <= at => {
                    self.accepted.pop_first();
                    self.complete(number, at);
                }
                _ => early.push_back(at),
            }
        }
        let oldest = self.in_flight.first().map(|(sent, _)| *sent);
        while let Some(at) = early.front() {
            if early.len() <= self.in_flight.len() && oldest.is_some_and(|sent| sent <= *at) {
                break;
            }
            early.pop_front();
            self.unexpected += 1;
        }
        self.early = early;
    }

    fn complete(&mut self, number: u64, at: Instant) {
        if let Some(event) = self.pending.remove(&number) {
            self.waiting = self.waiting.saturating_sub(1);
            self.latencies
                .record(at.saturating_duration_since(event.from));
            self.last = self.last.max(Some(at));
        }
    }

    fn give_up_oldest(&mut self) {
        let oldest = match self.by {
            // Only events in flight stand before it: at most a window of them.
            Some(By::Number) => {
                let mut events = self.pending.iter();
                events
                    .find(|(_, event)| event.accepted)
                    .map(|(number, _)| *number)
            }
            _ => self.accepted.pop_first().map(|(_, number)| number),
        };
        if let Some(number) = oldest {
            self.pending.remove(&number);
            self.waiting = self.waiting.saturating_sub(1);
            self.given_up += 1;
        }
    }

    /// When all that will come has come: so long after the last answer, or after the end of sending.
    pub(super) fn quiet_at(&self, end_of_sending: Instant, grace: Duration) -> Instant {
        self.last
            .map_or(end_of_sending, |last| last.max(end_of_sending))
            + grace
    }
}

#[cfg(test)]
mod tests;
