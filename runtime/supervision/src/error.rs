//! What can be refused, and why.

use std::{fmt, sync::Arc, time::Duration};

use crate::spec::Strategy;

/// A spec that cannot be meant. Found when the spec is checked, before anything starts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// A supervisor without a name.
    #[error("a supervisor has an empty id: give it a name")]
    EmptySupervisorId,
    /// A child without a name.
    #[error("supervisor `{supervisor}` has a child with an empty id: give it a name")]
    EmptyChildId {
        /// The supervisor.
        supervisor: Arc<str>,
    },
    /// Two children of one name.
    #[error("supervisor `{supervisor}` has two children called `{child}`: rename one of them")]
    DuplicateChild {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The name they share.
        child: Arc<str>,
    },
    /// An intensity over no time.
    #[error("supervisor `{supervisor}` counts restarts within no time: set `within` above zero")]
    ZeroWindow {
        /// The supervisor.
        supervisor: Arc<str>,
    },
    /// A backoff that shrinks.
    #[error(
        "supervisor `{supervisor}` has a backoff from {min:?} to {max:?}: `min` may not exceed `max`"
    )]
    BackoffOrder {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The shortest wait.
        min: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// A jitter that is no share.
    #[error("supervisor `{supervisor}` has a backoff jitter of {jitter}: use a share from 0 to 1")]
    Jitter {
        /// The supervisor.
        supervisor: Arc<str>,
        /// What was given.
        jitter: f64,
    },
    /// A shutdown that leaves no time.
    #[error(
        "child `{child}` of supervisor `{supervisor}` has a shutdown time of zero: use a brutal kill to leave it no time"
    )]
    ZeroShutdown {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The child.
        child: Arc<str>,
    },
    /// A significant child whose supervisor does not shut down by itself.
    #[error(
        "child `{child}` of supervisor `{supervisor}` is significant, and the supervisor has no auto-shutdown: set one, or make the child not significant"
    )]
    SignificantUnderNever {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The child.
        child: Arc<str>,
    },
    /// A significant child that never ends for good.
    #[error(
        "child `{child}` of supervisor `{supervisor}` is significant and permanent, so its end would never count: make it transient or temporary"
    )]
    SignificantPermanent {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The child.
        child: Arc<str>,
    },
    /// A simple-one-for-one supervisor without a template.
    #[error("supervisor `{supervisor}` is simple-one-for-one and has no template: give it one")]
    TemplateMissing {
        /// The supervisor.
        supervisor: Arc<str>,
    },
    /// A simple-one-for-one supervisor with children of its own.
    #[error(
        "supervisor `{supervisor}` is simple-one-for-one and lists children: they can only come from its template"
    )]
    TemplateAndChildren {
        /// The supervisor.
        supervisor: Arc<str>,
    },
    /// A template that the strategy does not use.
    #[error(
        "supervisor `{supervisor}` is {strategy} and has a template: only simple-one-for-one uses one"
    )]
    UnusedTemplate {
        /// The supervisor.
        supervisor: Arc<str>,
        /// Its strategy.
        strategy: Strategy,
    },
}

/// A start that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StartError {
    /// The spec was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// What the child itself says.
    #[error("{0}")]
    Failed(Arc<str>),
    /// A child of this supervisor did not start; those started before it have been stopped. Where all
    /// children come from a template, the child's own words stand for this.
    #[error("child `{child}` of supervisor `{supervisor}` did not start: {error}")]
    Child {
        /// The supervisor.
        supervisor: Arc<str>,
        /// The child.
        child: Arc<str>,
        /// What it says.
        error: Box<StartError>,
    },
    /// It was told to end before it had started.
    #[error("it was stopped before it had started")]
    Stopped,
}

impl StartError {
    /// A start that failed for the reason `why` tells.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string().into())
    }
}

/// What a running supervisor refuses to do with a child.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChildError {
    /// A child of this name is there, and up or coming up.
    #[error("child `{0}` is already started")]
    AlreadyStarted(Arc<str>),
    /// A child of this name is there, and down.
    #[error("child `{0}` is already present: restart it, or delete it first")]
    AlreadyPresent(Arc<str>),
    /// No child has this name.
    #[error("there is no child `{0}`")]
    NotFound(Arc<str>),
    /// No child is in this slot.
    #[error("there is no child in slot {0}")]
    EmptySlot(usize),
    /// The child is up.
    #[error("child `{0}` is running: terminate it first")]
    Running(Arc<str>),
    /// The child is about to be started again.
    #[error("child `{0}` is being restarted: terminate it first, or wait")]
    Restarting(Arc<str>),
    /// The child did not start.
    #[error("child `{child}` did not start: {error}")]
    Start {
        /// The child.
        child: Arc<str>,
        /// What it says.
        error: StartError,
    },
    /// The spec of the child was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The supervisor makes its children from a template.
    #[error("the children of a simple-one-for-one supervisor come from its template")]
    HasTemplate,
    /// The supervisor has no template to make a child from.
    #[error("only a simple-one-for-one supervisor makes children from a template")]
    NoTemplate,
    /// The supervisor is ending or has ended.
    #[error("the supervisor is stopping")]
    Stopping,
}
