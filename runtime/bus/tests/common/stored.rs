//! A bus over a store in a directory.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use whirlwind_bus::{Bus, Durable, Envelope, TopicRule, TopicRules};
use whirlwind_store::Store;

use crate::common::{filter, with_rules};

/// The store in `dir`, opened for the subscriber `name`, under a bus on which the topics that match `on` are durable, by this rule.
pub async fn open(dir: &Path, name: &'static str, on: &str, rule: TopicRule) -> (Store, Arc<Bus>) {
    let store = Store::open(dir).unwrap().store;
    let opened = store.clone();
    // It blocks.
    let open = tokio::task::spawn_blocking(move || Durable::open(opened, [name]));
    let (durable, letters) = open.await.unwrap().unwrap();
    let rule = TopicRule {
        durable: Some(true),
        ..rule
    };
    let bus = with_rules(TopicRules::new([(filter(on), rule)]));
    assert!(letters.is_empty());
    bus.open_durable(durable);
    (store, bus)
}

/// Publishes on a durable topic, and waits for the disk.
pub async fn accept(bus: &Arc<Bus>, envelope: Envelope) {
    let delivery = bus.publish(envelope);
    delivery.synced.unwrap().wait().await.unwrap();
}

pub async fn finished(bus: &Bus) {
    bus.durable().unwrap().finished().await;
}
