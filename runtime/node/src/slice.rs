//! What a task that has to wait does with the rest of its slice of the scheduler's time.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::task::coop::{self, RestoreOnPending};

/// The most that a slice holds: tokio's budget of a task.
const SLICE: usize = 128;

/// Awaits `future`, and gives up the rest of the task's slice whenever it has to wait.
///
/// tokio runs the task that another has just woken next, on the same thread, three times in a row; the fourth it queues, with a
/// system call that wakes another thread to take it. An event that goes from task to task is at its fourth after one round, so that
/// each second one would set a second core to work that does nothing for it. After a slice that is used up, the task that was woken is
/// queued too, but other threads are called only if more than one waits.
///
/// Only for the outermost future of a task: whatever is polled after it in the same slice would find nothing left of it.
pub(crate) async fn used_up<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            use_up(context);
        }
        polled
    })
    .await
}

/// Lets other tasks run, beside this one if there is a thread that has nothing to do.
pub(crate) async fn go_on_beside() {
    let mut is_queued = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_queued, true) {
            return Poll::Ready(());
        }
        // A task that is woken while it runs is queued behind the others, and a thread is called.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

thread_local! {
    /// The last part of a slice that was used up on this thread. Dropped, it gives back what there was when it was taken: itself,
    /// and nothing else.
    static LAST: Cell<Option<RestoreOnPending>> = const { Cell::new(None) };
}

fn use_up(context: &mut Context<'_>) {
    LAST.with(|last| {
        // Of whatever there was, one part is left: only the first on a thread has to take all of them.
        drop(last.take());
        // Outside of a task there is no end of it.
        for _ in 0..SLICE {
            if !coop::has_budget_remaining() {
                break;
            }
            if let Poll::Ready(part) = coop::poll_proceed(context) {
                std::mem::forget(last.replace(Some(part)));
            }
        }
    });
}
