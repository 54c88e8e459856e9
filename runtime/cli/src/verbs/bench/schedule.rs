//! When events are to go out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::args::Rate;
use crate::exit::Failure;

/// Leave to send an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Its number, from 0.
    pub(super) number: u64,
    /// When it was to go out, at a fixed rate; none where it goes out as soon as it can.
    pub(super) due: Option<Instant>,
}

/// The events of an open loop, one after the other: their times come from the rate alone, whatever the node does.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    rate: Rate,
    lasts: Option<Duration>,
    count: Option<u64>,
    next: u64,
}

impl Schedule {
    pub(super) fn new(
        start: Instant,
        rate: Rate,
        lasts: Option<Duration>,
        count: Option<u64>,
    ) -> Self {
        Self {
            start,
            rate,
            lasts,
            count,
            next: 0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Ticket;

    fn next(&mut self) -> Option<Ticket> {
        let number = self.next;
        let time = self.rate.time_of(number);
        if self.count.is_some_and(|count| number >= count)
            || self.lasts.is_some_and(|lasts| time >= lasts)
        {
            return None;
        }
        self.next += 1;
        Some(Ticket {
            number,
            due: Some(self.start + time),
        })
    }
}

/// Where senders get their tickets.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An open loop.
    Scheduled(flume::Receiver<Ticket>),
    /// A closed loop: there is always a next one, up to a count.
    Free {
        next: Arc<AtomicU64>,
        count: Option<u64>,
    },
}

impl Source {
    pub(super) fn free(count: Option<u64>) -> Self {
        Self::Free {
            next: Arc::default(),
            count,
        }
    }

    /// Hands out the tickets of a schedule when they are due.
    ///
    /// From a thread of its own: tokio's timers are right to a millisecond, which is more than many a node takes to answer; the
    /// system's sleep is late by about 0.1 ms. The thread ends with the schedule, or when nobody takes its tickets any more.
    pub(super) fn paced(schedule: Schedule, window: u16) -> Result<Self, Failure> {
        let (sender, tickets) = flume::bounded(window.into());
        thread::Builder::new()
            .name("bench-pace".to_owned())
            .spawn(move || {
                for ticket in schedule {
                    if let Some(due) = ticket.due {
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    if sender.send(ticket).is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| Failure::failed(format!("a thread cannot be started: {error}")))?;
        Ok(Self::Scheduled(tickets))
    }

    /// The next ticket, when it is due; none when there are no more.
    pub(super) async fn next(&self) -> Option<Ticket> {
        match self {
            Self::Scheduled(tickets) => tickets.recv_async().await.ok(),
            Self::Free { next, count } => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let more = count.is_none_or(|count| number < count);
                more.then_some(Ticket { number, due: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_does_not_drift() {
        let start = Instant::now();
        let schedule = |rate| Schedule::new(start, Rate(rate), None, None);
        let mut thirds = schedule(3.0);
        // An hour at three a second: a third of a second has no end, in nanoseconds or in binary.
        let hour = thirds.nth(3 * 3600).unwrap();
        assert_eq!(hour.due, Some(start + Duration::from_secs(3600)));
        assert_eq!(hour.number, 3 * 3600);
        let mut fast = schedule(1_000_000.0);
        let due = fast.nth(2_000_001).unwrap().due.unwrap();
        assert_eq!(due - start, Duration::from_micros(2_000_001));
        assert_eq!(fast.next().unwrap().number, 2_000_002);
    }

    #[test]
    fn a_schedule_ends_with_its_time_or_its_count() {
        let tickets =
            |lasts, count| Schedule::new(Instant::now(), Rate(1000.0), lasts, count).count() as u64;
        let second = Duration::from_secs(1);
        assert_eq!(tickets(Some(second), None), 1000);
        assert_eq!(tickets(Some(second), Some(7)), 7);
        assert_eq!(tickets(Some(Duration::from_millis(5)), Some(7)), 5);
        assert_eq!(Rate(1000.0).due_within(second), 1000);
        assert_eq!(Rate(1000.0).due_within(Duration::ZERO), 0);
    }

    #[tokio::test]
    async fn a_closed_loop_hands_out_each_number_once_up_to_its_count() {
        let source = Source::free(Some(2));
        let twin = source.clone();
        assert_eq!(source.next().await.unwrap().number, 0);
        assert_eq!(twin.next().await.unwrap().number, 1);
        assert_eq!(source.next().await, None);
        assert_eq!(twin.next().await, None);
    }
}
