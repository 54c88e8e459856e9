//! What a supervisor answers when it is asked how things are.

use std::{fmt, sync::Arc};

use crate::spec::Strategy;

/// How a child and those under it are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub id: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// How it is.
    pub state: State,
    /// How often its supervisor has started it again, failed attempts included.
    pub restarts: u64,
    /// By which strategy it supervises, if it is a supervisor.
    pub strategy: Option<Strategy>,
    /// Those under it, in order of start.
    pub children: Vec<Status>,
}

/// What a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A supervisor of this crate.
    Supervisor,
    /// A future.
    Worker,
    /// A kameo actor.
    Actor,
}

/// How a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is starting.
    Starting,
    /// It has started and has not ended.
    Running,
    /// It is down and will be started again, at once or after a wait.
    Restarting,
    /// It was told to end, or is tidying up after its end.
    Stopping,
    /// It is down and stays down.
    Stopped,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Worker => "worker",
            Self::Actor => "actor",
        }
    }
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The numbers OTP's `count_children/1` gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Children that have a spec, up or down. Of a template's children: those there are.
    pub specs: usize,
    /// Children that are up: starting, running or stopping.
    pub active: usize,
    /// Supervisors among the specs.
    pub supervisors: usize,
    /// All others among the specs.
    pub workers: usize,
}
