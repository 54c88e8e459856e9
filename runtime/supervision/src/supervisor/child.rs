//! A child and its present incarnation.

use std::sync::Arc;

use kameo::actor::ActorId;
use tokio::time::Instant;

use crate::{
    exit::ExitReason,
    launch::{Below, Control},
    spec::{ChildSpec, Restart},
    status::{State, Status},
};

use super::{plan::PlanId, requests::Reply, timers::TimerId};

pub(super) struct Child {
    pub(super) spec: ChildSpec,
    /// Its slot, if it comes from a template.
    pub(super) slot: Option<usize>,
    /// Its incarnation, unless it is down.
    pub(super) up: Option<Incarnation>,
    /// How many incarnations it has had: the number of the present or last one.
    pub(super) incarnations: u64,
    /// The plan it is part of.
    pub(super) plan: Option<PlanId>,
    /// Whether the end of its last incarnation waits to be decided about.
    pub(super) undecided: bool,
    pub(super) restarts: u64,
    /// How often it was restarted in a row without a stable run between.
    pub(super) streak: u32,
    /// Those who wait for its end.
    pub(super) waiting: Vec<Reply<()>>,
}

/// One life of a child.
pub(super) struct Incarnation {
    /// The kameo actor it is, unless it is a worker.
    pub(super) actor: Option<ActorId>,
    pub(super) control: Control,
    pub(super) below: Below,
    pub(super) phase: Phase,
    pub(super) started_at: Option<Instant>,
    /// Whether its end is the supervisor's will.
    pub(super) asked: bool,
    /// Why its loop is over, while its task is not.
    pub(super) said: Option<ExitReason>,
    /// When its time to end is over.
    pub(super) timer: Option<TimerId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Running,
    /// It was asked to end, or its loop is over.
    Ending,
    /// It was killed.
    Killed,
}

impl Incarnation {
    pub(super) fn started(&self) -> bool {
        self.started_at.is_some()
    }
}

impl Child {
    pub(super) fn new(spec: ChildSpec, slot: Option<usize>) -> Self {
        Self {
            spec,
            slot,
            up: None,
            incarnations: 0,
            plan: None,
            undecided: false,
            restarts: 0,
            streak: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether nothing is to be kept of it once it is down for good.
    pub(super) fn goes_when_down(&self) -> bool {
        self.spec.restart == Restart::Temporary || self.slot.is_some()
    }

    /// Whether it is down and stays down.
    pub(super) fn is_down(&self) -> bool {
        self.up.is_none() && self.plan.is_none() && !self.undecided
    }

    /// Whether it has not ended for good, and is not told to: nobody has to start it by hand.
    pub(super) fn lives(&self) -> bool {
        let wanted = self.up.as_ref().is_some_and(|up| !up.asked);
        wanted || self.plan.is_some() || self.undecided
    }

    pub(super) fn state(&self) -> State {
        match &self.up {
            Some(up) => match up.phase {
                Phase::Starting => State::Starting,
                Phase::Running => State::Running,
                Phase::Ending | Phase::Killed => State::Stopping,
            },
            None if self.undecided => State::Restarting,
            None if self.plan.is_none() => State::Stopped,
            None if self.incarnations == 0 => State::Starting,
            None => State::Restarting,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            id: Arc::clone(&self.spec.id),
            kind: self.spec.kind(),
            state: self.state(),
            restarts: self.restarts,
            strategy: self.spec.strategy(),
            children: Vec::new(),
        }
    }
}
