//! Events on durable topics that come again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/stored.rs"]
mod stored;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{envelope, subscriber};
use whirlwind_bus::{Begin, Bus, Inbox, Lease, Overflow, Reason, SeenWindow, TopicRule, TurnError};
use whirlwind_store::Store;

/// How often each event took effect.
type Effects = Arc<Mutex<HashMap<String, u32>>>;

async fn open(dir: &Path, count: u64) -> (Store, Arc<Bus>, Inbox) {
    let rule = TopicRule {
        dedup: Some(SeenWindow {
            count,
            age: Duration::from_secs(3600),
        }),
        ..TopicRule::default()
    };
    let (store, bus) = stored::open(dir, "a", "a", rule).await;
    let (_mailbox, inbox) = subscriber(&bus, "a", 64, Overflow::Reject);
    (store, bus, inbox)
}

/// Begins a turn with the next event, and commits it. Answers whether it was new.
async fn handle(bus: &Bus, lease: &mut Lease, effects: &Effects) -> Result<bool, TurnError> {
    let id = lease.next().await.event.id().to_owned();
    let turn = match lease.begin(bus).await? {
        Begin::Duplicate => return Ok(false),
        Begin::Run(turn) => turn,
    };
    tokio::task::yield_now().await;
    let effects = Arc::clone(effects);
    let then = move || *effects.lock().unwrap().entry(id).or_default() += 1;
    lease.commit(bus, turn, then).await?;
    Ok(true)
}

/// Lets four workers handle all there is.
async fn drain(bus: &Arc<Bus>, inbox: &Inbox, effects: &Effects) {
    let workers: Vec<_> = (0..4)
        .map(|at| {
            let (bus, inbox, effects) = (Arc::clone(bus), inbox.clone(), Arc::clone(effects));
            tokio::spawn(async move {
                let mut lease = inbox.lease(at).unwrap();
                loop {
                    match handle(&bus, &mut lease, &effects).await {
                        Ok(_) => {}
                        Err(TurnError::Conflict) => lease.again(None),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    while inbox.stats().depth > 0 {
        assert!(workers.iter().all(|worker| !worker.is_finished()));
        tokio::task::yield_now().await;
    }
    for worker in workers {
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
    }
    stored::finished(bus).await;
}

/// Publishes events of these ids, all on the way to the disk at once.
async fn publish(bus: &Arc<Bus>, ids: impl Iterator<Item = u32>) {
    let mut synced = Vec::new();
    for id in ids {
        let delivery = bus.publish(envelope("a", &id.to_string()));
        synced.push(delivery.synced.unwrap());
    }
    for synced in synced {
        synced.wait().await.unwrap();
    }
}

/// Of ten thousand, each id that ends in 7, 8 or 9 is that of an event a little before.
fn with_replays(from: u32, to: u32) -> impl Iterator<Item = u32> {
    (from..to).map(|at| if at % 10 >= 7 { at - 7 } else { at })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_events_of_which_thirty_percent_come_again_take_effect_once() {
    let dir = tempfile::tempdir().unwrap();
    let effects = Effects::default();
    let (store, bus, inbox) = open(dir.path(), 100_000).await;
    publish(&bus, with_replays(0, 5_000)).await;
    drain(&bus, &inbox, &effects).await;
    assert_eq!(inbox.stats().duplicates, 1_500);
    tokio::task::spawn_blocking(move || store.close())
        .await
        .unwrap();
    drop((bus, inbox));
    // What was handled before a restart is known after it, though no event is there that has a number.
    let (_store, bus, inbox) = open(dir.path(), 100_000).await;
    publish(&bus, with_replays(5_000, 9_000)).await;
    publish(&bus, with_replays(0, 1_000)).await;
    drain(&bus, &inbox, &effects).await;
    assert_eq!(inbox.stats().duplicates, 1_200 + 1_000);
    let effects = effects.lock().unwrap();
    assert_eq!(effects.len(), 6_300);
    assert!(effects.values().all(|times| *times == 1));
}

#[tokio::test]
async fn events_past_the_window_are_swept_and_new_again() {
    let dir = tempfile::tempdir().unwrap();
    let effects = Effects::default();
    let (_store, bus, inbox) = open(dir.path(), 100).await;
    publish(&bus, 0..2_000).await;
    drain(&bus, &inbox, &effects).await;
    publish(&bus, [0, 1_999].into_iter()).await;
    drain(&bus, &inbox, &effects).await;
    assert_eq!(inbox.stats().duplicates, 1);
    assert_eq!(effects.lock().unwrap()["0"], 2);
    assert_eq!(effects.lock().unwrap()["1999"], 1);
}

#[tokio::test]
async fn a_dead_letter_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let effects = Effects::default();
    let (_store, bus, inbox) = open(dir.path(), 100).await;
    publish(&bus, [1, 1].into_iter()).await;
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    assert!(matches!(lease.begin(&bus).await, Ok(Begin::Run(_))));
    lease.dead_letter(&bus, Reason::Rejected, String::new());
    stored::finished(&bus).await;
    assert_eq!(handle(&bus, &mut lease, &effects).await, Ok(true));
}
