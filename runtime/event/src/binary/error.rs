use thiserror::Error;

use super::VERSION;
use crate::event::EventError;

/// Why bytes are not an event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BinaryError {
    /// No byte at all.
    #[error("an event in its binary form has at least a version, and there are no bytes")]
    Nothing,

    /// Written by a later version of this library, or no event.
    #[error(
        "the event is in version {version} of the binary form, and this reads version {VERSION}"
    )]
    Version {
        /// The first byte.
        version: u8,
    },

    /// Cut off, or not what was written.
    #[error("the bytes are not an event in its binary form: {reason}")]
    Damaged {
        /// In the reader's words.
        reason: String,
    },

    /// More bytes than the event.
    #[error("{count} bytes come after the event")]
    Trailing {
        /// How many.
        count: usize,
    },

    /// The event is not valid.
    #[error(transparent)]
    Event(#[from] EventError),
}
