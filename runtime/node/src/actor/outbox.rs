//! What a turn published, until its end is known.

use std::any::Any;
use std::sync::Arc;

use smallvec::SmallVec;
use whirlwind_bus::{Envelope, Reservation, Settlement, Transaction};
use whirlwind_component::{Outbox, PublishError};
use whirlwind_event::{Event, EventBuilder, Topic};

use super::{Actor, identity};

/// The type of an event whose publisher names none.
pub(crate) const DEFAULT_TYPE: &str = "dev.whirlwind.message";

/// The publishes of one turn, each with its places in the mailboxes it goes to. Dropped, all places are given back.
pub(super) struct TurnOutbox {
    actor: Arc<Actor>,
    cause: Arc<Event>,
    hops: u32,
    /// A share of what the door owes for the cause, for what the turn causes.
    settlement: Option<Settlement>,
    published: SmallVec<[Published; 1]>,
    index: u32,
}

enum Published {
    Placed(Reservation),
    /// It lies further from its door than `max_hops` allows.
    TooFar(Topic, Arc<Event>),
}

impl TurnOutbox {
    pub(super) fn new(actor: &Arc<Actor>, envelope: &Envelope) -> Self {
        Self {
            actor: Arc::clone(actor),
            cause: Arc::clone(&envelope.event),
            hops: envelope.hops,
            settlement: envelope.settlement().cloned(),
            published: SmallVec::new(),
            index: 0,
        }
    }

    fn topic(&self, topic: &str) -> Result<Topic, PublishError> {
        let topic =
            Topic::parse(topic).map_err(|error| PublishError::Invalid(error.to_string()))?;
        let name = self.actor.name();
        if topic.is_system() {
            return Err(PublishError::NotAllowed(format!(
                "the topic `{topic}` is reserved for the node"
            )));
        }
        if !self.actor.spec.may_publish(&topic) {
            return Err(PublishError::NotAllowed(format!(
                "actor `{name}` may not publish on `{topic}`: add it to `publish` in [actor.{name}]"
            )));
        }
        Ok(topic)
    }

    fn event(&mut self, event: EventBuilder) -> Result<Arc<Event>, PublishError> {
        let index = self.index;
        let event = event
            .id_or_else(|| identity::derived(&self.cause, self.actor.name(), index))
            .source_or_else(|| self.actor.source.clone())
            .ty_or_else(|| DEFAULT_TYPE.to_owned())
            .build()
            .map_err(|error| PublishError::Invalid(error.to_string()))?;
        self.index += 1;
        Ok(Arc::new(event))
    }
}

impl Outbox for TurnOutbox {
    fn publish(&mut self, topic: &str, event: EventBuilder) -> Result<String, PublishError> {
        let topic = self.topic(topic)?;
        let event = self.event(event)?;
        let bus = &self.actor.bus;
        if event.size() > bus.rules().max_event(&topic) {
            return Err(PublishError::TooLarge);
        }
        let id = event.id().to_owned();
        let too_far = self.actor.spec.max_hops.is_some_and(|max| self.hops >= max);
        self.published.push(match too_far {
            true => Published::TooFar(topic, event),
            false => Published::Placed(
                bus.reserve(topic, event, self.hops.saturating_add(1))
                    .map_err(|full| PublishError::MailboxFull(full.to_string()))?,
            ),
        });
        Ok(id)
    }
}

impl TurnOutbox {
    /// The outbox that a turn gave back.
    pub(super) fn of(outbox: Box<dyn Outbox>) -> Option<Box<Self>> {
        let outbox: Box<dyn Any> = outbox;
        outbox.downcast().ok()
    }

    /// Puts what goes to durable topics into the transaction, and what may go no further. The rest is for [`send`](Self::send).
    pub(super) fn put_into(&mut self, transaction: &mut Transaction) {
        let too_far = too_far(&self.actor, self.hops);
        for published in &mut self.published {
            match published {
                Published::Placed(reservation) => transaction.publish(reservation),
                Published::TooFar(topic, event) => {
                    let envelope = Envelope::new(topic.clone(), Arc::clone(event))
                        .after_hops(self.hops.saturating_add(1));
                    let (bus, name) = (&self.actor.bus, self.actor.name());
                    transaction.too_far(bus, &envelope, name, too_far());
                }
            }
        }
    }

    /// Lets go what was published. It cannot fail: room was taken with each publish.
    pub(super) fn send(mut self: Box<Self>) {
        let too_far = too_far(&self.actor, self.hops);
        for published in self.published.drain(..) {
            match published {
                Published::Placed(reservation) => {
                    let settlement = self.settlement.clone();
                    self.actor.bus.send(reservation, settlement);
                }
                Published::TooFar(topic, event) => {
                    let (name, id) = (&**self.actor.name(), event.id());
                    let error = too_far();
                    tracing::error!(
                        actor = name,
                        "event {id} on `{topic}` is a dead letter: {error}"
                    );
                }
            }
        }
    }
}

/// Why an event with so many turns behind it may go no further.
fn too_far(actor: &Arc<Actor>, hops: u32) -> impl Fn() -> String {
    move || {
        format!(
            "{hops} turns lie behind this event, as many as `max_hops` of actor `{}` allows: a loop?",
            actor.name()
        )
    }
}

impl Drop for TurnOutbox {
    fn drop(&mut self) {
        // The share of the cause itself, held by the lease, is what decides; this one only bridged the turn.
        if let Some(settlement) = self.settlement.take() {
            settlement.settle();
        }
    }
}
