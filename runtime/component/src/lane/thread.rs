//! The thread of the slow lane, and what waits for it.
//!
//! It is nicer than the other threads of the process, so a short turn that wakes up on its core goes
//! first. A machine that has nothing else to do gives it a whole core all the same; one whose cores are
//! all busy gives it about a tenth of what each of the others has.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;
use tracing::{Dispatch, Span, dispatcher};

use crate::ticker::Ticker;

/// Of -20 to 19, where the others have 0: a weight of 110 beside their 1024.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A turn that can go from thread to thread.
pub(crate) type Portable<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a panic of the host, in a call of the guest's, threw.
pub(super) type Thrown = Box<dyn Any + Send>;

/// The lane's end of the queue. Dropping it ends the thread.
#[derive(Debug, Default)]
pub(super) struct Thread(Arc<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Arc<dyn Job>>,
    started: bool,
    closed: bool,
}

/// One poll of something.
trait Job: Send + Sync {
    fn run(self: Arc<Self>);
}

/// One turn's place in the queue: for one poll.
pub(super) struct Visit<T> {
    at: Mutex<At<T>>,
    /// Told when the poll is over.
    polled: Condvar,
    /// Whether the turn has asked to be polled again.
    woken: AtomicBool,
    /// Who waits for the turn.
    waker: Mutex<Waker>,
    ticker: Arc<Ticker>,
    /// What the turn finds around it, as where it came from.
    runtime: Handle,
    log: Dispatch,
    span: Span,
}

enum At<T> {
    Waiting(Portable<T>),
    Running,
    Back(Portable<T>),
    Done(Result<T, Thrown>),
    /// Somewhere else.
    Gone,
}

/// What became of a visit.
pub(super) enum Visited<T> {
    /// It is not over.
    Not,
    /// It was polled, and waits.
    Polled(Portable<T>),
    /// It has come to its end.
    Done(Result<T, Thrown>),
}

impl Thread {
    /// Queues one poll of `turn`, and starts the thread at the first one. The turn is given back where the
    /// system has no thread.
    pub(super) fn visit<T: Send + 'static>(
        &self,
        turn: Portable<T>,
        ticker: &Arc<Ticker>,
        runtime: Handle,
        waker: &Waker,
    ) -> Result<Arc<Visit<T>>, Portable<T>> {
        let mut waiting = self.0.lock();
        if !waiting.started {
            let queue = Arc::clone(&self.0);
            let builder = std::thread::Builder::new().name("whirlwind-slow".to_owned());
            if let Err(error) = builder.spawn(move || queue.work()) {
                tracing::warn!("no thread for slow turns, they go on beside the others: {error}");
                return Err(turn);
            }
            waiting.started = true;
        }
        let visit = Arc::new(Visit {
            at: Mutex::new(At::Waiting(turn)),
            polled: Condvar::new(),
            woken: AtomicBool::new(false),
            waker: Mutex::new(waker.clone()),
            ticker: Arc::clone(ticker),
            runtime,
            log: dispatcher::get_default(Dispatch::clone),
            span: Span::current(),
        });
        waiting.jobs.push_back(Arc::clone(&visit) as Arc<dyn Job>);
        self.0.changed.notify_one();
        Ok(visit)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics between two changes that belong together.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!("slow turns are as urgent as others: {error}");
        }
        while let Some(job) = self.next() {
            job.run();
        }
    }

    fn next(&self) -> Option<Arc<dyn Job>> {
        let mut waiting = self.lock();
        while !waiting.closed {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl<T> Visit<T> {
    /// How it stands; `waker` is told of its end, and whenever the turn wants to be polled.
    pub(super) fn look(&self, waker: &Waker) -> Visited<T> {
        self.waker().clone_from(waker);
        let mut at = self.at();
        match std::mem::replace(&mut *at, At::Gone) {
            At::Back(turn) => Visited::Polled(turn),
            At::Done(end) => Visited::Done(end),
            waiting_or_running => {
                *at = waiting_or_running;
                Visited::Not
            }
        }
    }

    /// Whether the turn has asked to be polled since its poll began.
    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Takes a turn back that has not been polled yet.
    pub(super) fn recall(&self) -> Option<Portable<T>> {
        let mut at = self.at();
        match std::mem::replace(&mut *at, At::Gone) {
            At::Waiting(turn) => Some(turn),
            other => {
                *at = other;
                None
            }
        }
    }

    /// Nobody waits for the turn any more: it is dropped when this returns. A poll of it ends first, within a tick.
    pub(super) fn give_up(&self) {
        let mut at = self.at();
        while matches!(*at, At::Running) {
            at = self.polled.wait(at).unwrap_or_else(PoisonError::into_inner);
        }
        let gone = std::mem::replace(&mut *at, At::Gone);
        drop(at);
        drop(gone);
    }

    fn at(&self) -> MutexGuard<'_, At<T>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waker(&self) -> MutexGuard<'_, Waker> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Job for Visit<T> {
    fn run(self: Arc<Self>) {
        let mut turn = {
            let mut at = self.at();
            match std::mem::replace(&mut *at, At::Running) {
                At::Waiting(turn) => turn,
                gone => {
                    *at = gone;
                    return;
                }
            }
        };
        let waker = Waker::from(Arc::clone(&self));
        self.ticker.mark();
        let polled = panic::catch_unwind(AssertUnwindSafe(|| {
            let _runtime = self.runtime.enter();
            dispatcher::with_default(&self.log, || {
                self.span
                    .in_scope(|| turn.as_mut().poll(&mut Context::from_waker(&waker)))
            })
        }));
        let then = match polled {
            Ok(Poll::Pending) => At::Back(turn),
            Ok(Poll::Ready(end)) => At::Done(Ok(end)),
            Err(thrown) => At::Done(Err(thrown)),
        };
        *self.at() = then;
        self.polled.notify_one();
        self.waker().wake_by_ref();
    }
}

impl<T: Send + 'static> Wake for Visit<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.waker().wake_by_ref();
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.lock().jobs.len();
        f.debug_struct("Queue").field("waiting", &waiting).finish()
    }
}
