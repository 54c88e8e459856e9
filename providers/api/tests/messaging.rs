//! The messaging fake keeps the promises of the trait.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use whirlwind_event::{Event, EventBuilder, Topic};
use whirlwind_provider_api::memory_messaging::{MemoryMessaging, Peer};
use whirlwind_provider_api::{Acknowledge, Link, Messaging, SendError};

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
async fn what_is_not_acknowledged_comes_again_and_late_receipts_have_no_effect() {
    let (messaging, peer) = MemoryMessaging::new(10);
    deliver(&peer, [1, 2]);
    let first = messaging.receive().await.unwrap();
    drop(messaging.receive().await.unwrap());
    assert_eq!(messaging.receive().await.unwrap().event.id(), "2");
    peer.cut("a test");
    peer.restore();
    first.receipt.unwrap().give();
    assert!(peer.acknowledged(0).await.is_empty());
    let again = messaging.receive().await.unwrap();
    assert_eq!(again.event.id(), "1");
    again.receipt.unwrap().give();
    assert_eq!(peer.acknowledged(1).await, [1]);
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

#[tokio::test]
async fn closed_it_ends_all() {
    let (messaging, peer) = MemoryMessaging::new(2);
    deliver(&peer, [1, 2]);
    let received = messaging.receive().await.unwrap();
    let handover = messaging.send(&topic(), &Arc::new(event("1"))).unwrap();
    messaging.close().await;
    messaging.close().await;
    assert!(messaging.receive().await.is_none());
    assert_eq!(handover.await, Err(SendError::Closed));
    received.receipt.unwrap().give();
    assert!(peer.acknowledged(0).await.is_empty());
    let refused = messaging.send(&topic(), &Arc::new(event("2")));
    assert_eq!(refused.unwrap_err(), SendError::Closed);
    messaging.room().await;
    assert_eq!(*messaging.link().borrow(), Link::Closed);
}
