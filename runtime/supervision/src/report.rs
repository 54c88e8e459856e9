//! What a supervisor says by itself.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    error::StartError,
    exit::{ExitReason, GaveUp},
};

/// Something that happened under a supervisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The supervisor.
    pub supervisor: Arc<str>,
    /// The child it is about. Of a supervisor that gave up: the child whose end was one too many.
    pub child: Arc<str>,
    /// What happened.
    pub event: ReportEvent,
    /// When, on tokio's clock.
    pub at: Instant,
}

/// What happened to a child.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportEvent {
    /// It started.
    Started,
    /// It ended, by itself or because it was told to.
    Ended {
        /// Why.
        reason: ExitReason,
    },
    /// It did not start.
    StartFailed {
        /// What it says.
        error: StartError,
    },
    /// It will be started again.
    Restarting {
        /// After this time.
        after: Duration,
    },
    /// It was told to end and did so badly: of another reason, or by force after its time was over.
    /// Follows an `Ended`.
    ShutdownError {
        /// How it ended instead.
        reason: ExitReason,
    },
    /// Its end was one too many: the supervisor gives up.
    GaveUp(Arc<GaveUp>),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (child, supervisor) = (&self.child, &self.supervisor);
        match &self.event {
            ReportEvent::GaveUp(gave_up) => return gave_up.fmt(f),
            ReportEvent::Started => write!(f, "`{child}` started"),
            ReportEvent::Ended { reason } => write!(f, "`{child}` ended: {reason}"),
            ReportEvent::StartFailed { error } => write!(f, "`{child}` did not start: {error}"),
            ReportEvent::Restarting { after } if after.is_zero() => {
                write!(f, "`{child}` restarts at once")
            }
            ReportEvent::Restarting { after } => write!(f, "`{child}` restarts after {after:?}"),
            ReportEvent::ShutdownError { reason } => {
                write!(f, "`{child}` did not shut down in good order: {reason}")
            }
        }?;
        write!(f, " (under `{supervisor}`)")
    }
}

/// Where the reports of a tree go, but for supervisors that have one of their own. It is called in the supervisor's own task, so it must be
/// quick and may not block; one that panics is logged and does no harm.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(Report) + Send + Sync>);

impl Reporter {
    /// Reports go to `receive`.
    pub fn new(receive: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Reports go to the log, and nowhere else.
    #[must_use]
    pub fn log() -> Self {
        Self::new(|report| match report.event {
            ReportEvent::Started => tracing::debug!("{report}"),
            ReportEvent::Ended { ref reason } if !reason.is_abnormal() => {
                tracing::debug!("{report}");
            }
            ReportEvent::GaveUp(_) => tracing::error!("{report}"),
            _ => tracing::warn!("{report}"),
        })
    }

    pub(crate) fn report(&self, report: Report) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(report.clone()))).is_err() {
            tracing::error!("the reporter panicked on: {report}");
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}
