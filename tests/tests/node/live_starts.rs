//! What becomes of a change when instances do not start.

use std::path::Path;
use std::time::Duration;

use whirlwind::{ChangeError, PartState};
use whirlwind_tests::{Bed, guest};

/// The actor `work`, with a bucket that says how often the fixture `few-starts` may start.
async fn start(component: &Path, instances: u32, root: &str) -> Bed {
    Bed::start(&format!(
        r#"
        manifest = 1
        [supervisor.root]
        {root}
        [actor.work]
        component = {component:?}
        instances = {instances}
        subscribe = ["in"]
        publish   = ["answers"]
        links     = {{ keyvalue = "starts" }}
        [provider.starts]
        type = "memory"
        "#
    ))
    .await
}

/// So many starts more; none: as many as anybody wants.
async fn allow(bed: &Bed, starts: Option<u32>) {
    let store = bed.node.store("starts").unwrap().unwrap();
    let bucket = store.bucket("default").await.unwrap();
    match starts {
        Some(starts) => bucket
            .set("starts", starts.to_string().into())
            .await
            .unwrap(),
        None => bucket.delete("starts").await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_whose_second_instance_does_not_start_puts_the_old_component_back() {
    let (Some(component), Some(few)) = (guest("misbehave"), guest("few-starts")) else {
        return;
    };
    let bed = start(&component, 3, "max_restarts = 0").await;
    let mut answers = bed.watch("answers");
    // One is tried, and one takes its place.
    allow(&bed, Some(2)).await;
    let refused = bed.node.reload("work", Some(&few)).await.unwrap_err();
    let back = matches!(refused, ChangeError::PutBack { .. });
    assert!(
        back && refused.to_string().contains("no start is left"),
        "{refused}"
    );
    assert_eq!(bed.part("work").await.instances, Some(3));
    assert_eq!(bed.part("work").await.restarts, Some(0));
    // Three of the old kind, and all of them new but the last: none has counted yet.
    for _ in 0..3 {
        bed.publish("in", "count").await;
        let counted: u32 = answers.text().await.parse().unwrap();
        assert!((1..=3).contains(&counted));
    }
    // A later start is of the old kind too.
    bed.node.restart("work").await.unwrap();
    bed.publish("in", "count").await;
    assert_eq!(answers.text().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_after_which_neither_starts_leaves_the_actor_to_its_supervisor() {
    let Some(few) = guest("few-starts") else {
        return;
    };
    let root = r#"max_restarts = 1000000
        backoff = { min = "1ms", max = "1ms" }"#;
    let bed = start(&few, 1, root).await;
    let mut answers = bed.watch("answers");
    allow(&bed, Some(1)).await;
    let refused = bed.node.reload("work", None).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Neither { .. }), "{refused}");
    bed.publish("in", "healed").await;
    allow(&bed, None).await;
    assert_eq!(answers.text().await, "healed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_that_does_not_come_off_leaves_as_many_as_there_were() {
    let Some(few) = guest("few-starts") else {
        return;
    };
    let bed = start(&few, 2, "").await;
    allow(&bed, Some(1)).await;
    let refused = bed.node.scale("work", 5).await.unwrap_err();
    assert!(
        matches!(refused, ChangeError::NotStarted { .. }),
        "{refused}"
    );
    assert_eq!(bed.part("work").await.instances, Some(2));
    allow(&bed, None).await;
    bed.node.restart("work").await.unwrap();
    assert_eq!(bed.part("work").await.instances, Some(2));
    bed.node.scale("work", 5).await.unwrap();
    assert_eq!(bed.part("work").await.instances, Some(5));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_does_not_start_again_stays_down_until_it_is_restarted() {
    let Some(few) = guest("few-starts") else {
        return;
    };
    let bed = start(&few, 1, r#"backoff = { min = "20s", max = "20s" }"#).await;
    let mut answers = bed.watch("answers");
    allow(&bed, Some(0)).await;
    // In a crash loop: started again at once, in vain, and after that by its backoff.
    bed.node.kill_actor("work").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bed.part("work").await.state, PartState::Restarting);
    let down = bed.node.kill_actor("work").await.unwrap_err();
    assert!(down.to_string().contains("down already"), "{down}");
    let refused = bed.node.restart("work").await.unwrap_err();
    assert!(refused.to_string().contains("stays down"), "{refused}");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(bed.part("work").await.state, PartState::Stopped);

    // What is changed meanwhile holds when it starts, and what came meanwhile is handled then.
    bed.publish("in", "waits").await;
    bed.node.scale("work", 2).await.unwrap();
    allow(&bed, None).await;
    bed.node.restart("work").await.unwrap();
    assert_eq!(answers.text().await, "waits");
    let part = bed.part("work").await;
    assert_eq!((part.state, part.instances), (PartState::Running, Some(2)));
}
