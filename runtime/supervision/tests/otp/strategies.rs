use std::time::Duration;

use tokio::time::{Instant, advance};
use whirlwind_supervision::{
    AutoShutdown, Backoff, ExitReason, Restart, Shutdown, State, Strategy,
};

use crate::stage::{OnStop, Stage, Start, boom, child_of, ids, patient, quiet, state};

#[tokio::test(start_paused = true)]
async fn x1_one_for_one_touches_only_the_failed_child() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b", "c"]))
        .await;
    stage.trace();
    stage.crash("b").await;
    assert_eq!(stage.trace(), ["die b", "start b"]);
}

#[tokio::test(start_paused = true)]
async fn x1_a_restart_that_hangs_holds_up_no_other() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    stage.next_starts("a", [Start::Hang]);
    stage.crash("a").await;
    stage.crash("b").await;
    assert_eq!(state(&tree, "a").await, State::Starting);
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "die a", "hang a", "die b", "start b"]
    );
}

#[tokio::test(start_paused = true)]
async fn x2_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c", "d"]))
        .await;
    stage.trace();
    stage.crash("b").await;
    assert_eq!(
        stage.trace(),
        [
            "die b", "stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn x2_each_is_waited_for_before_the_next_is_stopped() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c"]))
        .await;
    stage.trace();
    stage.on_stop("c", OnStop::Take(Duration::from_secs(2)));
    stage.crash("a").await;
    advance(Duration::from_secs(3)).await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        [
            "die a",
            "stop c",
            "stopped c",
            "stop b",
            "start a",
            "start b",
            "start c"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn x3_rest_for_one_does_so_for_those_after_the_failed_one() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::RestForOne, &["a", "b", "c", "d"]))
        .await;
    stage.trace();
    stage.crash("b").await;
    assert_eq!(
        stage.trace(),
        ["die b", "stop d", "stop c", "start b", "start c", "start d"]
    );
    stage.crash("d").await;
    assert_eq!(stage.trace(), ["die d", "start d"]);
}

#[tokio::test(start_paused = true)]
async fn x4_simple_one_for_one_starts_empty_and_makes_children_from_its_template() {
    let stage = Stage::new();
    let spec = stage.simple(Restart::Permanent, Shutdown::Infinity);
    let tree = stage.start(spec).await;
    assert!(stage.trace().is_empty());
    for slot in 0..3 {
        assert_eq!(tree.start_slot().await, Ok(slot));
    }
    stage.crash("s1").await;
    assert_eq!(
        stage.trace(),
        ["start s0", "start s1", "start s2", "die s1", "start s1"]
    );
}

#[tokio::test(start_paused = true)]
async fn x4_a_slot_is_kept_through_restarts_and_free_after_the_end() {
    let stage = Stage::new();
    let spec = stage.simple(Restart::Transient, Shutdown::Infinity);
    let tree = stage.start(spec).await;
    for _ in 0..3 {
        tree.start_slot().await.unwrap();
    }
    tree.terminate_slot(1).await.unwrap();
    stage.die("s0", ExitReason::Normal).await;
    assert_eq!(tree.count_children().await.specs, 1);
    stage.crash("s2").await;
    assert_eq!(tree.start_slot().await, Ok(0));
    assert_eq!(tree.start_slot().await, Ok(1));
    assert_eq!(tree.start_slot().await, Ok(3));
    let missing = tree.terminate_slot(9).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no child in slot 9");
}

#[tokio::test(start_paused = true)]
async fn x5_one_for_all_tries_the_whole_group_again_if_a_later_child_fails_to_start() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c"]))
        .await;
    stage.trace();
    stage.fail_next("b", 1);
    stage.crash("c").await;
    assert_eq!(
        stage.trace(),
        [
            "die c", "stop b", "stop a", "start a", "fail b", "stop a", "start a", "start b",
            "start c"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn x6_rest_for_one_tries_again_from_the_one_that_failed_to_start() {
    let stage = Stage::new();
    let _tree = stage
        .start(stage.family(Strategy::RestForOne, &["a", "b", "c", "d"]))
        .await;
    stage.trace();
    stage.fail_next("c", 1);
    stage.crash("b").await;
    assert_eq!(
        stage.trace(),
        [
            "die b", "stop d", "stop c", "start b", "fail c", "start c", "start d"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn x7_a_failed_restart_is_retried_while_the_supervisor_stays_responsive() {
    let stage = Stage::new();
    let backoff = Backoff {
        min: Duration::from_secs(1),
        max: Duration::from_secs(60),
        jitter: 0.0,
    };
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let tree = stage
            .start(stage.family(strategy, &["a", "b"]).backoff(backoff))
            .await;
        stage.trace();
        stage.fail_next("b", 2);
        stage.crash("b").await;
        // The first restart was at once and failed; the second waits.
        assert_eq!(state(&tree, "b").await, State::Restarting);
        if strategy == Strategy::OneForOne {
            let refused = tree.restart_child("b").await.unwrap_err();
            assert_eq!(
                refused.to_string(),
                "child `b` is being restarted: terminate it first, or wait"
            );
        }
        advance(Duration::from_secs(1)).await;
        quiet().await;
        assert_eq!(state(&tree, "b").await, State::Restarting);
        advance(Duration::from_secs(2)).await;
        quiet().await;
        let b = child_of(&tree.status().await, "b");
        assert_eq!((b.state, b.restarts), (State::Running, 3));
        tree.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bystander_that_dies_during_a_group_restart_is_charged_nothing() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b", "c"])
        .intensity(1, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    stage.trace();
    stage.on_stop("c", OnStop::Take(Duration::from_secs(1)));
    stage.crash("a").await;
    // c takes its time; b, which would be stopped next, dies by itself.
    stage.crash("b").await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        [
            "die a",
            "stop c",
            "die b",
            "stopped c",
            "start a",
            "start b",
            "start c"
        ]
    );
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_child_that_dies_during_the_wait_takes_over_the_restart() {
    let stage = Stage::new();
    let backoff = Backoff {
        min: Duration::from_secs(10),
        max: Duration::from_secs(10),
        jitter: 0.0,
    };
    let spec = stage
        .family(Strategy::RestForOne, &["a", "b", "c"])
        .backoff(backoff);
    let tree = stage.start(spec).await;
    stage.crash("b").await;
    stage.crash("b").await;
    stage.trace();
    // b and c wait for ten seconds; a restarts at once, and with it what depends on it.
    let before = Instant::now();
    stage.crash("a").await;
    assert_eq!(stage.trace(), ["die a", "start a", "start b", "start c"]);
    // Nothing is left to wait for: a new child is started at once.
    tree.start_child(stage.child("d")).await.unwrap();
    assert_eq!(stage.trace(), ["start d"]);
    assert!(before.elapsed() < Duration::from_secs(1));
    advance(Duration::from_secs(20)).await;
    quiet().await;
    assert!(stage.trace().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_child_terminated_while_its_group_waits_is_left_out() {
    let stage = Stage::new();
    let backoff = Backoff {
        min: Duration::from_secs(10),
        max: Duration::from_secs(10),
        jitter: 0.0,
    };
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b"])
        .backoff(backoff);
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    stage.crash("a").await;
    stage.trace();
    tree.terminate_child("a").await.unwrap();
    assert_eq!(state(&tree, "a").await, State::Stopped);
    advance(Duration::from_secs(10)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["start b"]);
}

#[tokio::test(start_paused = true)]
async fn two_deaths_at_once_are_both_seen() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    stage.tell_to_die("a", boom());
    stage.tell_to_die("b", boom());
    quiet().await;
    for id in ["a", "b"] {
        let child = child_of(&tree.status().await, id);
        assert_eq!((child.state, child.restarts), (State::Running, 1), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_terminated_while_its_group_stops_it_does_not_hold_up_the_others() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForAll, &["a", "b", "c"]))
        .await;
    stage.trace();
    stage.on_stop("c", OnStop::Take(Duration::from_secs(2)));
    stage.crash("a").await;
    tree.terminate_child("c").await.unwrap();
    quiet().await;
    assert_eq!(
        stage.trace(),
        [
            "die a",
            "stop c",
            "stopped c",
            "stop b",
            "start a",
            "start b"
        ]
    );
    assert_eq!(state(&tree, "c").await, State::Stopped);
    tree.restart_child("c").await.unwrap();
    assert_eq!(state(&tree, "c").await, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_bystander_that_dies_before_its_group_waits_is_charged_nothing_either() {
    let stage = Stage::new();
    let backoff = Backoff {
        min: Duration::from_secs(10),
        max: Duration::from_secs(10),
        jitter: 0.0,
    };
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b", "c"])
        .intensity(2, Duration::from_secs(600))
        .backoff(backoff);
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    stage.on_stop("c", OnStop::Take(Duration::from_secs(1)));
    stage.crash("a").await;
    stage.trace();
    stage.crash("b").await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(state(&tree, "a").await, State::Restarting);
    advance(Duration::from_secs(9)).await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        ["die b", "stopped c", "start a", "start b", "start c"]
    );
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_death_that_a_group_restart_has_mended_already_is_not_mended_twice() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b"])
        .intensity(2, Duration::from_secs(600));
    let tree = stage.start(spec).await;
    stage.next_starts("b", [Start::FailAfter(Duration::from_secs(1))]);
    stage.crash("a").await;
    stage.trace();
    // a dies while b is still trying; then b fails, and the whole group is tried again.
    stage.crash("a").await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["die a", "fail b", "start a", "start b"]);
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_died_and_was_terminated_while_its_group_was_busy_stays_down() {
    let stage = Stage::new();
    let spec = stage.family(Strategy::RestForOne, &["a", "b"]);
    let tree = stage.start(spec).await;
    stage.next_starts("b", [Start::Take(Duration::from_secs(1))]);
    stage.crash("b").await;
    stage.crash("a").await;
    assert_eq!(state(&tree, "a").await, State::Restarting);
    tree.terminate_child("a").await.unwrap();
    stage.trace();
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["start b"]);
    assert_eq!(state(&tree, "a").await, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn x7_a_failed_restart_is_decided_about_after_the_ends_that_came_before_it() {
    let stage = Stage::new();
    let spec = stage.family(Strategy::RestForOne, &["a", "b", "c"]);
    let tree = stage
        .start(spec.intensity(2, Duration::from_secs(600)))
        .await;
    stage.trace();
    stage.next_starts("c", [Start::FailAfter(Duration::from_secs(1))]);
    stage.crash("b").await;
    // a ends while c is still trying, and its restart is one of c too: c is not charged as well.
    stage.crash("a").await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        [
            "die b", "stop c", "start b", "die a", "fail c", "stop b", "start a", "start b",
            "start c"
        ]
    );
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_significant_child_that_ends_while_a_restart_of_its_group_is_due_is_stopped_with_it() {
    let stage = Stage::new();
    let significant = stage.child("b").restart(Restart::Temporary);
    let spec = patient("root", Strategy::RestForOne)
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(stage.child("a"))
        .child(significant.significant(true))
        .child(stage.child("c"));
    let tree = stage.start(spec).await;
    stage.trace();
    stage.next_starts("c", [Start::Take(Duration::from_secs(1))]);
    stage.crash("c").await;
    stage.crash("a").await;
    stage.die("b", ExitReason::Normal).await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        [
            "die c", "die a", "die b", "start c", "stop c", "start a", "start c"
        ]
    );
    assert_eq!(ids(&tree).await, ["a", "c"]);
}
