//! Links, counts and the end.

use super::{
    OUTBOX, Subject, close, cut, down, give, handed_over, link, receive, restore, send, soon,
    start, taken,
};
use crate::{Link, MessagingCounts, SendError};

/// With a reason where it is down, and by whoever asks later as well.
pub async fn every_change_of_the_link_is_seen(subject: &impl Subject) {
    let provider = subject.start().await;
    let mut seen = provider.link();
    soon("the link", seen.wait_for(|link| *link == Link::Up))
        .await
        .unwrap();
    subject.cut().await;
    soon("a change", seen.changed()).await.unwrap();
    let Link::Down { reason, .. } = link(&provider, down).await else {
        unreachable!()
    };
    assert!(!reason.is_empty());
    subject.restore().await;
    soon("the link", seen.wait_for(|link| *link == Link::Up))
        .await
        .unwrap();
    assert_eq!(provider.counts().reconnects, 1);
    close(&provider).await;
    assert_eq!(*seen.borrow_and_update(), Link::Closed);
    assert_eq!(*provider.link().borrow(), Link::Closed);
}

/// But those that say how it is now.
pub async fn counts_only_grow(subject: &impl Subject) {
    let provider = start(subject).await;
    let mut before = MessagingCounts::default();
    let mut grown = |when: &str| {
        let now = provider.counts();
        let pairs = [
            (before.received, now.received),
            (before.duplicates, now.duplicates),
            (before.acknowledged, now.acknowledged),
            (before.dropped, now.dropped),
            (before.malformed, now.malformed),
            (before.sent, now.sent),
            (before.reconnects, now.reconnects),
        ];
        let grow = pairs.iter().all(|(before, now)| before <= now);
        assert!(grow, "{when}: {before:?} became {now:?}");
        before = now;
    };
    for _ in 0..5 {
        subject.deliver("held").await;
        grown("a message was delivered");
        subject.deliver_loose("loose").await;
        grown("and another");
        let mut received = receive(&provider).await;
        while received.receipt.is_none() {
            received = receive(&provider).await;
        }
        grown("they were received");
        give(received);
        grown("one was acknowledged");
        let handover = send(&provider, "out").unwrap();
        grown("one was sent");
        handed_over(handover).await;
        taken(subject).await;
        grown("and taken");
        cut(subject, &provider).await;
        grown("the link is down");
        restore(subject, &provider).await;
        grown("and up");
    }
    close(&provider).await;
    grown("it is closed");
    assert!(
        before.received >= 5 && before.acknowledged == 5 && before.sent == 5,
        "{before:?}"
    );
    assert_eq!((before.reconnects, before.waiting), (5, 0));
}

/// Whoever waits for a message is told, and so is whoever asks later, though some are unread.
pub async fn closed_it_receives_nothing(subject: &impl Subject) {
    let provider = start(subject).await;
    let waiting = {
        let provider = provider.clone();
        tokio::spawn(async move { provider.receive().await.is_some() })
    };
    close(&provider).await;
    assert!(!soon("the end", waiting).await.unwrap());
    assert!(soon("the end", provider.receive()).await.is_none());
    assert!(soon("the end", provider.receive()).await.is_none());
}

/// And makes no promise of room, which nobody waits for in vain.
pub async fn closed_it_ends_what_was_not_handed_over_and_takes_no_more(subject: &impl Subject) {
    let provider = start(subject).await;
    cut(subject, &provider).await;
    let handovers: Vec<_> = (0..OUTBOX)
        .map(|number| send(&provider, &number.to_string()).unwrap())
        .collect();
    let waiting = {
        let provider = provider.clone();
        tokio::spawn(async move { provider.room().await })
    };
    close(&provider).await;
    for handover in handovers {
        assert_eq!(soon("the end", handover).await, Err(SendError::Closed));
    }
    assert_eq!(send(&provider, "late").unwrap_err(), SendError::Closed);
    soon("the end", waiting).await.unwrap();
    soon("the end", provider.room()).await;
    assert_eq!((provider.counts().sent, provider.counts().waiting), (0, 0));
}

/// Given or dropped; what is unread is not received any more.
pub async fn receipts_that_come_after_the_end_have_no_effect(subject: &impl Subject) {
    let provider = start(subject).await;
    for name in ["1", "2", "3"] {
        subject.deliver(name).await;
    }
    let (one, two) = (receive(&provider).await, receive(&provider).await);
    close(&provider).await;
    give(one);
    drop(two);
    assert_eq!(provider.counts().acknowledged, 0);
    assert!(soon("the end", provider.receive()).await.is_none());
    assert_eq!(*provider.link().borrow(), Link::Closed);
}

/// At once as well, and with the other side away.
pub async fn closing_twice_is_closing_once(subject: &impl Subject) {
    let provider = start(subject).await;
    handed_over(send(&provider, "kept").unwrap()).await;
    subject.cut().await;
    let both = async { tokio::join!(provider.close(), provider.close()) };
    soon("the end", both).await;
    close(&provider).await;
    assert_eq!(*provider.link().borrow(), Link::Closed);
    assert_eq!(provider.counts().sent, 1);
    assert_eq!(send(&provider, "late").unwrap_err(), SendError::Closed);
}
