//! What is counted and measured while events go out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answers::Answers;
use super::latency::Latencies;
use super::schedule::Ticket;
use crate::exit::Failure;

/// The sums of a run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// Accepted, and nobody subscribed.
    pub(super) unrouted: u64,
    /// Why the first one was refused.
    pub(super) first_refusal: Option<Failure>,
    /// From when an event was due, or without a rate from when it was sent, to its acknowledgement.
    pub(super) acknowledged: Latencies,
    /// How late events of an open loop went out by the fault of this process: after they were due, and there was a place.
    pub(super) lateness: Latencies,
    pub(super) answers: Option<Answers>,
    /// When the last word came from the node, or without any when the last event went out.
    pub(super) last: Instant,
    /// Whether an event holds its place until it is answered.
    holds_places: bool,
}

/// A tally that is shared by all senders. Each holds it for less than a microsecond.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Tally>>);

impl Shared {
    pub(super) fn new(tally: Tally) -> Self {
        Self(Arc::new(Mutex::new(tally)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// `holds_places`: without a rate and with answers, an event is in flight until it is answered.
    pub(super) fn new(
        start: Instant,
        answers: Option<Answers>,
        holds_places: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            sent: 0,
            accepted: 0,
            refused: 0,
            unrouted: 0,
            first_refusal: None,
            acknowledged: Latencies::new()?,
            lateness: Latencies::new()?,
            answers,
            last: start,
            holds_places,
        })
    }

    /// An event goes out; its sender was free for it from `free` on. What is answered resolves when the event is.
    pub(super) fn sent(
        &mut self,
        ticket: Ticket,
        free: Instant,
        at: Instant,
    ) -> Option<oneshot::Receiver<()>> {
        self.sent += 1;
        self.last = self.last.max(at);
        if let Some(due) = ticket.due {
            self.lateness
                .record(at.saturating_duration_since(due.max(free)));
        }
        let from = ticket.due.unwrap_or(at);
        let holds = self.holds_places;
        self.answers
            .as_mut()
            .and_then(|answers| answers.sent(ticket.number, from, at, holds))
    }

    pub(super) fn accepted(
        &mut self,
        ticket: Ticket,
        sent: Instant,
        at: Instant,
        delivered: usize,
    ) {
        self.accepted += 1;
        self.unrouted += u64::from(delivered == 0);
        self.last = self.last.max(at);
        // Not from when it was sent: what an event waits because those before it were held up is part of its latency.
        let from = ticket.due.unwrap_or(sent);
        self.acknowledged.record(at.saturating_duration_since(from));
        if let Some(answers) = &mut self.answers {
            answers.accepted(ticket.number);
        }
    }

    pub(super) fn refused(&mut self, ticket: Ticket, at: Instant, why: Failure) {
        self.refused += 1;
        self.last = self.last.max(at);
        self.first_refusal.get_or_insert(why);
        if let Some(answers) = &mut self.answers {
            answers.refused(ticket.number);
        }
    }

    /// Accepted events whose answer may still come.
    pub(super) fn waiting(&self) -> u64 {
        self.answers.as_ref().map_or(0, Answers::waiting)
    }
}
