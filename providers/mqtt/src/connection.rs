//! One connection after another, until the provider is closed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};
use whirlwind_provider_api::Link;

use crate::limits::MAX_IN_FLIGHT;
use crate::outbox::Outbox;
use crate::session::{Ended, Session};
use crate::shared::Shared;
use crate::wire;
use crate::{Config, ConfigError};

/// A connection that was up for so long was a good one: the next wait is the shortest again.
const LASTED: Duration = Duration::from_secs(10);

/// What outlives a connection, in the task that makes them.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Whether the broker's session has all of our subscriptions, made by this process: an earlier one may have had others.
    pub(crate) subscribed: bool,
    /// Whether there was a connection before.
    pub(crate) connected: bool,
    /// Whether the broker has used ids that only an earlier connection knew.
    pub(crate) every_release: bool,
}

/// Says what of the configuration keeps a line from being made.
pub(crate) fn try_to_open(config: &Config) -> Result<(), ConfigError> {
    wire::open(config, 1, false).map(drop)
}

/// Connects, and again, until closed.
pub(crate) async fn run(shared: Arc<Shared>) {
    // However this ends, nobody is left to wait.
    struct Finish(Arc<Shared>);
    impl Drop for Finish {
        fn drop(&mut self) {
            self.0.finish();
        }
    }
    let finish = Finish(shared);
    let shared = &finish.0;
    let mut life = Life::default();
    let mut record = Record::default();
    while !shared.is_closing() {
        let Some((end, up)) = connect(shared, &mut life).await else {
            break;
        };
        life.every_release |= end.unknown_id;
        let down = record.ended(end.reason, up);
        if let Link::Down { reason, attempts } = &down {
            let name = &shared.config.name;
            match (up, attempts) {
                (Some(_), _) | (None, 0 | 1) => {
                    warn!(provider = name, "the connection is gone: {reason}");
                }
                _ => debug!(provider = name, attempts, "no connection: {reason}"),
            }
        }
        shared.link.send_replace(down);
        record.failures = record.failures.saturating_add(1);
        let wait = shared.config.backoff.delay(record.failures, chance());
        let mut pause = std::pin::pin!(sleep(wait));
        while !shared.is_closing() {
            tokio::select! {
                () = &mut pause => break,
                () = shared.work.notified() => {}
            }
        }
    }
    info!(provider = shared.config.name, "closed");
}

/// One connection: why it ended and how long it was up, if it was. `None` if it was closed.
async fn connect(shared: &Arc<Shared>, life: &mut Life) -> Option<(wire::End, Option<Duration>)> {
    // Each acknowledgement owed, each id in use, the subscription and the farewell, and some.
    let requests = shared.inbound().window().held + usize::from(MAX_IN_FLIGHT) + 8;
    let opened = wire::open(&shared.config, requests, life.every_release);
    let (mut line, requests) = match opened {
        Ok(opened) => opened,
        Err(error) => return Some((wire::End::new(error.to_string()), None)),
    };
    let mut session = Session::new(shared, life, requests);
    let ended = session.run(&mut line).await;
    let up = session.up_since().map(|since| since.elapsed());
    if matches!(ended, Ended::Lost(_)) {
        // What the broker confirmed in its last breath is confirmed.
        session.rest(line.rest());
    }
    shared.inbound().lost();
    shared.outbox(Outbox::lost);
    shared.room.notify_waiters();
    match ended {
        Ended::Closed => None,
        Ended::Lost(_) if shared.is_closing() => None,
        Ended::Lost(end) => Some((end, up)),
    }
}

/// How the connections went so far.
#[derive(Debug, Default)]
struct Record {
    /// Connections in a row that did not last.
    failures: u32,
    /// Attempts in a row that did not come up.
    attempts: u32,
    /// How the last one that came up ended, and how many times in a row one that did not last ended like that.
    last: Option<(String, u32)>,
}

impl Record {
    fn ended(&mut self, reason: String, up: Option<Duration>) -> Link {
        let lasted = up.is_some_and(|up| up >= LASTED);
        if lasted {
            self.failures = 0;
        }
        if up.is_none() {
            self.attempts = self.attempts.saturating_add(1);
            let attempts = self.attempts;
            return Link::Down { reason, attempts };
        }
        self.attempts = 0;
        let times = match self.last.take() {
            Some((last, times)) if last == reason && !lasted => times.saturating_add(1),
            _ => 1,
        };
        self.last = Some((reason.clone(), times));
        let reason = match times {
            1 => reason,
            times => format!("{reason} ({times} times in a row)"),
        };
        Link::Down {
            reason,
            attempts: 0,
        }
    }
}

/// A number from 0 to 1 by chance; the standard library's hasher has its seed from the system.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

/// Counts a connection that the broker took.
pub(crate) fn count(shared: &Shared, life: &mut Life) {
    if life.connected {
        shared.reconnects.fetch_add(1, Ordering::Relaxed);
    }
    life.connected = true;
}

/// When nothing has happened on a line for so long, or nothing was confirmed that should be, it is stuck. The library's pings find a
/// dead peer within two keep-alives; this finds what they do not: a write that never ends, a confirmation that never comes.
pub(crate) fn patience(keep_alive: Duration) -> Duration {
    3 * keep_alive
}

/// A time that never comes while a process lives.
pub(crate) fn never(now: Instant) -> Instant {
    now + Duration::from_secs(86_400 * 365)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_one_kind_are_counted_until_a_connection_lasts() {
        let mut record = Record::default();
        let mut ended = |reason: &str, up: Option<u64>| {
            let link = record.ended(reason.to_owned(), up.map(Duration::from_secs));
            record.failures += 1;
            let Link::Down { reason, attempts } = link else {
                panic!("{link:?}");
            };
            (reason, attempts, record.failures)
        };
        assert_eq!(ended("refused", None), ("refused".to_owned(), 1, 1));
        assert_eq!(ended("refused", None), ("refused".to_owned(), 2, 2));
        assert_eq!(ended("too large", Some(1)), ("too large".to_owned(), 0, 3));
        let again = "too large (2 times in a row)".to_owned();
        assert_eq!(ended("too large", Some(1)), (again, 0, 4));
        assert_eq!(ended("too large", Some(11)), ("too large".to_owned(), 0, 1));
        assert_eq!(ended("refused", None), ("refused".to_owned(), 1, 2));
    }
}
