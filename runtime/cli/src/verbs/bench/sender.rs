//! One place in the window: a connection, and one event at a time on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::payload::{Events, Outgoing};
use super::schedule::Source;
use super::tally::Shared;
use crate::client::{Client, Offered};
use crate::exit::Failure;

/// What takes events: a node, or a test.
pub(super) trait Target: Send + 'static {
    fn offer(
        &mut self,
        event: Outgoing,
    ) -> impl Future<Output = Result<Offered, Failure>> + Send + '_;
}

impl Target for Client {
    async fn offer(&mut self, event: Outgoing) -> Result<Offered, Failure> {
        Client::offer(self, &event.path, event.body).await
    }
}

/// What all senders of a run share.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) source: Source,
    pub(super) events: Arc<Events>,
    pub(super) tally: Shared,
    /// How long an event of a closed loop may hold its place without an answer.
    pub(super) grace: Duration,
    /// Says that no more events are to go out.
    pub(super) stop: watch::Receiver<bool>,
}

impl Sender {
    /// Sends until there are no more events or it is told to stop; what is in flight then is waited for.
    pub(super) async fn run(mut self, mut target: impl Target) -> Result<(), Failure> {
        loop {
            let free = Instant::now();
            let ticket = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ok(()),
                ticket = self.source.next() => match ticket {
                    Some(ticket) => ticket,
                    None => return Ok(()),
                },
            };
            let event = self.events.make(ticket.number)?;
            let sent = Instant::now();
            let answered = self.tally.lock().sent(ticket, free, sent);
            match target.offer(event).await? {
                Offered::Accepted(accepted) => {
                    let at = Instant::now();
                    let mut tally = self.tally.lock();
                    tally.accepted(ticket, sent, at, accepted.delivered);
                }
                Offered::Refused(why) => {
                    self.tally.lock().refused(ticket, Instant::now(), why);
                    continue;
                }
            }
            if let Some(answered) = answered {
                tokio::select! {
                    () = stopped(&mut self.stop) => return Ok(()),
                    _ = timeout(self.grace, answered) => {}
                }
            }
        }
    }
}

/// When it is told to stop, or there is nobody left who could tell.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
