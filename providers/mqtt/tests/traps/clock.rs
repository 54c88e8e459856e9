//! Time that stands still but for what a test adds, while sockets go on.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, advance, pause};

use crate::broker::BOUND;

/// How much passes at once: what is waited for comes up to so much late.
pub const STEP: Duration = Duration::from_millis(100);

/// The clock of a test, stopped until it is dropped.
#[derive(Debug)]
pub struct Clock {
    _held: SyncSender<()>,
}

impl Clock {
    pub fn stop() -> Self {
        pause();
        let (held, released) = sync_channel::<()>(1);
        // A paused clock jumps to the next alarm whenever all tasks wait, for a socket too, unless something blocks. When that has
        // lasted for too long, it jumps, and the test that waits fails.
        tokio::task::spawn_blocking(move || released.recv_timeout(BOUND));
        Self { _held: held }
    }

    /// Lets time pass until something is ready, and says how much.
    pub async fn until<T>(&self, future: impl Future<Output = T>) -> (T, Duration) {
        let begun = Instant::now();
        let mut future = pin!(future);
        loop {
            // What needs no time gets its turns, and the sockets theirs, before any passes.
            for _ in 0..100 {
                tokio::select! {
                    biased;
                    done = &mut future => return (done, begun.elapsed()),
                    () = yield_now() => {}
                }
            }
            advance(STEP).await;
        }
    }
}
