//! What goes out.

use std::sync::Arc;

use super::{
    LARGEST, NOWHERE, OUT, OUTBOX, Subject, cut, event, handed_over, now, restore, send, soon,
    start, taken, topic,
};
use crate::{Handover, Messaging, SendError};

/// More than may wait.
const MANY: usize = 5 * OUTBOX;

/// Sends events as soon as there is room; the outbox is this task's alone.
async fn send_all(provider: &Arc<dyn Messaging>, numbers: std::ops::Range<usize>) -> Vec<Handover> {
    let mut handovers = Vec::new();
    for number in numbers {
        soon("room", provider.room()).await;
        handovers.push(send(provider, &number.to_string()).unwrap());
    }
    handovers
}

/// The same numbers, each once or more, each for the first time in order.
async fn taken_all(subject: &impl Subject, count: usize) {
    let mut next = 0;
    while next < count {
        let number: usize = taken(subject).await.parse().unwrap();
        assert!(number <= next, "{number} came where {next} was due");
        next = next.max(number + 1);
    }
}

/// And are counted then.
pub async fn events_go_out_in_order_and_are_handed_over(subject: &impl Subject) {
    let provider = start(subject).await;
    for handover in send_all(&provider, 0..MANY).await {
        handed_over(handover).await;
    }
    for number in 0..MANY {
        assert_eq!(
            taken(subject).await,
            number.to_string(),
            "once, without a cut"
        );
    }
    let counts = provider.counts();
    assert_eq!((counts.sent, counts.waiting), (MANY as u64, 0));
}

/// In order; nothing is handed over before.
pub async fn what_is_sent_without_a_link_is_kept_and_goes_out_with_the_next(
    subject: &impl Subject,
) {
    let provider = start(subject).await;
    cut(subject, &provider).await;
    let mut handovers = send_all(&provider, 0..OUTBOX).await;
    let counts = provider.counts();
    assert_eq!((counts.sent, counts.waiting), (0, OUTBOX));
    assert_eq!(now(&mut handovers[0]).await, None);
    restore(subject, &provider).await;
    taken_all(subject, OUTBOX).await;
    for handover in handovers {
        handed_over(handover).await;
    }
    assert_eq!(provider.counts().sent, OUTBOX as u64);
}

/// What was on its way at a cut may come twice, and comes.
pub async fn what_was_not_confirmed_is_sent_again_in_order(subject: &impl Subject) {
    const CUTS: usize = 5;
    let provider = start(subject).await;
    let sending = async {
        let mut handovers = Vec::new();
        for round in 0..CUTS {
            let first = round * OUTBOX;
            handovers.extend(send_all(&provider, first..first + OUTBOX).await);
            cut(subject, &provider).await;
            restore(subject, &provider).await;
        }
        for handover in handovers {
            handed_over(handover).await;
        }
    };
    tokio::join!(sending, taken_all(subject, CUTS * OUTBOX));
    let counts = provider.counts();
    assert_eq!((counts.sent, counts.waiting), ((CUTS * OUTBOX) as u64, 0));
    assert_eq!(counts.reconnects, CUTS as u64);
}

/// Which is said, and waited for.
pub async fn a_full_outbox_takes_nothing_until_there_is_room(subject: &impl Subject) {
    let provider = start(subject).await;
    cut(subject, &provider).await;
    let mut handovers = send_all(&provider, 0..OUTBOX).await;
    let full = SendError::Full { waiting: OUTBOX };
    assert_eq!(send(&provider, "too many").unwrap_err(), full);
    let mut room = Box::pin(provider.room());
    assert_eq!(now(&mut room).await, None);
    restore(subject, &provider).await;
    soon("room", room).await;
    handovers.push(send(&provider, &OUTBOX.to_string()).unwrap());
    taken_all(subject, OUTBOX + 1).await;
    for handover in handovers {
        handed_over(handover).await;
    }
}

/// And says by how much.
pub async fn what_is_too_large_is_refused_and_not_sent(subject: &impl Subject) {
    let provider = start(subject).await;
    let refused = send(&provider, &"x".repeat(LARGEST)).unwrap_err();
    let SendError::TooLarge { size, max } = refused else {
        panic!("{refused:?}");
    };
    assert!(size > max && max <= LARGEST, "{size} {max}");
    assert_eq!(provider.counts().waiting, 0);
    let large = "x".repeat(LARGEST / 2);
    handed_over(send(&provider, &large).unwrap()).await;
    assert_eq!(taken(subject).await, large);
}

/// And says where it was to go.
pub async fn what_leads_nowhere_is_refused_and_not_sent(subject: &impl Subject) {
    let provider = start(subject).await;
    let refused = provider.send(&topic(NOWHERE), &event("lost")).unwrap_err();
    let SendError::Unsendable(reason) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains(NOWHERE), "{reason}");
    assert_eq!(provider.counts().waiting, 0);
    let sent = provider.send(&topic(OUT), &event("found")).unwrap();
    handed_over(sent).await;
    assert_eq!(taken(subject).await, "found");
}
