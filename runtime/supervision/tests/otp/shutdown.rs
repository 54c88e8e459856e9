use std::time::Duration;

use tokio::time::{Instant, advance, timeout};
use whirlwind_supervision::{
    ChildError, ChildSpec, ExitReason, ReportEvent, Restart, Shutdown, State, Strategy,
};

use crate::stage::{OnStop, Stage, Start, boom, ids, patient, quiet, state};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn h1_children_stop_in_reverse_order_each_waited_for() {
    let stage = Stage::new();
    let inner = patient("?", Strategy::OneForOne)
        .child(stage.child("b1"))
        .child(stage.child("b2"));
    let spec = patient("root", Strategy::OneForOne)
        .child(stage.child("a"))
        .child(ChildSpec::supervisor("b", inner))
        .child(stage.child("c"));
    let tree = stage.start(spec).await;
    stage.trace();
    stage.on_stop("c", OnStop::Take(Duration::from_secs(2)));
    stage.on_stop("b2", OnStop::Take(Duration::from_secs(2)));
    let before = Instant::now();
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(before.elapsed().as_secs(), 4);
    assert_eq!(
        stage.trace(),
        [
            "stop c",
            "stopped c",
            "stop b2",
            "stopped b2",
            "stop b1",
            "stop a"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h2_a_child_that_takes_longer_than_its_time_is_killed() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForOne)
        .child(stage.child("a"))
        .child(
            stage
                .child("b")
                .shutdown(Shutdown::Timeout(Duration::from_secs(7))),
        );
    let tree = stage.start(spec).await;
    stage.trace();
    stage.on_stop("b", OnStop::Ignore);
    let before = Instant::now();
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(before.elapsed().as_secs(), 7);
    assert_eq!(stage.trace(), ["stop b", "kill b", "stop a"]);
    let events = stage.events_of("b");
    assert_eq!(
        events[events.len() - 2..],
        [
            ReportEvent::Ended {
                reason: ExitReason::Killed
            },
            ReportEvent::ShutdownError {
                reason: ExitReason::Killed
            },
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h3_a_brutal_kill_asks_nothing_and_is_no_error() {
    let stage = Stage::new();
    let spec =
        patient("root", Strategy::OneForOne).child(stage.child("a").shutdown(Shutdown::BrutalKill));
    let tree = stage.start(spec).await;
    let before = Instant::now();
    tree.stop().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(stage.trace(), ["start a", "kill a"]);
    assert_eq!(
        stage.events_of("a"),
        [
            ReportEvent::Started,
            ReportEvent::Ended {
                reason: ExitReason::Killed
            }
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h4_infinity_waits_as_long_as_it_takes() {
    let stage = Stage::new();
    let spec =
        patient("root", Strategy::OneForOne).child(stage.child("a").shutdown(Shutdown::Infinity));
    let tree = stage.start(spec).await;
    stage.on_stop("a", OnStop::Take(HOUR));
    let before = Instant::now();
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(before.elapsed().as_secs(), HOUR.as_secs());
    assert_eq!(stage.trace(), ["start a", "stop a", "stopped a"]);
}

#[tokio::test(start_paused = true)]
async fn h5_simple_one_for_one_stops_all_in_parallel_under_one_timer() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.simple(
            Restart::Permanent,
            Shutdown::Timeout(Duration::from_secs(5)),
        ))
        .await;
    for _ in 0..100 {
        tree.start_slot().await.unwrap();
    }
    stage.trace();
    for slot in 0..100 {
        let on_stop = if slot < 50 {
            OnStop::Take(Duration::from_secs(3))
        } else {
            OnStop::Ignore
        };
        stage.on_stop(&format!("s{slot}"), on_stop);
    }
    let before = Instant::now();
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(before.elapsed().as_secs(), 5);
    let trace = stage.trace();
    let count = |what: &str| trace.iter().filter(|told| told.starts_with(what)).count();
    assert_eq!(
        (count("stop "), count("stopped "), count("kill ")),
        (100, 50, 50)
    );
    // All were asked before the first had ended.
    assert!(trace[..100].iter().all(|told| told.starts_with("stop ")));
}

#[tokio::test(start_paused = true)]
async fn h6_a_child_that_ends_by_itself_meanwhile_upsets_nothing() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c"]))
        .await;
    stage.trace();
    stage.on_stop("c", OnStop::Take(Duration::from_secs(2)));
    stage.on_stop("b", OnStop::EndAs(ExitReason::failed("b is cross")));
    let stopping = tokio::spawn({
        let tree = tree.clone();
        async move { tree.stop().await }
    });
    quiet().await;
    stage.crash("a").await;
    assert_eq!(stopping.await.unwrap(), ExitReason::Shutdown);
    assert_eq!(stage.trace(), ["stop c", "die a", "stopped c", "stop b"]);
    let reports = stage.reports();
    let errors: Vec<_> = reports
        .iter()
        .filter_map(|report| match &report.event {
            ReportEvent::ShutdownError { reason } => Some((&*report.child, reason.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(
        errors,
        [("a", "boom".to_owned()), ("b", "b is cross".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn h7_a_child_that_never_answers_cannot_hang_the_supervisor() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    stage.on_stop("b", OnStop::Ignore);
    timeout(Duration::from_secs(6), tree.stop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn h7_a_child_whose_start_never_returns_can_be_shut_down() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    stage.next_starts("b", [Start::Hang]);
    stage.crash("b").await;
    assert_eq!(state(&tree, "b").await, State::Starting);
    stage.trace();
    let before = Instant::now();
    timeout(Duration::from_secs(6), tree.stop()).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(stage.trace(), ["kill b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn h7_a_child_whose_first_start_never_returns_is_dropped_with_its_tree() {
    let stage = Stage::new();
    stage.next_starts("b", [Start::Hang]);
    let spec = stage.family(Strategy::OneForOne, &["a", "b"]);
    assert!(
        timeout(Duration::from_secs(1), stage.try_start(spec))
            .await
            .is_err()
    );
    quiet().await;
    advance(Duration::from_secs(6)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["start a", "hang b", "kill b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn h7_a_child_whose_start_never_returns_can_be_terminated() {
    let stage = Stage::new();
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let tree = stage.start(stage.family(strategy, &["a", "b", "c"])).await;
        stage.next_starts("b", [Start::Hang]);
        stage.crash("b").await;
        stage.trace();
        tree.terminate_child("b").await.unwrap();
        quiet().await;
        assert_eq!(state(&tree, "b").await, State::Stopped);
        assert_eq!(state(&tree, "c").await, State::Running);
        tree.restart_child("b").await.unwrap();
        assert_eq!(state(&tree, "b").await, State::Running);
        tree.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn h9_terminate_keeps_the_spec_and_twice_is_fine() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b"])
        .child(stage.child("t").restart(Restart::Temporary));
    let tree = stage.start(spec).await;
    tree.terminate_child("a").await.unwrap();
    tree.terminate_child("a").await.unwrap();
    assert_eq!(state(&tree, "a").await, State::Stopped);
    assert_eq!(ids(&tree).await, ["a", "b", "t"]);
    tree.terminate_child("t").await.unwrap();
    assert_eq!(ids(&tree).await, ["a", "b"]);
    let missing = tree.terminate_child("t").await;
    assert_eq!(missing, Err(ChildError::NotFound("t".into())));
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "start t", "stop a", "stop t"]
    );
}

#[tokio::test(start_paused = true)]
async fn h9_two_that_terminate_the_same_child_both_hear_of_its_end() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    stage.on_stop("a", OnStop::Take(Duration::from_secs(1)));
    let (one, two) = tokio::join!(tree.terminate_child("a"), tree.terminate_child("a"));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(stage.trace(), ["start a", "stop a", "stopped a"]);
}

#[tokio::test(start_paused = true)]
async fn h9_delete_refuses_a_running_child() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    assert_eq!(
        tree.delete_child("a").await,
        Err(ChildError::Running("a".into()))
    );
    tree.terminate_child("a").await.unwrap();
    tree.delete_child("a").await.unwrap();
    assert_eq!(
        tree.delete_child("a").await,
        Err(ChildError::NotFound("a".into()))
    );
    assert!(ids(&tree).await.is_empty());
    tree.start_child(stage.child("a")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_template_has_no_children_to_restart_or_delete_by_hand() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.simple(Restart::Permanent, Shutdown::Infinity))
        .await;
    tree.start_slot().await.unwrap();
    assert_eq!(tree.restart_child("s0").await, Err(ChildError::HasTemplate));
    assert_eq!(tree.delete_child("s0").await, Err(ChildError::HasTemplate));
    assert_eq!(
        tree.start_child(stage.child("a")).await,
        Err(ChildError::HasTemplate)
    );
    let plain = stage.start(stage.family(Strategy::OneForOne, &[])).await;
    assert_eq!(plain.start_slot().await, Err(ChildError::NoTemplate));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_died_just_before_it_was_terminated_stays_down() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c"]))
        .await;
    stage.on_stop("c", OnStop::Take(Duration::from_secs(2)));
    stage.crash("a").await;
    // The group is being stopped; b dies and is terminated before its turn.
    stage.crash("b").await;
    tree.terminate_child("b").await.unwrap();
    stage.trace();
    advance(Duration::from_secs(2)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["stopped c", "start a", "start c"]);
    assert_eq!(state(&tree, "b").await, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_during_a_crash_loop() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let stage = Stage::new();
        let dying = ChildSpec::worker("dying", |_| async { Ok(async { boom() }) });
        let spec = patient("root", strategy)
            .intensity(u32::MAX, HOUR)
            .child(stage.child("a"))
            .child(dying);
        let tree = stage.start(spec).await;
        // It never waits, so the clock stands still while it loops.
        while tree.status().await.children[1].restarts < 100 {}
        let before = Instant::now();
        assert_eq!(tree.stop().await, ExitReason::Shutdown);
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(stage.trace().last().unwrap(), "stop a");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_met_any_more_are_refused() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b"]))
        .await;
    stage.on_stop("b", OnStop::Take(Duration::from_secs(1)));
    stage.crash("a").await;
    // It waits for the group restart, and the stop comes first.
    let waiting = tokio::spawn({
        let (tree, child) = (tree.clone(), stage.child("c"));
        async move { tree.start_child(child).await }
    });
    quiet().await;
    tree.stop().await;
    assert_eq!(waiting.await.unwrap(), Err(ChildError::Stopping));
    assert_eq!(
        tree.start_child(stage.child("d")).await,
        Err(ChildError::Stopping)
    );
    assert_eq!(tree.terminate_child("a").await, Err(ChildError::Stopping));
}
