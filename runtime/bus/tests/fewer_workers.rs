//! What becomes of the events of workers that do not come again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{bus, envelope, handle_next, subscriber};
use tokio::time::{Instant, timeout};
use whirlwind_bus::{Bus, Inbox, Overflow, Reason};

fn three_events(names: [&str; 3]) -> (Arc<Bus>, Inbox) {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    for id in names {
        bus.publish(envelope("a", id));
    }
    (bus, inbox)
}

#[tokio::test]
async fn what_a_worker_leaves_that_does_not_come_again_comes_before_the_queue() {
    let (bus, inbox) = three_events(["1", "2", "3"]);
    let (mut stays, mut goes) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    goes.next().await;
    inbox.workers(1);
    drop(goes);
    assert_eq!(handle_next(&mut stays).await, "1");
    assert_eq!(handle_next(&mut stays).await, "2");
    assert_eq!(handle_next(&mut stays).await, "3");
    assert_eq!((bus.unfinished(), inbox.stats().depth), (0, 0));
}

#[tokio::test]
async fn what_it_had_left_before_is_handed_over_too() {
    let (bus, inbox) = three_events(["1", "2", "3"]);
    let (mut one, mut two) = (inbox.lease(1).unwrap(), inbox.lease(2).unwrap());
    one.next().await;
    two.next().await;
    drop(two);
    drop(one);
    inbox.workers(1);
    let mut stays = inbox.lease(0).unwrap();
    for id in ["1", "2", "3"] {
        assert_eq!(handle_next(&mut stays).await, id);
    }
    assert_eq!(bus.unfinished(), 0);
    // Whoever has such a number later begins with nothing.
    inbox.workers(3);
    bus.publish(envelope("a", "4"));
    assert_eq!(handle_next(&mut inbox.lease(2).unwrap()).await, "4");
}

#[tokio::test(start_paused = true)]
async fn its_attempt_and_its_time_to_wait_go_with_it() {
    let (_bus, inbox) = three_events(["1", "2", "3"]);
    let mut goes = inbox.lease(1).unwrap();
    goes.next().await;
    let start = Instant::now();
    goes.retry(start + Duration::from_secs(3));
    inbox.workers(1);
    drop(goes);
    let mut stays = inbox.lease(0).unwrap();
    let handed = stays.next().await;
    assert_eq!((handed.event.id(), handed.attempt), ("1", 2));
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    stays.handled();
    assert_eq!(handle_next(&mut stays).await, "2");
}

#[tokio::test(start_paused = true)]
async fn it_wakes_a_worker_that_waits_for_the_queue() {
    let (_bus, inbox) = three_events(["1", "2", "3"]);
    let mut stays = inbox.lease(0).unwrap();
    let mut goes = inbox.lease(1).unwrap();
    goes.next().await;
    handle_next(&mut stays).await;
    handle_next(&mut stays).await;
    let waiting = tokio::spawn(async move { handle_next(&mut stays).await });
    // On one thread: it runs until it waits.
    tokio::task::yield_now().await;
    inbox.workers(1);
    drop(goes);
    let woken = timeout(Duration::from_secs(1), waiting).await;
    assert_eq!(woken.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_worker_that_stays_is_given_back_what_it_left_itself() {
    let (_bus, inbox) = three_events(["1", "2", "3"]);
    inbox.workers(2);
    let (mut one, mut two) = (inbox.lease(0).unwrap(), inbox.lease(1).unwrap());
    one.next().await;
    two.next().await;
    drop(two);
    drop(one);
    assert_eq!(handle_next(&mut inbox.lease(1).unwrap()).await, "2");
    assert_eq!(handle_next(&mut inbox.lease(0).unwrap()).await, "1");
}

#[tokio::test]
async fn a_mailbox_that_is_emptied_holds_back_nothing_of_theirs() {
    let (bus, inbox) = three_events(["1", "2", "3"]);
    let mut goes = inbox.lease(1).unwrap();
    goes.next().await;
    inbox.workers(1);
    drop(goes);
    let emptied = bus.empty(&inbox, Reason::NodeEnded);
    assert_eq!((emptied.dead, bus.unfinished()), (3, 0));
}
