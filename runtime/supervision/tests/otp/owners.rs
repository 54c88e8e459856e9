//! Supervisors that belong to a kameo actor.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};

use kameo::{
    Actor,
    actor::{ActorId, ActorRef, Spawn, WeakActorRef},
    error::ActorStopReason,
    message::{Context, Message},
};
use tokio::time::advance;
use whirlwind_supervision::{
    ChildSpec, ExitReason, ReportEvent, StartError, State, Strategy, Supervisor, SupervisorRef,
    SupervisorSpec,
};

use crate::stage::{OnStop, Stage, patient, quiet};

/// An actor that owns a supervisor, hears of its end, and ends of the same reason.
struct Owner {
    tree: SupervisorRef,
    heard: Heard,
}

type Heard = Arc<Mutex<Vec<ExitReason>>>;

#[derive(Clone)]
struct OwnerArgs {
    stage: Stage,
    spec: SupervisorSpec,
    heard: Heard,
}

impl Actor for Owner {
    type Args = OwnerArgs;
    type Error = StartError;

    async fn on_start(args: OwnerArgs, me: ActorRef<Self>) -> Result<Self, StartError> {
        let tree = Supervisor::start_linked(args.spec, args.stage.reporter(), &me).await?;
        Ok(Self {
            tree,
            heard: args.heard,
        })
    }

    async fn on_link_died(
        &mut self,
        _: WeakActorRef<Self>,
        id: ActorId,
        reason: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, StartError> {
        let reason = ExitReason::from_stop(&reason);
        self.heard.lock().unwrap().push(reason.clone());
        if id == self.tree.actor_id() {
            return Ok(ControlFlow::Break(reason.into()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct Fault(&'static str);

impl Message<Fault> for Owner {
    type Reply = ();

    async fn handle(&mut self, fault: Fault, _: &mut Context<Self, ()>) {
        panic!("{}", fault.0);
    }
}

struct Tree;

impl Message<Tree> for Owner {
    type Reply = Result<SupervisorRef, StartError>;

    async fn handle(&mut self, _: Tree, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        Ok(self.tree.clone())
    }
}

fn args(stage: &Stage, spec: SupervisorSpec) -> OwnerArgs {
    OwnerArgs {
        stage: stage.clone(),
        spec,
        heard: Heard::default(),
    }
}

async fn owner_of(stage: &Stage, children: &[&str]) -> (ActorRef<Owner>, Heard) {
    let args = args(stage, stage.family(Strategy::OneForOne, children));
    let heard = Arc::clone(&args.heard);
    let owner = Owner::spawn(args);
    quiet().await;
    stage.trace();
    (owner, heard)
}

#[tokio::test(start_paused = true)]
async fn killing_the_owner_orphans_no_child() {
    let stage = Stage::new();
    let (owner, _) = owner_of(&stage, &["a", "b"]).await;
    let tree = owner.ask(Tree).await.unwrap();
    owner.kill();
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(stage.trace(), ["stop b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_the_owner_stops_its_children_in_order() {
    let stage = Stage::new();
    let (owner, _) = owner_of(&stage, &["a", "b"]).await;
    let tree = owner.ask(Tree).await.unwrap();
    owner.stop_gracefully().await.unwrap();
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(stage.trace(), ["stop b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_owner_stops_its_children_in_order() {
    let stage = Stage::new();
    let (owner, _) = owner_of(&stage, &["a", "b"]).await;
    let tree = owner.ask(Tree).await.unwrap();
    owner.tell(Fault("dear me")).await.unwrap();
    assert_eq!(tree.ended().await, ExitReason::Shutdown);
    assert_eq!(stage.trace(), ["stop b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_torn_down_during_its_start_leaves_nothing_behind() {
    let stage = Stage::new();
    stage.next_starts("b", [crate::stage::Start::Hang]);
    let owned = args(&stage, stage.family(Strategy::OneForOne, &["a", "b"]));
    let prepared = Owner::prepare();
    let task = prepared.spawn(owned);
    quiet().await;
    assert_eq!(stage.trace(), ["start a", "hang b"]);
    task.abort();
    quiet().await;
    advance(Duration::from_secs(6)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["kill b", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_of_the_end_with_its_reason() {
    let stage = Stage::new();
    let spec = stage
        .family(Strategy::OneForOne, &["a"])
        .intensity(0, Duration::from_secs(1));
    let args = args(&stage, spec);
    let heard = Arc::clone(&args.heard);
    let owner = Owner::spawn(args);
    quiet().await;
    let tree = owner.ask(Tree).await.unwrap();
    stage.crash("a").await;
    let reason = tree.ended().await;
    assert!(matches!(reason, ExitReason::IntensityExceeded(_)));
    assert_eq!(*heard.lock().unwrap(), std::slice::from_ref(&reason));
    // It ended of the same reason, whole.
    let own = owner
        .wait_for_shutdown_with_result(|stopped| ExitReason::from_stop(stopped.unwrap()))
        .await;
    assert_eq!(own, reason);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_stops_its_supervisor_hears_of_a_shutdown() {
    let stage = Stage::new();
    let (owner, heard) = owner_of(&stage, &["a"]).await;
    let tree = owner.ask(Tree).await.unwrap();
    tree.stop().await;
    quiet().await;
    assert_eq!(*heard.lock().unwrap(), [ExitReason::Shutdown]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_an_error_and_not_a_death() {
    struct Patient(Heard);
    impl Actor for Patient {
        type Args = Heard;
        type Error = StartError;
        async fn on_start(heard: Heard, _: ActorRef<Self>) -> Result<Self, StartError> {
            Ok(Self(heard))
        }
        async fn on_link_died(
            &mut self,
            _: WeakActorRef<Self>,
            _: ActorId,
            reason: ActorStopReason,
        ) -> Result<ControlFlow<ActorStopReason>, StartError> {
            self.0.lock().unwrap().push(ExitReason::from_stop(&reason));
            Ok(ControlFlow::Continue(()))
        }
    }
    let stage = Stage::new();
    let heard = Heard::default();
    let owner = Patient::spawn(Arc::clone(&heard));
    stage.fail_next("b", 1);
    let spec = stage.family(Strategy::OneForOne, &["a", "b"]);
    let error = Supervisor::start_linked(spec, stage.reporter(), &owner)
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Child { .. }));
    quiet().await;
    assert!(heard.lock().unwrap().is_empty());
    assert!(owner.is_alive());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_gone_already_gets_nothing() {
    let stage = Stage::new();
    let (owner, _) = owner_of(&stage, &[]).await;
    owner.kill();
    owner.wait_for_shutdown().await;
    let spec = stage.family(Strategy::OneForOne, &["a"]);
    let error = Supervisor::start_linked(spec, stage.reporter(), &owner)
        .await
        .unwrap_err();
    assert_eq!(error, StartError::Stopped);
    assert_eq!(stage.trace(), ["start a", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn a_supervised_owner_escalates_with_the_words_of_what_failed_below() {
    let stage = Stage::new();
    let inner = stage
        .family(Strategy::OneForOne, &["leaf"])
        .intensity(0, Duration::from_secs(1));
    let owned = args(
        &stage,
        SupervisorSpec {
            id: "instances".into(),
            ..inner
        },
    );
    let child = ChildSpec::actor_with_status::<Owner, _, _, _, _>(
        "owner",
        move || {
            let owned = owned.clone();
            async move { Ok(owned) }
        },
        |owner| async move {
            match owner.ask(Tree).await {
                Ok(tree) => vec![tree.status().await],
                Err(_) => Vec::new(),
            }
        },
    );
    let tree = stage
        .start(
            patient("root", Strategy::OneForOne)
                .intensity(1, Duration::from_secs(60))
                .child(child),
        )
        .await;
    let status = tree.status().await;
    assert_eq!(&*status.children[0].children[0].id, "instances");
    assert_eq!(
        status.children[0].children[0].children[0].state,
        State::Running
    );
    stage.crash("leaf").await;
    stage.crash("leaf").await;
    let words = tree.ended().await.to_string();
    assert_eq!(
        words,
        "supervisor `root` gave up: 2 ends within 60s, 1 allowed: `owner` \
         supervisor `instances` gave up: 1 end within 1s, 0 allowed: `leaf` boom (2 times)"
    );
    assert_eq!(
        stage.trace(),
        ["start leaf", "die leaf", "start leaf", "die leaf"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_supervised_owner_that_is_stopped_too_slowly_still_orphans_nobody() {
    let stage = Stage::new();
    let owned = args(&stage, stage.family(Strategy::OneForOne, &["leaf"]));
    stage.on_stop("leaf", OnStop::Take(Duration::from_secs(3)));
    let child = ChildSpec::actor::<Owner, _, _>("owner", move || {
        let owned = owned.clone();
        async move { Ok(owned) }
    });
    let child = child.shutdown(whirlwind_supervision::Shutdown::BrutalKill);
    let tree = stage
        .start(patient("root", Strategy::OneForOne).child(child))
        .await;
    tree.stop().await;
    advance(Duration::from_secs(3)).await;
    quiet().await;
    assert_eq!(stage.trace(), ["start leaf", "stop leaf", "stopped leaf"]);
    assert!(stage.events_of("leaf").contains(&ReportEvent::Ended {
        reason: ExitReason::Shutdown
    }));
}
