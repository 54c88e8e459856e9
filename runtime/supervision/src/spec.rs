//! What is supervised and how, and the check that refuses a bad spec.

use std::{collections::HashSet, fmt, future::Future, sync::Arc, time::Duration};

use futures::FutureExt;
use kameo::Actor;

use crate::{
    auto_shutdown::AutoShutdown,
    backoff::Backoff,
    error::{SpecError, StartError},
    exit::ExitReason,
    launch::{ActorLaunch, LaunchActor},
    report::Reporter,
    status::Kind,
    stop::Stop,
    template::Template,
    worker::WorkerStart,
};

/// Whom the end of a child concerns.
///
/// ```text
///        A  B  C  D      B ends:   one-for-one    A [B] C  D
///        |  |  |  |                one-for-all   [A  B  C  D]
///        +--+--+--+                rest-for-one   A [B  C  D]
///         in order of start         [ ] stopped in reverse order, then started in order
/// ```
///
/// As in OTP, a group restart starts every child of its group, also one that had ended normally or
/// had been terminated; temporary children are stopped with their group and not started again. Whether
/// an end can also shut the supervisor down is [`AutoShutdown`]'s matter, under every strategy alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Only the child that ended.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The child that ended and those started after it.
    RestForOne,
    /// Only the child that ended; all children are made from one template, none at the start unless
    /// the template says so, and all are stopped at the same time.
    SimpleOneForOne,
}

impl Strategy {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneForOne => "one-for-one",
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
            Self::SimpleOneForOne => "simple-one-for-one",
        }
    }

    /// Whether the end of one child can stop others.
    pub(crate) fn is_group(self) -> bool {
        matches!(self, Self::OneForAll | Self::RestForOne)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// After which ends a child is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// After every end.
    #[default]
    Permanent,
    /// After an abnormal end. After another its spec stays, and it can be started by hand.
    Transient,
    /// Never; its spec goes when it ends.
    Temporary,
}

impl Restart {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is not asked, it is killed.
    BrutalKill,
    /// It is asked, and killed if it has not ended after this time.
    Timeout(Duration),
    /// It is asked, and waited for as long as it takes. Right for a supervisor, whose own children
    /// have their times; dangerous for anything else.
    Infinity,
}

/// How many restarts a supervisor tolerates: more than `max_restarts` within any `within` end it.
///
/// The count is one for all children of the supervisor, the window slides, and a restart of a group
/// counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// The most restarts within the window; with 0 the first one ends the supervisor.
    pub max_restarts: u32,
    /// The window.
    pub within: Duration,
}

impl Intensity {
    /// What OTP takes when nothing is said: 1 in 5 s.
    pub const OTP: Self = Self {
        max_restarts: 1,
        within: Duration::from_secs(5),
    };
}

impl Default for Intensity {
    /// 5 in 10 s. OTP's default, 1 in 5 s, suits children that fail by their own bugs. Ours are fed
    /// from outside, where one cause (a lost connection, a bad batch) comes in small bursts: two
    /// failures in five seconds are no reason to give up, six in ten are.
    fn default() -> Self {
        Self {
            max_restarts: 5,
            within: Duration::from_secs(10),
        }
    }
}

/// A supervisor: its rules and its children.
#[derive(Clone, Debug)]
pub struct SupervisorSpec {
    /// Its name, in reports and in its status.
    pub id: Arc<str>,
    /// Whom the end of a child concerns.
    pub strategy: Strategy,
    /// How many restarts it tolerates.
    pub intensity: Intensity,
    /// How long it waits before a restart.
    pub backoff: Backoff,
    /// Whether [`ExitReason::Excused`] counts against the intensity as well.
    pub charge_excused: bool,
    /// Whether it shuts down when its significant children have ended.
    pub auto_shutdown: AutoShutdown,
    /// Its children, in order of start; the order of stop is the reverse.
    pub children: Vec<ChildSpec>,
    /// What the children of a simple-one-for-one supervisor are made from.
    pub template: Option<Template>,
    /// Where its reports go, and those of the supervisors below; if nothing is said, to where those of
    /// the one above go.
    pub reporter: Option<Reporter>,
}

impl SupervisorSpec {
    /// A supervisor without children yet: intensity 5 in 10 s, the default backoff, excused ends
    /// not charged, no auto-shutdown.
    pub fn new(id: impl Into<Arc<str>>, strategy: Strategy) -> Self {
        Self {
            id: id.into(),
            strategy,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            charge_excused: false,
            auto_shutdown: AutoShutdown::default(),
            children: Vec::new(),
            template: None,
            reporter: None,
        }
    }

    /// A simple-one-for-one supervisor over what `template` makes.
    pub fn simple(id: impl Into<Arc<str>>, template: Template) -> Self {
        Self {
            template: Some(template),
            ..Self::new(id, Strategy::SimpleOneForOne)
        }
    }

    /// With this intensity.
    #[must_use]
    pub fn intensity(mut self, max_restarts: u32, within: Duration) -> Self {
        self.intensity = Intensity {
            max_restarts,
            within,
        };
        self
    }

    /// With this backoff.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// With excused ends charged to the intensity, or not.
    #[must_use]
    pub fn charge_excused(mut self, charge: bool) -> Self {
        self.charge_excused = charge;
        self
    }

    /// Shutting down by itself when these have ended.
    #[must_use]
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }

    /// With reports that go here.
    #[must_use]
    pub fn reporter(mut self, reporter: Reporter) -> Self {
        self.reporter = Some(reporter);
        self
    }

    /// With one more child, started after those it already has.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Refuses what cannot be meant, here and in every supervisor below.
    ///
    /// # Errors
    ///
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), SpecError> {
        let supervisor = || Arc::clone(&self.id);
        if self.id.is_empty() {
            return Err(SpecError::EmptySupervisorId);
        }
        if self.intensity.within.is_zero() {
            return Err(SpecError::ZeroWindow {
                supervisor: supervisor(),
            });
        }
        let Backoff { min, max, jitter } = self.backoff;
        if min > max {
            return Err(SpecError::BackoffOrder {
                supervisor: supervisor(),
                min,
                max,
            });
        }
        // Written so that a NaN is refused too.
        if !(0.0..=1.0).contains(&jitter) {
            return Err(SpecError::Jitter {
                supervisor: supervisor(),
                jitter,
            });
        }
        match (self.strategy, &self.template) {
            (Strategy::SimpleOneForOne, None) => {
                return Err(SpecError::TemplateMissing {
                    supervisor: supervisor(),
                });
            }
            (Strategy::SimpleOneForOne, Some(_)) if !self.children.is_empty() => {
                return Err(SpecError::TemplateAndChildren {
                    supervisor: supervisor(),
                });
            }
            (Strategy::SimpleOneForOne, Some(template)) => {
                template.make(0).check(&self.id, self.auto_shutdown)?;
            }
            (strategy, Some(_)) => {
                return Err(SpecError::UnusedTemplate {
                    supervisor: supervisor(),
                    strategy,
                });
            }
            (_, None) => {}
        }
        let mut ids = HashSet::new();
        for child in &self.children {
            if !ids.insert(&child.id) {
                return Err(SpecError::DuplicateChild {
                    supervisor: supervisor(),
                    child: Arc::clone(&child.id),
                });
            }
            child.check(&self.id, self.auto_shutdown)?;
        }
        Ok(())
    }
}

/// A child: how it is started, when it is started again, how it is stopped.
///
/// Permanent and not significant unless said otherwise. A worker or an actor has 5 s to shut down; a supervisor has as
/// long as its own children need.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
    pub(crate) shutdown: Shutdown,
    pub(crate) start: Start,
}

/// How a child is started.
#[derive(Clone)]
pub(crate) enum Start {
    Worker(WorkerStart),
    Supervisor(Arc<SupervisorSpec>),
    Actor(Arc<dyn LaunchActor>),
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(_) => f.write_str("Worker"),
            Self::Supervisor(spec) => spec.fmt(f),
            Self::Actor(_) => f.write_str("Actor"),
        }
    }
}

impl ChildSpec {
    /// The time a worker or an actor has to shut down if nothing else is said, as in OTP.
    pub const SHUTDOWN: Duration = Duration::from_secs(5);

    /// A child that is a future.
    ///
    /// `start` is called for each incarnation. The future it answers is the start: its error is a
    /// failed start, and the next child waits for it. What that yields is the run; when it ends, so
    /// does the incarnation. Both are one task. A worker that is stopped hears it
    /// through its [`Stop`], in its start as well as in its run; one that is killed is dropped where
    /// it waits. One that does not wait but blocks its thread cannot be killed: it is left behind, as
    /// killed, and goes on until it waits. A panic in either is an abnormal end with the panic's text.
    pub fn worker<F, S, R>(id: impl Into<Arc<str>>, start: F) -> Self
    where
        F: Fn(Stop) -> S + Send + Sync + 'static,
        S: Future<Output = Result<R, StartError>> + Send + 'static,
        R: Future<Output = ExitReason> + Send + 'static,
    {
        let start: WorkerStart = Arc::new(move |stop| {
            let starting = start(stop);
            async move { Ok(starting.await?.boxed()) }.boxed()
        });
        Self::new(id, Shutdown::Timeout(Self::SHUTDOWN), Start::Worker(start))
    }

    /// A child that is a supervisor. It is called `id`, whatever its spec says.
    pub fn supervisor(id: impl Into<Arc<str>>, spec: SupervisorSpec) -> Self {
        let id = id.into();
        let spec = SupervisorSpec {
            id: Arc::clone(&id),
            ..spec
        };
        Self::new(id, Shutdown::Infinity, Start::Supervisor(Arc::new(spec)))
    }

    /// A child that is a kameo actor.
    ///
    /// `factory` is called for each incarnation and yields the actor's arguments; its error, and an
    /// error of the actor's `on_start`, are failed starts. Such a child is stopped with
    /// `stop_gracefully` and killed with `kill`; its stop reason is read by
    /// [`ExitReason::from_stop`]. The incarnation has ended when its `on_stop` has.
    pub fn actor<A, F, S>(id: impl Into<Arc<str>>, factory: F) -> Self
    where
        A: Actor,
        F: Fn() -> S + Send + Sync + 'static,
        S: Future<Output = Result<A::Args, StartError>> + Send + 'static,
    {
        let launch = ActorLaunch::<A>(Arc::new(move || factory().boxed()));
        Self::new(
            id,
            Shutdown::Timeout(Self::SHUTDOWN),
            Start::Actor(Arc::new(launch)),
        )
    }

    fn new(id: impl Into<Arc<str>>, shutdown: Shutdown, start: Start) -> Self {
        Self {
            id: id.into(),
            restart: Restart::default(),
            significant: false,
            shutdown,
            start,
        }
    }

    /// Started again after these ends.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Counted by its supervisor's [`AutoShutdown`], or not. For a transient or temporary child: a
    /// permanent one never ends for good.
    #[must_use]
    pub fn significant(mut self, significant: bool) -> Self {
        self.significant = significant;
        self
    }

    /// Stopped in this way.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.start {
            Start::Worker(_) => Kind::Worker,
            Start::Supervisor(_) => Kind::Supervisor,
            Start::Actor(_) => Kind::Actor,
        }
    }

    pub(crate) fn strategy(&self) -> Option<Strategy> {
        match &self.start {
            Start::Supervisor(spec) => Some(spec.strategy),
            Start::Worker(_) | Start::Actor(_) => None,
        }
    }

    /// Refuses what cannot be meant, here and below.
    pub(crate) fn check(
        &self,
        supervisor: &Arc<str>,
        auto_shutdown: AutoShutdown,
    ) -> Result<(), SpecError> {
        if self.id.is_empty() {
            return Err(SpecError::EmptyChildId {
                supervisor: Arc::clone(supervisor),
            });
        }
        if self.shutdown == Shutdown::Timeout(Duration::ZERO) {
            return Err(SpecError::ZeroShutdown {
                supervisor: Arc::clone(supervisor),
                child: Arc::clone(&self.id),
            });
        }
        if self.significant && auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::SignificantUnderNever {
                supervisor: Arc::clone(supervisor),
                child: Arc::clone(&self.id),
            });
        }
        if self.significant && self.restart == Restart::Permanent {
            return Err(SpecError::SignificantPermanent {
                supervisor: Arc::clone(supervisor),
                child: Arc::clone(&self.id),
            });
        }
        match &self.start {
            Start::Supervisor(spec) => spec.check(),
            Start::Worker(_) | Start::Actor(_) => Ok(()),
        }
    }
}
