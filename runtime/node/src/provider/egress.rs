//! The way out: what lies in a provider's mailbox is sent, and ends when the other side has taken it.
//!
//! What was handed over is the provider's: it ends there and then, whether or not this child is still there; what the provider closes
//! with comes back to the mailbox, before all that lies in it.

use std::pin::pin;
use std::sync::{Arc, Weak};

use tokio::sync::watch;
use whirlwind_bus::{Bus, Entrusted, Inbox, Lease, Reason};
use whirlwind_provider_api::{Link, Messaging, SendError};
use whirlwind_supervision::{ChildSpec, ExitReason, StartError, Stop};

use super::MessagingProvider;

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

type Client = watch::Receiver<Option<Arc<dyn Messaging>>>;

/// One incarnation of the child.
struct Sending {
    name: Arc<str>,
    lease: Lease,
    bus: Arc<Bus>,
}

impl Sending {
    fn new(outbox: &Inbox, bus: Arc<Bus>) -> Result<Self, String> {
        let lease = outbox.lease(0).map_err(|taken| taken.to_string())?;
        let name = Arc::clone(outbox.name());
        Ok(Self { name, lease, bus })
    }

    async fn run(mut self, mut client: Client, stop: Stop) -> ExitReason {
        let mut asked = pin!(stop.asked());
        let mut last = None;
        loop {
            let present = tokio::select! {
                biased;
                () = &mut asked => return ExitReason::Shutdown,
                present = another(&mut client, last.as_ref()) => present,
            };
            let Some(present) = present else {
                return ExitReason::failed("its provider is gone");
            };
            last = Some(Arc::downgrade(&present));
            let mut link = present.link();
            tokio::select! {
                biased;
                () = &mut asked => return ExitReason::Shutdown,
                _ = another(&mut client, last.as_ref()) => {}
                () = self.send(&*present) => {}
            }
            drop(present);
            tokio::select! {
                biased;
                () = &mut asked => return ExitReason::Shutdown,
                // Gone without a word, it is closed too.
                _ = link.wait_for(|link| *link == Link::Closed) => {}
            }
            // What it did not confirm has come back, and is sent again before what was not handed over.
            drop(self.lease.entrust());
        }
    }

    /// Sends until the client is closed. Dropping the future loses nothing.
    async fn send(&mut self, client: &dyn Messaging) {
        loop {
            let envelope = self.lease.next().await;
            match client.send(&envelope.topic, &envelope.event) {
                Ok(handover) => {
                    if let Some(event) = self.lease.entrust() {
                        let (name, bus) = (Arc::clone(&self.name), Arc::clone(&self.bus));
                        handover.then(move |how| end(event, how, &name, &bus));
                    }
                }
                Err(SendError::Full { .. }) => client.room().await,
                Err(SendError::Closed) => return,
                Err(error) => {
                    // The client does not take it, and never will.
                    if let Some(event) = self.lease.entrust() {
                        end(event, Err(error), &self.name, &self.bus);
                    }
                }
            }
        }
    }
}

/// The next client that is not the last one; `None` when none will come.
async fn another(
    client: &mut Client,
    last: Option<&Weak<dyn Messaging>>,
) -> Option<Arc<dyn Messaging>> {
    let is_last =
        |now: &Arc<dyn Messaging>| last.is_some_and(|last| last.ptr_eq(&Arc::downgrade(now)));
    let other = client.wait_for(|now| now.as_ref().is_some_and(|now| !is_last(now)));
    other.await.ok()?.clone()
}

/// Ends an event as the other side had it.
fn end(event: Entrusted, how: Result<(), SendError>, name: &str, bus: &Arc<Bus>) {
    match how {
        Ok(()) => event.handled(),
        Err(SendError::Closed) => drop(event),
        Err(error) => {
            tracing::warn!(provider = name, "an event cannot go out: {error}");
            event.dead_letter(bus, Reason::Rejected, error.to_string());
        }
    }
}
