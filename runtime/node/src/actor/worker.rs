//! One instance at work: the loop that every event of an actor goes through.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use whirlwind_bus::{Lease, Reason, SlotTaken};
use whirlwind_component::{Component, Instance, Outcome, Reply, Turn};
use whirlwind_supervision::{ChildSpec, ExitReason, Shutdown, StartError, Stop};

use super::Actor;
use super::outbox::TurnOutbox;
use crate::manifest::Isolation;

/// What a worker gets beyond the deadline of a turn, to end it when the node stops.
const GRACE: Duration = Duration::from_secs(1);

/// The right to read the mailbox, and to whom it belongs. The instance goes from hand to hand beside it.
struct Worker {
    actor: Arc<Actor>,
    lease: Lease,
    _live: Live,
}

/// What a turn leaves behind: an instance for the next event, or none and why.
enum Next {
    /// The instance may be used again.
    Same(Instance),
    /// It may be used again, but has seen the event that will come again.
    Fresh,
    /// It is gone. The end was charged to the delivery.
    Trapped(String),
}

/// The child in slot `slot` of an actor: started when its instance is made.
pub(super) fn child(actor: &Arc<Actor>, slot: usize) -> ChildSpec {
    let shutdown = Shutdown::Timeout(actor.spec.limits.deadline + GRACE);
    let actor = Arc::clone(actor);
    ChildSpec::worker(format!("{}/{slot}", actor.name()), move |stop| {
        let actor = Arc::clone(&actor);
        async move {
            let instance = fresh(&actor).await.map_err(StartError::failed)?;
            let worker = Worker::new(actor, slot).map_err(StartError::failed)?;
            Ok(worker.run(instance, stop))
        }
    })
    .shutdown(shutdown)
}

impl Worker {
    fn new(actor: Arc<Actor>, slot: usize) -> Result<Self, SlotTaken> {
        Ok(Self {
            lease: actor.inbox.lease(slot)?,
            _live: Live::one(&actor),
            actor,
        })
    }

    async fn run(mut self, mut instance: Instance, stop: Stop) -> ExitReason {
        // One wait for the whole life: to begin and end it at every event would cost more than the queue does.
        let mut asked = pin!(stop.asked());
        loop {
            tokio::select! {
                biased;
                () = &mut asked => return ExitReason::Shutdown,
                _ = self.lease.next() => {}
            }
            instance = match self.turn(instance).await {
                Next::Same(instance) if self.actor.spec.isolation == Isolation::Resident => {
                    instance
                }
                Next::Trapped(trap) => return ExitReason::excused(trap),
                used => {
                    // First the used one goes: a pool of instances has one place for each worker.
                    drop(used);
                    match fresh(&self.actor).await {
                        Ok(instance) => instance,
                        Err(error) => return ExitReason::failed(error),
                    }
                }
            };
            // A worker whose mailbox is never empty lets others run too.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Handles the event in hand, and settles it.
    async fn turn(&mut self, instance: Instance) -> Next {
        let Some(envelope) = self.lease.in_hand() else {
            return Next::Same(instance);
        };
        let turn = Turn {
            topic: envelope.topic.clone(),
            event: Arc::clone(&envelope.event),
            outbox: Box::new(TurnOutbox::new(&self.actor, envelope)),
        };
        match instance.handle(turn).await {
            Outcome::Done(instance, Reply::Ok(outbox)) => {
                // First what the turn caused, then its own end: so nothing is ever seen as settled in between.
                outbox.commit();
                self.lease.handled();
                Next::Same(instance)
            }
            Outcome::Done(_, Reply::Retry(why)) => {
                self.fail(&why, String::new());
                Next::Fresh
            }
            Outcome::Done(instance, Reply::Reject(why)) => {
                tracing::warn!(actor = &**self.actor.name(), "rejected an event: {why}");
                self.lease
                    .dead_letter(&self.actor.bus, Reason::Rejected, why);
                Next::Same(instance)
            }
            Outcome::Trapped(trap) => {
                self.fail(&trap.text, trap.backtrace);
                Next::Trapped(trap.text)
            }
        }
    }

    /// Charges a failure to the delivery: it will be tried again, or is a dead letter, which keeps the backtrace too.
    fn fail(&mut self, why: &str, backtrace: String) {
        let Some(envelope) = self.lease.in_hand() else {
            return;
        };
        let (attempt, retry) = (envelope.attempt, &self.actor.spec.retry);
        let (name, id) = (&**self.actor.name(), envelope.event.id());
        if attempt < retry.max_deliver {
            let pause = pause(&retry.backoff, attempt);
            tracing::warn!(
                actor = name,
                "attempt {attempt} of {} at event {id} failed, again in {pause:?}: {why}",
                retry.max_deliver
            );
            self.lease.retry(Instant::now() + pause);
        } else {
            tracing::error!(
                actor = name,
                "event {id} is a dead letter after {attempt} attempts: {why}"
            );
            let cause = match backtrace.is_empty() {
                true => why.to_owned(),
                false => format!("{why}\n{backtrace}"),
            };
            self.lease
                .dead_letter(&self.actor.bus, Reason::MaxDeliver, cause);
        }
    }
}

/// The pause after the `attempt`-th attempt: `min`, doubled each time, up to `max`. Without jitter, since nobody else fails in
/// step with one event.
fn pause(backoff: &crate::app::Backoff, attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
    backoff.min.saturating_mul(factor).min(backoff.max)
}

async fn fresh(actor: &Actor) -> Result<Instance, String> {
    instance_of(&actor.changes.component()).await
}

/// Makes an instance, or says why there is none.
pub(crate) async fn instance_of(component: &Component) -> Result<Instance, String> {
    let instance = component.instantiate().await;
    instance.map_err(|error| format!("no instance could be made: {error}"))
}

/// Counts a live instance of an actor.
struct Live(Arc<Actor>);

impl Live {
    fn one(actor: &Arc<Actor>) -> Self {
        actor.live.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(actor))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_maximum() {
        let backoff = crate::app::Backoff {
            min: Duration::from_millis(50),
            max: Duration::from_millis(150),
            jitter: 0.0,
        };
        let pauses = [1, 2, 3, 40].map(|attempt| pause(&backoff, attempt).as_millis());
        assert_eq!(pauses, [50, 100, 150, 150]);
    }
}
