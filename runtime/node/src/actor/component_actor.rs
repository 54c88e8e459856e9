//! The native supervisor actor around a component: the supervisor of its instances.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use whirlwind_bus::LeftInHand;
use whirlwind_supervision::{
    ChildSpec, ExitReason, Report, ReportEvent, Reporter, SupervisorSpec, Template,
};

use super::{Actor, worker};
use crate::lifecycle::{Cause, Crash, GaveUpData};
use crate::tree::{backoff, restart};

/// The child of the tree for `actor`. It has started when as many instances as there should be have.
pub(crate) fn child(actor: &Arc<Actor>) -> ChildSpec {
    ChildSpec::supervisor(&**actor.name(), spec(actor)).restart(restart(actor.spec.restart))
}

fn spec(actor: &Arc<Actor>) -> SupervisorSpec {
    let (of, starting) = (Arc::clone(actor), Arc::clone(actor));
    let template = Template::new(move |slot| worker::child(&of, slot))
        .starting_with(move |instances| starting.came_up(instances));
    let spec = SupervisorSpec::simple(&**actor.name(), template)
        .backoff(backoff(actor.backoff))
        .reporter(reporter(actor));
    match actor.spec.intensity {
        // An actor that sets its own intensity is charged for failed deliveries too.
        Some(own) => spec
            .intensity(own.max_restarts, own.within)
            .charge_excused(true),
        None => spec,
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
