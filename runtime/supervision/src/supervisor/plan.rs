//! What takes a supervisor several steps: stop these, wait, start those, each when the one before
//! it is done.

use std::{collections::BTreeSet, sync::Arc};

use futures::FutureExt;
use kameo::actor::WeakActorRef;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    error::{ChildError, StartError},
    exit::ExitReason,
    launch::launch,
};

use super::{
    Event, Life, Supervisor,
    child::{Incarnation, Phase},
    children::Key,
    requests::Reply,
    timers::Timer,
};

pub(super) type PlanId = u64;

pub(super) struct Plan {
    pub(super) cause: Cause,
    /// Those still to stop, from the last to the first; the last may be stopping.
    pub(super) stops: BTreeSet<Key>,
    /// When to go on once all are stopped.
    pub(super) not_before: Option<Instant>,
    /// Whether that is what it does now.
    pub(super) waiting: bool,
    /// Those still to start, from the first to the last; the first may be starting.
    pub(super) starts: BTreeSet<Key>,
}

/// Who wants it, and hears when it is done.
pub(super) enum Cause {
    Boot,
    Restart,
    /// `start_child`: a failed start leaves no spec.
    Add(Reply<()>),
    /// `start_slot`: the same, for a template's child.
    AddSlot(usize, Reply<usize>),
    /// `restart_child`: a failed start leaves the spec.
    ByHand(Reply<()>),
}

impl Cause {
    /// Says that it will not be done.
    pub(super) fn refuse(self) {
        self.fail(ChildError::Stopping);
    }

    /// Whether somebody asked for this one child.
    pub(super) fn is_request(&self) -> bool {
        matches!(self, Self::Add(_) | Self::AddSlot(..) | Self::ByHand(_))
    }

    pub(super) fn fail(self, error: ChildError) {
        match self {
            Self::Boot | Self::Restart => {}
            Self::Add(reply) | Self::ByHand(reply) => send(reply, Err(error)),
            Self::AddSlot(_, reply) => send(reply, Err(error)),
        }
    }
}

/// Answers somebody who may have gone.
pub(super) fn send<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

impl Plan {
    /// Starts `keys`, in order of start.
    pub(super) fn start(cause: Cause, keys: impl IntoIterator<Item = Key>) -> Self {
        Self {
            cause,
            stops: BTreeSet::new(),
            not_before: None,
            waiting: false,
            starts: keys.into_iter().collect(),
        }
    }
}

impl Supervisor {
    pub(super) fn begin_plan(&mut self, plan: Plan) {
        let id = self.next_plan;
        self.next_plan += 1;
        for key in plan.stops.iter().chain(&plan.starts) {
            if let Some(child) = self.children.get_mut(*key) {
                child.plan = Some(id);
            }
        }
        for key in &plan.starts {
            self.children.will_live(*key);
        }
        self.plans.insert(id, Box::new(plan));
        self.ready.push_back(id);
    }

    /// Goes on with a plan as far as it can go.
    pub(super) async fn advance_plan(&mut self, id: PlanId, me: &WeakActorRef<Box<Self>>) {
        let Some(mut plan) = self.plans.remove(&id) else {
            return;
        };
        plan.waiting = false;
        while let Some(&key) = plan.stops.last() {
            if self.children.is_up(key) {
                self.stop_child(key);
                self.plans.insert(id, plan);
                return;
            }
            plan.stops.pop_last();
            if !plan.starts.contains(&key)
                && let Some(child) = self.children.get_mut(key)
            {
                child.plan = None;
            }
        }
        if let Some(at) = plan.not_before {
            if Instant::now() < at {
                self.timers.arm(at, Timer::Plan(id));
                plan.waiting = true;
                self.plans.insert(id, plan);
                return;
            }
            plan.not_before = None;
        }
        while let Some(&key) = plan.starts.first() {
            match self.children.get(key).map(|child| &child.up) {
                Some(None) => {
                    let again = matches!(plan.cause, Cause::Restart);
                    self.plans.insert(id, plan);
                    self.start_incarnation(key, again, me).await;
                    return;
                }
                Some(Some(up)) if !up.started() => {
                    self.plans.insert(id, plan);
                    return;
                }
                Some(Some(_)) | None => {
                    plan.starts.pop_first();
                    if let Some(child) = self.children.get_mut(key) {
                        child.plan = None;
                    }
                }
            }
        }
        match plan.cause {
            Cause::Restart => {}
            Cause::Boot => self.booted(),
            Cause::Add(reply) | Cause::ByHand(reply) => send(reply, Ok(())),
            Cause::AddSlot(slot, reply) => send(reply, Ok(slot)),
        }
    }

    /// All have started.
    fn booted(&mut self) {
        self.booting = false;
        self.self_ends.extend(self.after_boot.drain(..));
        self.life.send_replace(Life::Started);
        if let Some(boot) = self.boot.take() {
            send(boot, Ok(()));
        }
    }

    async fn start_incarnation(&mut self, key: Key, again: bool, me: &WeakActorRef<Box<Self>>) {
        let Some(me) = me.upgrade() else {
            // Nobody holds the supervisor any more.
            self.begin_ending(ExitReason::Shutdown);
            return;
        };
        let Some(child) = self.children.get(key) else {
            return;
        };
        let launched = launch(&child.spec, me, &self.reporter).await;
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        child.incarnations += 1;
        child.undecided = false;
        child.restarts += u64::from(again);
        let incarnation = child.incarnations;
        child.up = Some(Incarnation {
            actor: launched.actor,
            control: launched.control,
            below: launched.below,
            phase: Phase::Starting,
            started_at: None,
            asked: false,
            said: None,
            timer: None,
        });
        self.children.came_up(key, launched.actor);
        let watch = launched.watch;
        self.events
            .push(async move { Event::Watched(key, incarnation, watch.await) }.boxed());
    }

    /// It does not start, for this reason.
    pub(super) fn fail_boot(&mut self, error: StartError) {
        self.begin_ending(ExitReason::failed(&error));
        self.boot_error = Some(error);
    }

    /// A child of a plan did not start. Answers whether its supervisor should decide about it.
    pub(super) fn start_failed(&mut self, key: Key, error: &StartError) -> bool {
        let Some(child) = self.children.get_mut(key) else {
            return false;
        };
        let id = Arc::clone(&child.spec.id);
        let Some(plan) = child.plan.take().and_then(|id| self.plans.remove(&id)) else {
            return true;
        };
        match plan.cause {
            Cause::Restart => return true,
            // One of many alike: what it says stands for the supervisor.
            Cause::Boot if self.is_simple() => self.fail_boot(error.clone()),
            Cause::Boot => self.fail_boot(StartError::Child {
                supervisor: Arc::clone(&self.rules.supervisor),
                child: id,
                error: Box::new(error.clone()),
            }),
            cause => {
                if !matches!(cause, Cause::ByHand(_)) {
                    self.children.remove(key);
                }
                cause.fail(ChildError::Start {
                    child: id,
                    error: error.clone(),
                });
            }
        }
        false
    }
}
