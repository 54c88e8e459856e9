//! The messaging fake passes the suite, and its other side sees what it should.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};
use whirlwind_event::{Event, EventBuilder, Topic, TopicFilter};
use whirlwind_provider_api::conformance::messaging::{IN, LARGEST, OUT, OUTBOX, Subject, WINDOW};
use whirlwind_provider_api::memory_messaging::{Bounds, MemoryMessaging, Peer};
use whirlwind_provider_api::{Acknowledge, Link, Messaging, SendError, messaging_conformance};

/// The fake, whose peer confirms whatever is sent.
struct Memory {
    messaging: Arc<MemoryMessaging>,
    peer: Arc<Peer>,
    names: AtomicU64,
    taken: Mutex<mpsc::Receiver<String>>,
}

impl Memory {
    fn new() -> Self {
        let (messaging, peer) = MemoryMessaging::with_bounds(Bounds {
            outbox: OUTBOX,
            window: WINDOW.into(),
            largest: LARGEST,
            out: Some(TopicFilter::parse(OUT).unwrap()),
        });
        let peer = Arc::new(peer);
        let (sender, taken) = mpsc::channel(1000);
        let taking = peer.clone();
        tokio::spawn(async move {
            loop {
                let sent = taking.sent().await;
                let data = String::from_utf8(sent.event.data().unwrap().to_vec()).unwrap();
                sender.try_send(data).unwrap();
                taking.answer(sent.number, Ok(()));
            }
        });
        Self {
            messaging,
            peer,
            names: AtomicU64::new(0),
            taken: Mutex::new(taken),
        }
    }

    fn deliver(&self, data: &str, name: Option<u64>) {
        let event = EventBuilder::new().id("1").source("/test").ty("test");
        let event = event.data(data).build().unwrap();
        let topic = Topic::parse(IN).unwrap();
        self.peer.deliver(topic, event, Acknowledge::Tree, name);
    }
}

#[async_trait::async_trait]
impl Subject for Memory {
    const RETURNS: bool = true;

    fn window(&self) -> usize {
        WINDOW.into()
    }

    async fn start(&self) -> Arc<dyn Messaging> {
        self.messaging.clone()
    }

    async fn deliver(&self, data: &str) {
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        self.deliver(data, Some(name));
    }

    async fn deliver_loose(&self, data: &str) {
        self.deliver(data, None);
    }

    async fn deliver_malformed(&self) {
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        self.peer.deliver_malformed(name);
    }

    async fn taken(&self) -> String {
        self.taken.lock().await.recv().await.unwrap()
    }

    async fn cut(&self) {
        self.peer.cut("a test");
    }

    async fn restore(&self) {
        self.peer.restore();
    }
}

messaging_conformance!(Memory::new());

fn event(id: &str) -> Event {
    let event = EventBuilder::new().id(id).source("/test").ty("test");
    event.build().unwrap()
}

fn topic() -> Topic {
    Topic::parse("a/b").unwrap()
}

fn deliver(peer: &Peer, names: impl IntoIterator<Item = u64>) {
    for name in names {
        let event = event(&name.to_string());
        peer.deliver(topic(), event, Acknowledge::Tree, Some(name));
    }
}

#[tokio::test]
async fn acknowledgements_leave_in_the_order_of_receipt() {
    let (messaging, peer) = MemoryMessaging::new(10);
    deliver(&peer, [1, 2]);
    let first = messaging.receive().await.unwrap();
    let second = messaging.receive().await.unwrap();
    second.receipt.unwrap().give();
    assert!(peer.acknowledged(0).await.is_empty());
    first.receipt.unwrap().give();
    assert_eq!(peer.acknowledged(2).await, [1, 2]);
    assert_eq!(messaging.counts().acknowledged, 2);
}

#[tokio::test]
async fn a_receipt_that_is_dropped_brings_back_all_that_is_owed() {
    let (messaging, peer) = MemoryMessaging::new(10);
    deliver(&peer, [1, 2, 3]);
    let first = messaging.receive().await.unwrap();
    let second = messaging.receive().await.unwrap();
    drop(second);
    // It is of a connection that is no more.
    first.receipt.unwrap().give();
    for name in [1, 2, 3] {
        let again = messaging.receive().await.unwrap();
        assert_eq!(again.event.id(), name.to_string());
        again.receipt.unwrap().give();
    }
    assert_eq!(peer.acknowledged(3).await, [1, 2, 3]);
    let counts = messaging.counts();
    assert_eq!((counts.received, counts.duplicates), (6, 3));
    assert_eq!((counts.acknowledged, counts.reconnects), (3, 1));
}

#[tokio::test]
async fn what_is_sent_is_kept_in_order_until_it_is_answered() {
    let (messaging, peer) = MemoryMessaging::new(2);
    let send = |id: &str| messaging.send(&topic(), &Arc::new(event(id)));
    let (one, two) = (send("1").unwrap(), send("2").unwrap());
    assert_eq!(send("3").unwrap_err(), SendError::Full { waiting: 2 });
    assert_eq!(peer.sent().await.event.id(), "1");
    peer.cut("a test");
    assert!(matches!(*messaging.link().borrow(), Link::Down { .. }));
    peer.restore();
    for id in ["1", "2"] {
        let sent = peer.sent().await;
        assert_eq!(sent.event.id(), id);
        peer.answer(sent.number, Ok(()));
    }
    messaging.room().await;
    assert_eq!((one.await, two.await), (Ok(()), Ok(())));
    assert_eq!(messaging.counts().sent, 2);
}
