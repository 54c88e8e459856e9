//! What a component is given: its bounds, its links, its values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use whirlwind_provider_api::Linked;

use crate::limits::Limits;
use crate::output::Voice;

/// All that a component has of the world. The default has nothing: no link, no value, no environment.
#[derive(Clone, Default)]
pub struct Settings {
    /// What an instance may take.
    pub limits: Limits,
    /// The key-value buckets it is linked to.
    pub links: Links,
    /// The values of `wasi:config/store`.
    pub config: BTreeMap<String, String>,
    /// The environment variables it sees.
    pub env: BTreeMap<String, String>,
    /// How long an instance lives.
    pub isolation: Isolation,
    /// The bounds of its compilation.
    pub compile: CompileLimits,
    /// Called once with the component's name if compiling it takes longer than 300 ms: time to tell a
    /// person what they are waiting for.
    pub progress: Option<Progress>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of config and env may be secrets: their names only.
        f.debug_struct("Settings")
            .field("limits", &self.limits)
            .field("links", &self.links)
            .field("config", &self.config.keys())
            .field("env", &self.env.keys())
            .field("isolation", &self.isolation)
            .field("compile", &self.compile)
            .finish_non_exhaustive()
    }
}

/// Is told the name of a component whose compilation takes its time.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// The buckets of one component, by the identifier under which it opens them.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// What it may open. `default` is also opened by the empty identifier.
    pub buckets: BTreeMap<String, Linked>,
    /// Identifiers that exist, but not for this component: opening one is `access-denied`, where any
    /// other is `no-such-store`.
    pub known: BTreeSet<String>,
}

/// How long an instance lives, which decides what the engine makes it from.
///
/// A resident instance is made once and reused, and takes only the memory it uses. An instance per
/// message is made and dropped each time, which a pool of prepared slots makes four times cheaper (8-10
/// instead of 39 µs), at the price of address space and of resident pages for every slot, used or not.
/// No allocator serves both, so the engine keeps two and makes the pool when the first component asks
/// for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// One instance handles event after event.
    #[default]
    Resident,
    /// Every event has an instance of its own. Making and dropping them is the caller's part.
    PerMessage,
}

/// The bounds of a compilation, which is work that a stranger's file decides on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of the file.
    pub size: usize,
    /// How long it may take, by the machine's clock. The compiler cannot be stopped: a compilation that
    /// is given up goes on on its own thread, and counts among those that run.
    pub time: Duration,
}

impl Default for CompileLimits {
    /// 64 MiB, 120 s: above the largest components of scripting languages, in a debug build.
    fn default() -> Self {
        Self {
            size: 64 << 20,
            time: Duration::from_secs(120),
        }
    }
}

/// What all instances of a component share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) links: Links,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) voice: Arc<Voice>,
}
