use std::time::Duration;

use tokio::time::timeout;
use whirlwind_supervision::{
    ChildError, ChildSpec, ExitReason, ReportEvent, StartError, State, Strategy,
};

use crate::stage::{Stage, Start, boom, ids, patient, quiet, state};

#[tokio::test(start_paused = true)]
async fn s1_children_start_in_order_one_after_the_other() {
    let stage = Stage::new();
    stage.next_starts("b", [Start::Hang]);
    let spec = stage.family(Strategy::OneForOne, &["a", "b", "c"]);
    let starting = timeout(Duration::from_secs(60), stage.try_start(spec)).await;
    assert!(starting.is_err());
    quiet().await;
    // b never came up, so c was never begun; giving up the start took a and b down again.
    assert_eq!(stage.trace(), ["start a", "hang b"]);

    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b", "c"]))
        .await;
    assert_eq!(stage.trace(), ["start a", "start b", "start c"]);
    assert_eq!(ids(&tree).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn s2_start_returns_only_when_all_have_started() {
    let stage = Stage::new();
    let nested = patient("inner", Strategy::OneForOne).child(stage.child("b"));
    let spec = patient("root", Strategy::OneForOne)
        .child(stage.child("a"))
        .child(ChildSpec::supervisor("inner", nested))
        .child(stage.child("c"));
    let tree = stage.start(spec).await;
    assert_eq!(stage.trace(), ["start a", "start b", "start c"]);
    for child in tree.status().await.children {
        assert_eq!(child.state, State::Running, "{child:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s3_a_failed_start_stops_the_others_in_reverse_and_names_the_child() {
    let stage = Stage::new();
    stage.fail_next("c", 1);
    let spec = stage.family(Strategy::OneForOne, &["a", "b", "c", "d"]);
    let error = stage.try_start(spec).await.unwrap_err();
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "fail c", "stop b", "stop a"]
    );
    assert_eq!(
        error,
        StartError::Child {
            supervisor: "root".into(),
            child: "c".into(),
            error: Box::new(StartError::failed("c cannot start")),
        }
    );
    assert_eq!(
        error.to_string(),
        "child `c` of supervisor `root` did not start: c cannot start"
    );
}

#[tokio::test(start_paused = true)]
async fn s3_holds_through_a_nested_supervisor() {
    let stage = Stage::new();
    stage.fail_next("c", 1);
    let inner = patient("?", Strategy::OneForAll)
        .child(stage.child("b"))
        .child(stage.child("c"));
    let spec = patient("root", Strategy::OneForOne)
        .child(stage.child("a"))
        .child(ChildSpec::supervisor("inner", inner));
    let error = stage.try_start(spec).await.unwrap_err();
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "fail c", "stop b", "stop a"]
    );
    assert_eq!(
        error.to_string(),
        "child `inner` of supervisor `root` did not start: \
         child `c` of supervisor `inner` did not start: c cannot start"
    );
}

/// The end of a supervisor comes so soon after the news of its failed start that on several threads a
/// parent can see the end first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_holds_when_the_end_overtakes_the_news_of_the_failed_start() {
    for _ in 0..500 {
        let stage = Stage::new();
        stage.fail_next("c", 1);
        let inner = patient("?", Strategy::OneForOne).child(stage.child("c"));
        let spec =
            patient("root", Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner));
        stage.try_start(spec).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn s7_an_id_cannot_be_started_twice() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    let again = tree.start_child(stage.child("a")).await;
    assert_eq!(again, Err(ChildError::AlreadyStarted("a".into())));
    tree.terminate_child("a").await.unwrap();
    let again = tree.start_child(stage.child("a")).await;
    assert_eq!(again, Err(ChildError::AlreadyPresent("a".into())));
    tree.start_child(stage.child("b")).await.unwrap();
    assert_eq!(stage.trace(), ["start a", "stop a", "start b"]);
}

#[tokio::test(start_paused = true)]
async fn s8_a_dynamic_child_whose_start_fails_leaves_no_spec() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForAll, &["a"])).await;
    stage.fail_next("b", 1);
    let error = tree.start_child(stage.child("b")).await.unwrap_err();
    assert_eq!(error.to_string(), "child `b` did not start: b cannot start");
    assert_eq!(ids(&tree).await, ["a"]);
    tree.start_child(stage.child("b")).await.unwrap();
    // Nobody else was touched, and nothing was charged.
    assert_eq!(stage.trace(), ["start a", "fail b", "start b"]);
}

#[tokio::test(start_paused = true)]
async fn s8_a_slot_whose_start_fails_is_free_again() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.simple(
            whirlwind_supervision::Restart::Permanent,
            whirlwind_supervision::Shutdown::Infinity,
        ))
        .await;
    stage.fail_next("s0", 1);
    assert!(matches!(
        tree.start_slot().await,
        Err(ChildError::Start { .. })
    ));
    assert_eq!(tree.count_children().await.specs, 0);
    assert_eq!(tree.start_slot().await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn s9_restarting_a_stopped_child_whose_start_fails_keeps_its_spec() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    tree.terminate_child("a").await.unwrap();
    stage.fail_next("a", 1);
    let error = tree.restart_child("a").await.unwrap_err();
    assert!(matches!(error, ChildError::Start { .. }), "{error}");
    assert_eq!(state(&tree, "a").await, State::Stopped);
    tree.restart_child("a").await.unwrap();
    assert_eq!(state(&tree, "a").await, State::Running);
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "stop a", "fail a", "start a"]
    );
}

#[tokio::test(start_paused = true)]
async fn restart_child_is_for_children_that_are_down() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    assert_eq!(
        tree.restart_child("a").await,
        Err(ChildError::Running("a".into()))
    );
    assert_eq!(
        tree.restart_child("z").await,
        Err(ChildError::NotFound("z".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_child_takes_part_in_its_group_as_the_last() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForAll, &["a"])).await;
    tree.start_child(stage.child("b")).await.unwrap();
    stage.trace();
    stage.crash("a").await;
    assert_eq!(stage.trace(), ["die a", "stop b", "start a", "start b"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_start_is_a_failed_start_with_its_text() {
    let stage = Stage::new();
    stage.next_starts("a", [Start::Panic]);
    let error = stage
        .try_start(stage.family(Strategy::OneForOne, &["a"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "child `a` of supervisor `root` did not start: panicked: a panics at its start"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_first_await_of_a_start_is_caught_too() {
    let stage = Stage::new();
    let worker = ChildSpec::worker(
        "a",
        |_| -> std::future::Ready<Result<std::future::Pending<ExitReason>, _>> {
            panic!("too soon")
        },
    );
    let error = stage
        .try_start(patient("root", Strategy::OneForOne).child(worker))
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("panicked: too soon"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_run_is_an_abnormal_end_with_its_text() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    stage.panic("a").await;
    assert_eq!(stage.trace(), ["start a", "start a"]);
    assert!(stage.events_of("a").contains(&ReportEvent::Ended {
        reason: ExitReason::failed("panicked: a panics in its run"),
    }));
    assert_eq!(state(&tree, "a").await, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_while_a_later_one_starts_is_restarted_when_all_have_started() {
    let stage = Stage::new();
    let quick = {
        let stage = stage.clone();
        let lives = std::sync::atomic::AtomicU32::new(0);
        ChildSpec::worker("a", move |stop| {
            let life = lives.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            stage.say(format!("start a{life}"));
            async move {
                Ok(async move {
                    if life == 0 {
                        return boom();
                    }
                    stop.asked().await;
                    ExitReason::Shutdown
                })
            }
        })
    };
    let slow = {
        let stage = stage.clone();
        ChildSpec::worker("b", move |stop| {
            let stage = stage.clone();
            async move {
                quiet().await;
                stage.say("start b");
                Ok(async move {
                    stop.asked().await;
                    ExitReason::Shutdown
                })
            }
        })
    };
    let _tree = stage
        .start(
            patient("root", Strategy::OneForOne)
                .child(quick)
                .child(slow),
        )
        .await;
    quiet().await;
    assert_eq!(stage.trace(), ["start a0", "start b", "start a1"]);
}
