//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Envelope, Inbox, Lease, Mailbox, MailboxSpec,
    Overflow, TopicRules,
};
use whirlwind_event::{Event, EventBuilder, Topic, TopicFilter};

pub fn bus() -> Arc<Bus> {
    with_rules(TopicRules::default())
}

pub fn with_rules(rules: TopicRules) -> Arc<Bus> {
    let letters = DeadLetters::new(DeadLetterLimits::default());
    Arc::new(Bus::new(rules, letters))
}

pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub fn filter(name: &str) -> TopicFilter {
    TopicFilter::parse(name).unwrap()
}

pub fn event(id: &str, payload: usize) -> Arc<Event> {
    let event = EventBuilder::new()
        .id(id)
        .source("/test")
        .ty("test")
        .data(vec![0_u8; payload])
        .build();
    Arc::new(event.unwrap())
}

pub fn envelope(on: &str, id: &str) -> Envelope {
    Envelope::new(topic(on), event(id, 0))
}

/// A mailbox of `events` under `overflow`, subscribed to the topic of its own name.
pub fn subscriber(bus: &Bus, name: &str, events: usize, overflow: Overflow) -> (Mailbox, Inbox) {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: name.into(),
        capacity: Capacity {
            events,
            ..Capacity::default()
        },
        overflow,
        partition: None,
    });
    bus.subscribe(&filter(name), &mailbox);
    (mailbox, inbox)
}

/// What a lease reads next, ended as handled.
pub async fn handle_next(lease: &mut Lease) -> String {
    let id = lease.next().await.event.id().to_owned();
    lease.handled();
    id
}
