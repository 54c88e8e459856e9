//! A mailbox and who reads it, all in one task.

use std::sync::Arc;

use whirlwind_benches::events::IN;
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Envelope, Lease, MailboxSpec, Overflow,
    TopicRules,
};
use whirlwind_component::Component;
use whirlwind_event::{Event, Topic, TopicFilter};

use crate::hosted::{Hosted, KeepNothing};
use crate::slot::Commit;

/// A bus without durable topics, on which nobody hears anything yet.
pub fn bus() -> Arc<Bus> {
    let letters = DeadLetters::new(DeadLetterLimits::default());
    Arc::new(Bus::new(TopicRules::default(), letters))
}

/// A mailbox that hears [`IN`], to be read.
pub fn subscriber(bus: &Bus, name: &str) -> Lease {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: name.into(),
        capacity: Capacity::default(),
        overflow: Overflow::default(),
        partition: None,
    });
    bus.subscribe(&TopicFilter::parse(IN).unwrap(), &mailbox);
    inbox.lease(0).unwrap()
}

/// An instance that reads a mailbox.
pub struct Mailed {
    bus: Arc<Bus>,
    lease: Lease,
    hosted: Hosted,
}

impl Mailed {
    pub async fn new(component: &Component) -> Self {
        let bus = bus();
        Self {
            lease: subscriber(&bus, "relay"),
            bus,
            hosted: Hosted::new(component).await,
        }
    }

    /// Publishes an event, takes it from the mailbox, handles it and settles it. What the handler publishes is forgotten.
    pub async fn turn(&mut self, topic: &Topic, event: &Arc<Event>) {
        self.bus
            .publish(Envelope::new(topic.clone(), Arc::clone(event)));
        let envelope = self.lease.next().await;
        let (topic, event) = (envelope.topic.clone(), Arc::clone(&envelope.event));
        let outbox = self.hosted.call(&topic, &event, Box::new(KeepNothing));
        outbox.await.commit();
        self.lease.handled();
    }
}
