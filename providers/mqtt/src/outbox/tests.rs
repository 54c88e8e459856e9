use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::Qos;

const LIMITS: Limits = Limits {
    window: 4,
    packet: 1000,
    qos: Qos::ExactlyOnce,
    retain: true,
    keep_alive: None,
};

fn message(name: usize, qos: Qos) -> (Message, usize) {
    let message = Message {
        topic: name.to_string(),
        qos,
        ..Message::default()
    };
    let size = message.size();
    (message, size)
}

fn one(outbox: &mut Outbox, name: usize) -> Handover {
    outbox.take(vec![message(name, Qos::AtLeastOnce)]).unwrap()
}

fn ended(outbox: &mut Outbox, handover: &mut Handover) -> Option<Result<(), SendError>> {
    outbox.take_ended().into_iter().for_each(Ended::tell);
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(handover).poll(&mut cx) {
        Poll::Ready(how) => Some(how),
        Poll::Pending => None,
    }
}

/// Hands over all that may go and gives it the ids from `id`.
fn send(outbox: &mut Outbox, id: u16) -> Vec<String> {
    let sent: Vec<_> = std::iter::from_fn(|| outbox.next(&LIMITS))
        .map(|message| message.topic)
        .collect();
    for (id, _) in (id..).zip(&sent) {
        outbox.written(id);
    }
    sent
}

#[test]
fn a_withheld_confirmation_keeps_ids_apart() {
    let mut outbox = Outbox::new(100, 10_000);
    let mut handovers: Vec<_> = (0..8).map(|name| one(&mut outbox, name)).collect();
    assert_eq!(send(&mut outbox, 1).len(), 4);
    for id in 2..=4 {
        assert!(outbox.confirmed(id, Ok(())));
    }
    // Four ids were given out since the first, and that is still in use.
    assert!(send(&mut outbox, 5).is_empty());
    assert_eq!(ended(&mut outbox, &mut handovers[1]), Some(Ok(())));
    assert_eq!(ended(&mut outbox, &mut handovers[0]), None);
    assert!(outbox.confirmed(1, Ok(())));
    assert_eq!(send(&mut outbox, 1), ["4", "5", "6", "7"]);
    assert_eq!(outbox.sent(), 4);
}

#[test]
fn a_resumed_session_gets_them_again_under_their_ids_and_nothing_new_before_they_are_confirmed() {
    let mut outbox = Outbox::new(100, 10_000);
    let kept = [0, 1, 2].map(|name| one(&mut outbox, name));
    let exactly = outbox.take(vec![message(3, Qos::ExactlyOnce)]).unwrap();
    send(&mut outbox, 11);
    outbox.recorded(14);
    outbox.confirmed(12, Ok(()));
    let more = one(&mut outbox, 4);
    outbox.lost();
    outbox.resumed(true);
    let again: Vec<_> = std::iter::from_fn(|| outbox.again(&LIMITS)).collect();
    let publish = |name, id| {
        let (mut message, _) = message(name, Qos::AtLeastOnce);
        message.dup = true;
        Again::Publish(id, message)
    };
    assert_eq!(again, [publish(0, 11), publish(2, 13), Again::Release(14)]);
    assert!(!outbox.is_settled());
    for id in [11, 13, 14] {
        assert!(outbox.confirmed(id, Ok(())));
    }
    assert!(outbox.is_settled());
    assert_eq!(send(&mut outbox, 1), ["4"]);
    drop((kept, exactly, more));
}

#[test]
fn a_lost_session_gets_them_anew_in_order() {
    let mut outbox = Outbox::new(100, 10_000);
    let kept = [0, 1, 2, 3, 4].map(|name| one(&mut outbox, name));
    send(&mut outbox, 1);
    outbox.confirmed(2, Ok(()));
    outbox.lost();
    outbox.resumed(false);
    assert!(outbox.is_settled());
    assert_eq!(outbox.again(&LIMITS), None);
    assert_eq!(send(&mut outbox, 1), ["0", "2", "3", "4"]);
    drop(kept);
}

#[test]
fn an_event_of_several_messages_ends_with_the_last_and_keeps_the_failure() {
    let mut outbox = Outbox::new(100, 10_000);
    let both = vec![message(0, Qos::AtLeastOnce), message(1, Qos::AtLeastOnce)];
    let mut handover = outbox.take(both).unwrap();
    send(&mut outbox, 1);
    let refused = Err(SendError::Refused("no".to_owned()));
    outbox.confirmed(1, refused.clone());
    assert_eq!(ended(&mut outbox, &mut handover), None);
    outbox.confirmed(2, Ok(()));
    assert_eq!(ended(&mut outbox, &mut handover), Some(refused));
    assert_eq!((outbox.sent(), outbox.waiting()), (0, 0));
}

#[test]
fn it_is_full_by_count_and_by_bytes_and_room_comes_back() {
    for (max, bytes) in [(2, 10_000), (100, 2 * message(0, Qos::AtLeastOnce).1)] {
        let mut outbox = Outbox::new(max, bytes);
        let kept = [one(&mut outbox, 0), one(&mut outbox, 1)];
        let full = outbox.take(vec![message(2, Qos::AtLeastOnce)]).unwrap_err();
        assert_eq!(full, SendError::Full { waiting: 2 });
        send(&mut outbox, 1);
        assert!(!outbox.has_room());
        outbox.confirmed(1, Ok(()));
        assert!(outbox.has_room());
        drop(kept);
    }
}

#[test]
fn what_is_larger_than_the_broker_takes_ends_without_being_sent() {
    let mut outbox = Outbox::new(100, 10_000);
    let (mut large, _) = message(0, Qos::AtLeastOnce);
    large.payload = vec![0; 1000].into();
    let size = large.size();
    let mut handover = outbox.take(vec![(large, size)]).unwrap();
    let _next = one(&mut outbox, 1);
    assert_eq!(send(&mut outbox, 1), ["1"]);
    let max = LIMITS.packet;
    assert_eq!(
        ended(&mut outbox, &mut handover),
        Some(Err(SendError::TooLarge { size, max }))
    );
}

#[test]
fn closing_ends_all_and_takes_no_more() {
    let mut outbox = Outbox::new(100, 10_000);
    let mut handover = one(&mut outbox, 0);
    outbox.close();
    assert_eq!(
        ended(&mut outbox, &mut handover),
        Some(Err(SendError::Closed))
    );
    assert!(matches!(
        outbox.take(vec![message(1, Qos::AtLeastOnce)]),
        Err(SendError::Closed)
    ));
}

#[test]
fn what_ends_with_it_ends_in_the_order_in_which_it_was_taken() {
    let mut outbox = Outbox::new(100, 10_000);
    let order = Arc::new(Mutex::new(Vec::new()));
    for name in 0..6 {
        let order = Arc::clone(&order);
        one(&mut outbox, name).then(move |how| {
            assert_eq!(how, Err(SendError::Closed));
            order.lock().unwrap().push(name);
        });
    }
    // Four have begun; the others never will.
    assert_eq!(send(&mut outbox, 1).len(), 4);
    outbox.shut();
    outbox.take_ended().into_iter().for_each(Ended::tell);
    outbox.close();
    outbox.take_ended().into_iter().for_each(Ended::tell);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

/// The client library and a broker behind it, as simple as can be: what is on the wire in order, what the broker has in hand.
#[derive(Default)]
struct Broker {
    wire: VecDeque<(u16, Message)>,
    unanswered: VecDeque<(u16, Qos)>,
    in_use: BTreeMap<u16, String>,
    last_id: u16,
    got: Vec<usize>,
}

impl Broker {
    fn write(&mut self, outbox: &mut Outbox, message: Message) {
        let mut id = 0;
        if message.qos != Qos::AtMostOnce {
            self.last_id = self.last_id % 8 + 1;
            id = self.last_id;
            let before = self.in_use.insert(id, message.topic.clone());
            assert_eq!(before, None, "an id in use was taken");
        }
        outbox.written(id);
        self.wire.push_back((id, message));
    }

    fn read(&mut self) {
        if let Some((id, message)) = self.wire.pop_front() {
            self.got.push(message.topic.parse().unwrap());
            if message.qos != Qos::AtMostOnce {
                self.unanswered.push_back((id, message.qos));
            }
        }
    }

    fn answer(&mut self, outbox: &mut Outbox) {
        if let Some((id, qos)) = self.unanswered.pop_front() {
            if qos == Qos::ExactlyOnce {
                assert!(outbox.recorded(id));
                self.unanswered.push_back((id, Qos::AtLeastOnce));
            } else {
                self.in_use.remove(&id);
                assert!(outbox.confirmed(id, Ok(())));
            }
        }
    }

    /// The connection is cut and another is made.
    fn cut(&mut self, outbox: &mut Outbox, present: bool) {
        outbox.lost();
        outbox.resumed(present);
        self.wire.clear();
        self.unanswered.clear();
        self.last_id = 0;
        if !present {
            self.in_use.clear();
        }
        self.again(outbox);
    }

    fn again(&mut self, outbox: &mut Outbox) {
        while let Some(again) = outbox.again(&Limits {
            window: 3,
            ..LIMITS
        }) {
            match again {
                Again::Publish(id, message) => {
                    assert_eq!(self.in_use.get(&id), Some(&message.topic));
                    assert!(message.dup);
                    self.wire.push_back((id, message));
                }
                Again::Release(id) => self.unanswered.push_back((id, Qos::AtLeastOnce)),
            }
        }
    }
}

proptest! {
    /// Over random cuts, kept and lost sessions and answers: the broker gets all that is held for it, in order but for repetitions,
    /// no id is used twice at once, and every handover ends well.
    #[test]
    fn nothing_is_lost_over_random_reconnects(steps in prop::collection::vec((0_u8..8, any::<u8>()), 1..300)) {
        let mut outbox = Outbox::new(1000, 1_000_000);
        let mut broker = Broker::default();
        let mut handovers = Vec::new();
        let mut qos_of = Vec::new();
        for (step, choice) in steps {
            match step {
                0 | 1 => {
                    let qos = Qos::from_level(choice % 3).unwrap();
                    handovers.push(outbox.take(vec![message(qos_of.len(), qos)]).unwrap());
                    qos_of.push(qos);
                }
                2 | 3 => if outbox.is_settled() || broker.last_id > 0 {
                    // Not written yet, some of them, when the connection is cut.
                    let handed: Vec<_> = (0..choice % 3).filter_map(|_| outbox.next(&LIMITS)).collect();
                    if choice < 220 {
                        for message in handed {
                            broker.write(&mut outbox, message);
                        }
                    } else {
                        broker.cut(&mut outbox, choice % 2 == 0);
                    }
                },
                4 => broker.read(),
                5 => {
                    broker.answer(&mut outbox);
                    broker.again(&mut outbox);
                }
                6 => broker.read(),
                _ => if choice < 80 {
                    broker.cut(&mut outbox, choice % 2 == 0);
                },
            }
        }
        for _ in 0..10_000 {
            if outbox.is_empty() && broker.wire.is_empty() {
                break;
            }
            broker.read();
            broker.answer(&mut outbox);
            broker.again(&mut outbox);
            if outbox.is_settled() || broker.last_id > 0 {
                while let Some(message) = outbox.next(&LIMITS) {
                    broker.write(&mut outbox, message);
                }
            }
        }
        prop_assert!(outbox.is_empty());
        prop_assert_eq!((outbox.waiting(), outbox.bytes, outbox.begun, outbox.named), (0, 0, 0, 0));
        for handover in &mut handovers {
            prop_assert_eq!(ended(&mut outbox, handover), Some(Ok(())));
        }
        let mut first = Vec::new();
        for name in broker.got {
            if !first.contains(&name) {
                first.push(name);
            }
        }
        let held: Vec<_> = first.iter().copied().filter(|name| qos_of[*name] != Qos::AtMostOnce).collect();
        let all: Vec<_> = (0..qos_of.len()).filter(|name| qos_of[*name] != Qos::AtMostOnce).collect();
        prop_assert_eq!(held, all);
    }
}
