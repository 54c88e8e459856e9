//! What we promise beyond OTP.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::{Instant, advance};
use whirlwind_supervision::{
    Backoff, ChildError, ChildSpec, ExitReason, ReportEvent, Restart, Shutdown, StartError, State,
    Strategy,
};

use crate::stage::{OnStop, Stage, boom, patient, quiet};

const BACKOFF: Backoff = Backoff {
    min: Duration::from_secs(1),
    max: Duration::from_secs(6),
    jitter: 0.0,
};

fn waits(stage: &Stage, child: &str) -> Vec<u64> {
    let waits = stage
        .events_of(child)
        .into_iter()
        .filter_map(|event| match event {
            ReportEvent::Restarting { after } => Some(after.as_secs()),
            _ => None,
        });
    waits.collect()
}

#[tokio::test(start_paused = true)]
async fn b1_the_first_restart_is_at_once_and_the_next_ones_wait_longer_to_a_maximum() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(100, Duration::from_secs(100))
        .backoff(BACKOFF);
    let tree = stage.start(spec).await;
    for (nth, wait) in [0, 1, 2, 4, 6, 6].into_iter().enumerate() {
        stage.crash("a").await;
        if wait > 0 {
            assert_eq!(
                tree.status().await.children[0].state,
                State::Restarting,
                "{nth}"
            );
            advance(Duration::from_secs(wait) - Duration::from_millis(10)).await;
            quiet().await;
            assert_eq!(
                tree.status().await.children[0].state,
                State::Restarting,
                "{nth}"
            );
            advance(Duration::from_millis(10)).await;
            quiet().await;
        }
        assert_eq!(
            tree.status().await.children[0].state,
            State::Running,
            "{nth}"
        );
    }
    assert_eq!(waits(&stage, "a"), [0, 1, 2, 4, 6, 6]);
}

#[tokio::test(start_paused = true)]
async fn b1_a_stable_run_resets_the_backoff_and_a_shorter_one_does_not() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(100, Duration::from_secs(100))
        .backoff(BACKOFF);
    let _tree = stage.start(spec).await;
    stage.crash("a").await;
    advance(Duration::from_secs(99)).await;
    stage.crash("a").await;
    advance(Duration::from_secs(1)).await;
    quiet().await;
    advance(Duration::from_secs(100)).await;
    stage.crash("a").await;
    assert_eq!(waits(&stage, "a"), [0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn b1_each_child_has_its_own_backoff() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b"])
        .backoff(BACKOFF);
    let _tree = stage.start(spec).await;
    stage.crash("a").await;
    stage.crash("a").await;
    stage.crash("b").await;
    assert_eq!(
        stage.trace()[2..],
        ["die a", "start a", "die a", "die b", "start b"]
    );
}

#[tokio::test(start_paused = true)]
async fn b1_a_stop_is_heard_during_a_wait() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b"])
        .backoff(BACKOFF);
    let tree = stage.start(spec).await;
    stage.crash("b").await;
    stage.crash("b").await;
    stage.trace();
    let before = Instant::now();
    tree.stop().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    advance(Duration::from_secs(10)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["stop a"]);
}

proptest! {
    #[test]
    fn b1_a_wait_is_never_above_its_maximum_and_jitter_takes_off_at_most_its_share(
        min in 0u64..100_000,
        more in 0u64..100_000,
        jitter in 0.0f64..=1.0,
        roll in 0.0f64..1.0,
        streak in 0u32..200,
    ) {
        let (min, max) = (Duration::from_millis(min), Duration::from_millis(min + more));
        let delay = Backoff { min, max, jitter }.delay(streak, roll);
        // The naive recount: double step by step.
        let mut full = if streak == 0 { Duration::ZERO } else { min };
        for _ in 1..streak {
            full = (full * 2).min(max);
        }
        prop_assert!(delay <= full);
        let rounding = Duration::from_nanos(2);
        prop_assert!(delay + rounding >= full.mul_f64(1.0 - jitter));
        if jitter == 0.0 {
            prop_assert_eq!(delay, full);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_rapid_restarts_lose_nothing() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let stage = Stage::new();
        let lives = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&lives);
        let child = ChildSpec::worker("a", move |stop| {
            let life = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                Ok(async move {
                    if life < 1000 {
                        panic!("life {life}");
                    }
                    stop.asked().await;
                    ExitReason::Shutdown
                })
            }
        });
        let spec = patient("root", strategy)
            .child(child)
            .child(stage.child("b"));
        let tree = stage.start(spec).await;
        quiet().await;
        let status = tree.status().await;
        assert_eq!(
            (status.children[0].state, status.children[0].restarts),
            (State::Running, 1000)
        );
        assert_eq!(lives.load(Ordering::SeqCst), 1001);
        let ends: Vec<String> = stage
            .events_of("a")
            .into_iter()
            .filter_map(|event| match event {
                ReportEvent::Ended { reason } => Some(reason.to_string()),
                _ => None,
            })
            .collect();
        let told: Vec<String> = (0..1000)
            .map(|life| format!("panicked: life {life}"))
            .collect();
        assert_eq!(ends, told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_deaths_over_two_hundred_children_lose_nothing_on_two_threads() {
    const CHILDREN: u32 = 200;
    const LIVES: u32 = 50;
    let (up, mut ups) = tokio::sync::mpsc::channel(CHILDREN as usize);
    let template = whirlwind_supervision::Template::new(move |slot| {
        let (up, lives) = (up.clone(), Arc::new(AtomicU32::new(0)));
        ChildSpec::worker(format!("s{slot}"), move |stop| {
            let life = lives.fetch_add(1, Ordering::SeqCst);
            let up = up.clone();
            async move {
                Ok(async move {
                    if life < LIVES {
                        return boom();
                    }
                    up.send(slot).await.unwrap();
                    stop.asked().await;
                    ExitReason::Shutdown
                })
            }
        })
    });
    let spec = whirlwind_supervision::SupervisorSpec::simple("root", template)
        .backoff(Backoff::NONE)
        .intensity(u32::MAX, Duration::from_secs(1));
    let stage = Stage::new();
    let tree = stage.start(spec).await;
    for _ in 0..CHILDREN {
        tree.start_slot().await.unwrap();
    }
    for _ in 0..CHILDREN {
        ups.recv().await.unwrap();
    }
    let status = tree.status().await;
    assert!(
        status
            .children
            .iter()
            .all(|child| child.restarts == u64::from(LIVES))
    );
    let reports = stage.reports();
    let ends = reports
        .iter()
        .filter(|report| matches!(report.event, ReportEvent::Ended { .. }));
    assert_eq!(ends.count(), (CHILDREN * LIVES) as usize);
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_killed_supervisor_takes_all_below_with_it() {
    let stage = Stage::new();
    let inner = patient("?", Strategy::OneForOne)
        .child(stage.child("b1"))
        .child(stage.child("b2"));
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .child(ChildSpec::supervisor("b", inner));
    let tree = stage.start(spec).await;
    stage.on_stop("b1", OnStop::Ignore);
    stage.trace();
    let before = Instant::now();
    tree.kill();
    assert_eq!(tree.ended().await, ExitReason::Killed);
    assert_eq!(before.elapsed(), Duration::ZERO);
    let mut trace = stage.trace();
    trace.sort();
    assert_eq!(trace, ["kill a", "kill b1", "kill b2"]);
    // Each end was seen before the supervisor's own.
    let reports = stage.reports();
    let mut killed: Vec<&str> = reports
        .iter()
        .filter(|report| {
            matches!(
                &report.event,
                ReportEvent::Ended {
                    reason: ExitReason::Killed
                }
            )
        })
        .map(|report| &*report.child)
        .collect();
    killed.sort_unstable();
    assert_eq!(killed, ["a", "b", "b1", "b2"]);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_nobody_holds_stops() {
    let stage = Stage::new();
    let tree = stage
        .start(stage.family(Strategy::OneForOne, &["a", "b"]))
        .await;
    let other = tree.clone();
    drop(tree);
    quiet().await;
    assert_eq!(stage.trace(), ["start a", "start b"]);
    drop(other);
    quiet().await;
    assert_eq!(stage.trace(), ["stop b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_killed_from_outside_heals() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    tree.kill_child("a").await.unwrap();
    quiet().await;
    assert_eq!(stage.trace(), ["start a", "kill a", "start a"]);
    assert!(stage.events_of("a").contains(&ReportEvent::Ended {
        reason: ExitReason::Killed
    }));
    assert!(tree.kill_child("z").await.is_err());
}

/// It takes the second that a child has to tidy up after it was killed: a thread that is blocked knows no paused clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_worker_that_blocks_its_thread_is_left_behind() {
    let stage = Stage::new();
    let (release, blocked) = std::sync::mpsc::sync_channel::<()>(1);
    let (blocked, ended) = (Arc::new(Mutex::new(blocked)), Arc::new(AtomicU32::new(0)));
    for blocks_in_start in [true, false] {
        let (blocked, ended) = (Arc::clone(&blocked), Arc::clone(&ended));
        let (say, begun) = tokio::sync::oneshot::channel();
        let say = Mutex::new(Some(say));
        let child = ChildSpec::worker("a", move |_| {
            let (blocked, ended) = (Arc::clone(&blocked), Arc::clone(&ended));
            let say = say.lock().unwrap().take();
            let block = move || {
                say.map(|say| say.send(()));
                let _ = blocked.lock().unwrap().recv();
                ended.fetch_add(1, Ordering::SeqCst);
            };
            async move {
                let mut block = Some(block);
                if blocks_in_start && let Some(block) = block.take() {
                    block();
                }
                Ok(async move {
                    if let Some(block) = block {
                        block();
                    }
                    std::future::pending().await
                })
            }
        });
        let spec = patient("root", Strategy::OneForOne);
        let tree = stage.start(spec).await;
        let started = tokio::spawn({
            let tree = tree.clone();
            let child = child.shutdown(Shutdown::BrutalKill);
            async move { tree.start_child(child).await }
        });
        begun.await.unwrap();
        if blocks_in_start {
            assert_eq!(tree.stop().await, ExitReason::Shutdown);
            assert_eq!(started.await.unwrap(), Err(ChildError::Stopping));
        } else {
            started.await.unwrap().unwrap();
            assert_eq!(tree.stop().await, ExitReason::Shutdown);
        }
    }
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_failed_start_come_as_they_are() {
    let stage = Stage::new();
    let tree = stage.start(patient("root", Strategy::OneForOne)).await;
    let child = ChildSpec::worker("a", |_| async {
        Err::<std::future::Pending<ExitReason>, _>(StartError::Stopped)
    });
    let error = tree.start_child(child).await.unwrap_err();
    let ChildError::Start { child, error } = error else {
        panic!("{error}");
    };
    assert_eq!((&*child, error), ("a", StartError::Stopped));
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_as_it_is_dropped_is_not_lost() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a last word");
            }
        }
    }
    let stage = Stage::new();
    let child = ChildSpec::worker("a", |_| async {
        Ok(async {
            let _bomb = Bomb;
            std::future::pending::<ExitReason>().await
        })
    });
    let spec = patient("root", Strategy::OneForOne).child(
        child
            .shutdown(Shutdown::BrutalKill)
            .restart(Restart::Permanent),
    );
    let tree = stage.start(spec).await;
    tree.kill_child("a").await.unwrap();
    quiet().await;
    assert_eq!(tree.status().await.children[0].restarts, 1);
    let last_word = |event: &ReportEvent| matches!(event, ReportEvent::Ended { reason } if reason.to_string().contains("a last word"));
    assert!(stage.events_of("a").iter().any(last_word));
    tree.stop().await;
}
