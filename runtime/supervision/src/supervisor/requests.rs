//! What is asked of a running supervisor.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use kameo::message::{Context, Message};
use tokio::sync::oneshot;

use crate::{
    error::{ChildError, StartError},
    exit::ExitReason,
    handle::SupervisorRef,
    launch::Below,
    spec::{ChildSpec, Strategy},
    status::{Counts, State, Status},
};

use super::{
    Supervisor,
    child::Child,
    children::Key,
    plan::{Cause, Plan, send},
};

/// The answer to a request that can be refused.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ChildError>>;

/// What is asked. The answers go by channels of their own, since most come later.
pub(crate) enum Request {
    Stop,
    Start(Box<ChildSpec>, Reply<()>),
    StartSlot(Reply<usize>),
    Terminate(Which, Reply<()>),
    Restart(Arc<str>, Reply<()>),
    Delete(Arc<str>, Reply<()>),
    Kill(Arc<str>, Reply<()>),
    Count(oneshot::Sender<Counts>),
    Snapshot(oneshot::Sender<Snapshot>),
    Supervisor(Arc<str>, oneshot::Sender<Option<SupervisorRef>>),
}

/// A child, by name or by slot.
pub(crate) enum Which {
    Id(Arc<str>),
    Slot(usize),
}

/// How the children are at one moment, and who can tell what is below each.
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) strategy: Strategy,
    pub(crate) children: Vec<(Status, Below)>,
}

impl Request {
    /// Says that it will not be done, to one who waits for it to be done.
    pub(super) fn refuse(self) {
        match self {
            Self::Start(_, reply)
            | Self::Terminate(_, reply)
            | Self::Restart(_, reply)
            | Self::Delete(_, reply)
            | Self::Kill(_, reply) => send(reply, Err(ChildError::Stopping)),
            Self::StartSlot(reply) => send(reply, Err(ChildError::Stopping)),
            Self::Stop | Self::Count(_) | Self::Snapshot(_) | Self::Supervisor(..) => {}
        }
    }
}

/// A template is foreign code, called in the supervisor's own task.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, StartError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|payload| StartError::failed(ExitReason::from_payload(&*payload)))
}

impl Message<Request> for Box<Supervisor> {
    type Reply = ();

    async fn handle(&mut self, request: Request, _: &mut Context<Self, ()>) {
        self.on_request(request);
    }
}

impl Supervisor {
    pub(super) fn on_request(&mut self, request: Request) {
        match request {
            Request::Stop => self.begin_ending(ExitReason::Shutdown),
            Request::Count(reply) => send(reply, self.children.counts()),
            Request::Snapshot(reply) => send(reply, self.snapshot()),
            Request::Supervisor(id, reply) => send(reply, self.child_supervisor(&id)),
            request if self.ending.is_some() => request.refuse(),
            request @ (Request::Start(..) | Request::Restart(..)) if self.must_wait() => {
                self.deferred.push_back(request);
            }
            Request::Start(spec, reply) => self.start_child(*spec, reply),
            Request::StartSlot(reply) => self.start_slot(reply),
            Request::Terminate(which, reply) => self.terminate(which, reply),
            Request::Restart(id, reply) => self.restart_by_hand(&id, reply),
            Request::Delete(id, reply) => {
                let answer = self.delete(&id);
                send(reply, answer);
            }
            Request::Kill(id, reply) => {
                let answer = self.kill_child(&id);
                send(reply, answer);
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let state = match self.ending {
            Some(_) => State::Stopping,
            None if self.booting => State::Starting,
            None => State::Running,
        };
        Snapshot {
            state,
            strategy: self.strategy(),
            children: self
                .children
                .iter()
                .map(|(_, child)| {
                    let status = child.status();
                    let below = match &child.up {
                        Some(up) => up.below.clone(),
                        None => Below::Nothing,
                    };
                    (status, below)
                })
                .collect(),
        }
    }

    fn child_supervisor(&self, id: &str) -> Option<SupervisorRef> {
        match &self
            .children
            .get(self.children.by_id(id)?)?
            .up
            .as_ref()?
            .below
        {
            Below::Supervisor(supervisor) => Some(supervisor.clone()),
            Below::Nothing => None,
        }
    }

    /// Refuses a new child that is not one.
    fn check_new(&self, spec: &ChildSpec) -> Result<(), ChildError> {
        spec.check(&self.rules.supervisor, self.rules.auto_shutdown)?;
        let Some(key) = self.children.by_id(&spec.id) else {
            return Ok(());
        };
        let id = Arc::clone(&spec.id);
        let down = self.children.get(key).is_none_or(Child::is_down);
        Err(if down {
            ChildError::AlreadyPresent(id)
        } else {
            ChildError::AlreadyStarted(id)
        })
    }

    fn start_child(&mut self, spec: ChildSpec, reply: Reply<()>) {
        if self.is_simple() {
            send(reply, Err(ChildError::HasTemplate));
        } else if let Err(error) = self.check_new(&spec) {
            send(reply, Err(error));
        } else {
            let key = self.children.insert(spec);
            self.begin_plan(Plan::start(Cause::Add(reply), [key]));
        }
    }

    fn start_slot(&mut self, reply: Reply<usize>) {
        match self.new_slot() {
            Ok((slot, key)) => self.begin_plan(Plan::start(Cause::AddSlot(slot, reply), [key])),
            Err(error) => send(reply, Err(error)),
        }
    }

    /// One child more from the template, not yet started.
    fn new_slot(&mut self) -> Result<(usize, Key), ChildError> {
        let template = self.template.as_ref().ok_or(ChildError::NoTemplate)?;
        let slot = self.children.free_slot();
        let spec = guarded(|| template.make(slot)).map_err(|error| ChildError::Start {
            child: Arc::from(format!("slot {slot}")),
            error,
        })?;
        self.check_new(&spec)?;
        Ok((slot, self.children.insert_in(slot, spec)))
    }

    /// The children from the template that it starts with.
    pub(super) fn first_slots(&mut self, me: &SupervisorRef) -> Result<Vec<Key>, StartError> {
        let first = match &self.template {
            None => 0,
            Some(template) => guarded(|| template.first(me))?,
        };
        let slots = (0..first).map(|_| Ok(self.new_slot()?.1));
        let slots: Result<_, ChildError> = slots.collect();
        slots.map_err(|error| match error {
            ChildError::Start { error, .. } => error,
            other => StartError::failed(other),
        })
    }

    fn terminate(&mut self, which: Which, reply: Reply<()>) {
        let (key, missing) = match which {
            Which::Id(id) => (self.children.by_id(&id), ChildError::NotFound(id)),
            Which::Slot(slot) => (self.children.by_slot(slot), ChildError::EmptySlot(slot)),
        };
        let Some(key) = key else {
            send(reply, Err(missing));
            return;
        };
        self.take_out_of_plan(key);
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        child.undecided = false;
        if child.up.is_some() {
            child.waiting.push(reply);
            self.stop_child(key);
            return;
        }
        if child.goes_when_down() {
            self.children.remove(key);
        }
        send(reply, Ok(()));
    }

    /// The plan a child is part of goes on without it.
    fn take_out_of_plan(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let id = Arc::clone(&child.spec.id);
        let Some(plan_id) = child.plan else {
            return;
        };
        let Some(plan) = self.plans.get_mut(&plan_id) else {
            child.plan = None;
            return;
        };
        plan.starts.remove(&key);
        if plan.stops.contains(&key) {
            // Its end is what the plan waits for.
            return;
        }
        child.plan = None;
        if plan.cause.is_request() {
            if let Some(plan) = self.plans.remove(&plan_id) {
                plan.cause.fail(ChildError::Start {
                    child: id,
                    error: StartError::Stopped,
                });
            }
        } else {
            self.ready.push_back(plan_id);
        }
    }

    /// A child that is there, by its name, and not from a template.
    fn by_hand(&self, id: &str) -> Result<Key, ChildError> {
        if self.is_simple() {
            return Err(ChildError::HasTemplate);
        }
        let missing = || ChildError::NotFound(id.into());
        let key = self.children.by_id(id).ok_or_else(missing)?;
        let child = self.children.get(key).ok_or_else(missing)?;
        let id = Arc::clone(&child.spec.id);
        match &child.up {
            Some(_) => Err(ChildError::Running(id)),
            None if child.is_down() => Ok(key),
            None => Err(ChildError::Restarting(id)),
        }
    }

    fn restart_by_hand(&mut self, id: &str, reply: Reply<()>) {
        match self.by_hand(id) {
            Ok(key) => {
                if let Some(child) = self.children.get_mut(key) {
                    child.streak = 0;
                }
                self.begin_plan(Plan::start(Cause::ByHand(reply), [key]));
            }
            Err(error) => send(reply, Err(error)),
        }
    }

    fn delete(&mut self, id: &str) -> Result<(), ChildError> {
        let key = self.by_hand(id)?;
        self.children.remove(key);
        Ok(())
    }

    fn kill_child(&mut self, id: &str) -> Result<(), ChildError> {
        let key = self
            .children
            .by_id(id)
            .ok_or_else(|| ChildError::NotFound(id.into()))?;
        self.harm(key);
        Ok(())
    }
}
