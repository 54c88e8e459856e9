//! From a file to a component, or to a reason why not that a person can act on.

pub(crate) mod imports;
pub(crate) mod places;
pub(crate) mod shelf;
pub(crate) mod sniff;

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::engine::{Engine, EngineError, Flavor};
use crate::load::places::Places;
use crate::load::shelf::Shelved;
use crate::settings::{CompileLimits, Progress};
use crate::text;

pub use imports::Unmet;

/// After this long a person wants to know what they wait for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Bytes of stack for a compilation. Deeply nested types and expressions are parsed by recursion.
const COMPILER_STACK: usize = 16 << 20;

/// Where a component's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A component that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("component `{name}` {fault}")]
pub struct LoadError {
    /// The component's name, as the caller gave it.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub fault: LoadFault,
}

/// What is wrong with a component. Each reads on after its name, and says what to do where something
/// can be done.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// The file cannot be read.
    #[error("cannot be read from `{}`: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is larger than its limit.
    #[error("is larger than {}, the limit", text::bytes(*.limit))]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// It is not WebAssembly.
    #[error("is not a WebAssembly component: it is {0}")]
    NotWasm(&'static str),
    /// It is a core module.
    #[error(
        "is a core WebAssembly module, not a component: build it with `--target wasm32-wasip2`, or make a component of it with `wasm-tools component new`"
    )]
    CoreModule,
    /// It is code compiled by some engine.
    #[error(
        "is compiled native code, which is never taken from a file: give the `.wasm` it was made from"
    )]
    Precompiled,
    /// Its encoding is not the one that components have.
    #[error(
        "has the component encoding 0x{version:x}, made by tools of before (or after) the one in use, 0xd: build it again with current tools"
    )]
    Encoding {
        /// The version in its header.
        version: u16,
    },
    /// It is cut short or malformed, or uses what is not supported.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// It took too long to compile.
    #[error("took longer than {} to compile, the limit", text::duration(*.limit))]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// It exports no handler that is served.
    #[error("exports no handler that is called here ({}); {}", HANDLERS.join(", "), exported(.found))]
    NoHandler {
        /// What it exports.
        found: Vec<String>,
    },
    /// It imports what is not served, all of which is listed.
    #[error("imports what it cannot be given:{}", listed(.0))]
    Imports(Vec<Unmet>),
    /// An interface has the right name, but not the right functions or types.
    #[error("does not fit an interface that has the same name here: {0}")]
    Mismatch(String),
    /// The engine for it cannot be made.
    #[error("cannot be run: {0}")]
    Engine(#[source] EngineError),
    /// The host failed.
    #[error("could not be compiled: {0}")]
    Failed(String),
}

/// The handlers that a component may export, the preferred one first.
pub(crate) const HANDLERS: [&str; 2] = [
    "whirlwind:actor/handler@0.1.0",
    "wasi:messaging/incoming-handler@0.2.0-draft",
];

fn exported(found: &[String]) -> String {
    if found.is_empty() {
        "it exports nothing".to_owned()
    } else {
        format!("it exports {}", found.join(", "))
    }
}

fn listed(unmet: &[Unmet]) -> String {
    unmet.iter().map(|unmet| format!("\n  {unmet}")).collect()
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.import, self.reason)
    }
}

/// Compiles on a thread of its own. The compiler cannot be stopped: when time is up, the thread and its
/// place among those that compile are left to end by themselves.
///
/// The work is real, so its time is the machine's, even where a test has stopped tokio's clock; a
/// blocking task keeps watch, which also keeps such a clock from running ahead.
pub(crate) async fn compile(
    engine: &Engine,
    flavor: Arc<Flavor>,
    name: &str,
    source: Source,
    limits: &CompileLimits,
    progress: Option<&Progress>,
) -> Result<Shelved, LoadFault> {
    let places = Arc::clone(engine.compilations());
    let name = name.to_owned();
    let limits = limits.clone();
    let progress = progress.cloned();
    tokio::task::spawn_blocking(move || {
        watch(&places, flavor, &name, source, &limits, progress.as_ref())
    })
    .await
    .unwrap_or_else(|error| Err(LoadFault::Failed(format!("the wait for it ended: {error}"))))
}

/// Waits for a place, starts the compilation, and waits for its end.
fn watch(
    places: &Arc<Places>,
    flavor: Arc<Flavor>,
    name: &str,
    source: Source,
    limits: &CompileLimits,
    progress: Option<&Progress>,
) -> Result<Shelved, LoadFault> {
    let Some(place) = places.take(limits.time) else {
        return Err(LoadFault::Failed(format!(
            "others have been compiling for longer than {}",
            text::duration(limits.time)
        )));
    };
    let (done, result) = std::sync::mpsc::sync_channel(1);
    let size = limits.size;
    std::thread::Builder::new()
        .name("whirlwind-compile".to_owned())
        .stack_size(COMPILER_STACK)
        .spawn(move || {
            let compiled = read(source, size).and_then(|bytes| {
                sniff::check(&bytes)?;
                flavor.shelf.get(&bytes, || {
                    wasmtime::component::Component::from_binary(&flavor.engine, &bytes)
                        .map_err(|error| LoadFault::Invalid(reason(&error)))
                })
            });
            drop(place);
            // Nobody listens any more if time was up.
            let _ = done.send(compiled);
        })
        .map_err(|error| LoadFault::Failed(format!("no thread for it: {error}")))?;

    let patience = PATIENCE.min(limits.time);
    let mut waited = result.recv_timeout(patience);
    if matches!(waited, Err(RecvTimeoutError::Timeout)) && limits.time > patience {
        if let Some(progress) = progress {
            progress(name);
        }
        waited = result.recv_timeout(limits.time.saturating_sub(patience));
    }
    match waited {
        Ok(compiled) => compiled,
        Err(RecvTimeoutError::Timeout) => Err(LoadFault::TooSlow { limit: limits.time }),
        Err(RecvTimeoutError::Disconnected) => Err(LoadFault::Failed(
            "the compiler panicked over it, which is a bug of the compiler's".to_owned(),
        )),
    }
}

fn read(source: Source, limit: usize) -> Result<Vec<u8>, LoadFault> {
    let bytes = match source {
        Source::Bytes(bytes) => bytes,
        Source::File(path) => {
            let unreadable = |error: std::io::Error| LoadFault::Unreadable {
                reason: match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        "there is no such file; was it built?".to_owned()
                    }
                    _ => error.to_string(),
                },
                path: path.clone(),
            };
            let file = std::fs::File::open(&path).map_err(unreadable)?;
            // Not a pipe or a device, which may have no end or no beginning.
            if !file.metadata().map_err(unreadable)?.is_file() {
                return Err(unreadable(std::io::Error::other("it is not a file")));
            }
            let mut bytes = Vec::new();
            // One byte more than the limit tells that there is more.
            file.take(limit as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?;
            bytes
        }
    };
    if bytes.len() > limit {
        return Err(LoadFault::TooLarge { limit });
    }
    Ok(bytes)
}

/// The whole chain of an error in one line, cleaned: names in it are the component's own.
pub(crate) fn reason(error: &wasmtime::Error) -> String {
    text::clean(&format!("{error:#}"), text::MAX_WORDS)
}
