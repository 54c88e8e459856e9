//! Readers that wait: who of them is woken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{bus, envelope, subscriber};
use whirlwind_bus::{Inbox, Overflow};

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A reader that takes one event after another, polled by hand; answers the id of each.
struct Reader {
    bell: Arc<Bell>,
    next: Pin<Box<dyn Future<Output = String>>>,
}

impl Reader {
    fn new(inbox: &Inbox, worker: usize) -> Self {
        let mut lease = inbox.lease(worker).unwrap();
        let mut reader = Self {
            bell: Arc::default(),
            next: Box::pin(async move {
                let id = lease.next().await.event.id().to_owned();
                lease.handled();
                id
            }),
        };
        assert!(reader.poll().is_pending());
        reader
    }

    fn poll(&mut self) -> Poll<String> {
        let waker = Waker::from(Arc::clone(&self.bell));
        self.next.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> usize {
        self.bell.0.load(Ordering::SeqCst)
    }
}

#[test]
fn an_event_wakes_one_reader_and_that_is_the_one_that_waited_shortest() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let mut readers: Vec<_> = (0..8).map(|worker| Reader::new(&inbox, worker)).collect();
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    let woken: Vec<_> = readers.iter().map(Reader::woken).collect();
    assert_eq!(woken, [0, 0, 0, 0, 0, 0, 1, 1]);

    // Each takes one, the second while nothing is left for anybody: nobody else is told.
    assert_eq!(readers[6].poll(), Poll::Ready("1".to_owned()));
    assert_eq!(readers[7].poll(), Poll::Ready("2".to_owned()));
    drop(readers.split_off(6));
    let woken: Vec<_> = readers.iter().map(Reader::woken).collect();
    assert_eq!(woken, [0, 0, 0, 0, 0, 0]);
    assert_eq!(inbox.stats().handled, 2);
}

#[test]
fn a_reader_that_is_gone_before_it_looked_passes_the_news_on() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let mut first = Reader::new(&inbox, 0);
    let second = Reader::new(&inbox, 1);
    bus.publish(envelope("a", "1"));
    assert_eq!((first.woken(), second.woken()), (0, 1));
    drop(second);
    assert_eq!(first.woken(), 1);
    assert_eq!(first.poll(), Poll::Ready("1".to_owned()));
}

#[test]
fn whoever_was_woken_in_vain_waits_on() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 8, Overflow::Reject);
    let (mut first, mut second) = (Reader::new(&inbox, 0), Reader::new(&inbox, 1));
    bus.publish(envelope("a", "1"));
    // It was not told, but it came first.
    assert_eq!(first.poll(), Poll::Pending);
    let mut lease = inbox.lease(2).unwrap();
    let waker = Waker::noop();
    let mut next = Box::pin(lease.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
    );
    drop(next);
    lease.handled();
    assert_eq!(second.poll(), Poll::Pending);
    bus.publish(envelope("a", "2"));
    assert_eq!((first.woken(), second.woken()), (0, 2));
    assert_eq!(second.poll(), Poll::Ready("2".to_owned()));
}
