//! What a task that has to wait does with the rest of its slice of the scheduler's time.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
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
/// Only for what a task polls last: whatever it polls after it in the same slice would find nothing left of it. Workers and
/// supervisors of this crate do it by themselves.
///
/// Only within a task of tokio, which begins each slice anew.
///
/// It takes a future that is pinned: by value it would have a second room in the task.
pub async fn used_up<F: Future + Unpin>(mut future: F) -> F::Output {
    poll_fn(|context| {
        let polled = Pin::new(&mut future).poll(context);
        if polled.is_pending() {
            use_up(context);
        }
        polled
    })
    .await
}

/// Lets other tasks run, beside this one if there is a thread that has nothing to do.
pub async fn go_on_beside() {
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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::poll;
    use tokio::runtime::Handle;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_waits_leaves_nothing_of_its_slice() {
        for _ in 0..3 {
            let task = tokio::spawn(async {
                let mut waiting = pin!(used_up(pending::<()>()));
                let before = coop::has_budget_remaining();
                let polled = poll!(&mut waiting).is_pending();
                (before, polled, coop::has_budget_remaining())
            });
            assert_eq!(task.await.unwrap(), (true, true, false));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_is_done_keeps_it() {
        let task = tokio::spawn(async {
            let done = used_up(pin!(async { 7 })).await;
            (done, coop::has_budget_remaining())
        });
        assert_eq!(task.await.unwrap(), (7, true));
    }

    /// Hands numbers to and fro until one is `last`.
    async fn relay(mut from: mpsc::Receiver<u32>, to: mpsc::Sender<u32>, last: u32) {
        while let Some(number) = from.recv().await {
            if to.send(number + 1).await.is_err() || number >= last {
                return;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_goes_from_task_to_task_stays_on_its_thread() {
        const HOPS: u32 = 20_000;
        let (to_a, from_b) = mpsc::channel(1);
        let (to_b, from_a) = mpsc::channel(1);
        let metrics = Handle::current().metrics();
        let parked = || (0..2).map(|worker| metrics.worker_park_count(worker)).sum();
        let before: u64 = parked();
        to_a.send(0).await.unwrap();
        let a = tokio::spawn(used_up(Box::pin(relay(from_b, to_b, HOPS))));
        let b = tokio::spawn(used_up(Box::pin(relay(from_a, to_a, HOPS))));
        a.await.unwrap();
        b.await.unwrap();
        let parked = parked() - before;
        // Left to itself, tokio calls the other thread at about every fourth of them.
        assert!(parked < u64::from(HOPS) / 20, "parked {parked} times");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_run_before_it_goes_on() {
        let ran = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let ran = Arc::clone(&ran);
            async move {
                let other = Arc::clone(&ran);
                tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
                let before = ran.load(Ordering::SeqCst);
                go_on_beside().await;
                (before, ran.load(Ordering::SeqCst))
            }
        });
        assert_eq!(task.await.unwrap(), (false, true));
    }
}
