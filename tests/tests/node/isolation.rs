//! How long an instance lives: what it remembers, and what makes it forget.

use std::path::Path;

use whirlwind_tests::{Bed, guest};

fn manifest(component: &Path, isolation: &str, instances: u32) -> String {
    format!(
        r#"
        manifest = 1
        [actor.counts]
        component = {component:?}
        subscribe = ["do"]
        publish   = ["answers"]
        isolation = "{isolation}"
        instances = {instances}
        retry     = {{ max_deliver = 2, backoff = {{ min = "0s", max = "0s" }} }}
        "#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_per_message_never_counts_past_one() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    // 64 is as many as the pool has places for where nobody asks for more.
    for instances in [1, 4, 64] {
        let bed = Bed::start(&manifest(&component, "per-message", instances)).await;
        let mut answers = bed.watch("answers");
        let (events, in_flight) = (2000, 64);
        for sent in 0..events + in_flight {
            if sent < events {
                bed.publish("do", "count").await;
            }
            if sent >= in_flight {
                assert_eq!(answers.text().await, "1", "of {instances} instances");
            }
        }
        bed.node.stop().await;
        let part = bed.part("counts").await;
        assert_eq!(part.handled, Some(events as u64));
        // A fresh instance for a fresh event is no restart.
        assert_eq!(part.restarts, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_costs_an_instance_its_memory_and_a_rejected_one_does_not() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&manifest(&component, "resident", 1)).await;
    let mut answers = bed.watch("answers");
    for (before, counts) in [
        ("ok", ["1", "2", "3"]),
        ("reject", ["4", "5", "6"]),
        ("retry", ["1", "2", "3"]),
        ("reject", ["4", "5", "6"]),
        ("panic", ["1", "2", "3"]),
        ("exit 0", ["1", "2", "3"]),
        ("forbidden elsewhere", ["4", "5", "6"]),
    ] {
        bed.publish("do", before).await;
        for _ in 0..3 {
            bed.publish("do", "count").await;
        }
        if before.starts_with("forbidden") {
            assert!(answers.text().await.starts_with("refused: "));
        }
        assert_eq!(answers.texts(3).await, counts, "after {before}");
    }
    bed.node.stop().await;
    let part = bed.part("counts").await;
    // Two attempts each at `panic` and at `exit 0`; the instances that `retry` cost are not counted.
    assert_eq!(part.restarts, Some(4));
    assert_eq!(part.dead, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resident_instance_counts_on_and_each_of_several_by_itself() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&manifest(&component, "resident", 3)).await;
    let mut answers = bed.watch("answers");
    let events = 600;
    let mut seen = vec![0_usize; events + 1];
    for _ in 0..events {
        bed.publish("do", "count").await;
        seen[answers.text().await.parse::<usize>().unwrap()] += 1;
    }
    // Each instance says 1, 2, 3, ... once: so no number comes more often than there are instances, nor than the one before it.
    assert!(seen[1] <= 3, "{} instances", seen[1]);
    assert!(seen[1..].is_sorted_by(|earlier, later| earlier >= later));
    bed.stop().await;
}
