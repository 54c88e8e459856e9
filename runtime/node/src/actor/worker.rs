//! One instance at work: the loop that every event of an actor goes through.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use whirlwind_bus::{Begin, Lease, Reason, SlotTaken, Transaction, TurnError};
use whirlwind_component::{Component, Effects, Instance, Outcome, Reply, Turn};
use whirlwind_provider_api::Staged;
use whirlwind_supervision::{ChildSpec, ExitReason, Shutdown, StartError, Stop, slice};

use super::outbox::TurnOutbox;
use super::{Actor, Message, staged};
use crate::lifecycle::{Cause, Crash};
use crate::manifest::{Isolation, TurnMode};

/// What a worker gets beyond the deadline of a turn, to end it when the node stops.
const GRACE: Duration = Duration::from_secs(1);

/// How often a turn runs again in a row because another changed what it had read, before it counts as a failed attempt: with
/// as many instances as there may be, each of them can be in the way.
const MOST_CONFLICTS: u32 = 1024;

/// The pause before a turn is tried again that the store did not take.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The right to read the mailbox, and to whom it belongs. The instance goes from hand to hand beside it.
struct Worker {
    actor: Arc<Actor>,
    slot: usize,
    lease: Lease,
    past: Past,
    /// How often the event in hand ran in vain, since others changed what it had read.
    conflicts: u32,
    /// The commits that had been undone when the instance was made.
    undone: u64,
    _live: Live,
}

/// What the last end in a slot followed from, for the one that starts there next; none before the first start.
type Past = Arc<Mutex<Option<Cause>>>;

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
    let past = Past::default();
    ChildSpec::worker(format!("{}/{slot}", actor.name()), move |stop| {
        let (actor, past) = (Arc::clone(&actor), Arc::clone(&past));
        async move {
            let instance = fresh(&actor).await;
            let instance =
                instance.map_err(|error| StartError::failed(in_hand(error, &actor, slot)))?;
            let worker = Worker::new(actor, slot, past).map_err(StartError::failed)?;
            worker.tell_of_restart();
            Ok(worker.run(instance, stop))
        }
    })
    .shutdown(shutdown)
}

/// The slot of the child `name`, as [`child`] names it.
pub(super) fn slot(name: &str) -> Option<usize> {
    name.rsplit_once('/')?.1.parse().ok()
}

/// The words of a start that failed, and the event that waits for it.
fn in_hand(error: String, actor: &Actor, slot: usize) -> String {
    match actor.left_in(slot) {
        None => error,
        Some(left) => {
            let (topic, event) = (left.topic, left.event);
            format!("{error} (in hand: {})", Message { topic, event })
        }
    }
}

impl Worker {
    fn new(actor: Arc<Actor>, slot: usize, past: Past) -> Result<Self, SlotTaken> {
        Ok(Self {
            lease: actor.inbox.lease(slot)?,
            slot,
            past,
            conflicts: 0,
            undone: undone(&actor),
            _live: Live::one(&actor),
            actor,
        })
    }

    /// Whether the instance has seen a turn that did not take effect after all.
    fn is_stale(&mut self) -> bool {
        let now = undone(&self.actor);
        std::mem::replace(&mut self.undone, now) != now
    }

    /// Unless this is the first in its slot.
    fn tell_of_restart(&self) {
        let past = self.lock().replace(Cause::NONE);
        if let Some(cause) = past {
            let (lifecycle, name) = (&self.actor.lifecycle, self.actor.name());
            lifecycle.actor_restarted(name, Some(self.slot), cause);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Cause>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(mut self, mut instance: Instance, stop: Stop) -> ExitReason {
        // One wait for the whole life: to begin and end it at every event would cost more than the queue does.
        let mut asked = pin!(stop.asked());
        let mut in_a_row = 0;
        loop {
            if stop.is_asked() {
                return ExitReason::Shutdown;
            }
            let mut waited = false;
            tokio::select! {
                biased;
                _ = self.lease.next() => {}
                () = until(&mut asked, &mut waited) => return ExitReason::Shutdown,
            }
            in_a_row = if waited { 1 } else { in_a_row + 1 };
            // There is more: what the first caused can go on beside it.
            if in_a_row == 2 {
                slice::go_on_beside().await;
            }
            instance = match self.turn(instance).await {
                Next::Same(instance)
                    if self.actor.spec.isolation == Isolation::Resident && !self.is_stale() =>
                {
                    instance
                }
                Next::Trapped(trap) => return ExitReason::excused(trap),
                used => {
                    // First the used one goes: a pool of instances has one place for each worker.
                    drop(used);
                    // In a box: a worker that waits has no room for all that an instance may need to start.
                    match Box::pin(fresh(&self.actor)).await {
                        Ok(instance) => instance,
                        Err(error) => return self.cannot_go_on(error),
                    }
                }
            };
            // A worker whose mailbox is never empty lets others run too.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Handles the event in hand, and settles it.
    async fn turn(&mut self, instance: Instance) -> Next {
        let transaction = match self.lease.begin(&self.actor.bus).await {
            Ok(Begin::Run(transaction)) => transaction,
            Ok(Begin::Duplicate) => {
                self.conflicts = 0;
                return Next::Same(instance);
            }
            Err(error) => {
                self.not_taken(error);
                return Next::Same(instance);
            }
        };
        let Some(envelope) = self.lease.in_hand() else {
            return Next::Same(instance);
        };
        let turn = Turn {
            topic: envelope.topic.clone(),
            event: Arc::clone(&envelope.event),
            outbox: Box::new(TurnOutbox::new(&self.actor, envelope)),
            atomic: self.actor.spec.turn == TurnMode::Atomic,
        };
        match instance.handle(turn).await {
            Outcome::Done(instance, Reply::Ok(effects)) => {
                match self.commit(transaction, effects).await {
                    true => Next::Same(instance),
                    false => Next::Fresh,
                }
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
                let message = self.tell_of_trap(&trap.text);
                self.fail(&trap.text, trap.backtrace);
                Next::Trapped(match message {
                    None => trap.text,
                    Some(message) => format!("{} ({message})", trap.text),
                })
            }
        }
    }

    /// Commits what the turn did together with its end. Answers whether it took effect, or will with the next sync.
    async fn commit(&mut self, mut transaction: Transaction, effects: Effects) -> bool {
        let Effects { outbox, staged } = effects;
        let Some(mut outbox) = TurnOutbox::of(outbox) else {
            self.fail("the turn lost its outbox", String::new());
            return false;
        };
        if !staged.is_empty()
            && let Err(why) = self.put_into(&mut transaction, staged).await
        {
            self.fail(&why, String::new());
            return false;
        }
        outbox.put_into(&mut transaction);
        let bus = Arc::clone(&self.actor.bus);
        // First what the turn caused, then its own end: so nothing is ever seen as settled in between.
        let committed = self
            .lease
            .commit(&bus, transaction, move || outbox.send())
            .await;
        let Err(error) = committed else {
            self.conflicts = 0;
            return true;
        };
        self.not_taken(error);
        false
    }

    /// Brings what the turn did to buckets into effect, or into the transaction.
    ///
    /// # Errors
    /// Why a provider did not take it. One that never answers costs an attempt, as it does in the middle of a turn.
    async fn put_into(&self, transaction: &mut Transaction, staged: Staged) -> Result<(), String> {
        let deadline = self.actor.spec.limits.deadline;
        // In a box: it is as large as all that a provider may have to do, and most turns come without.
        let putting = Box::pin(staged::put_into(transaction, staged));
        match timeout(deadline, putting).await {
            Ok(put) => put.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "a key-value provider did not take its writes within {} s",
                deadline.as_secs_f64()
            )),
        }
    }

    /// Keeps the event in hand, which the store did not take the turn of.
    fn not_taken(&mut self, error: TurnError) {
        match error {
            TurnError::Conflict if self.conflicts < MOST_CONFLICTS => {
                self.conflicts += 1;
                self.actor.conflicts.fetch_add(1, Ordering::Relaxed);
                self.lease.again(None);
            }
            TurnError::Conflict => {
                self.conflicts = 0;
                let why = format!("other turns changed what it had read, {MOST_CONFLICTS} times");
                self.fail(&why, String::new());
            }
            // Not the event's fault: it waits.
            TurnError::Store(why) => {
                tracing::error!(
                    actor = &**self.actor.name(),
                    "a turn cannot be committed: {why}"
                );
                self.lease.again(Some(Instant::now() + STORE_PAUSE));
            }
        }
    }

    /// Answers the event in hand, which the instance ended at.
    fn tell_of_trap(&self, why: &str) -> Option<Message> {
        let envelope = self.lease.in_hand()?;
        let (topic, event) = (&envelope.topic, &envelope.event);
        let cause = Cause::event(topic, envelope.hops);
        *self.lock() = Some(cause);
        let crash =
            Crash::new(Some(self.slot), why).at(event.id(), topic.as_str(), envelope.attempt);
        let (lifecycle, name) = (&self.actor.lifecycle, self.actor.name());
        lifecycle.actor_crashed(name, cause, crash);
        let message = Message {
            topic: topic.clone(),
            event: Arc::clone(event),
        };
        if self.actor.spec.intensity.is_some() {
            self.actor.failed.record(message.clone());
        }
        Some(message)
    }

    /// The end of a worker that has no instance for the event in hand.
    fn cannot_go_on(&self, error: String) -> ExitReason {
        match self.lease.in_hand() {
            None => ExitReason::failed(error),
            Some(envelope) => {
                let (topic, event) = (envelope.topic.clone(), Arc::clone(&envelope.event));
                ExitReason::failed(format!("{error} (in hand: {})", Message { topic, event }))
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

fn undone(actor: &Actor) -> u64 {
    actor.bus.durable().map_or(0, |durable| durable.undone())
}

async fn fresh(actor: &Actor) -> Result<Instance, String> {
    instance_of(&actor.changes.component()).await
}

/// Makes an instance, or says why there is none.
pub(crate) async fn instance_of(component: &Component) -> Result<Instance, String> {
    let instance = component.instantiate().await;
    instance.map_err(|error| format!("no instance could be made: {error}"))
}

/// Says that it was waited for.
async fn until(asked: &mut (impl Future<Output = ()> + Unpin), waited: &mut bool) {
    *waited = true;
    asked.await;
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
