//! The way in: a door that publishes what comes in, and owes its receipt.

use std::pin::pin;
use std::sync::{Arc, Weak};

use futures::future::join_all;
use whirlwind_bus::{Envelope, Reason, Settlement};
use whirlwind_provider_api::{Acknowledge, Messaging, Receipt, Received};
use whirlwind_supervision::{ChildSpec, ExitReason, Stop};

use super::MessagingProvider;
use crate::node::Inner;

/// The child that publishes, of a provider from which anything comes in.
pub(crate) fn door(provider: &Arc<MessagingProvider>, node: &Weak<Inner>) -> Option<ChildSpec> {
    if !provider.has_inward() {
        return None;
    }
    let (provider, node) = (Arc::clone(provider), Weak::clone(node));
    Some(ChildSpec::worker(name(&provider), move |stop| {
        let (provider, node) = (Arc::clone(&provider), Weak::clone(&node));
        async move { Ok(run(provider, node, stop)) }
    }))
}

/// The name of the door of a provider.
pub(crate) fn name(provider: &MessagingProvider) -> String {
    format!("{}/in", provider.name)
}

async fn run(provider: Arc<MessagingProvider>, node: Weak<Inner>, stop: Stop) -> ExitReason {
    // What an earlier incarnation had in hand goes back, and comes again.
    provider.release();
    let mut asked = pin!(stop.asked());
    let mut client = provider.client();
    loop {
        let present = client.borrow_and_update().clone();
        tokio::select! {
            biased;
            () = &mut asked => return ExitReason::Shutdown,
            changed = client.changed() => if changed.is_err() {
                return ExitReason::failed("its provider is gone");
            },
            () = publish(&provider, &node, present) => {}
        }
    }
}

/// Publishes until the client is closed, then waits for ever: another one is a change.
async fn publish(
    provider: &MessagingProvider,
    node: &Weak<Inner>,
    client: Option<Arc<dyn Messaging>>,
) {
    if let Some(client) = client {
        while let Some(received) = client.receive().await {
            let Some(node) = node.upgrade() else {
                break;
            };
            take_in(provider, &node, received).await;
        }
    }
    std::future::pending().await
}

/// Publishes one message. A full mailbox is waited for: meanwhile the other side sends no more than its window.
async fn take_in(provider: &MessagingProvider, node: &Inner, received: Received) {
    let Received {
        topic,
        event,
        receipt,
        acknowledge,
    } = received;
    let mut held = Held { provider, receipt };
    // On a durable topic it is handed over once it is on the disk, whoever waits for more.
    let is_durable = node.bus().rules().is_durable(&topic);
    let waits = acknowledge == Acknowledge::Tree || is_durable;
    let (settlement, settled) = match held.receipt.is_some() && waits {
        true => {
            let (settlement, settled) = Settlement::new();
            (Some(settlement), Some(settled))
        }
        false => (None, None),
    };
    let (size, max) = (event.size(), node.bus().rules().max_event(&topic));
    let envelope = Envelope::new(topic, Arc::new(event)).holding(settlement);
    if size > max {
        let error = format!(
            "an event of {size} bytes is larger than the {max} that `{}` takes: raise `max_event` in [topic.\"{}\"]",
            envelope.topic, envelope.topic
        );
        tracing::warn!(provider = provider.name, "{error}");
        node.bus()
            .dead_letter(envelope, name(provider).into(), Reason::Rejected, error);
    } else {
        node.bus().ready(&envelope.topic).await;
        let refused = node.bus().publish(envelope).refused.into_iter();
        join_all(refused.map(|refusal| refusal.insist(node.bus()))).await;
    }
    match (held.receipt.take(), settled) {
        (Some(receipt), Some(settled)) => provider.owe(settled, receipt),
        (Some(receipt), None) => receipt.give(),
        (None, _) => {}
    }
}

/// A message in hand. Should its door end now, it is neither acknowledged nor given back while the provider lives: a message that goes
/// back takes the connection along, and with it the acknowledgements of all that is still being handled.
struct Held<'p> {
    provider: &'p MessagingProvider,
    receipt: Option<Receipt>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            self.provider.hold(receipt);
        }
    }
}
