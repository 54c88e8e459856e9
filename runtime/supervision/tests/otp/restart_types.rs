use rstest::rstest;
use whirlwind_supervision::{ExitReason, Restart, State, Strategy};

use crate::stage::{Stage, boom, ids, patient, state};

/// The reasons by which a child can end, and whether each is abnormal.
fn reasons() -> [(ExitReason, bool); 5] {
    [
        (ExitReason::Normal, false),
        (ExitReason::Shutdown, false),
        (ExitReason::Killed, true),
        (boom(), true),
        (ExitReason::excused("trapped"), true),
    ]
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn r1_permanent_restarts_after_every_end(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    for (reason, _) in reasons() {
        let stage = Stage::new();
        let tree = stage.start(stage.family(strategy, &["a"])).await;
        stage.die("a", reason).await;
        assert_eq!(stage.trace(), ["start a", "die a", "start a"]);
        assert_eq!(state(&tree, "a").await, State::Running);
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn r2_transient_restarts_only_after_an_abnormal_end(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    for (reason, abnormal) in reasons() {
        let stage = Stage::new();
        let child = stage.child("a").restart(Restart::Transient);
        let tree = stage.start(patient("root", strategy).child(child)).await;
        stage.die("a", reason).await;
        if abnormal {
            assert_eq!(stage.trace(), ["start a", "die a", "start a"]);
            assert_eq!(state(&tree, "a").await, State::Running);
        } else {
            assert_eq!(stage.trace(), ["start a", "die a"]);
            // Its spec stays, and it can be started by hand.
            assert_eq!(state(&tree, "a").await, State::Stopped);
            tree.restart_child("a").await.unwrap();
            assert_eq!(state(&tree, "a").await, State::Running);
        }
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn r3_temporary_never_restarts_and_its_spec_goes(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    for (reason, _) in reasons() {
        let stage = Stage::new();
        let child = stage.child("a").restart(Restart::Temporary);
        let spec = patient("root", strategy)
            .child(child)
            .child(stage.child("b"));
        let tree = stage.start(spec).await;
        stage.die("a", reason).await;
        assert_eq!(stage.trace(), ["start a", "start b", "die a"]);
        assert_eq!(ids(&tree).await, ["b"]);
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn r4_a_temporary_child_stopped_as_a_bystander_is_not_restarted_either(
    #[values(Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let spec = patient("root", strategy)
        .child(stage.child("a"))
        .child(stage.child("b").restart(Restart::Temporary))
        .child(stage.child("c"));
    let tree = stage.start(spec).await;
    stage.trace();
    stage.crash("a").await;
    assert_eq!(
        stage.trace(),
        ["die a", "stop c", "stop b", "start a", "start c"]
    );
    assert_eq!(ids(&tree).await, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_restart_starts_a_transient_child_that_had_ended_normally() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForAll)
        .child(stage.child("a"))
        .child(stage.child("b").restart(Restart::Transient));
    let _tree = stage.start(spec).await;
    stage.die("b", ExitReason::Normal).await;
    stage.crash("a").await;
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "die b", "die a", "start a", "start b"]
    );
}
