//! The native supervisor actor around a component.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kameo::Actor as KameoActor;
use kameo::actor::{ActorId, ActorRef, WeakActorRef};
use kameo::error::ActorStopReason;
use kameo::message::{Context, Message};
use whirlwind_bus::LeftInHand;
use whirlwind_supervision::{
    ChildError, ChildSpec, ExitReason, Report, ReportEvent, Reporter, Shutdown, StartError, Status,
    Supervisor, SupervisorRef, SupervisorSpec, Template,
};

use super::{Actor, worker};
use crate::lifecycle::{Cause, Crash, GaveUpData};
use crate::tree::{backoff, restart};

/// A kameo actor for control, and the owner of the supervisor of its component's instances.
pub(crate) struct ComponentActor {
    instances: SupervisorRef,
}

/// Asks for the instances, as the tree shows them.
struct Instances;

/// Asks for the supervisor of the instances. Answered when all that should be there have started.
pub(super) struct Running;

impl ComponentActor {
    /// The child of the tree for `actor`.
    pub(crate) fn child(actor: &Arc<Actor>) -> ChildSpec {
        let held = Arc::clone(actor);
        let args = move || {
            let actor = Arc::clone(&held);
            async move { Ok(actor) }
        };
        let instances = |actor: ActorRef<Self>| async move {
            let asked = actor.ask(Instances).send().await;
            asked.unwrap_or_default() // an actor that is ending has none
        };
        ChildSpec::actor_with_status::<Self, _, _, _, _>(&**actor.name(), args, instances)
            .restart(restart(actor.spec.restart))
            // Each instance has its own bound; the actor only waits for them.
            .shutdown(Shutdown::Infinity)
    }

    fn spec(actor: &Arc<Actor>) -> SupervisorSpec {
        let of = Arc::clone(actor);
        let template = Template::new(move |slot| worker::child(&of, slot));
        let spec =
            SupervisorSpec::simple(&**actor.name(), template).backoff(backoff(actor.backoff));
        match actor.spec.intensity {
            // An actor that sets its own intensity is charged for failed deliveries too.
            Some(own) => spec
                .intensity(own.max_restarts, own.within)
                .charge_excused(true),
            None => spec,
        }
    }
}

impl KameoActor for ComponentActor {
    type Args = Arc<Actor>;
    type Error = StartError;

    async fn on_start(actor: Arc<Actor>, actor_ref: ActorRef<Self>) -> Result<Self, StartError> {
        // In a box: its task keeps the room that its start took for as long as it lives.
        let instances = Box::pin(start(&actor, &actor_ref)).await?;
        Ok(Self { instances })
    }

    async fn on_link_died(
        &mut self,
        _actor: WeakActorRef<Self>,
        died: ActorId,
        reason: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, StartError> {
        if died != self.instances.actor_id() {
            return Ok(ControlFlow::Continue(()));
        }
        // Its instances cannot live: that is the actor's own end, in the same words.
        Ok(ControlFlow::Break(ExitReason::from_stop(&reason).into()))
    }

    async fn on_stop(
        &mut self,
        _actor: WeakActorRef<Self>,
        reason: ActorStopReason,
    ) -> Result<(), StartError> {
        // Whoever kills it does not wait for a turn in hand.
        if matches!(reason, ActorStopReason::Killed) {
            self.instances.kill();
        }
        self.instances.stop().await;
        Ok(())
    }
}

/// Starts the supervisor, and as many instances as there should be.
async fn start(
    actor: &Arc<Actor>,
    actor_ref: &ActorRef<ComponentActor>,
) -> Result<SupervisorRef, StartError> {
    actor.changes.came_up(actor_ref);
    let spec = ComponentActor::spec(actor);
    let instances = Supervisor::start_linked(spec, reporter(actor), actor_ref).await?;
    match actor.resize(&instances).await {
        Ok(()) => Ok(instances),
        Err(error) => {
            instances.stop().await;
            Err(match error {
                ChildError::Start { error, .. } => error,
                other => StartError::failed(other),
            })
        }
    }
}

impl Message<Instances> for ComponentActor {
    type Reply = Vec<Status>;

    async fn handle(&mut self, _: Instances, _: &mut Context<Self, Self::Reply>) -> Vec<Status> {
        self.instances.status().await.children
    }
}

impl Message<Running> for ComponentActor {
    type Reply = Option<SupervisorRef>;

    async fn handle(&mut self, _: Running, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        Some(self.instances.clone())
    }
}

/// Counts the instances that were replaced, and tells of ends; a failure that was charged to a delivery was told with it.
fn reporter(actor: &Arc<Actor>) -> Reporter {
    let actor = Arc::clone(actor);
    Reporter::new(move |report: Report| {
        match &report.event {
            ReportEvent::Restarting { .. } => {
                actor.restarts.fetch_add(1, Ordering::Relaxed);
                return;
            }
            ReportEvent::Ended {
                reason: ExitReason::Excused(_),
            } => return,
            ReportEvent::Ended { reason } if reason.is_abnormal() => {
                crashed(&actor, &report.child, &reason.to_string());
            }
            ReportEvent::StartFailed { error } => {
                crashed(&actor, &report.child, &error.to_string());
            }
            ReportEvent::GaveUp(gave_up) => {
                let data = || GaveUpData::new(gave_up, &[&actor]);
                actor.lifecycle.actor_gave_up(actor.name(), data);
            }
            _ => {}
        }
        crate::tree::log(&report);
    })
}

/// Tells of an end that no delivery was charged for. An event that it left in hand will be delivered again.
fn crashed(actor: &Actor, child: &str, reason: &str) {
    let slot = worker::slot(child);
    let left: Option<LeftInHand> = slot.and_then(|slot| actor.left_in(slot));
    let crash = Crash::new(slot, reason);
    match &left {
        None => {
            let lifecycle = &actor.lifecycle;
            lifecycle.actor_crashed(actor.name(), Cause::NONE, crash);
        }
        Some(left) => {
            let cause = Cause::event(&left.topic, left.hops);
            let crash = crash.at(left.event.id(), left.topic.as_str(), left.attempt);
            actor.lifecycle.actor_crashed(actor.name(), cause, crash);
        }
    }
}
