//! A gateway between real brokers and faults: an outside ledger tells what was lost, and by whom.
//!
//! With `WHIRLWIND_FULL` in the environment the streams are 100,000 messages with 200 faults, and with 50 kills of the node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../cli/bed.rs"]
#[allow(dead_code, reason = "the other tests take what is left")]
mod bed;
mod broker;
mod ledger;
mod memory;
mod node;
mod packets;
mod proxy;
mod publisher;
mod stream;

use whirlwind_tests::{full, guest};

use crate::broker::Broker;
use crate::stream::{Fault, Stream};

/// All that can happen beside a node, in an order in which each of it meets the others; half-open connections, which take the time of
/// two keep-alives, are few.
fn faults(broker: &Broker, count: usize) -> Vec<Fault> {
    let mut kinds = vec![Fault::Forget, Fault::Cut, Fault::Slow, Fault::Oversize];
    if broker.keeps() {
        kinds.push(Fault::Restart);
    }
    kinds.extend((0..stream::GARBAGE.len()).map(Fault::Garbage));
    let mut faults: Vec<_> = kinds.iter().copied().cycle().take(count).collect();
    let every = full(count, 20);
    for fault in faults.iter_mut().skip(every / 2).step_by(every) {
        *fault = Fault::HalfOpen;
    }
    faults
}

/// Faults of the broker and of the way to it. What the broker forgets is its own loss.
async fn beside_it(broker: Option<Broker>, version: u8) {
    let (Some(relay), Some(broker)) = (guest("relay"), broker) else {
        return;
    };
    let faults = faults(&broker, full(20, 200));
    let account = Stream::new(&relay, broker, version, full(2_000, 100_000))
        .await
        .run(&faults)
        .await;
    assert_eq!(account.lost_by_us, Vec::<usize>::new());
}

/// The node is killed; the broker holds what it had not ended.
async fn of_the_node(broker: Option<Broker>, version: u8) {
    let (Some(relay), Some(broker)) = (guest("relay"), broker) else {
        return;
    };
    let kills = vec![Fault::KillNode; full(5, 50)];
    let account = Stream::new(&relay, broker, version, full(2_000, 100_000))
        .await
        .run(&kills)
        .await;
    assert_eq!(account.lost_by_us, Vec::<usize>::new());
    assert_eq!(account.lost_by_the_broker, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_faults_beside_a_node_of_mqtt_5() {
    beside_it(Broker::mosquitto(), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_faults_beside_a_node_of_mqtt_3() {
    beside_it(Broker::mosquitto(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_kills_of_a_node_of_mqtt_5() {
    of_the_node(Broker::mosquitto(), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_kills_of_a_node_of_mqtt_3() {
    of_the_node(Broker::mosquitto(), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_either_with_another_broker() {
    for version in [5, 4] {
        beside_it(Some(Broker::embedded()), version).await;
        of_the_node(Some(Broker::embedded()), version).await;
    }
}
