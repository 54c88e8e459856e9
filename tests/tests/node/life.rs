//! How a node ends, and comes back.

use std::path::Path;
use std::time::Duration;

use futures::poll;
use tokio::time::Instant;
use whirlwind::{End, PartState, PublishError};
use whirlwind_tests::bed::{PATIENCE, event, topic_of};
use whirlwind_tests::{Bed, guest};

use crate::pingpong;

fn sleeper(component: &Path, settings: &str) -> String {
    format!(
        r#"
        manifest = 1
        [actor.sleeper]
        component = {component:?}
        subscribe = ["do"]
        publish   = ["answers"]
        {settings}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_actors_empty_their_mailboxes() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let bed = Bed::start(&pingpong::manifest(&component, "sled", 1, "")).await;
    let pongs = bed.watch("pong");
    for _ in 0..700 {
        bed.publish("ping", "ping").await;
    }
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
    let expected: Vec<_> = (1..=700).map(|n| format!("pong {n}")).collect();
    assert_eq!(pongs.rest().await, expected);

    // It stays ended, whoever asks, and takes nothing more.
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
    assert_eq!(bed.node.ended().await, End::Stopped { unfinished: 0 });
    let refused = bed.node.publish(&topic_of("ping"), event("ping")).await;
    assert_eq!(refused, Err(PublishError::Stopping));
    assert_eq!(bed.place("node").await.state, PartState::Stopped);
    assert_eq!(bed.part("pingpong").await.state, PartState::Stopped);
}

// On one thread, so that nothing goes on before the first poll is over.
#[tokio::test]
async fn a_stop_goes_on_when_whoever_asked_for_it_goes_away() {
    let bed = Bed::start("manifest = 1").await;
    {
        let mut stop = std::pin::pin!(bed.node.stop());
        assert!(poll!(&mut stop).is_pending());
    }
    let ended = tokio::time::timeout(PATIENCE, bed.node.ended()).await;
    assert_eq!(ended, Ok(End::Stopped { unfinished: 0 }));
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_the_turn_in_hand_and_counts_what_is_left() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&sleeper(&component, "drain = \"1500ms\"")).await;
    for _ in 0..10 {
        bed.publish("do", "sleep 1000").await;
    }
    let began = Instant::now();
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 8 });
    // Until 1.5 s it drains; the turn that began at 1 s goes on to its end.
    assert_eq!(began.elapsed().as_millis() / 100, 20);
    let part = bed.part("sleeper").await;
    assert_eq!((part.handled, part.failed), (Some(2), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_longer_than_drain_for_what_waits_to_be_tried_again() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = r#"drain = "2s"
        retry = { backoff = { min = "1h", max = "1h" } }"#;
    let bed = Bed::start(&sleeper(&component, settings)).await;
    bed.publish("do", "retry").await;
    bed.publish("do", "hello").await;
    let began = Instant::now();
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 2 });
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_a_node_stops_it_accepts_nothing_and_everybody_hears_the_end() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&sleeper(&component, "")).await;
    let mut answers = bed.watch("answers");
    bed.publish("do", "sleep 1000").await;
    bed.publish("do", "hello").await;
    let mut stop = Box::pin(bed.node.stop());
    assert!(poll!(&mut stop).is_pending());
    let refused = bed.node.publish(&topic_of("do"), event("late")).await;
    assert_eq!(refused, Err(PublishError::Stopping));
    // What was accepted before is still handled.
    assert_eq!(answers.text().await, "hello");
    let ends = tokio::join!(stop, bed.node.stop(), bed.node.ended());
    let end = End::Stopped { unfinished: 0 };
    assert_eq!(ends, (end.clone(), end.clone(), end));
    assert_eq!(answers.rest().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_waits_for_nobody() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&sleeper(&component, r#"limits = { deadline = "2h" }"#)).await;
    let answers = bed.watch("answers");
    bed.publish("do", "hello").await;
    bed.publish("do", "sleep 3600000").await;
    bed.publish("do", "never").await;
    let began = Instant::now();
    bed.node.kill();
    assert_eq!(bed.node.ended().await, End::Killed);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(!answers.rest().await.contains(&"never".to_owned()));
    let refused = bed.node.publish(&topic_of("do"), event("late")).await;
    assert_eq!(refused, Err(PublishError::Stopping));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_in_sled_goes_on_after_a_stop_and_one_in_memory_begins_anew() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    for (provider, third) in [("sled", "pong 3"), ("memory", "pong 1")] {
        let manifest = pingpong::manifest(&component, provider, 1, "");
        let bed = Bed::start(&manifest).await;
        let mut pongs = bed.watch("pong");
        bed.publish("ping", "ping").await;
        bed.publish("ping", "ping").await;
        assert_eq!(pongs.texts(2).await, ["pong 1", "pong 2"]);
        let folder = bed.stop().await;
        let bed = Bed::start_in(folder, &manifest).await.unwrap();
        let mut pongs = bed.watch("pong");
        bed.publish("ping", "ping").await;
        assert_eq!(pongs.text().await, third, "in {provider}");
        assert_eq!(bed.part("counters").await.detail, None);
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_leaves_its_store_to_the_next() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    // Patient: the store may take a moment to be let go.
    let patient = r#"retry = { max_deliver = 1000, backoff = { min = "10ms", max = "100ms" } }"#;
    let manifest = pingpong::manifest(&component, "sled", 1, patient);
    let mut folder = tempfile::TempDir::new().unwrap();
    for life in 1..=5 {
        let bed = Bed::start_in(folder, &manifest).await.unwrap();
        let mut pongs = bed.watch("pong");
        bed.publish("ping", "ping").await;
        // Killed and let go in good order, it wrote all it had: no count is lost.
        assert_eq!(pongs.text().await, format!("pong {life}"));
        bed.node.kill();
        assert_eq!(bed.node.ended().await, End::Killed);
        drop(pongs);
        folder = bed.leave();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_stops_lives_on_when_its_handle_goes() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let bed = Bed::start(&pingpong::manifest(&component, "memory", 1, "")).await;
    let (mut pongs, other) = (bed.watch("pong"), bed.node.clone());
    let folder = bed.leave();
    let published = other.publish(&topic_of("ping"), event("ping")).await;
    assert_eq!(published.unwrap().delivered, 1, "a watch only looks on");
    assert_eq!(pongs.text().await, "pong 1");
    other.stop().await;
    drop(folder);
}
