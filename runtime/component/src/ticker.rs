//! The clock of running guests: one thread that advances the epochs while turns run, and sleeps for
//! good while none do.
//!
//! A guest yields at the tick after the one it started in and at every one after that, so a poll of
//! a turn runs guest code for at most one tick. Each poll calls [`Ticker::mark`], and the thread parks
//! only after [`QUIET_TICKS`] ticks without a mark. Thus no guest code runs while it is parked, unless
//! the machine keeps a thread off its cores for all that time between a mark and the code after it;
//! such a guest is interrupted as soon as anything else marks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Ticks without a mark after which the thread parks. At the default tick it is two seconds: long
/// beside any wait for a core, short beside the life of an idle node.
const QUIET_TICKS: u32 = 200;

/// Somebody marked since the last tick.
const ACTIVE: u8 = 2;
/// Nobody marked since the last tick; the thread still ticks.
const QUIET: u8 = 1;
/// The thread is parked and must be woken.
const PARKED: u8 = 0;

/// The running end of the thread. Dropping it ends the thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    state: AtomicU8,
    stopped: AtomicBool,
    ticks: AtomicU64,
    engines: Mutex<Vec<EngineWeak>>,
}

impl Ticker {
    /// Starts the thread; it parks until the first mark.
    pub(crate) fn start(tick: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: AtomicU8::new(PARKED),
            stopped: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
            engines: Mutex::new(Vec::new()),
        });
        let handle = thread::Builder::new()
            .name("whirlwind-epoch".to_owned())
            .stack_size(128 * 1024)
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run(tick)
            })?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
        })
    }

    /// Advances the epoch of this engine too, from now on.
    pub(crate) fn add(&self, engine: &wasmtime::Engine) {
        self.shared.lock().push(engine.weak());
    }

    /// Says that guest code is about to run. One load while the thread ticks and somebody else marked
    /// in this tick.
    #[inline]
    pub(crate) fn mark(&self) {
        if self.shared.state.load(Ordering::Relaxed) != ACTIVE {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.shared.state.swap(ACTIVE, Ordering::AcqRel) == PARKED {
            self.thread.unpark();
        }
    }

    /// Whether the thread is parked.
    pub(crate) fn is_parked(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) == PARKED
    }

    /// Ticks so far.
    pub(crate) fn ticks(&self) -> u64 {
        self.shared.ticks.load(Ordering::Relaxed)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<EngineWeak>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, tick: Duration) {
        let mut quiet = 0;
        while !self.stopped.load(Ordering::Acquire) {
            if self.state.load(Ordering::Acquire) == PARKED {
                thread::park();
                quiet = 0;
                continue;
            }
            thread::sleep(tick);
            self.ticks.fetch_add(1, Ordering::Relaxed);
            self.lock().retain(|engine| {
                engine
                    .upgrade()
                    .map(|engine| engine.increment_epoch())
                    .is_some()
            });
            if self.change(ACTIVE, QUIET) {
                quiet = 0;
            } else {
                quiet += 1;
                if quiet >= QUIET_TICKS {
                    // Fails if somebody marked meanwhile: then the next round is an active one.
                    self.change(QUIET, PARKED);
                }
            }
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}
