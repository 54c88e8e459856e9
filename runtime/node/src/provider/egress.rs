//! The way out: what lies in a provider's mailbox is sent, and ends when the other side has taken it.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;
use whirlwind_bus::{Bus, Entrusted, Inbox, Lease, Reason};
use whirlwind_provider_api::{Handover, Messaging, SendError};
use whirlwind_supervision::{ChildSpec, ExitReason, StartError, Stop};

use super::MessagingProvider;

/// How many events may have been handed over and not been taken yet. The provider's own bound is beyond it.
const IN_FLIGHT: usize = 256;

/// The child that sends.
pub(crate) fn child(provider: &Arc<MessagingProvider>, bus: &Arc<Bus>) -> Option<ChildSpec> {
    let outbox = provider.outbox.clone()?;
    let (provider, bus) = (Arc::clone(provider), Arc::clone(bus));
    let name = outbox.name().to_string();
    Some(ChildSpec::worker(name, move |stop| {
        let (outbox, bus, client) = (outbox.clone(), Arc::clone(&bus), provider.client());
        async move {
            let sending = Sending::new(&outbox, bus).map_err(StartError::failed)?;
            Ok(sending.run(client, stop))
        }
    }))
}

/// What is on its way, first what was handed over first.
struct Sending {
    name: Arc<str>,
    lease: Lease,
    bus: Arc<Bus>,
    sent: VecDeque<(Entrusted, Handover)>,
}

impl Sending {
    fn new(outbox: &Inbox, bus: Arc<Bus>) -> Result<Self, String> {
        let lease = outbox.lease(0).map_err(|taken| taken.to_string())?;
        let sent = VecDeque::new();
        let name = Arc::clone(outbox.name());
        Ok(Self {
            name,
            lease,
            bus,
            sent,
        })
    }

    async fn run(
        mut self,
        mut client: watch::Receiver<Option<Arc<dyn Messaging>>>,
        stop: Stop,
    ) -> ExitReason {
        let mut asked = pin!(stop.asked());
        loop {
            let Some(present) = client.borrow_and_update().clone() else {
                tokio::select! {
                    biased;
                    () = &mut asked => return ExitReason::Shutdown,
                    changed = client.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return ExitReason::failed("its provider is gone"),
                    },
                }
            };
            tokio::select! {
                biased;
                () = &mut asked => return ExitReason::Shutdown,
                // Another client, or none: what the last one did not confirm is sent again.
                _ = client.changed() => {}
                () = async {
                    self.send(&*present).await;
                    // The client is closed; the next one is a change.
                    std::future::pending().await
                } => {}
            }
            self.take_back();
        }
    }

    /// Sends until the client is closed. Dropping the future loses nothing.
    async fn send(&mut self, client: &dyn Messaging) {
        let mut is_full = false;
        loop {
            let may_send = !is_full && self.sent.len() < IN_FLIGHT;
            tokio::select! {
                biased;
                ended = first(&mut self.sent) => {
                    if !self.end(ended) {
                        return;
                    }
                }
                () = client.room(), if is_full => is_full = false,
                _ = self.lease.next(), if may_send => match self.hand_over(client) {
                    Ok(()) => {}
                    Err(SendError::Full { .. }) => is_full = true,
                    Err(SendError::Closed) => return,
                    Err(error) => self.refuse(&error),
                },
            }
        }
    }

    /// Hands the event in hand over.
    fn hand_over(&mut self, client: &dyn Messaging) -> Result<(), SendError> {
        let Some(envelope) = self.lease.in_hand() else {
            return Ok(());
        };
        let handover = client.send(&envelope.topic, &envelope.event)?;
        if let Some(entrusted) = self.lease.entrust() {
            self.sent.push_back((entrusted, handover));
        }
        Ok(())
    }

    /// Ends the event that was handed over first. Answers whether the client goes on.
    fn end(&mut self, ended: Result<(), SendError>) -> bool {
        if ended == Err(SendError::Closed) {
            return false;
        }
        let Some((entrusted, _)) = self.sent.pop_front() else {
            return true;
        };
        match ended {
            Ok(()) => entrusted.handled(),
            Err(error) => {
                tracing::warn!(provider = &*self.name, "an event cannot go out: {error}");
                entrusted.dead_letter(&self.bus, Reason::Rejected, error.to_string());
            }
        }
        true
    }

    /// Ends the event in hand, which the client does not take and never will.
    fn refuse(&mut self, error: &SendError) {
        tracing::warn!(provider = &*self.name, "an event cannot go out: {error}");
        self.lease
            .dead_letter(&self.bus, Reason::Rejected, error.to_string());
    }

    /// Leaves all that is not confirmed for the next time, in its order.
    fn take_back(&mut self) {
        if let Some(in_hand) = self.lease.entrust() {
            self.sent.push_back((in_hand, Handover::new().1));
        }
        self.sent.clear();
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// How the first of them ended; never while there is none.
async fn first(sent: &mut VecDeque<(Entrusted, Handover)>) -> Result<(), SendError> {
    match sent.front_mut() {
        Some((_, handover)) => handover.await,
        None => std::future::pending().await,
    }
}
