//! What is due when. One sleep serves them all.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{children::Key, plan::PlanId};

/// What is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// A plan has waited long enough.
    Plan(PlanId),
    /// The time a child has to end is over.
    Child(Key),
}

/// Names a timer, to disarm it.
pub(super) type TimerId = (Instant, u64);

#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, Timer>,
    armed: u64,
}

impl Timers {
    pub(super) fn arm(&mut self, at: Instant, timer: Timer) -> TimerId {
        self.armed += 1;
        let id = (at, self.armed);
        self.due.insert(id, timer);
        id
    }

    pub(super) fn disarm(&mut self, id: TimerId) {
        self.due.remove(&id);
    }

    /// When the next one is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first one that is due at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.first()? > now {
            return None;
        }
        self.due.pop_first().map(|(_, timer)| timer)
    }
}
