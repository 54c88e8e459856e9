//! Durable topics while the node is killed: an outside ledger, which outlives every node, holds what was acknowledged against what
//! took effect.
//!
//! With `WHIRLWIND_FULL` in the environment it is 1,000,000 acknowledged events and 200 kills.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod account;
mod app;
#[path = "../cli/bed.rs"]
#[allow(dead_code, reason = "the other tests take what is left")]
mod bed;
mod chance;
mod client;
mod crowd;
mod ledger;
mod node;
mod proof;

use whirlwind_tests::full;

use crate::account::Account;
use crate::app::{App, Kind};
use crate::proof::Proof;

/// What is acknowledged in each of four tests, and how often the node is killed in it.
fn size() -> (u64, u64) {
    full((5_000, 5), (250_000, 50))
}

/// None where the components cannot be built.
async fn proved(
    kind: Kind,
    instances: u32,
    durable: bool,
    (events, kills): (u64, u64),
) -> Option<Account> {
    let app = App::new(kind, instances, durable)?;
    Some(Proof::start(app, events).await.run(kills).await)
}

async fn takes_effect_once(kind: Kind, instances: u32) {
    if let Some(account) = proved(kind, instances, true, size()).await {
        account.assert_whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ping_counts_once_whenever_the_node_is_killed() {
    takes_effect_once(Kind::Pingpong, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ping_counts_once_with_four_instances_in_a_node_that_is_killed() {
    takes_effect_once(Kind::Pingpong, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_passes_three_stages_that_trap_once_whenever_the_node_is_killed() {
    takes_effect_once(Kind::Pipeline, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_passes_three_stages_of_four_instances_that_trap_once_in_a_node_that_is_killed()
{
    takes_effect_once(Kind::Pipeline, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_instances_that_get_and_then_set_one_key_lose_no_update() {
    let size = (full(2_000, 100_000), 0);
    if let Some(account) = proved(Kind::Pingpong, 4, true, size).await {
        account.assert_whole();
    }
}

/// The ledger sees a loss where there is one.
#[tokio::test(flavor = "multi_thread")]
async fn topics_in_memory_lose_what_was_acknowledged() {
    for kind in [Kind::Pingpong, Kind::Pipeline] {
        if let Some(account) = proved(kind, 1, false, (1_000, 5)).await {
            assert!(account.lost > 0, "{account}");
        }
    }
}
