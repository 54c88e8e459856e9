use std::time::Duration;

use rstest::rstest;
use whirlwind_supervision::{
    Backoff, ChildSpec, Counts, ExitReason, Kind, ReportEvent, Reporter, Restart, Shutdown,
    StartError, State, Strategy, Supervisor,
};

use crate::stage::{Stage, boom, patient, quiet};

#[rstest]
#[tokio::test(start_paused = true)]
async fn q1_counts_are_exact(#[values(0, 1, 1000, 2000)] n: usize) {
    let stage = Stage::new();
    let tree = stage
        .start(stage.simple(Restart::Temporary, Shutdown::Infinity))
        .await;
    for _ in 0..n {
        tree.start_slot().await.unwrap();
    }
    let all = Counts {
        specs: n,
        active: n,
        supervisors: 0,
        workers: n,
    };
    assert_eq!(tree.count_children().await, all);
    for slot in 0..n / 2 {
        stage.tell_to_die(&format!("s{slot}"), boom());
    }
    quiet().await;
    let rest = n - n / 2;
    let counts = Counts {
        specs: rest,
        active: rest,
        supervisors: 0,
        workers: rest,
    };
    assert_eq!(tree.count_children().await, counts);
    tree.stop().await;
    assert_eq!(tree.count_children().await, Counts::default());
}

#[tokio::test(start_paused = true)]
async fn q1_counts_tell_specs_from_what_is_up_and_supervisors_from_workers() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a", "b"])
        .child(ChildSpec::supervisor(
            "c",
            patient("?", Strategy::OneForOne),
        ));
    let tree = stage.start(spec).await;
    tree.terminate_child("a").await.unwrap();
    assert_eq!(
        tree.count_children().await,
        Counts {
            specs: 3,
            active: 2,
            supervisors: 1,
            workers: 2
        }
    );
}

#[tokio::test(start_paused = true)]
async fn q4_a_report_for_each_start_end_failed_start_and_exhausted_intensity() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(2, Duration::from_secs(60))
        .backoff(Backoff {
            min: Duration::from_secs(2),
            max: Duration::from_secs(2),
            jitter: 0.0,
        });
    let tree = stage.start(spec).await;
    stage.fail_next("a", 1);
    stage.tell_to_die("a", boom());
    stage.tell_to_die("a", boom());
    let ExitReason::IntensityExceeded(gave_up) = tree.ended().await else {
        panic!("it should have given up");
    };
    let reports = stage.reports();
    for report in &reports {
        assert_eq!((&*report.supervisor, &*report.child), ("root", "a"));
    }
    let events: Vec<ReportEvent> = reports.iter().map(|report| report.event.clone()).collect();
    assert_eq!(
        events,
        [
            ReportEvent::Started,
            ReportEvent::Ended { reason: boom() },
            ReportEvent::Restarting {
                after: Duration::ZERO
            },
            ReportEvent::StartFailed {
                error: StartError::failed("a cannot start")
            },
            ReportEvent::Restarting {
                after: Duration::from_secs(2)
            },
            ReportEvent::Started,
            ReportEvent::Ended { reason: boom() },
            ReportEvent::GaveUp(gave_up),
        ]
    );
    // The times are those of the clock that the test owns.
    let waited = reports[5].at - reports[4].at;
    assert_eq!(waited.as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn q4_a_reporter_that_panics_does_no_harm() {
    let stage = Stage::new();
    let spec = stage.family(Strategy::OneForOne, &["a"]);
    let reporter = Reporter::new(|_| panic!("not my day"));
    let tree = Supervisor::start(spec, reporter).await.unwrap();
    stage.crash("a").await;
    assert_eq!(tree.status().await.children[0].restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn status_shows_the_whole_tree() {
    let stage = Stage::new();
    let inner = patient("?", Strategy::RestForOne)
        .child(stage.child("b1"))
        .child(stage.child("b2"));
    let spec = stage
        .family(Strategy::OneForAll, &["a"])
        .child(ChildSpec::supervisor("b", inner));
    let tree = stage.start(spec).await;
    stage.crash("b2").await;
    let status = tree.status().await;
    assert_eq!(
        (&*status.id, status.kind, status.state),
        ("root", Kind::Supervisor, State::Running)
    );
    assert_eq!(status.strategy, Some(Strategy::OneForAll));
    let b = &status.children[1];
    assert_eq!(
        (&*b.id, b.kind, b.strategy),
        ("b", Kind::Supervisor, Some(Strategy::RestForOne))
    );
    let below: Vec<_> = b
        .children
        .iter()
        .map(|child| (&*child.id, child.kind, child.restarts))
        .collect();
    assert_eq!(below, [("b1", Kind::Worker, 0), ("b2", Kind::Worker, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_child_supervisor_can_be_reached_by_name() {
    let stage = Stage::new();
    let inner = patient("?", Strategy::OneForOne).child(stage.child("leaf"));
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .child(ChildSpec::supervisor("b", inner));
    let tree = stage.start(spec).await;
    let b = tree.supervisor("b").await.unwrap();
    b.terminate_child("leaf").await.unwrap();
    assert!(tree.supervisor("a").await.is_none());
    assert!(tree.supervisor("z").await.is_none());
    tree.terminate_child("b").await.unwrap();
    assert!(tree.supervisor("b").await.is_none());
    // The reference to an incarnation that is gone says so.
    assert_eq!(b.status().await.state, State::Stopped);
    assert_eq!(b.ended().await, ExitReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn ended_answers_any_number_before_and_after_the_end() {
    let stage = Stage::new();
    let tree = stage.start(stage.family(Strategy::OneForOne, &["a"])).await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let tree = tree.clone();
            tokio::spawn(async move { tree.ended().await })
        })
        .collect();
    quiet().await;
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    tree.stop().await;
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), ExitReason::Shutdown);
    }
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
}
