//! Supervisors that start with children from their template, which OTP's do not, and reports that go elsewhere.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{advance, timeout},
};
use whirlwind_supervision::{
    ChildError, ChildSpec, ExitReason, ReportEvent, Restart, Shutdown, StartError, State, Strategy,
    SupervisorRef, SupervisorSpec, Template,
};

use crate::stage::{OnStop, Stage, Start, ids, patient, quiet, state};

/// On the paused clock: over as soon as nothing more can happen.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Scripted children `s0`, `s1`..., of which `first` says how many there are from the start.
fn simple(
    stage: &Stage,
    first: impl Fn(&SupervisorRef) -> usize + Send + Sync + 'static,
) -> SupervisorSpec {
    let spec = stage.simple(Restart::Permanent, Shutdown::Timeout(ChildSpec::SHUTDOWN));
    SupervisorSpec {
        template: spec.template.map(|template| template.starting_with(first)),
        ..spec
    }
}

/// A start of one with so many first children, as far as it comes by itself, and the supervisor that is starting.
async fn begun(
    stage: &Stage,
    first: usize,
    spec: impl FnOnce(SupervisorSpec) -> SupervisorSpec,
) -> (SupervisorRef, JoinHandle<Result<SupervisorRef, StartError>>) {
    let known = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&known);
    let spec = spec(simple(stage, move |me| {
        *tell.lock().unwrap() = Some(me.clone());
        first
    }));
    let stage = stage.clone();
    let start = tokio::spawn(async move { stage.try_start(spec).await });
    quiet().await;
    let early = known.lock().unwrap().take().unwrap();
    (early, start)
}

#[tokio::test(start_paused = true)]
async fn the_first_children_start_in_order_and_the_supervisor_has_started_when_they_have() {
    let stage = Stage::new();
    stage.next_starts("s1", [Start::Take(Duration::from_secs(60))]);
    let start = tokio::spawn({
        let stage = stage.clone();
        async move { stage.start(simple(&stage, |_| 3)).await }
    });
    quiet().await;
    assert!(!start.is_finished());
    assert_eq!(stage.trace(), ["start s0"]);
    advance(Duration::from_secs(60)).await;
    let tree = start.await.unwrap();
    assert_eq!(stage.trace(), ["start s1", "start s2"]);
    assert_eq!(ids(&tree).await, ["s0", "s1", "s2"]);
    // They are as those that come later.
    assert_eq!(tree.start_slot().await, Ok(3));
    stage.crash("s1").await;
    tree.terminate_slot(0).await.unwrap();
    assert_eq!(stage.trace(), ["start s3", "die s1", "start s1", "stop s0"]);
    assert_eq!(tree.start_slot().await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_first_child_that_does_not_start_is_the_end_of_the_start_in_its_own_words() {
    let stage = Stage::new();
    stage.fail_next("s1", 1);
    let error = stage.try_start(simple(&stage, |_| 3)).await.unwrap_err();
    assert_eq!(error, StartError::failed("s1 cannot start"));
    assert_eq!(stage.trace(), ["start s0", "fail s1", "stop s0"]);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_panics_or_gives_one_name_twice_fails_the_start() {
    let stage = Stage::new();
    let uncounted = simple(&stage, |_| panic!("cannot count"));
    let error = stage.try_start(uncounted).await.unwrap_err();
    assert!(error.to_string().contains("cannot count"), "{error}");

    let of = stage.clone();
    let template = Template::new(move |slot| {
        assert!(slot < 2, "no more than two");
        of.child(&format!("s{slot}"))
    });
    let spec = SupervisorSpec::simple("root", template.starting_with(|_| 3));
    let error = stage.try_start(spec).await.unwrap_err();
    assert!(error.to_string().contains("no more than two"), "{error}");

    let of = stage.clone();
    let template = Template::new(move |_| of.child("s"));
    let spec = SupervisorSpec::simple("root", template.starting_with(|_| 2));
    let error = stage.try_start(spec).await.unwrap_err();
    assert!(
        error.to_string().starts_with("child `s` is already"),
        "{error}"
    );
    assert!(stage.trace().is_empty(), "none had been begun");
}

#[tokio::test(start_paused = true)]
async fn each_incarnation_is_asked_again_and_known_before_its_children_start() {
    let stage = Stage::new();
    let (number, known) = (Arc::new(AtomicUsize::new(2)), Arc::new(Mutex::new(None)));
    let inner = simple(&stage, {
        let (number, known) = (Arc::clone(&number), Arc::clone(&known));
        move |me| {
            *known.lock().unwrap() = Some(me.clone());
            number.load(Ordering::SeqCst)
        }
    });
    let inner = ChildSpec::supervisor("inner", inner);
    let tree = stage
        .start(patient("root", Strategy::OneForOne).child(inner))
        .await;
    let present = || known.lock().unwrap().clone().unwrap();
    let first = present();
    assert_eq!(ids(&first).await, ["s0", "s1"]);

    number.store(1, Ordering::SeqCst);
    stage.next_starts("s0", [Start::Take(Duration::from_secs(60))]);
    tree.kill_child("inner").await.unwrap();
    first.ended().await;
    assert_eq!(first.start_slot().await, Err(ChildError::Stopping));
    quiet().await;
    let second = present();
    assert_ne!(first.actor_id(), second.actor_id());
    assert_eq!(state(&tree, "inner").await, State::Starting);
    // It does what it is asked for while the first ones start.
    assert_eq!(second.start_slot().await, Ok(1));
    advance(Duration::from_secs(60)).await;
    quiet().await;
    assert_eq!(state(&tree, "inner").await, State::Running);
    assert_eq!(ids(&second).await, ["s0", "s1"]);
}

#[tokio::test(start_paused = true)]
async fn a_first_child_that_is_terminated_before_it_has_started_holds_the_start_up_no_longer() {
    let stage = Stage::new();
    stage.next_starts("s0", [Start::Hang]);
    let (early, start) = begun(&stage, 3, |spec| spec).await;
    // The last has yet to be begun, the first hangs.
    early.terminate_slot(2).await.unwrap();
    early.terminate_slot(0).await.unwrap();
    let tree = start.await.unwrap().unwrap();
    assert_eq!(ids(&tree).await, ["s1"]);
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_first_child_that_ends_does_not_wait_for_those_that_have_yet_to_start() {
    let stage = Stage::new();
    stage.next_starts("s1", [Start::Take(Duration::from_secs(60))]);
    let (early, start) = begun(&stage, 2, |spec| spec).await;
    stage.crash("s0").await;
    assert_eq!(stage.trace(), ["start s0", "die s0", "start s0"]);
    assert!(!start.is_finished());
    let mut started = Box::pin(early.started());
    assert!(futures::poll!(&mut started).is_pending());
    advance(Duration::from_secs(60)).await;
    assert!(timeout(PATIENCE, started).await.unwrap());
    assert!(start.await.unwrap().is_ok());
    assert_eq!(stage.trace(), ["start s1"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_would_give_up_before_it_has_started_starts_first() {
    let stage = Stage::new();
    stage.next_starts("s1", [Start::Take(Duration::from_secs(60))]);
    let (early, start) = begun(&stage, 2, |spec| spec.intensity(0, Duration::from_secs(1))).await;
    stage.crash("s0").await;
    // It stays responsive, and waits with the one that is down.
    assert_eq!(state(&early, "s0").await, State::Restarting);
    assert_eq!(early.start_slot().await, Ok(2));
    assert!(!start.is_finished());
    advance(Duration::from_secs(60)).await;
    let tree = start.await.unwrap().unwrap();
    let ended = timeout(PATIENCE, tree.ended()).await.unwrap();
    let words = ended.to_string();
    assert!(
        words.contains("gave up") && words.contains("boom"),
        "{words}"
    );
    let trace = stage.trace();
    assert_eq!(trace[..4], ["start s0", "die s0", "start s2", "start s1"]);
    assert_eq!(trace.len(), 6, "both were stopped: {trace:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_one_whose_start_fails_is_answered() {
    let stage = Stage::new();
    stage.next_starts("s1", [Start::FailAfter(Duration::from_secs(60))]);
    stage.next_starts("s2", [Start::Hang]);
    let (early, start) = begun(&stage, 2, |spec| spec).await;
    stage.on_stop("s0", OnStop::Take(Duration::from_secs(3)));
    let other = early.clone();
    let adding = tokio::spawn(async move { other.start_slot().await });
    quiet().await;
    let mut ending = Box::pin(early.terminate_slot(0));
    assert!(futures::poll!(&mut ending).is_pending());
    advance(Duration::from_secs(60)).await;
    assert_eq!(adding.await.unwrap(), Err(ChildError::Stopping));
    assert_eq!(ending.await, Ok(()));
    let error = start.await.unwrap().unwrap_err();
    assert_eq!(error, StartError::failed("s1 cannot start"));
    assert!(!early.started().await);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_killed_before_it_has_started_was_killed_and_leaves_nothing_behind() {
    let stage = Stage::new();
    let inner = ChildSpec::supervisor("inner", simple(&stage, |_| 2));
    let tree = stage
        .start(patient("root", Strategy::OneForOne).child(inner))
        .await;
    stage.next_starts("s1", [Start::Hang]);
    tree.kill_child("inner").await.unwrap();
    quiet().await;
    assert_eq!(state(&tree, "inner").await, State::Starting);
    stage.trace();
    stage.reports();
    tree.kill_child("inner").await.unwrap();
    quiet().await;
    assert_eq!(
        stage.trace(),
        ["kill s1", "kill s0", "start s0", "start s1"]
    );
    let killed = ReportEvent::StartFailed {
        error: StartError::failed("killed"),
    };
    assert!(stage.events_of("inner").contains(&killed));
    assert_eq!(state(&tree, "inner").await, State::Running);
}

#[tokio::test(start_paused = true)]
async fn reports_of_a_supervisor_with_a_reporter_of_its_own_go_there() {
    let (above, below) = (Stage::new(), Stage::new());
    let inner = patient("inner", Strategy::OneForOne)
        .reporter(below.reporter())
        .child(below.child("a"));
    let spec = patient("root", Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner));
    let tree = above.start(spec).await;
    below.crash("a").await;
    let about = |stage: &Stage| -> Vec<String> {
        let reports = stage.reports();
        reports.iter().map(|report| report.to_string()).collect()
    };
    assert_eq!(about(&above), ["`inner` started (under `root`)"]);
    assert_eq!(
        about(&below),
        [
            "`a` started (under `inner`)",
            "`a` ended: boom (under `inner`)",
            "`a` restarts at once (under `inner`)",
            "`a` started (under `inner`)",
        ]
    );
    drop(tree);
}
