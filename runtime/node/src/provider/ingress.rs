//! The way in: a door that publishes what comes in, and owes its receipt.

use std::pin::pin;
use std::sync::{Arc, Weak};

use futures::future::join_all;
use whirlwind_bus::{Bus, Envelope, Reason, Settled, Settlement, Verdict};
use whirlwind_provider_api::{Acknowledge, Messaging, Receipt, Received, Taker};
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
    let taker: Arc<dyn Taker> = Arc::new(Door(Weak::clone(&node)));
    loop {
        let present = client.borrow_and_update().clone();
        tokio::select! {
            biased;
            () = &mut asked => return ExitReason::Shutdown,
            changed = client.changed() => if changed.is_err() {
                return ExitReason::failed("its provider is gone");
            },
            () = publish(&provider, &node, present, &taker) => {}
        }
    }
}

/// Publishes until the client is closed, then waits for ever: another one is a change.
async fn publish(
    provider: &MessagingProvider,
    node: &Weak<Inner>,
    client: Option<Arc<dyn Messaging>>,
    taker: &Arc<dyn Taker>,
) {
    if let Some(client) = client {
        while let Some(received) = client.receive_beside(taker).await {
            let Some(node) = node.upgrade() else {
                break;
            };
            take_in(provider, &node, received).await;
        }
    }
    std::future::pending().await
}

/// Publishes in the task of the connection what need not wait for anything.
struct Door(Weak<Inner>);

impl Taker for Door {
    fn take(&self, received: Received) -> Result<(), Box<Received>> {
        let Some(node) = self.0.upgrade() else {
            return Err(Box::new(received));
        };
        let (bus, topic) = (node.bus(), &received.topic);
        if !bus.is_ready(topic) || received.event.size() > bus.rules().max_event(topic) {
            return Err(Box::new(received));
        }
        let (settlement, settled) = owed(bus, &received);
        let Received {
            topic,
            event,
            receipt,
            acknowledge,
        } = received;
        let envelope = Envelope::new(topic, event).holding(settlement);
        match bus.try_publish(envelope) {
            Ok(()) => {
                answer(receipt, settled);
                Ok(())
            }
            Err(envelope) => Err(Box::new(Received {
                topic: envelope.topic.clone(),
                event: Arc::clone(&envelope.event),
                receipt,
                acknowledge,
            })),
        }
    }
}

/// Publishes one message. A full mailbox is waited for: meanwhile the other side sends no more than its window.
async fn take_in(provider: &MessagingProvider, node: &Inner, received: Received) {
    let bus = node.bus();
    let (settlement, settled) = owed(bus, &received);
    let Received {
        topic,
        event,
        receipt,
        ..
    } = received;
    let mut held = Held { provider, receipt };
    let (size, max) = (event.size(), bus.rules().max_event(&topic));
    let envelope = Envelope::new(topic, event).holding(settlement);
    if size > max {
        let error = format!(
            "an event of {size} bytes is larger than the {max} that `{}` takes: raise `max_event` in [topic.\"{}\"]",
            envelope.topic, envelope.topic
        );
        tracing::warn!(provider = provider.name, "{error}");
        bus.dead_letter(envelope, name(provider).into(), Reason::Rejected, error);
    } else {
        bus.ready(&envelope.topic).await;
        let refused = bus.publish(envelope).refused.into_iter();
        join_all(refused.map(|refusal| refusal.insist(bus))).await;
    }
    answer(held.receipt.take(), settled);
}

/// What is owed for a message, if its receipt waits for anything. On a durable topic it is given once the event is on the disk, whoever
/// waits for more.
fn owed(bus: &Bus, received: &Received) -> (Option<Settlement>, Option<Settled>) {
    let is_tree = received.acknowledge == Acknowledge::Tree;
    let waits = is_tree || bus.rules().is_durable(&received.topic);
    match received.receipt.is_some() && waits {
        true => {
            let (settlement, settled) = Settlement::new();
            (Some(settlement), Some(settled))
        }
        false => (None, None),
    }
}

/// Gives the receipt of a message that was published, when what it waits for has been.
fn answer(receipt: Option<Receipt>, settled: Option<Settled>) {
    match (receipt, settled) {
        (Some(receipt), Some(settled)) => settled.then(|verdict| match verdict {
            Verdict::Settled => receipt.give(),
            // The message goes back, and comes again.
            Verdict::Abandoned => drop(receipt),
        }),
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
