//! The deliveries whose failures were charged to the actor itself.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use whirlwind_event::{Event, Topic};

/// How many are remembered: as many as a person reads, and above the default of tolerated restarts.
const MOST: usize = 16;

/// Bytes of an id that are told: whoever sent the event chose it.
const MAX_ID: usize = 128;

/// An event by which somebody can find it again.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Topic,
    pub(crate) event: Arc<Event>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.event.id();
        let told = id.get(..id.floor_char_boundary(MAX_ID)).unwrap_or(id);
        write!(f, "event {told} on `{}`", self.topic)
    }
}

/// The newest of them, each event once.
#[derive(Debug, Default)]
pub(crate) struct FailedDeliveries(Mutex<VecDeque<(Instant, Message)>>);

impl FailedDeliveries {
    pub(super) fn record(&self, message: Message) {
        let mut failed = self.lock();
        failed.retain(|(_, known)| !Arc::ptr_eq(&known.event, &message.event));
        while failed.len() >= MOST {
            failed.pop_front();
        }
        failed.push_back((Instant::now(), message));
    }

    /// Those of the last `within`, oldest first.
    pub(super) fn recent(&self, within: Duration) -> Vec<Message> {
        let now = Instant::now();
        let failed = self.lock();
        let recent = failed
            .iter()
            .filter(|(at, _)| now.duration_since(*at) <= within);
        recent.map(|(_, message)| message.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, Message)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
