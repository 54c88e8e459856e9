//! How much may wait.

use std::time::Duration;

use whirlwind_bus::{Full, Keep, QueueFull, Settlement, Verdict};

use crate::common::{envelope, event, topic};
use crate::node::{Node, Setup, commit, now, take};

async fn keeping(dir: &std::path::Path, keep: Keep) -> Node {
    let setup = Setup {
        keep,
        ..Setup::default()
    };
    Node::with(dir, setup).await
}

#[tokio::test]
async fn past_its_number_of_events_a_topic_refuses_for_all_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Keep {
        events: 2,
        ..Keep::default()
    };
    let setup = Setup {
        keep,
        subscribers: vec!["a", "b"],
        ..Setup::default()
    };
    let node = Node::with(dir.path(), setup).await;
    node.publish("all/1", "1").await.unwrap();
    node.publish("b/1", "2").await.unwrap();
    let refused = node.bus.publish(envelope("all/1", "3"));
    assert!(refused.synced.is_none());
    assert_eq!(&**refused.refused[0].name().unwrap(), "b");
    let why = refused.refused[0].not_durable().unwrap();
    assert_eq!(
        why,
        "2 events wait for `b` on durable topics, as many as `keep` allows"
    );
    assert_eq!(node.depth(), 1, "the place of `a` was given back");
    let full = node
        .bus
        .reserve(topic("b/1"), event("3", 0), 1)
        .unwrap_err();
    assert!(matches!(
        full,
        Full::Queue(QueueFull::Events { events: 2, .. })
    ));
}

#[tokio::test]
async fn whoever_insists_goes_on_as_soon_as_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Keep {
        events: 1,
        ..Keep::default()
    };
    let node = keeping(dir.path(), keep).await;
    node.publish("a/1", "1").await.unwrap();
    let (share, settled) = Settlement::new();
    let mut refused = node.bus.publish(envelope("a/1", "2").holding(Some(share)));
    let refusal = refused.refused.pop().unwrap();
    let bus = node.bus.clone();
    let insisting = tokio::spawn(async move { refusal.insist(&bus).await });
    tokio::task::yield_now().await;
    assert!(!insisting.is_finished());
    let mut lease = node.lease();
    take(&mut lease);
    tokio::task::yield_now().await;
    assert!(!insisting.is_finished(), "what is in hand has its place");
    commit(&node, &mut lease).await.unwrap();
    insisting.await.unwrap();
    assert_eq!(settled.await, Verdict::Settled);
    assert_eq!(take(&mut lease), "2");
}

/// The record of an event is larger than the event: who waited for the room of the event alone would ask again and again.
#[tokio::test]
async fn whoever_insists_waits_for_the_room_of_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let size = envelope("a/1", "1").size() as u64;
    let dry = keeping(dir.path(), Keep::default()).await;
    dry.publish("a/1", "1").await.unwrap();
    let keep = Keep {
        bytes: 1,
        ..Keep::default()
    };
    dry.stop().await;
    let probe = keeping(dir.path(), keep).await;
    let refused = probe.bus.publish(envelope("a/1", "2"));
    let why = refused.refused[0].not_durable().unwrap();
    let record: u64 = why.split(' ').next().unwrap().parse().unwrap();
    assert!(record > size);
    probe.stop().await;
    let keep = Keep {
        bytes: record + size,
        ..Keep::default()
    };
    let node = keeping(dir.path(), keep).await;
    let refusal = node
        .bus
        .publish(envelope("a/1", "2"))
        .refused
        .pop()
        .unwrap();
    assert!(now(refusal.room()).is_none());
    let mut lease = node.lease();
    take(&mut lease);
    commit(&node, &mut lease).await.unwrap();
    refusal.room().await;
    assert!(refusal.retry(&node.bus).is_ok());
}

#[tokio::test]
async fn past_its_bytes_a_topic_refuses_but_one_event_alone_may_be_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Keep {
        bytes: 100,
        ..Keep::default()
    };
    let node = keeping(dir.path(), keep).await;
    let large = whirlwind_bus::Envelope::new(topic("a/1"), event("large", 1000));
    node.bus
        .publish(large)
        .synced
        .unwrap()
        .wait()
        .await
        .unwrap();
    let why = node.bus.publish(envelope("a/1", "2")).refused[0].not_durable();
    assert!(
        why.unwrap()
            .ends_with("wait for `a` on durable topics, and `keep` allows 100")
    );
}

#[tokio::test]
async fn a_topic_whose_oldest_event_is_too_old_refuses_until_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let first = keeping(dir.path(), Keep::default()).await;
    first.publish("a/1", "old").await.unwrap();
    first.stop().await;
    // Time is that of the wall: the event is as old as the millisecond that passes here.
    let began = std::time::SystemTime::now();
    while began.elapsed().unwrap() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    let keep = Keep {
        age: Some(Duration::ZERO),
        ..Keep::default()
    };
    let node = keeping(dir.path(), keep).await;
    let refusal = node
        .bus
        .publish(envelope("a/1", "new"))
        .refused
        .pop()
        .unwrap();
    let why = refusal.not_durable().unwrap();
    assert!(why.starts_with("the oldest event on durable topics for `a` has waited for"));
    assert!(now(refusal.room()).is_none());
    let room = tokio::spawn(async move {
        refusal.room().await;
        refusal
    });
    tokio::task::yield_now().await;
    let mut lease = node.lease();
    take(&mut lease);
    let refusal = room.await.unwrap();
    assert!(refusal.retry(&node.bus).is_ok());
}
