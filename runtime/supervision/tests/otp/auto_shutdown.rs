//! Significant children, and supervisors that shut down when these have done their work.

use std::time::Duration;

use rstest::rstest;
use tokio::time::advance;
use whirlwind_supervision::{
    AutoShutdown, Backoff, ChildError, ChildSpec, ExitReason, ReportEvent, Restart, Shutdown,
    SpecError, State, Strategy, SupervisorRef, SupervisorSpec, Template,
};

use crate::stage::{OnStop, Stage, boom, ids, patient, quiet, state};

use AutoShutdown::{AllSignificant, AnySignificant};

fn transient(stage: &Stage, id: &str) -> ChildSpec {
    stage
        .child(id)
        .restart(Restart::Transient)
        .significant(true)
}

fn temporary(stage: &Stage, id: &str) -> ChildSpec {
    stage
        .child(id)
        .restart(Restart::Temporary)
        .significant(true)
}

/// A permanent `first`, then `children`, then a permanent `last`.
async fn between(
    stage: &Stage,
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    children: impl IntoIterator<Item = ChildSpec>,
) -> SupervisorRef {
    let mut spec = patient("root", strategy)
        .auto_shutdown(auto_shutdown)
        .child(stage.child("first"));
    for child in children {
        spec = spec.child(child);
    }
    let tree = stage.start(spec.child(stage.child("last"))).await;
    stage.trace();
    tree
}

async fn is_up(tree: &SupervisorRef) -> bool {
    quiet().await;
    tree.status().await.state == State::Running
}

#[tokio::test(start_paused = true)]
async fn a1_under_never_significant_children_are_refused() {
    let stage = Stage::new();
    let refused = SpecError::SignificantUnderNever {
        supervisor: "root".into(),
        child: "a".into(),
    };
    let spec = patient("root", Strategy::OneForOne);
    assert_eq!(spec.auto_shutdown, AutoShutdown::Never);
    let with = spec.clone().child(transient(&stage, "a"));
    assert_eq!(with.check(), Err(refused.clone()));
    let tree = stage.start(spec).await;
    assert_eq!(
        tree.start_child(temporary(&stage, "a")).await,
        Err(ChildError::Spec(refused))
    );
    assert!(ids(&tree).await.is_empty());
    assert!(stage.trace().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a1_under_never_the_end_of_the_last_child_ends_nobody_else() {
    let stage = Stage::new();
    let child = stage.child("a").restart(Restart::Temporary);
    let spec = patient("root", Strategy::OneForOne).child(child);
    let tree = stage.start(spec).await;
    stage.die("a", ExitReason::Normal).await;
    assert!(is_up(&tree).await);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a2_any_significant_shuts_down_at_the_first_end_for_good(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let ends = [
        (Restart::Transient, ExitReason::Normal),
        (Restart::Transient, ExitReason::Shutdown),
        (Restart::Temporary, ExitReason::Normal),
        (Restart::Temporary, ExitReason::Shutdown),
        (Restart::Temporary, ExitReason::Killed),
        (Restart::Temporary, boom()),
        (Restart::Temporary, ExitReason::excused("trapped")),
    ];
    for (restart, reason) in ends {
        let stage = Stage::new();
        let children = ["a", "b"].map(|id| transient(&stage, id).restart(restart));
        let tree = between(&stage, strategy, AnySignificant, children).await;
        stage.tell_to_die("a", reason.clone());
        // Whatever ended the child, the supervisor has done its work.
        assert_eq!(tree.ended().await, ExitReason::Shutdown);
        assert_eq!(
            stage.trace(),
            ["die a", "stop last", "stop b", "stop first"],
            "{restart} {reason}"
        );
        let restarting = |event: &ReportEvent| matches!(event, ReportEvent::Restarting { .. });
        assert!(!stage.events_of("a").iter().any(restarting));
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a3_an_abnormal_end_of_a_transient_significant_child_restarts_it(
    #[values(Strategy::OneForOne, Strategy::RestForOne)] strategy: Strategy,
    #[values(AnySignificant, AllSignificant)] auto_shutdown: AutoShutdown,
) {
    for reason in [boom(), ExitReason::Killed, ExitReason::excused("trapped")] {
        let stage = Stage::new();
        let spec = patient("root", strategy)
            .auto_shutdown(auto_shutdown)
            .child(transient(&stage, "a"));
        let tree = stage.start(spec).await;
        stage.die("a", reason).await;
        assert_eq!(stage.trace(), ["start a", "die a", "start a"]);
        assert!(is_up(&tree).await);
        // And then a normal one ends them.
        stage.tell_to_die("a", ExitReason::Normal);
        assert_eq!(tree.ended().await, ExitReason::Shutdown);
    }
}

#[tokio::test(start_paused = true)]
async fn a3_a_significant_child_can_exhaust_the_intensity_like_any_other() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForOne)
        .intensity(0, Duration::from_secs(60))
        .auto_shutdown(AnySignificant)
        .child(transient(&stage, "a"));
    let tree = stage.start(spec).await;
    stage.tell_to_die("a", boom());
    assert!(matches!(
        tree.ended().await,
        ExitReason::IntensityExceeded(_)
    ));
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a4_all_significant_shuts_down_at_the_last(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let children = [
        transient(&stage, "a"),
        temporary(&stage, "b"),
        transient(&stage, "c"),
    ];
    let tree = between(&stage, strategy, AllSignificant, children).await;
    stage.die("a", ExitReason::Normal).await;
    stage.die("b", boom()).await;
    assert!(is_up(&tree).await);
    stage.tell_to_die("c", ExitReason::Shutdown);
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(
        stage.trace(),
        ["die a", "die b", "die c", "stop last", "stop first"]
    );
}

#[tokio::test(start_paused = true)]
async fn a4_one_that_is_about_to_be_started_again_is_not_gone() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForOne)
        .backoff(Backoff {
            min: Duration::from_secs(10),
            max: Duration::from_secs(10),
            jitter: 0.0,
        })
        .auto_shutdown(AllSignificant)
        .child(transient(&stage, "a"))
        .child(transient(&stage, "b"));
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    stage.crash("a").await;
    assert_eq!(state(&tree, "a").await, State::Restarting);
    stage.die("b", ExitReason::Normal).await;
    assert!(is_up(&tree).await);
    advance(Duration::from_secs(10)).await;
    quiet().await;
    assert_eq!(state(&tree, "a").await, State::Running);
    stage.tell_to_die("a", ExitReason::Normal);
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a4_of_two_that_end_together_one_that_restarts_keeps_the_supervisor(
    #[values(Strategy::OneForOne, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let spec = patient("root", strategy)
        .auto_shutdown(AllSignificant)
        .child(transient(&stage, "a"))
        .child(transient(&stage, "b"));
    let tree = stage.start(spec).await;
    stage.tell_to_die("a", ExitReason::Normal);
    stage.tell_to_die("b", boom());
    assert!(is_up(&tree).await);
    assert_eq!(state(&tree, "b").await, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a4_one_that_was_started_again_by_hand_counts_again() {
    let stage = Stage::new();
    let children = [transient(&stage, "a"), transient(&stage, "b")];
    let tree = between(&stage, Strategy::OneForOne, AllSignificant, children).await;
    stage.die("a", ExitReason::Normal).await;
    tree.restart_child("a").await.unwrap();
    stage.die("b", ExitReason::Normal).await;
    assert!(is_up(&tree).await);
    tree.start_child(temporary(&stage, "c")).await.unwrap();
    stage.die("a", ExitReason::Normal).await;
    assert!(is_up(&tree).await);
    stage.tell_to_die("c", boom());
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a4_holds_for_simple_one_for_one(
    #[values(Restart::Transient, Restart::Temporary)] restart: Restart,
    #[values(AnySignificant, AllSignificant)] auto_shutdown: AutoShutdown,
) {
    let stage = Stage::new();
    let template = {
        let stage = stage.clone();
        Template::new(move |slot| transient(&stage, &format!("s{slot}")).restart(restart))
    };
    let tree = stage
        .start(SupervisorSpec::simple("root", template).auto_shutdown(auto_shutdown))
        .await;
    for slot in 0..3 {
        assert_eq!(tree.start_slot().await, Ok(slot));
    }
    if auto_shutdown == AllSignificant {
        stage.die("s1", ExitReason::Normal).await;
        assert!(is_up(&tree).await);
        tree.terminate_slot(0).await.unwrap();
        assert!(is_up(&tree).await);
    }
    stage.tell_to_die("s2", ExitReason::Normal);
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a5_a_significant_child_that_is_terminated_does_not_count(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
    #[values(AnySignificant, AllSignificant)] auto_shutdown: AutoShutdown,
) {
    let stage = Stage::new();
    let children = [
        transient(&stage, "a"),
        temporary(&stage, "b"),
        // Ends of another reason than the one it is given.
        transient(&stage, "c"),
    ];
    let tree = between(&stage, strategy, auto_shutdown, children).await;
    stage.on_stop("c", OnStop::EndAs(ExitReason::Normal));
    for id in ["a", "b", "c"] {
        tree.terminate_child(id).await.unwrap();
    }
    assert!(is_up(&tree).await);
    tree.delete_child("a").await.unwrap();
    assert!(is_up(&tree).await);
    assert_eq!(ids(&tree).await, ["first", "c", "last"]);
}

#[tokio::test(start_paused = true)]
async fn a5_one_that_takes_its_time_to_be_terminated_is_not_waited_for() {
    let stage = Stage::new();
    let children = [transient(&stage, "a"), transient(&stage, "b")];
    let tree = between(&stage, Strategy::OneForOne, AllSignificant, children).await;
    stage.on_stop("a", OnStop::Take(Duration::from_secs(3)));
    let terminating = tokio::spawn({
        let tree = tree.clone();
        async move { tree.terminate_child("a").await }
    });
    quiet().await;
    stage.tell_to_die("b", ExitReason::Normal);
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(terminating.await.unwrap(), Ok(()));
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a5_significant_bystanders_of_a_group_restart_do_not_count(
    #[values(AnySignificant, AllSignificant)] auto_shutdown: AutoShutdown,
) {
    let stage = Stage::new();
    let children = [transient(&stage, "a"), temporary(&stage, "b")];
    let tree = between(&stage, Strategy::OneForAll, auto_shutdown, children).await;
    stage.on_stop("a", OnStop::EndAs(ExitReason::Normal));
    stage.crash("first").await;
    assert_eq!(
        stage.trace(),
        [
            "die first",
            "stop last",
            "stop b",
            "stop a",
            "start first",
            "start a",
            "start last"
        ]
    );
    assert!(is_up(&tree).await);
    assert_eq!(ids(&tree).await, ["first", "a", "last"]);
}

#[tokio::test(start_paused = true)]
async fn a5_ends_during_the_shutdown_upset_nothing() {
    let stage = Stage::new();
    let children = [transient(&stage, "a"), transient(&stage, "b")];
    let tree = between(&stage, Strategy::OneForOne, AnySignificant, children).await;
    stage.on_stop("last", OnStop::Take(Duration::from_secs(1)));
    stage.die("a", ExitReason::Normal).await;
    assert_eq!(tree.status().await.state, State::Stopping);
    assert_eq!(
        tree.start_child(stage.child("late")).await,
        Err(ChildError::Stopping)
    );
    stage.crash("b").await;
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(
        stage.trace(),
        ["die a", "stop last", "die b", "stopped last", "stop first"]
    );
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a6_the_end_of_a_child_that_is_not_significant_does_not_count(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
    #[values(AnySignificant, AllSignificant)] auto_shutdown: AutoShutdown,
) {
    let stage = Stage::new();
    let children = [
        stage.child("plain").restart(Restart::Transient),
        stage.child("brief").restart(Restart::Temporary),
        temporary(&stage, "a"),
    ];
    let tree = between(&stage, strategy, auto_shutdown, children).await;
    // Also when no significant one is left to count.
    tree.terminate_child("a").await.unwrap();
    stage.die("plain", ExitReason::Normal).await;
    stage.die("brief", boom()).await;
    assert!(is_up(&tree).await);
    assert_eq!(ids(&tree).await, ["first", "plain", "last"]);
}

/// A supervisor `inner` over one significant child `leaf`, as a child of `root`.
async fn nested(stage: &Stage, root: SupervisorSpec, restart: Restart) -> SupervisorRef {
    let significant = root.auto_shutdown != AutoShutdown::Never;
    let inner = patient("?", Strategy::OneForOne)
        .auto_shutdown(AnySignificant)
        .child(transient(stage, "leaf"));
    let inner = ChildSpec::supervisor("inner", inner)
        .restart(restart)
        .significant(significant);
    stage.start(root.child(inner)).await
}

#[rstest]
#[case(Restart::Permanent, Some(State::Running))]
#[case(Restart::Transient, Some(State::Stopped))]
#[case(Restart::Temporary, None)]
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_shut_down_by_itself_restarts_by_its_type_as_after_any_shutdown(
    #[case] restart: Restart,
    #[case] after: Option<State>,
) {
    let stage = Stage::new();
    let tree = nested(&stage, patient("root", Strategy::OneForOne), restart).await;
    stage.die("leaf", ExitReason::Normal).await;
    assert!(is_up(&tree).await);
    let inner = tree.status().await.children.pop();
    assert_eq!(inner.map(|inner| inner.state), after);
    assert!(stage.events_of("inner").contains(&ReportEvent::Ended {
        reason: ExitReason::Shutdown
    }));
    let starts = if after == Some(State::Running) { 2 } else { 1 };
    let trace = stage.trace();
    assert_eq!(
        trace.iter().filter(|what| *what == "start leaf").count(),
        starts
    );
}

#[tokio::test(start_paused = true)]
async fn a_significant_supervisor_that_shut_down_by_itself_counts_above() {
    let stage = Stage::new();
    let root = patient("root", Strategy::OneForOne)
        .auto_shutdown(AllSignificant)
        .child(stage.child("first"));
    let tree = nested(&stage, root, Restart::Transient).await;
    stage.tell_to_die("leaf", ExitReason::Normal);
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(
        stage.trace(),
        ["start first", "start leaf", "die leaf", "stop first"]
    );
}

#[tokio::test(start_paused = true)]
async fn significant_children_that_come_and_go_by_the_thousand_end_the_supervisor_once() {
    let stage = Stage::new();
    let spec = stage
        .simple(Restart::Temporary, Shutdown::Infinity)
        .auto_shutdown(AllSignificant);
    let template = {
        let stage = stage.clone();
        Template::new(move |slot| temporary(&stage, &format!("s{slot}")))
    };
    let tree = stage
        .start(SupervisorSpec {
            template: Some(template),
            ..spec
        })
        .await;
    for _ in 0..1000 {
        tree.start_slot().await.unwrap();
    }
    for slot in 1..1000 {
        stage.tell_to_die(&format!("s{slot}"), boom());
    }
    assert!(is_up(&tree).await);
    assert_eq!(tree.count_children().await.active, 1);
    stage.tell_to_die("s0", boom());
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a4_one_whose_end_has_yet_to_be_decided_about_is_not_gone() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::RestForOne)
        .auto_shutdown(AllSignificant)
        .child(transient(&stage, "a"))
        .child(transient(&stage, "b"))
        .child(stage.child("c"))
        .child(stage.child("d"));
    let tree = stage.start(spec).await;
    // While the group is busy a ends for good, and b does not.
    stage.on_stop("d", OnStop::Take(Duration::from_secs(1)));
    stage.crash("c").await;
    stage.die("a", ExitReason::Normal).await;
    stage.crash("b").await;
    advance(Duration::from_secs(3)).await;
    quiet().await;
    advance(Duration::from_secs(3)).await;
    assert!(is_up(&tree).await);
    assert_eq!(state(&tree, "a").await, State::Stopped);
    assert_eq!(state(&tree, "b").await, State::Running);
}
