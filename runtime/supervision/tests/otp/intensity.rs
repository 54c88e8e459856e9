use std::{sync::Arc, time::Duration};

use rstest::rstest;
use tokio::time::advance;
use whirlwind_supervision::{
    Backoff, ChildSpec, ExitReason, GaveUp, ReportEvent, Restart, Shutdown, State, Strategy,
    SupervisorRef, SupervisorSpec,
};

use crate::stage::{OnStop, Stage, boom, patient, quiet};

async fn gave_up(tree: &SupervisorRef) -> Arc<GaveUp> {
    match tree.ended().await {
        ExitReason::IntensityExceeded(gave_up) => gave_up,
        other => panic!("ended with {other:?}"),
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn i1_exactly_max_restarts_is_tolerated_and_one_more_ends_all(
    #[values(0, 1, 2, 5)] max: u32,
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let spec = stage
        .family(strategy, &["a", "b", "c"])
        .intensity(max, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    for _ in 0..max {
        stage.crash("b").await;
        assert_eq!(tree.status().await.state, State::Running);
    }
    stage.trace();
    stage.crash("b").await;
    assert_eq!(stage.trace(), ["die b", "stop c", "stop a"]);
    let gave_up = gave_up(&tree).await;
    assert_eq!(gave_up.charges.len(), max as usize + 1);
    assert_eq!(tree.status().await.state, State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn i1_holds_for_simple_one_for_one() {
    let stage = Stage::new();
    let spec = stage
        .simple(Restart::Permanent, Shutdown::Infinity)
        .intensity(1, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    for _ in 0..3 {
        tree.start_slot().await.unwrap();
    }
    stage.crash("s0").await;
    stage.crash("s1").await;
    assert_eq!(gave_up(&tree).await.last().unwrap().child, "s1".into());
    assert_eq!(stage.trace()[5..], ["die s1", "stop s2", "stop s0"]);
}

#[tokio::test(start_paused = true)]
async fn i2_the_count_is_per_supervisor_not_per_child() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b", "c"])
        .intensity(2, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    for id in ["a", "b", "c"] {
        stage.crash(id).await;
    }
    assert_eq!(gave_up(&tree).await.charges.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i3_the_window_slides() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(2, Duration::from_secs(10));
    let tree = stage.start(spec).await;
    // One every six seconds: never three within ten, however long it goes on.
    for _ in 0..10 {
        stage.crash("a").await;
        advance(Duration::from_secs(6)).await;
    }
    assert_eq!(tree.status().await.state, State::Running);
    // The last one was six seconds ago: two more within four make three within ten.
    stage.crash("a").await;
    advance(Duration::from_secs(3)).await;
    stage.crash("a").await;
    assert_eq!(gave_up(&tree).await.charges.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn i4_zero_means_the_first_restart_ends_it() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b"])
        .intensity(0, Duration::from_secs(1));
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    assert_eq!(gave_up(&tree).await.charges.len(), 1);
    assert_eq!(stage.trace(), ["start a", "start b", "die a", "stop b"]);
}

#[tokio::test(start_paused = true)]
async fn i4_what_is_not_restarted_is_not_counted() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForOne)
        .intensity(0, Duration::from_secs(1))
        .child(stage.child("a").restart(Restart::Temporary))
        .child(stage.child("b").restart(Restart::Transient));
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    stage.die("b", ExitReason::Normal).await;
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn i5_a_group_restart_counts_once() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForAll, &["a", "b", "c", "d"])
        .intensity(1, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    stage.crash("a").await;
    assert_eq!(tree.status().await.state, State::Running);
    stage.crash("a").await;
    assert_eq!(gave_up(&tree).await.charges.len(), 2);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn i6_a_child_that_always_fails_to_restart_exhausts_it_by_itself(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let spec = stage
        .family(strategy, &["a", "b"])
        .intensity(3, Duration::from_secs(60));
    let tree = stage.start(spec).await;
    stage.fail_next("b", usize::from(u8::MAX));
    stage.crash("b").await;
    let gave_up = gave_up(&tree).await;
    let reasons: Vec<String> = gave_up
        .charges
        .iter()
        .map(|charge| charge.reason.to_string())
        .collect();
    assert_eq!(
        reasons,
        ["boom", "b cannot start", "b cannot start", "b cannot start"]
    );
    let fails = stage
        .trace()
        .iter()
        .filter(|what| *what == "fail b")
        .count();
    assert_eq!(fails, 3);
}

#[rstest]
#[case(0, 0)]
#[case(1, 0)]
#[case(0, 2)]
#[case(2, 3)]
#[tokio::test(start_paused = true)]
async fn i7_over_two_levels_the_leaf_starts_the_product_of_times(#[case] m1: u32, #[case] m2: u32) {
    let stage = Stage::new();
    let inner = patient("?", Strategy::OneForOne)
        .intensity(m1, Duration::from_secs(60))
        .child(stage.child("leaf"));
    let spec = patient("root", Strategy::OneForOne)
        .intensity(m2, Duration::from_secs(60))
        .child(ChildSpec::supervisor("inner", inner));
    let tree = stage.start(spec).await;
    let product = (m1 + 1) * (m2 + 1);
    for _ in 0..product {
        assert_eq!(tree.status().await.state, State::Running);
        stage.crash("leaf").await;
    }
    let gave_up = gave_up(&tree).await;
    let starts = stage
        .trace()
        .iter()
        .filter(|what| *what == "start leaf")
        .count();
    assert_eq!(starts, product as usize);
    // The words of the top still say what happened at the leaf.
    let words = gave_up.to_string();
    assert!(words.contains("supervisor `root` gave up"), "{words}");
    assert!(words.contains("supervisor `inner` gave up"), "{words}");
    assert!(words.contains("`leaf` boom"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn i8_a_supervisor_that_gave_up_is_restarted_even_as_a_transient_child() {
    let stage = Stage::new();
    let inner = patient("?", Strategy::OneForOne)
        .intensity(0, Duration::from_secs(60))
        .child(stage.child("leaf"));
    let spec = patient("root", Strategy::OneForOne)
        .child(ChildSpec::supervisor("inner", inner).restart(Restart::Transient));
    let tree = stage.start(spec).await;
    stage.crash("leaf").await;
    assert_eq!(stage.trace(), ["start leaf", "die leaf", "start leaf"]);
    assert_eq!(tree.status().await.children[0].restarts, 1);
    let events = stage.events_of("inner");
    assert!(
        events.iter().any(|event| matches!(
            event,
            ReportEvent::Ended {
                reason: ExitReason::IntensityExceeded(_)
            }
        )),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn b4_a_supervisor_that_gives_up_says_which_child_and_which_reasons() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["decode", "alarm"])
        .intensity(3, Duration::from_secs(10));
    let tree = stage.start(spec).await;
    stage
        .die("decode", ExitReason::failed("no such bucket `state`"))
        .await;
    stage
        .die("decode", ExitReason::failed("no such bucket `state`"))
        .await;
    stage.die("alarm", ExitReason::Normal).await;
    stage.reports();
    stage
        .die(
            "decode",
            ExitReason::excused("wasm trap on `sensors/1`: unreachable"),
        )
        .await;
    assert_eq!(tree.status().await.state, State::Running);
    stage
        .die(
            "decode",
            ExitReason::failed("wasm trap at start: unreachable"),
        )
        .await;
    let gave_up = gave_up(&tree).await;
    assert_eq!(
        gave_up.to_string(),
        "supervisor `root` gave up: 4 ends within 10s, 3 allowed: \
         `decode` no such bucket `state` (2 times); `alarm` ended normally; \
         `decode` wasm trap at start: unreachable"
    );
    let reports = stage.reports();
    let report = reports
        .iter()
        .find(|report| matches!(report.event, ReportEvent::GaveUp(_)))
        .unwrap();
    assert_eq!((&*report.supervisor, &*report.child), ("root", "decode"));
    assert_eq!(report.to_string(), gave_up.to_string());
}

#[tokio::test(start_paused = true)]
async fn b4_the_words_stay_readable_however_many_ends_there_were() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(100, Duration::from_secs(10));
    let tree = stage.start(spec).await;
    for nth in 0..=100 {
        stage.die("a", ExitReason::failed(nth)).await;
    }
    assert_eq!(
        gave_up(&tree).await.to_string(),
        "supervisor `root` gave up: 101 ends within 10s, 100 allowed: \
         96 earlier; `a` 96; `a` 97; `a` 98; `a` 99; `a` 100"
    );
}

#[tokio::test(start_paused = true)]
async fn b3_an_excused_end_restarts_at_once_and_is_not_charged() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(0, Duration::from_secs(60))
        .backoff(Backoff::default());
    let tree = stage.start(spec).await;
    for _ in 0..100 {
        stage.die("a", ExitReason::excused("trapped")).await;
    }
    assert_eq!(tree.status().await.children[0].restarts, 100);
    assert_eq!(tree.status().await.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn b3_between_excused_ends_the_others_are_charged_as_ever() {
    // The default intensity, and a backoff that does not outlast its window.
    let stage = Stage::new();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .backoff(Backoff::NONE)
        .child(stage.child("a"));
    let tree = stage.start(spec).await;
    for nth in 0..5 {
        for _ in 0..20 {
            stage.die("a", ExitReason::excused("trapped")).await;
        }
        stage.die("a", ExitReason::failed(nth)).await;
    }
    assert_eq!(tree.status().await.children[0].restarts, 105);
    // A failed start is charged too, also the one after an excused end.
    stage.fail_next("a", 1);
    stage.tell_to_die("a", ExitReason::excused("trapped"));
    let reasons: Vec<String> = gave_up(&tree)
        .await
        .charges
        .iter()
        .map(|charge| charge.reason.to_string())
        .collect();
    assert_eq!(reasons, ["0", "1", "2", "3", "4", "a cannot start"]);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn b3_an_excused_end_is_charged_where_the_spec_says_so(
    #[values(Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne)] strategy: Strategy,
) {
    let stage = Stage::new();
    let spec = stage
        .family(strategy, &["a"])
        .intensity(2, Duration::from_secs(60))
        .charge_excused(true);
    let tree = stage.start(spec).await;
    for _ in 0..2 {
        stage.die("a", ExitReason::excused("trapped")).await;
    }
    assert_eq!(tree.status().await.state, State::Running);
    stage.die("a", ExitReason::excused("trapped")).await;
    assert_eq!(gave_up(&tree).await.charges.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn giving_up_waits_for_children_that_take_their_time() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b"])
        .intensity(0, Duration::from_secs(1));
    let tree = stage.start(spec).await;
    stage.on_stop("a", OnStop::Take(Duration::from_secs(3)));
    stage.tell_to_die("b", boom());
    quiet().await;
    assert_eq!(tree.status().await.state, State::Stopping);
    gave_up(&tree).await;
    assert_eq!(
        stage.trace(),
        ["start a", "start b", "die b", "stop a", "stopped a"]
    );
}
