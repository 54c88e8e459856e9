//! Why a child ended, and the words of a supervisor that gave up.

use std::{fmt, sync::Arc, time::Duration};

use kameo::error::{ActorStopReason, PanicError, PanicReason};

use crate::{error::StartError, spec::Intensity};

/// Why a child ended.
///
/// | reason | permanent | transient | temporary | charged to intensity | backoff |
/// |---|---|---|---|---|---|
/// | `Normal`, `Shutdown` | restart | stays down | gone | yes | yes |
/// | `Killed`, `Failed`, `IntensityExceeded` | restart | restart | gone | yes | yes |
/// | `Excused` | restart | restart | gone | only with `charge_excused` | never |
///
/// Where a significant child stays down or is gone, [`AutoShutdown`](crate::AutoShutdown) says what
/// becomes of its supervisor; such an end is charged to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It had nothing left to do.
    Normal,
    /// It was asked to end, and did. Of a supervisor also: its significant children had ended
    /// ([`AutoShutdown`](crate::AutoShutdown)).
    Shutdown,
    /// It was ended by force.
    Killed,
    /// It could not go on; the text says why, a panic's own text included.
    Failed(Arc<str>),
    /// It could not go on, and something else was already charged for that: a delivery, for
    /// example, that counts its own attempts, waits by its own backoff and is given up in the end.
    ///
    /// It is abnormal, so it restarts by restart type as [`Failed`](Self::Failed) does. It is not
    /// charged to the supervisor's intensity, or a stream of poisoned deliveries could bring down a
    /// tree that is in good health (unless
    /// [`charge_excused`](crate::SupervisorSpec::charge_excused) asks for just that). It restarts at
    /// once: whoever was charged already waits, and a second wait would only hold up the next one.
    Excused(Arc<str>),
    /// A supervisor gave up. In OTP it exits with `shutdown`, and a transient child supervisor that
    /// gave up is then silently not restarted; here it is a reason of its own, and abnormal.
    IntensityExceeded(Arc<GaveUp>),
}

impl ExitReason {
    /// An end that `why` tells.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string().into())
    }

    /// An end that `why` tells and something else was charged for.
    pub fn excused(why: impl fmt::Display) -> Self {
        Self::Excused(why.to_string().into())
    }

    /// Whether a transient child is restarted after it: all but `Normal` and `Shutdown`.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown)
    }

    /// What a kameo actor's stop reason means. An `ExitReason` that was sent this way, as an actor's
    /// own stop reason, as the error of a handler or hook, or inside `LinkDied`, is given back as it
    /// was.
    #[must_use]
    pub fn from_stop(reason: &ActorStopReason) -> Self {
        match reason {
            ActorStopReason::Normal => Self::Normal,
            ActorStopReason::SupervisorRestart => Self::Shutdown,
            ActorStopReason::Killed => Self::Killed,
            ActorStopReason::Panicked(error) => Self::from_panic(error),
            ActorStopReason::LinkDied { reason, .. } => Self::from_stop(reason),
            // kameo adds reasons with its features, which other crates may switch on.
            #[allow(unreachable_patterns)]
            other => Self::failed(other),
        }
    }

    /// What an error or a panic that ended a kameo actor means.
    #[must_use]
    pub fn from_panic(error: &PanicError) -> Self {
        if let Some(reason) = error.downcast::<Self>() {
            return reason;
        }
        if let Some(error) = error.downcast::<StartError>() {
            return Self::failed(error);
        }
        if let Some(text) = error.with_str(str::to_owned) {
            return match error.reason() {
                PanicReason::HandlerPanic => Self::failed(format_args!("panicked: {text}")),
                // kameo does not tell a hook's panic from a hook's error made of text.
                _ => Self::Failed(text.into()),
            };
        }
        Self::failed(error.with(|error| format!("{error:?}")))
    }

    /// The reason of a caught panic.
    pub(crate) fn from_payload(payload: &(dyn std::any::Any + Send)) -> Self {
        Self::Failed(panic_text(payload).into())
    }
}

/// A panic's text, as the panic's author wrote it.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    match text {
        Some(text) => format!("panicked: {text}"),
        None => "panicked with a value that is not text".to_owned(),
    }
}

impl From<ExitReason> for ActorStopReason {
    /// For an actor that ends with this reason, from `on_link_died` or `on_panic`, for example.
    fn from(reason: ExitReason) -> Self {
        match reason {
            ExitReason::Normal => Self::Normal,
            ExitReason::Shutdown => Self::SupervisorRestart,
            ExitReason::Killed => Self::Killed,
            reason => Self::Panicked(PanicError::new(Box::new(reason), PanicReason::OnLinkDied)),
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended normally"),
            Self::Shutdown => f.write_str("shut down"),
            Self::Killed => f.write_str("killed"),
            Self::Failed(why) | Self::Excused(why) => f.write_str(why),
            Self::IntensityExceeded(gave_up) => gave_up.fmt(f),
        }
    }
}

/// So that it can be the error of a kameo actor.
impl std::error::Error for ExitReason {}

/// A restart that was charged to a supervisor's intensity: who ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The child that ended.
    pub child: Arc<str>,
    /// Why it ended.
    pub reason: ExitReason,
}

/// What a supervisor that gave up says: which child, which reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp {
    /// The supervisor that gave up.
    pub supervisor: Arc<str>,
    /// What it would have tolerated.
    pub intensity: Intensity,
    /// Each end charged within the window, oldest first; the last is the one too many.
    pub charges: Vec<Charge>,
}

impl GaveUp {
    /// How many kinds of ends its words tell: enough to see the cause, few enough to be read, also
    /// when a supervisor above tells what several below it said.
    const MOST_TOLD: usize = 5;

    /// The end that was one too many.
    #[must_use]
    pub fn last(&self) -> Option<&Charge> {
        self.charges.last()
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Intensity {
            max_restarts,
            within,
        } = self.intensity;
        let ends = self.charges.len();
        let plural = if ends == 1 { "" } else { "s" };
        write!(
            f,
            "supervisor `{}` gave up: {ends} end{plural} within {}, {max_restarts} allowed",
            self.supervisor,
            Period(within),
        )?;
        // The newest ends say most. Equal ones are said once, with their number, where the oldest
        // of them that is told stands.
        let mut told: Vec<(&Charge, usize)> = Vec::new();
        let mut rest = self.charges.len();
        for charge in self.charges.iter().rev() {
            if let Some(at) = told.iter().position(|(other, _)| *other == charge) {
                let (charge, count) = told.remove(at);
                told.push((charge, count + 1));
            } else if told.len() < Self::MOST_TOLD {
                told.push((charge, 1));
            } else {
                break;
            }
            rest -= 1;
        }
        f.write_str(": ")?;
        if rest > 0 {
            write!(f, "{rest} earlier; ")?;
        }
        for (at, (Charge { child, reason }, count)) in told.iter().rev().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "`{child}` {reason}")?;
            if *count > 1 {
                write!(f, " ({count} times)")?;
            }
        }
        Ok(())
    }
}

struct Period(Duration);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
