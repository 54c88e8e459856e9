//! What the store says, for a component: no paths. The log of the store has the whole.

use whirlwind_provider_api::Error;
use whirlwind_store::{CommitError, ReadError};

/// What errors call this provider.
const PROVIDER: &str = "store";

pub(crate) fn io(reason: &str) -> Error {
    Error::Io {
        provider: PROVIDER.to_owned(),
        reason: reason.to_owned(),
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable {
        provider: PROVIDER.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn closed() -> Error {
    unavailable("it is closed")
}

pub(crate) fn of_read(error: ReadError) -> Error {
    match error {
        ReadError::Damaged { .. } => {
            io("the store is damaged at this place; restart the node to have it checked")
        }
        ReadError::Failed { .. } => io("the store cannot be read now"),
        ReadError::Down { .. } => unavailable("its disk failed; restart the node"),
        ReadError::Closed => closed(),
    }
}

pub(crate) fn of_commit(error: CommitError) -> Error {
    match error {
        // Who can meet one tries again.
        CommitError::Conflict => io("another changed the same key all the while"),
        CommitError::Undone { .. } => io("the write could not be made durable, and was undone"),
        CommitError::Down { .. } => unavailable("its disk failed; restart the node"),
        CommitError::Read(error) => of_read(error),
        CommitError::Closed => closed(),
    }
}
