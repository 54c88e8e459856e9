//! Whether a supervisor ends when its work is done.

use std::fmt;

/// Whether a supervisor shuts down by itself when its significant children have done their work.
///
/// | a significant child ends | `Never` | `AnySignificant` | `AllSignificant` |
/// |---|---|---|---|
/// | transient, abnormally | not allowed | restart | restart |
/// | transient, normally or by `Shutdown` | not allowed | shut down | shut down, if it was the last |
/// | temporary, of any reason | not allowed | shut down | shut down, if it was the last |
/// | because the supervisor wants it | not allowed | no effect | no effect |
///
/// The supervisor then stops its other children in reverse order and ends of
/// [`ExitReason::Shutdown`](crate::ExitReason::Shutdown): as a transient child it stays down, as a permanent one it is started
/// again, and as a significant one its end counts for the supervisor above. The end of a child that is
/// not significant never counts, and neither does what the supervisor itself ends: a child that is
/// terminated, or stopped with its group. As in OTP since 24.
///
/// The last is the one after which no other significant child is up, or about to be started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It does not; no child may be significant.
    #[default]
    Never,
    /// When one significant child has ended for good.
    AnySignificant,
    /// When the last significant child has ended for good.
    AllSignificant,
}

impl AutoShutdown {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AnySignificant => "any-significant",
            Self::AllSignificant => "all-significant",
        }
    }
}

impl fmt::Display for AutoShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
