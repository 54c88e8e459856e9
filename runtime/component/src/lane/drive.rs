//! A turn on its way to its end: on the worker it came from while it is quick, in the lane where it is slow.

use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

use super::Ticket;
use super::thread::{Portable, Visit, Visited};
use crate::ticker::Ticker;

/// Runs guest code to its end: keeps the ticker awake, polls in the slow lane where the turn is slow, and
/// ends the wait at the deadline with `None`. A turn that is done at its first poll, as most are, sets
/// no timer. When this is ready or has been dropped, the turn is gone; a drop waits for a poll in the lane.
pub(crate) async fn drive<T: Send + 'static>(
    turn: Portable<T>,
    ticker: &Arc<Ticker>,
    ticket: &Ticket,
    deadline: Duration,
) -> Option<T> {
    let ended = Drive {
        at: At::Here(turn),
        ticker,
        ticket,
        deadline,
        alarm: None,
    }
    .await;
    if ended.is_none() {
        ticket.spin();
    }
    ended
}

struct Drive<'a, T> {
    at: At<T>,
    ticker: &'a Arc<Ticker>,
    ticket: &'a Ticket,
    deadline: Duration,
    /// From the first poll on, which a guest can only have stretched by a tick. Unconstrained: tokio would
    /// put the alarm off for a task that used up its budget, as a guest can each time.
    alarm: Option<Pin<Box<Unconstrained<Sleep>>>>,
}

enum At<T> {
    Here(Portable<T>),
    Away(Arc<Visit<T>>),
    /// Ended, or about to be somewhere else.
    Nowhere,
}

impl<T: Send + 'static> Future for Drive<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let over = match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(context).is_ready(),
            None => false,
        };
        loop {
            match std::mem::replace(&mut self.at, At::Nowhere) {
                At::Here(turn) if over => {
                    drop(turn);
                    return Poll::Ready(None);
                }
                At::Here(turn) => {
                    let runtime = match self.ticket.is_slow() {
                        true => aside(),
                        false => None,
                    };
                    let turn = match runtime {
                        None => turn,
                        Some(runtime) => {
                            let thread = self.ticket.thread();
                            match thread.visit(turn, self.ticker, runtime, context.waker()) {
                                Ok(visit) => {
                                    self.at = At::Away(visit);
                                    return Poll::Pending;
                                }
                                Err(turn) => turn,
                            }
                        }
                    };
                    return self.poll_here(turn, context);
                }
                At::Away(visit) => {
                    if over && let Some(turn) = visit.recall() {
                        drop(turn);
                        return Poll::Ready(None);
                    }
                    match visit.look(context.waker()) {
                        Visited::Not => {
                            // Once it is polled it comes back within a tick, also when its time is over.
                            self.at = At::Away(visit);
                            return Poll::Pending;
                        }
                        Visited::Done(Ok(end)) => return Poll::Ready(Some(end)),
                        Visited::Done(Err(thrown)) => panic::resume_unwind(thrown),
                        Visited::Polled(turn) => {
                            self.at = At::Here(turn);
                            if over {
                                continue;
                            }
                            if self.is_over(context) {
                                return Poll::Ready(None);
                            }
                            if !visit.is_woken() {
                                return Poll::Pending;
                            }
                        }
                    }
                }
                At::Nowhere => return Poll::Pending,
            }
        }
    }
}

impl<T: Send + 'static> Drive<'_, T> {
    fn poll_here(&mut self, mut turn: Portable<T>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.ticker.mark();
        match turn.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if self.is_over(context) => Poll::Ready(None),
            Poll::Pending => {
                self.at = At::Here(turn);
                Poll::Pending
            }
        }
    }

    /// Whether the deadline has passed; counted from the first call on.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let deadline = self.deadline;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(unconstrained(sleep(deadline))));
        alarm.as_mut().poll(context).is_ready()
    }
}

impl<T> Drop for Drive<'_, T> {
    fn drop(&mut self) {
        if let At::Away(visit) = &self.at {
            visit.give_up();
        }
    }
}

/// The runtime, if the turn can go to another thread: one that has but one thread may stand still, with
/// its clock, while nothing runs on it.
fn aside() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    match handle.runtime_flavor() {
        RuntimeFlavor::MultiThread => Some(handle),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::sync::mpsc::{self, Receiver, SyncSender};
    use std::task::Waker;
    use std::thread;

    use super::*;
    use crate::lane::Lane;

    const LONG: Duration = Duration::from_secs(3600);

    /// A lane, and a ticket of a turn that belongs there.
    fn slow(lane: &Lane) -> Arc<Ticket> {
        let ticket = lane.pace().ticket();
        (1..=4).for_each(|tick| ticket.tick(tick));
        assert!(ticket.is_slow());
        ticket
    }

    fn ticker() -> Arc<Ticker> {
        Arc::new(Ticker::start(Duration::from_millis(10)).unwrap())
    }

    fn place() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    /// A turn that says when its only poll begins, and ends it when it is told to.
    fn held(name: &'static str, began: SyncSender<&'static str>, go: Receiver<()>) -> Portable<()> {
        Box::pin(async move {
            began.send(name).unwrap();
            go.recv().unwrap();
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_slow_turn_is_polled_in_the_lane_and_a_quick_one_where_it_was() {
        let lane = Lane::of(2);
        let quick = lane.pace().ticket();
        let here = drive(Box::pin(async { place() }), &ticker(), &quick, LONG).await;
        assert_ne!(here.unwrap(), "whirlwind-slow");
        let there = drive(Box::pin(async { place() }), &ticker(), &slow(&lane), LONG).await;
        assert_eq!(there.unwrap(), "whirlwind-slow");
    }

    #[tokio::test]
    async fn where_there_is_but_one_thread_the_turn_stays_on_it() {
        let here = thread::current().id();
        let turn = Box::pin(async { thread::current().id() });
        let there = drive(turn, &ticker(), &slow(&Lane::of(2)), LONG).await;
        assert_eq!(there, Some(here));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn one_at_a_time_is_in_the_lane_in_the_order_they_came() {
        let (lane, ticker) = (Lane::of(2), ticker());
        let (began, order) = mpsc::sync_channel(3);
        let mut turns = Vec::new();
        let mut goes = Vec::new();
        for name in ["first", "second", "third"] {
            let (go, gone) = mpsc::sync_channel(1);
            goes.push(go);
            let turn = held(name, began.clone(), gone);
            let (ticker, ticket) = (Arc::clone(&ticker), slow(&lane));
            let mut turn =
                Box::pin(async move { drive(turn, &ticker, &ticket, LONG).await.unwrap() });
            let mut context = Context::from_waker(Waker::noop());
            assert!(turn.as_mut().poll(&mut context).is_pending());
            turns.push(turn);
        }
        for (name, go) in ["first", "second", "third"].into_iter().zip(goes) {
            assert_eq!(order.recv().unwrap(), name);
            assert!(order.try_recv().is_err(), "another began beside {name}");
            go.send(()).unwrap();
        }
        end(turns).await;
    }

    async fn end(turns: Vec<Pin<Box<impl Future<Output = ()>>>>) {
        for turn in turns {
            turn.await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_turn_that_asks_to_be_polled_again_while_it_is_polled_is_polled_again() {
        let mut left = 100;
        let turn = Box::pin(poll_fn(move |context| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        let ended = drive(turn, &ticker(), &slow(&Lane::of(2)), LONG).await;
        assert_eq!(ended, Some(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_turn_that_waits_holds_the_lane_up_for_nobody_and_goes_on_when_it_is_woken() {
        let (lane, ticker) = (Lane::of(2), ticker());
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn({
            let (ticker, ticket) = (Arc::clone(&ticker), slow(&lane));
            async move {
                let turn = async move {
                    began.send(()).unwrap();
                    gone.await.unwrap();
                    place()
                };
                drive(Box::pin(turn), &ticker, &ticket, LONG).await
            }
        });
        has_begun.await.unwrap();
        let other = drive(Box::pin(async {}), &ticker, &slow(&lane), LONG).await;
        assert_eq!(other, Some(()));
        go.send(()).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), "whirlwind-slow");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whoever_waits_behind_a_turn_in_the_lane_goes_on_meanwhile() {
        let (done, is_done) = mpsc::sync_channel(1);
        let turn = Box::pin(async move { is_done.recv().unwrap() });
        let waiting = tokio::spawn(async move {
            // The only worker there is has it in hand.
            tokio::spawn(async move { done.send(()) });
            drive(turn, &ticker(), &slow(&Lane::of(2)), LONG).await
        });
        assert_eq!(waiting.await.unwrap(), Some(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn at_the_deadline_a_turn_that_waits_is_dropped() {
        let dropped = Arc::new(());
        let turn = Box::pin({
            let held = Arc::clone(&dropped);
            async move {
                let _held = held;
                pending::<()>().await;
            }
        });
        let short = Duration::from_millis(1);
        let ended = drive(turn, &ticker(), &slow(&Lane::of(2)), short).await;
        assert_eq!(ended, None);
        assert_eq!(Arc::strong_count(&dropped), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_turn_given_up_is_gone_when_the_drop_returns() {
        let (lane, ticker) = (Lane::of(2), ticker());
        let (began, has_begun) = mpsc::sync_channel(1);
        let (go, goes) = mpsc::sync_channel(1);
        let (polled, queued) = (Arc::new(()), Arc::new(()));
        let first = {
            let (held_up, turn) = (Arc::clone(&polled), held("", began, goes));
            Box::pin(async move {
                let _held_up = held_up;
                turn.await;
                pending::<()>().await;
            })
        };
        let second = {
            let held_up = Arc::clone(&queued);
            Box::pin(async move {
                let _held_up = held_up;
                unreachable!("nobody waits for it");
            })
        };
        let mut context = Context::from_waker(Waker::noop());
        let tickets = (slow(&lane), slow(&lane));
        let mut first = Box::pin(drive(first, &ticker, &tickets.0, LONG));
        assert!(first.as_mut().poll(&mut context).is_pending());
        has_begun.recv().unwrap();
        let mut second = Box::pin(drive::<()>(second, &ticker, &tickets.1, LONG));
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert_eq!(Arc::strong_count(&queued), 1);
        // The poll goes on until it is told; whenever that is, the drop waits for it.
        let telling = thread::spawn(move || go.send(()).unwrap());
        drop(first);
        assert_eq!(Arc::strong_count(&polled), 1);
        telling.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_panic_in_the_lane_is_one_of_whoever_waits_and_the_lane_goes_on() {
        let lane = Lane::of(2);
        let ticket = slow(&lane);
        let waiting = tokio::spawn(async move {
            let turn: Portable<()> = Box::pin(async { panic!("a bug of the host") });
            drive(turn, &ticker(), &ticket, LONG).await
        });
        assert!(waiting.await.unwrap_err().is_panic());
        let next = drive(Box::pin(async {}), &ticker(), &slow(&lane), LONG).await;
        assert_eq!(next, Some(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_thread_of_the_lane_ends_with_it() {
        let lane = Lane::of(2);
        let ticket = slow(&lane);
        let (ended, is_ended) = mpsc::sync_channel::<()>(1);
        thread_local! {
            static LAST: std::cell::RefCell<Option<SyncSender<()>>> = const { std::cell::RefCell::new(None) };
        }
        let turn = async move { LAST.with_borrow_mut(|last| *last = Some(ended)) };
        drive(Box::pin(turn), &ticker(), &ticket, LONG)
            .await
            .unwrap();
        drop((lane, ticket));
        assert!(is_ended.recv().is_err(), "dropped with the thread");
    }
}
