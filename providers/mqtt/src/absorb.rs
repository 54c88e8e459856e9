//! A task that wakes itself.
//!
//! The connection's task does: what it leaves with the client library wakes the library's future, which is the same task, and so does
//! a receipt that is given because of what it has just read. tokio puts a task that was woken while it ran behind all others, and
//! wakes a thread that sleeps to look for it: a system call, and another core at work for nothing, several times for each message.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// How often in a row it is polled before others have their turn.
const MOST: usize = 16;

/// The task waits: a wake-up is for tokio.
const WAITS: u8 = 0;
/// The task runs.
const RUNS: u8 = 1;
/// The task runs, and was woken since it began to.
const WOKEN: u8 = 2;

/// Drives `future` such that a wake-up while it runs makes it run once more then and there.
pub(crate) async fn absorb<T>(future: impl Future<Output = T>) -> T {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    poll_fn(|context| {
        bell.task.register(context.waker());
        for _ in 0..MOST {
            bell.state.store(RUNS, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || bell.rests() {
                return polled;
            }
        }
        bell.state.store(WAITS, Ordering::SeqCst);
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[derive(Default)]
struct Bell {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Bell {
    /// Goes from running to waiting, unless it was woken meanwhile.
    fn rests(&self) -> bool {
        let (runs, waits) = (RUNS, WAITS);
        let rests = (self.state).compare_exchange(runs, waits, Ordering::SeqCst, Ordering::SeqCst);
        rests.is_ok()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = (self.state).fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
            (state != WAITS).then_some(WOKEN)
        });
        if noted.is_err() {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Counts what reaches the scheduler.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_that_wakes_itself_runs_on_and_lets_others_run_in_the_end() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut polls = 0;
        let mut future = pin!(absorb(poll_fn(|context| {
            polls += 1;
            match polls {
                1..4 => context.waker().wake_by_ref(),
                4 => {}
                5..100 => context.waker().wake_by_ref(),
                _ => return Poll::Ready(polls),
            }
            Poll::<i32>::Pending
        })));
        assert!(future.as_mut().poll(&mut context).is_pending());
        // Four polls, and nobody was told.
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        let mut turns = 0;
        while future.as_mut().poll(&mut context).is_pending() {
            turns += 1;
        }
        // It gave way to others each time that it had run so often in a row; the last turn ends with it.
        assert_eq!(turns, (100 - 4 - 1) / MOST);
        assert_eq!(count.0.load(Ordering::SeqCst), turns);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wake_up_from_outside_is_never_lost() {
        for _ in 0..10_000 {
            let (tell, told) = tokio::sync::oneshot::channel();
            let waits = tokio::spawn(absorb(told));
            tokio::spawn(async move { tell.send(()).unwrap() });
            let heard = timeout(Duration::from_secs(60), waits).await;
            heard.expect("it is woken").unwrap().unwrap();
        }
    }
}
