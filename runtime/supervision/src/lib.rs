//! OTP supervision trees on kameo.
//!
//! A supervisor starts its children in order, watches them, restarts what fails by the rules of its
//! spec, stops them in reverse order, shuts down when those that matter have done their work, and gives
//! up in words when restarting does not help. The model is Erlang/OTP's
//! [`supervisor`](https://www.erlang.org/doc/apps/stdlib/supervisor.html); where we differ, the item
//! says so and why.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use whirlwind_supervision::{ChildSpec, ExitReason, Reporter, Strategy, Supervisor, SupervisorSpec};
//!
//! let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(ChildSpec::worker("clock", |stop| async move {
//!     // Whatever can fail belongs here: an error is a failed start.
//!     Ok(async move {
//!         stop.asked().await;
//!         ExitReason::Shutdown
//!     })
//! }));
//! let tree = Supervisor::start(spec, Reporter::log()).await?;
//! assert_eq!(tree.status().await.children.len(), 1);
//! assert_eq!(tree.stop().await, ExitReason::Shutdown);
//! # Ok::<(), whirlwind_supervision::StartError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - [`decision`]: what a supervisor does about an exit, as a pure function
//! - `spec`: what is supervised and how, and the check that refuses a bad spec
//! - `template`: what the children of a simple-one-for-one supervisor are made from
//! - `auto_shutdown`: whether a supervisor ends when its significant children have
//! - `backoff`: how long a supervisor waits before a restart
//! - `exit`: why a child ended, and the words of a supervisor that gave up
//! - `supervisor`: the kameo actor that does what was decided
//! - `launch`: how each kind of child is started and watched
//! - `worker`: the task of a worker
//! - `handle`: what holders of a running supervisor may ask of it
//! - `report`, `status`: what it says by itself, and what it answers
//! - [`mod@slice`]: what a task that has to wait does with the rest of its slice of the scheduler's time
//! - `stop`: how a worker hears that it should end
//! - `error`: what can be refused, and why
//!
//! # Errors
//!
//! A spec is checked as a whole before anything starts ([`SpecError`]). A start that fails is a
//! [`StartError`] that names the child, unless it is one of many alike, from a template. What a running
//! supervisor refuses is a [`ChildError`]. An end is never an error of ours: it is an [`ExitReason`], and
//! each one is reported. Panics of children are caught and become ends with the panic's text.
//!
//! # What is absent
//!
//! This crate knows nothing of Wasm, events or mailboxes of events: it supervises children, whatever
//! they are. It has no clock but tokio's, which a test may pause. kameo's own `supervise()` is not
//! used: its restart limit does not slide, it has no order, no timeouts and no escalation.
//!
//! # Cost
//!
//! The work for a start, an end, a restart or a stop of one child does not grow with the number of its
//! siblings, but for two cases: the end of a child under a group strategy looks at the whole group, and
//! so does a status. Counting children costs the same for any number of them.
//!
//! # Lives
//!
//! A supervisor lives until it is stopped, until it gives up, until its significant children have ended
//! ([`AutoShutdown`]), until its parent ends, or until the last [`SupervisorRef`] to it is
//! dropped. None of its children outlives it: they are
//! stopped in order where there is time, killed where there is none, and aborted should its own task
//! be torn down.

mod auto_shutdown;
mod backoff;
pub mod decision;
mod error;
mod exit;
mod handle;
mod launch;
mod report;
pub mod slice;
mod spec;
mod status;
mod stop;
mod supervisor;
mod template;
mod worker;

pub use auto_shutdown::AutoShutdown;
pub use backoff::Backoff;
pub use error::{ChildError, SpecError, StartError};
pub use exit::{Charge, ExitReason, GaveUp};
pub use handle::SupervisorRef;
pub use report::{Report, ReportEvent, Reporter};
pub use spec::{ChildSpec, Intensity, Restart, Shutdown, Strategy, SupervisorSpec};
pub use status::{Counts, Kind, State, Status};
pub use stop::Stop;
pub use supervisor::Supervisor;
pub use template::Template;
