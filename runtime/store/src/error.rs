//! Why a read or a commit did not do its work.

use crate::Space;

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// An entry is not what was written: its seal is broken.
    #[error("the store is damaged: an entry of `{}` is not what was written", .space.name())]
    Damaged {
        /// The space of the entry.
        space: Space,
    },
    /// The backend could not read.
    #[error("the store cannot be read: {reason}")]
    Failed {
        /// What the backend said.
        reason: String,
    },
    /// The store went down, see [`CommitError::Down`].
    #[error("the store is down: {reason}")]
    Down {
        /// What brought it down.
        reason: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a commit did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Something that the batch read is not as it read it any more. Nothing of the batch took effect;
    /// run the turn again on fresh reads.
    #[error("what the batch read was changed by another")]
    Conflict,
    /// The batch, or an earlier one that it may have read from, could not be made durable, or would wait for
    /// a tree that fails. Nothing of
    /// it is there, and nothing of it will be, whatever happens; the store goes on.
    #[error("the batch was undone: {reason}")]
    Undone {
        /// Why it could not be made durable.
        reason: String,
    },
    /// The store went down. Whether the batch is there is decided when the store is opened again, as
    /// after a killed process: wholly or not at all.
    #[error("the store is down: {reason}")]
    Down {
        /// What brought it down.
        reason: String,
    },
    /// What had to be compared could not be read. Nothing of the batch took effect.
    #[error("the batch cannot be validated: {0}")]
    Read(ReadError),
    /// The store was closed before. Nothing of the batch took effect.
    #[error("the store is closed")]
    Closed,
}
