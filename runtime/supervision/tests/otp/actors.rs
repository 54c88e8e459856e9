//! Children that are kameo actors.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kameo::{
    Actor,
    actor::{ActorRef, WeakActorRef},
    error::ActorStopReason,
    message::{Context, Message},
};
use tokio::time::{Instant, timeout};
use whirlwind_supervision::{
    ChildSpec, ExitReason, Kind, ReportEvent, Restart, Shutdown, StartError, State, Strategy,
};

use crate::stage::{Stage, patient, quiet, state};

/// An actor that does as it is told, from its start on.
struct Puppet {
    stage: Stage,
    strings: Strings,
}

#[derive(Clone, Copy, Default)]
struct Strings {
    refuse_start: bool,
    panic_at_start: bool,
    hang_at_start: bool,
    hang_at_stop: bool,
    end: Option<Ending>,
}

/// How it ends by itself, in its first message.
type Ending = fn(&mut Context<Puppet, Result<(), ExitReason>>) -> Result<(), ExitReason>;

struct End;

impl Actor for Puppet {
    type Args = (Stage, Strings);
    type Error = StartError;

    async fn on_start(
        (stage, strings): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, StartError> {
        stage.say("on_start");
        if strings.refuse_start {
            return Err(StartError::failed("no strings attached"));
        }
        if strings.panic_at_start {
            panic!("stage fright");
        }
        if strings.hang_at_start {
            pending::<()>().await;
        }
        if strings.end.is_some() {
            me.tell(End).try_send().unwrap();
        }
        Ok(Self { stage, strings })
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), StartError> {
        self.stage.say("on_stop");
        if self.strings.hang_at_stop {
            pending::<()>().await;
        }
        Ok(())
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.stage.say("dropped");
    }
}

impl Message<End> for Puppet {
    type Reply = Result<(), ExitReason>;

    async fn handle(&mut self, _: End, ctx: &mut Context<Self, Self::Reply>) -> Self::Reply {
        match self.strings.end {
            Some(end) => end(ctx),
            None => Ok(()),
        }
    }
}

fn puppet(stage: &Stage, strings: Strings) -> ChildSpec {
    let stage = stage.clone();
    ChildSpec::actor::<Puppet, _, _>("p", move || {
        let args = (stage.clone(), strings);
        async move { Ok(args) }
    })
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_started_and_stopped_in_good_order() {
    let stage = Stage::new();
    let spec = patient("root", Strategy::OneForOne).child(puppet(&stage, Strings::default()));
    let tree = stage.start(spec).await;
    assert_eq!(tree.status().await.children[0].kind, Kind::Actor);
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(stage.trace(), ["on_start", "on_stop", "dropped"]);
    assert_eq!(
        stage.events_of("p"),
        [
            ReportEvent::Started,
            ReportEvent::Ended {
                reason: ExitReason::Shutdown
            }
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_on_start_a_panic_in_it_and_an_error_of_the_factory_are_failed_starts() {
    let refusing = Strings {
        refuse_start: true,
        ..Strings::default()
    };
    let panicking = Strings {
        panic_at_start: true,
        ..Strings::default()
    };
    let stage = Stage::new();
    let factory =
        ChildSpec::actor::<Puppet, _, _>("p", || async { Err(StartError::failed("no wood")) });
    let careless = ChildSpec::actor::<Puppet, _, std::future::Ready<_>>("p", || panic!("no glue"));
    for (child, words) in [
        (puppet(&stage, refusing), "no strings attached"),
        (puppet(&stage, panicking), "stage fright"),
        (factory, "no wood"),
        (careless, "panicked: no glue"),
    ] {
        let error = stage
            .try_start(patient("root", Strategy::OneForOne).child(child))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("child `p` of supervisor `root` did not start: {words}")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_actors_stop_reason_is_its_exit_reason() {
    let endings: [(Ending, ExitReason); 5] = [
        (
            |ctx| {
                ctx.stop();
                Ok(())
            },
            ExitReason::Normal,
        ),
        (
            |_| Err(ExitReason::failed("out of wool")),
            ExitReason::failed("out of wool"),
        ),
        (
            |_| Err(ExitReason::excused("tangled")),
            ExitReason::excused("tangled"),
        ),
        (
            |_| panic!("snapped"),
            ExitReason::failed("panicked: snapped"),
        ),
        (
            |ctx| {
                ctx.actor_ref().kill();
                Ok(())
            },
            ExitReason::Killed,
        ),
    ];
    for (end, reason) in endings {
        let stage = Stage::new();
        let strings = Strings {
            end: Some(end),
            ..Strings::default()
        };
        let child = puppet(&stage, strings).restart(Restart::Temporary);
        let _tree = stage
            .start(patient("root", Strategy::OneForOne).child(child))
            .await;
        quiet().await;
        assert_eq!(
            stage.events_of("p").last(),
            Some(&ReportEvent::Ended { reason })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_incarnation_starts_when_nothing_of_the_last_is_left() {
    let stage = Stage::new();
    let lives = Arc::new(AtomicUsize::new(0));
    let (counted, set) = (Arc::clone(&lives), stage.clone());
    let child = ChildSpec::actor::<Puppet, _, _>("p", move || {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let end: Option<Ending> = if first {
            Some(|_| Err(ExitReason::failed("first")))
        } else {
            None
        };
        let args = (
            set.clone(),
            Strings {
                end,
                ..Strings::default()
            },
        );
        async move { Ok(args) }
    });
    let _tree = stage
        .start(patient("root", Strategy::OneForOne).child(child))
        .await;
    quiet().await;
    assert_eq!(
        stage.trace(),
        ["on_start", "on_stop", "dropped", "on_start"]
    );
}

#[tokio::test(start_paused = true)]
async fn h7_an_actor_whose_on_start_hangs_can_be_shut_down() {
    let stage = Stage::new();
    let tree = stage.start(patient("root", Strategy::OneForOne)).await;
    let hanging = puppet(
        &stage,
        Strings {
            hang_at_start: true,
            ..Strings::default()
        },
    );
    let starting = timeout(Duration::from_secs(1), tree.start_child(hanging)).await;
    assert!(starting.is_err());
    assert_eq!(state(&tree, "p").await, State::Starting);
    let before = Instant::now();
    assert_eq!(tree.stop().await, ExitReason::Shutdown);
    assert_eq!(before.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn h7_an_actor_whose_on_stop_hangs_is_torn_down_after_its_time() {
    let strings = Strings {
        hang_at_stop: true,
        ..Strings::default()
    };
    for (shutdown, seconds) in [
        (Shutdown::Timeout(Duration::from_secs(3)), 4),
        (Shutdown::BrutalKill, 1),
    ] {
        let stage = Stage::new();
        let child = puppet(&stage, strings).shutdown(shutdown);
        let tree = stage
            .start(patient("root", Strategy::OneForOne).child(child))
            .await;
        let before = Instant::now();
        assert_eq!(tree.stop().await, ExitReason::Shutdown);
        // Its own time, and one second after the kill.
        assert_eq!(before.elapsed().as_secs(), seconds);
        assert_eq!(stage.trace(), ["on_start", "on_stop", "dropped"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_dies_and_hangs_in_its_on_stop_is_noticed_and_restarted() {
    let stage = Stage::new();
    let lives = AtomicUsize::new(0);
    let set = stage.clone();
    let child = ChildSpec::actor::<Puppet, _, _>("p", move || {
        let first = lives.fetch_add(1, Ordering::SeqCst) == 0;
        let strings = if first {
            Strings {
                hang_at_stop: true,
                end: Some(|_| Err(ExitReason::failed("first"))),
                ..Strings::default()
            }
        } else {
            Strings::default()
        };
        let args = (set.clone(), strings);
        async move { Ok(args) }
    });
    let tree = stage
        .start(patient("root", Strategy::OneForOne).child(child))
        .await;
    quiet().await;
    assert_eq!(state(&tree, "p").await, State::Stopping);
    tokio::time::advance(Duration::from_secs(6)).await;
    quiet().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    quiet().await;
    assert_eq!(state(&tree, "p").await, State::Running);
    assert_eq!(
        stage.trace(),
        ["on_start", "on_stop", "dropped", "on_start"]
    );
    let reason = ExitReason::failed("first");
    assert!(
        stage
            .events_of("p")
            .contains(&ReportEvent::Ended { reason })
    );
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_as_it_is_dropped_is_not_lost() {
    struct Sulky(Stage);
    impl Actor for Sulky {
        type Args = Stage;
        type Error = StartError;
        async fn on_start(stage: Stage, _: ActorRef<Self>) -> Result<Self, StartError> {
            stage.say("on_start");
            Ok(Self(stage))
        }
    }
    impl Drop for Sulky {
        fn drop(&mut self) {
            self.0.say("dropped");
            panic!("sulking");
        }
    }
    let stage = Stage::new();
    let set = stage.clone();
    let child = ChildSpec::actor::<Sulky, _, _>("p", move || {
        let set = set.clone();
        async move { Ok(set) }
    });
    let tree = stage
        .start(patient("root", Strategy::OneForOne).child(child))
        .await;
    tree.kill_child("p").await.unwrap();
    quiet().await;
    assert_eq!(stage.trace(), ["on_start", "dropped", "on_start"]);
    assert_eq!(state(&tree, "p").await, State::Running);
}

#[test]
fn an_exit_reason_survives_its_way_through_kameo() {
    let reasons = [
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::Killed,
        ExitReason::failed("why"),
        ExitReason::excused("why not"),
    ];
    for reason in reasons {
        let stop = ActorStopReason::from(reason.clone());
        assert_eq!(ExitReason::from_stop(&stop), reason);
        let id = kameo::actor::ActorId::generate();
        let linked = ActorStopReason::LinkDied {
            id,
            reason: Box::new(stop),
        };
        assert_eq!(ExitReason::from_stop(&linked), reason);
    }
}
