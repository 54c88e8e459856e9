//! Wasm components: the engine, what an instance may take of the host, and the host's side of every
//! interface that is served to them.
//!
//! A [`Component`] is compiled and linked once, by [`Component::load`]. It makes [`Instance`]s, which
//! handle events one at a time: [`Instance::handle`] takes the instance and a [`Turn`], and answers an
//! [`Outcome`]. What the handler publishes goes to the turn's [`Outbox`] and comes back to be committed
//! only if the handler returned ok.
//!
//! - [`engine`]: [`Engine`], two engines of wasmtime's and the thread that keeps their time
//! - [`settings`]: [`Settings`], all that a component has of the world; the default is nothing
//! - [`limits`]: [`Limits`], what an instance may take, and the count of it
//! - [`room`]: [`Room`], how many instances the machine has room for
//! - [`load`]: from a file to a component, or a [`LoadError`] that says what to do
//! - [`component`], [`instance`]: the two nouns above
//! - [`outbox`]: [`Outbox`] and [`PublishError`], the seam to whatever carries events
//! - [`trap`]: [`Trap`], why an instance came to its end, in words
//! - `host`: the interfaces, one file each
//! - `output`: what guests say, within bounds, into the log
//! - `ticker`, `lane`: how a guest that does not stop is made to share
//!
//! # Errors
//!
//! A guest is hostile. What an interface has a word for is answered to it as data; anything else it
//! does wrong, and every limit it passes, is a trap, and a trap ends the instance for good. Faults of
//! the host end it as well. Errors towards the host ([`EngineError`], [`LoadError`], [`StartError`],
//! [`Trap`]) read as sentences for the person who runs the node; the guest's own words in them are
//! cleaned of control characters and cut.
//!
//! # What this crate knows nothing of
//!
//! Mailboxes, topics' subscribers and delivery: an [`Outbox`] is all it sees of them. Supervision and
//! retries: it says how a turn ended, not what follows. Manifests, though it quotes their lines.

mod bindings;
pub mod component;
pub mod engine;
mod host;
pub mod instance;
mod lane;
pub mod limits;
pub mod load;
pub mod outbox;
mod output;
pub mod room;
pub mod settings;
mod state;
mod text;
mod ticker;
pub mod trap;

pub use component::{Component, Handler};
pub use engine::{Engine, EngineConfig, EngineError, Pool};
pub use instance::{Effects, Instance, Outcome, Reply, StartError, Turn};
pub use limits::Limits;
pub use load::{LoadError, LoadFault, Source, Unmet};
pub use outbox::{Outbox, PublishError};
pub use room::{Need, NoRoom, Room};
pub use settings::{CompileLimits, Isolation, Links, Progress, Settings};
pub use trap::{Trap, TrapKind};
