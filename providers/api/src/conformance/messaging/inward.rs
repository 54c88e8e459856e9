//! What comes in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::{
    Subject, WINDOW, cut, data, eventually, give, now, receive, restore, settle, soon, start,
};
use crate::{Acknowledge, Received, Taker};

/// More than the window, so that some have to wait for the acknowledgement of others.
const MANY: usize = 5 * WINDOW as usize;

/// On the topic they are mapped to, with what they are to be acknowledged by.
pub async fn messages_come_in_the_order_of_receipt(subject: &impl Subject) {
    let provider = start(subject).await;
    let delivering = async {
        for number in 0..MANY {
            subject.deliver(&number.to_string()).await;
        }
    };
    let receiving = async {
        for number in 0..MANY {
            let received = receive(&provider).await;
            assert_eq!(data(&received), number.to_string());
            assert_eq!(received.acknowledge, Acknowledge::Tree);
            give(received);
        }
    };
    tokio::join!(delivering, receiving);
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!(counts.received, MANY as u64, "{counts:?}");
    assert_eq!(counts.acknowledged, MANY as u64, "{counts:?}");
    assert_eq!((counts.duplicates, counts.unacknowledged), (0, 0));
}

/// Whichever of them gets it, and however often the taker gives one back.
pub async fn a_taker_and_who_waits_beside_it_get_all_in_order(subject: &impl Subject) {
    /// Gives every third back.
    struct Fussy(Log);
    impl Taker for Fussy {
        fn take(&self, received: Received) -> Result<(), Box<Received>> {
            match data(&received).parse::<usize>().unwrap() % 3 {
                0 => Err(Box::new(received)),
                _ => {
                    note(&self.0, received);
                    Ok(())
                }
            }
        }
    }
    type Log = Arc<Mutex<Vec<String>>>;
    fn note(log: &Log, received: Received) {
        log.lock().unwrap().push(data(&received).to_owned());
        give(received);
    }
    let provider = start(subject).await;
    let log = Log::default();
    let taker: Arc<dyn Taker> = Arc::new(Fussy(log.clone()));
    let all: Vec<_> = (0..MANY).map(|number| number.to_string()).collect();
    let delivering = async {
        for data in &all {
            subject.deliver(data).await;
        }
    };
    let receiving = async {
        loop {
            tokio::select! {
                received = provider.receive_beside(&taker) => note(&log, received.unwrap()),
                () = eventually("the last", || log.lock().unwrap().len() == MANY) => return,
            }
        }
    };
    tokio::join!(delivering, receiving);
    assert_eq!(*log.lock().unwrap(), all);
    settle(subject, &provider).await;
    assert_eq!(provider.counts().acknowledged, MANY as u64);
}

/// And is not among what is owed.
pub async fn what_nobody_holds_has_no_receipt(subject: &impl Subject) {
    let provider = start(subject).await;
    subject.deliver_loose("loose").await;
    let received = receive(&provider).await;
    assert_eq!(data(&received), "loose");
    assert!(received.receipt.is_none());
    let counts = provider.counts();
    assert_eq!((counts.received, counts.unacknowledged), (1, 0));
}

/// However often, and whatever comes meanwhile.
pub async fn dropping_the_future_of_receive_loses_nothing(subject: &impl Subject) {
    let provider = start(subject).await;
    let delivering = async {
        for number in 0..MANY {
            subject.deliver(&number.to_string()).await;
        }
    };
    let receiving = async {
        for number in 0..MANY {
            let received = loop {
                tokio::select! {
                    biased;
                    received = provider.receive() => break received.unwrap(),
                    () = tokio::task::yield_now() => {}
                }
            };
            assert_eq!(data(&received), number.to_string());
            give(received);
        }
    };
    let both = async { tokio::join!(delivering, receiving) };
    soon("the last message", both).await;
}

/// It is passed over, and does not come again.
pub async fn what_is_no_event_is_acknowledged_and_counted(subject: &impl Subject) {
    let provider = start(subject).await;
    subject.deliver("before").await;
    subject.deliver_malformed().await;
    subject.deliver("after").await;
    for name in ["before", "after"] {
        let received = receive(&provider).await;
        assert_eq!(data(&received), name);
        give(received);
    }
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!((counts.received, counts.malformed), (3, 1), "{counts:?}");
    assert_eq!((counts.acknowledged, counts.unacknowledged), (2, 0));
    cut(subject, &provider).await;
    restore(subject, &provider).await;
    subject.deliver("last").await;
    assert_eq!(data(&receive(&provider).await), "last");
    assert_eq!(provider.counts().malformed, 1);
}

/// It does not come again, on no later connection.
pub async fn a_receipt_that_is_given_acknowledges_for_good(subject: &impl Subject) {
    let provider = start(subject).await;
    for name in ["1", "2", "3"] {
        subject.deliver(name).await;
        give(receive(&provider).await);
    }
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!((counts.acknowledged, counts.unacknowledged), (3, 0));
    cut(subject, &provider).await;
    restore(subject, &provider).await;
    subject.deliver("4").await;
    assert_eq!(data(&receive(&provider).await), "4");
}

/// And again, until its receipt is given. Others that are owed may come again with it.
pub async fn a_message_whose_receipt_is_dropped_comes_again(subject: &impl Subject) {
    let provider = start(subject).await;
    subject.deliver("1").await;
    subject.deliver("2").await;
    if !returns(subject) {
        return;
    }
    let mut kept = Vec::new();
    for time in 0..3 {
        let received = loop {
            let received = receive(&provider).await;
            match data(&received) {
                "1" => break received,
                other => assert_eq!(other, "2"),
            }
            // Dropped, it would ask for the message again, too.
            kept.push(received.receipt);
        };
        assert!(provider.counts().duplicates >= time);
        drop(received);
    }
    let mut left = vec!["1", "2"];
    while !left.is_empty() {
        let received = receive(&provider).await;
        left.retain(|name| *name != data(&received));
        give(received);
    }
}

/// The message is owed on the next connection, where it comes again.
pub async fn a_receipt_from_before_a_cut_has_no_effect(subject: &impl Subject) {
    let provider = start(subject).await;
    subject.deliver("1").await;
    subject.deliver("2").await;
    let (one, two) = (receive(&provider).await, receive(&provider).await);
    cut(subject, &provider).await;
    give(one);
    restore(subject, &provider).await;
    if returns(subject) {
        let again = receive(&provider).await;
        assert_eq!(data(&again), "1");
        // Given or dropped, it is of no connection that there is.
        drop(two);
        assert_eq!(provider.counts().acknowledged, 0);
        give(again);
        let again = receive(&provider).await;
        assert_eq!(data(&again), "2");
        give(again);
        settle(subject, &provider).await;
        let counts = provider.counts();
        assert_eq!((counts.acknowledged, counts.unacknowledged), (2, 0));
        assert_eq!(counts.duplicates, 2, "{counts:?}");
        assert_eq!(counts.reconnects, 1, "{counts:?}");
    } else {
        assert_eq!(provider.counts().acknowledged, 0);
    }
}

/// What is read, and what the other side sends; the rest stays there, and comes when there is room.
pub async fn what_is_received_and_not_acknowledged_is_bounded(subject: &impl Subject) {
    let provider = start(subject).await;
    let (sent, window) = (subject.window(), usize::from(WINDOW));
    let many = 2 * sent + 1;
    for number in 0..many {
        subject.deliver(&number.to_string()).await;
    }
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!(counts.unacknowledged, sent, "{counts:?}");
    assert_eq!(counts.received, sent as u64, "{counts:?}");
    let mut received = VecDeque::new();
    for number in 0..window {
        received.push_back(receive(&provider).await);
        assert_eq!(data(&received[number]), number.to_string());
    }
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!(counts.received, sent as u64, "read is not acknowledged");
    for number in window..many {
        assert!(now(&mut provider.receive()).await.is_none(), "{number}");
        received.pop_front().into_iter().for_each(give);
        received.push_back(receive(&provider).await);
        assert_eq!(data(&received[window - 1]), number.to_string());
    }
    received.into_iter().for_each(give);
    settle(subject, &provider).await;
    let counts = provider.counts();
    assert_eq!((counts.unacknowledged, counts.dropped), (0, 0));
    assert_eq!(counts.acknowledged, many as u64);
}

/// What was taken comes in order, and what came in is either taken or counted.
pub async fn what_nobody_holds_is_dropped_and_counted_when_too_much_is_unread(
    subject: &impl Subject,
) {
    let provider = start(subject).await;
    for number in 0..MANY {
        subject.deliver_loose(&number.to_string()).await;
    }
    let all = || provider.counts().received == MANY as u64;
    eventually("the last message", all).await;
    let dropped = provider.counts().dropped;
    assert!(dropped > 0 && dropped < MANY as u64, "{dropped}");
    subject.deliver("held").await;
    let mut last = None;
    for _ in 0..MANY as u64 - dropped {
        let number: usize = data(&receive(&provider).await).parse().unwrap();
        assert!(last < Some(number), "{last:?} before {number}");
        last = Some(number);
    }
    let held = receive(&provider).await;
    assert_eq!(data(&held), "held", "no more than were counted");
    give(held);
    assert_eq!(provider.counts().dropped, dropped);
}

fn returns<S: Subject>(_: &S) -> bool {
    S::RETURNS
}
