use std::collections::HashSet;

use proptest::prelude::*;
use whirlwind_event::{EventBuilder, Topic};
use whirlwind_provider_api::Acknowledge;

use super::*;

const WINDOW: Window = Window {
    out: 6,
    held: 8,
    loose: 4,
    bytes: 1000,
};

fn message(qos: Qos) -> Message {
    Message {
        topic: "t".to_owned(),
        qos,
        ..Message::default()
    }
}

/// One that takes nothing: what it is offered, a test sees.
struct Nobody;

impl Taker for Nobody {
    fn take(&self, received: Received) -> Result<(), Box<Received>> {
        Err(Box::new(received))
    }
}

/// Whether a message that came in can be read.
fn arrive(inbound: &mut Inbound, qos: Qos, id: u16) -> bool {
    match inbound.arrive(message(qos), id) {
        Arrival::Unread => true,
        Arrival::Passed => false,
        Arrival::Offered(offer) => panic!("nobody waits: {offer:?}"),
    }
}

fn held(inbound: &mut Inbound, id: u16) -> u64 {
    assert!(arrive(inbound, Qos::AtLeastOnce, id));
    inbound.take().unwrap().1.unwrap()
}

fn acks(inbound: &mut Inbound) -> Vec<u16> {
    std::iter::from_fn(|| inbound.next_ack())
        .map(|(id, _)| id)
        .collect()
}

#[test]
fn acknowledgements_leave_in_the_order_of_receipt() {
    let mut inbound = Inbound::new(WINDOW);
    let (a, b, c) = (
        held(&mut inbound, 7),
        held(&mut inbound, 5),
        held(&mut inbound, 6),
    );
    assert_eq!(inbound.returned(c, true), Returned::Given);
    assert_eq!(inbound.returned(b, true), Returned::Given);
    assert!(acks(&mut inbound).is_empty());
    assert_eq!(inbound.returned(a, true), Returned::Given);
    assert_eq!(acks(&mut inbound), [7, 5, 6]);
}

#[test]
fn a_receipt_has_no_effect_on_a_later_connection() {
    let mut inbound = Inbound::new(WINDOW);
    let (old, older) = (held(&mut inbound, 1), held(&mut inbound, 2));
    inbound.lost();
    inbound.resumed(true);
    let new = held(&mut inbound, 1);
    assert_eq!(inbound.returned(old, true), Returned::Late);
    assert_eq!(inbound.returned(older, false), Returned::Late);
    assert!(!inbound.wants_back());
    assert!(acks(&mut inbound).is_empty());
    inbound.returned(new, true);
    assert_eq!(acks(&mut inbound), [1]);
    assert_eq!(inbound.counts().acknowledged, 1);
}

#[test]
fn what_nobody_holds_is_dropped_and_counted_when_too_much_is_unread() {
    let mut inbound = Inbound::new(WINDOW);
    for _ in 0..10 {
        let _ = arrive(&mut inbound, Qos::AtMostOnce, 0);
    }
    assert_eq!(inbound.counts().received, 10);
    assert_eq!(inbound.counts().dropped, 6);
    assert!(arrive(&mut inbound, Qos::AtLeastOnce, 1));
}

#[test]
fn what_is_beyond_the_window_waits_for_a_receipt() {
    let mut inbound = Inbound::new(WINDOW);
    for id in 1..=7 {
        arrive(&mut inbound, Qos::AtLeastOnce, id);
    }
    let numbers: Vec<_> = std::iter::from_fn(|| inbound.take()?.1).collect();
    assert_eq!(numbers.len(), WINDOW.out);
    // The work on them goes on, whatever becomes of the connection.
    inbound.lost();
    inbound.resumed(true);
    arrive(&mut inbound, Qos::AtLeastOnce, 1);
    assert!(inbound.take().is_none());
    assert_eq!(inbound.returned(numbers[3], true), Returned::Late);
    assert!(inbound.take().is_some());
}

#[test]
fn what_a_broker_sends_beyond_all_bounds_comes_again_when_all_before_it_is_acknowledged() {
    let mut inbound = Inbound::new(WINDOW);
    for id in 1..=8 {
        assert!(arrive(&mut inbound, Qos::AtLeastOnce, id));
    }
    assert!(!arrive(&mut inbound, Qos::AtLeastOnce, 9));
    for _ in 0..8 {
        assert!(!inbound.is_spent());
        let number = inbound.take().unwrap().1.unwrap();
        inbound.returned(number, true);
        acks(&mut inbound);
        inbound.acked();
        // There is place now, but what lies before it is not here.
        assert!(!arrive(&mut inbound, Qos::AtLeastOnce, 10));
    }
    assert!(inbound.is_spent());
    inbound.lost();
    inbound.resumed(true);
    assert!(arrive(&mut inbound, Qos::AtLeastOnce, 9));
}

#[test]
fn unread_messages_stay_where_the_broker_has_forgotten_them() {
    for (present, left) in [(true, 1), (false, 2)] {
        let mut inbound = Inbound::new(WINDOW);
        arrive(&mut inbound, Qos::AtLeastOnce, 1);
        arrive(&mut inbound, Qos::AtMostOnce, 0);
        inbound.lost();
        inbound.resumed(present);
        let rest = std::iter::from_fn(|| inbound.take());
        assert_eq!(rest.count(), left);
        assert_eq!(inbound.unread_bytes, 0);
    }
}

#[test]
fn a_message_that_only_we_have_stays_over_all_later_connections() {
    let mut inbound = Inbound::new(WINDOW);
    arrive(&mut inbound, Qos::AtLeastOnce, 1);
    inbound.lost();
    // The broker has forgotten the session, and the message with it.
    inbound.resumed(false);
    inbound.lost();
    inbound.resumed(true);
    let (_, number) = inbound.take().unwrap();
    assert_eq!(number, None, "nobody waits for its receipt");
}

#[test]
fn what_is_malformed_is_acknowledged_in_its_turn() {
    let mut inbound = Inbound::new(WINDOW);
    let first = held(&mut inbound, 1);
    let second = held(&mut inbound, 2);
    assert!(inbound.malformed(Some(second)));
    inbound.arrive_malformed(3, Qos::AtLeastOnce);
    assert!(acks(&mut inbound).is_empty());
    inbound.returned(first, true);
    assert_eq!(acks(&mut inbound), [1, 2, 3]);
    assert_eq!(inbound.counts().malformed, 2);
}

#[test]
fn a_message_is_offered_while_somebody_waits_and_nothing_is_before_it() {
    let taker: Arc<dyn Taker> = Arc::new(Nobody);
    let mut inbound = Inbound::new(WINDOW);
    inbound.waits(Some(&taker));
    let mut receipts = Vec::new();
    for id in 1..=6 {
        let Arrival::Offered(offer) = inbound.arrive(message(Qos::AtLeastOnce), id) else {
            panic!("{id} is not offered");
        };
        receipts.extend(offer.number);
    }
    // As many receipts are out as may be: the next waits for one.
    assert!(arrive(&mut inbound, Qos::AtLeastOnce, 7));
    assert_eq!(inbound.take().map(|(_, number)| number), None);
    // What nobody holds would not wait, but for the one before it.
    assert!(arrive(&mut inbound, Qos::AtMostOnce, 0));
    for receipt in receipts {
        assert_eq!(inbound.returned(receipt, true), Returned::Given);
    }
    assert!(inbound.take().is_some() && inbound.take().is_some());
    inbound.waits(Some(&taker));
    let offered = inbound.arrive(message(Qos::AtMostOnce), 0);
    assert!(matches!(
        offered,
        Arrival::Offered(Offer { number: None, .. })
    ));
    inbound.waits(None);
    assert!(arrive(&mut inbound, Qos::AtLeastOnce, 8));
    assert_eq!(acks(&mut inbound), [1, 2, 3, 4, 5, 6]);
}

/// It is still on its way to where the taker would be at once.
#[test]
fn nothing_is_offered_past_what_somebody_has_just_taken() {
    let taker: Arc<dyn Taker> = Arc::new(Nobody);
    let mut inbound = Inbound::new(WINDOW);
    inbound.waits(Some(&taker));
    let offered = inbound.arrive(message(Qos::AtMostOnce), 0);
    assert!(matches!(offered, Arrival::Offered(_)));
    inbound.give_back(Box::new(Received {
        topic: Topic::parse("t").unwrap(),
        event: Arc::new(
            EventBuilder::new()
                .id("1")
                .source("/t")
                .ty("t")
                .build()
                .unwrap(),
        ),
        receipt: None,
        acknowledge: Acknowledge::default(),
    }));
    assert!(inbound.take_given_back().is_some());
    assert!(arrive(&mut inbound, Qos::AtMostOnce, 0));
    // The same with one that was never offered.
    inbound.waits(Some(&taker));
    assert!(inbound.take().is_some());
    assert!(arrive(&mut inbound, Qos::AtMostOnce, 0));
}

proptest! {
    /// Over random arrivals, receipts, writes and reconnects: each connection sees the acknowledgements of its own messages, those
    /// given, once each, in the order of receipt.
    #[test]
    fn acknowledgements_are_those_of_a_naive_model(steps in prop::collection::vec((0_u8..7, any::<u8>()), 1..300)) {
        let mut inbound = Inbound::new(WINDOW);
        let mut id = 0_u16;
        // The messages of this connection in order, and the receipts that are out, of all connections.
        let (mut arrived, mut given) = (Vec::<(u16, u64)>::new(), HashSet::new());
        let mut receipts = Vec::new();
        let (mut left, mut written) = (0, 0);
        let mut next_number = 0;
        let mut passed_over = false;
        for (step, choice) in steps {
            match step {
                0 | 1 => {
                    id = id % 100 + 1;
                    let arrival = arrive(&mut inbound, Qos::AtLeastOnce, id);
                    passed_over |= arrived.len() - written >= WINDOW.held;
                    prop_assert_eq!(arrival, !passed_over);
                    if arrival {
                        arrived.push((id, next_number));
                        next_number += 1;
                    }
                }
                2 => {
                    let out = receipts.len();
                    receipts.extend(inbound.take().and_then(|(_, number)| number));
                    prop_assert!(receipts.len() <= WINDOW.out.max(out));
                }
                3 | 4 => if !receipts.is_empty() {
                    let number = receipts.swap_remove(usize::from(choice) % receipts.len());
                    let current = arrived.iter().any(|(_, n)| *n == number);
                    let returned = inbound.returned(number, true);
                    prop_assert_eq!(returned == Returned::Given, current);
                    given.insert(number);
                },
                5 => {
                    while let Some((acked, _)) = inbound.next_ack() {
                        let (id, number) = arrived[left];
                        prop_assert_eq!(acked, id);
                        prop_assert!(given.contains(&number));
                        left += 1;
                    }
                    prop_assert!(arrived.get(left).is_none_or(|(_, n)| !given.contains(n)));
                    for _ in 0..usize::from(choice) % (left - written + 1) {
                        inbound.acked();
                        written += 1;
                    }
                }
                _ => if choice < 64 {
                    inbound.lost();
                    inbound.resumed(choice % 2 == 0);
                    arrived.clear();
                    (left, written) = (0, 0);
                    passed_over = false;
                },
            }
            prop_assert_eq!(inbound.unacknowledged(), arrived.len() - written);
            prop_assert_eq!(inbound.is_spent(), passed_over && arrived.len() == written);
        }
    }
}
