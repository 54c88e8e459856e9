//! Why a change was refused.

use std::path::PathBuf;

use crate::node::ComponentError;

/// Why an actor was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The app has no such actor.
    #[error("there is no actor `{actor}`; {hint}")]
    Unknown {
        /// The name that was given.
        actor: String,
        /// The nearest name, or all there are.
        hint: String,
    },
    /// No number of instances.
    #[error("actor `{actor}` cannot have {instances} instances: from 1 to {most}")]
    Number {
        /// The actor.
        actor: String,
        /// What was asked for.
        instances: u32,
        /// The most that may be asked for.
        most: u32,
    },
    /// There is no room for so many instances.
    #[error("there is room for {room} instances of `{actor}`, not for {instances}: {why}")]
    NoRoom {
        /// The actor.
        actor: String,
        /// What was asked for.
        instances: u32,
        /// How many there is room for, the present ones included.
        room: usize,
        /// What limits it, and what to do.
        why: &'static str,
    },
    /// It has left the tree.
    #[error(
        "actor `{actor}` has ended for good, as its `restart = \"temporary\"` says: it comes back when the node is started again"
    )]
    Gone {
        /// The actor.
        actor: String,
    },
    /// There is nothing to harm.
    #[error("actor `{actor}` is down already: it is {state}")]
    Down {
        /// The actor.
        actor: String,
        /// How it is.
        state: &'static str,
    },
    /// A supervisor above it is down.
    #[error(
        "actor `{actor}` cannot be reached: its supervisor `{supervisor}` is {state}; `tree` shows when it is up"
    )]
    Away {
        /// The actor.
        actor: String,
        /// The supervisor.
        supervisor: String,
        /// How that is.
        state: &'static str,
    },
    /// An instance did not start.
    #[error("actor `{actor}` did not start: {error}")]
    NotStarted {
        /// The actor.
        actor: String,
        /// What the instance says.
        error: String,
    },
    /// The component cannot be used.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// Of the component no instance can be made.
    #[error("{}: {error}", file.display())]
    NoInstance {
        /// Its file.
        file: PathBuf,
        /// What the instance says.
        error: String,
    },
    /// The component was tried, and did not start in its place.
    #[error("the old component of actor `{actor}` is back: the new one did not start: {error}")]
    PutBack {
        /// The actor.
        actor: String,
        /// What the instance says.
        error: String,
    },
    /// Nor did the old one.
    #[error(
        "the new component of actor `{actor}` did not start, nor did the old one again: {error}; its supervisor starts the actor anew with the old one"
    )]
    Neither {
        /// The actor.
        actor: String,
        /// What the instance of the new one says.
        error: String,
    },
    /// The node is stopping.
    #[error("the node is stopping, and nothing of it can be changed")]
    Stopping,
}
