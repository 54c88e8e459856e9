//! What sled throws, as errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use whirlwind_provider_api::Error;

/// What errors call this provider.
const PROVIDER: &str = "sled";

/// Runs an operation of sled on an open store. sled panics on some damaged pages: that, too, is an
/// error of this one operation.
pub(crate) fn caught<T>(operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // Unwind safe: sled's locks do not poison, and ours guard an `Option` that a panic cannot leave
    // half changed.
    catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        tracing::error!(panic = %message(&*panic), "sled panicked in an operation");
        Err(io(
            "the store is damaged at this place; restart the node to have it checked",
        ))
    })
}

/// The text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

/// An error of sled, for a component: no paths. The log gets the whole.
pub(crate) fn failed(error: sled::Error) -> Error {
    tracing::error!(%error, "sled failed in an operation");
    match error {
        sled::Error::Io(error) => io(&error.kind().to_string()),
        sled::Error::Corruption { .. } => {
            io("the store is damaged at this place; restart the node to have it checked")
        }
        sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => io("the store refused the operation"),
    }
}

pub(crate) fn io(reason: &str) -> Error {
    Error::Io {
        provider: PROVIDER.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn closed() -> Error {
    Error::Unavailable {
        provider: PROVIDER.to_owned(),
        reason: "it is closed".to_owned(),
    }
}
