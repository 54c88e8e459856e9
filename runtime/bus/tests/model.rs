//! Random operations on a bus, against a naive model: every accepted event ends exactly once, in order, within capacity.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::VecDeque;

use common::{bus, envelope, event, filter, topic};
use futures_lite_now::now;
use proptest::prelude::*;
use whirlwind_bus::{Capacity, MailboxSpec, Overflow, Reason, Reservation};

const CAPACITY: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Publish,
    Reserve,
    Send,
    GiveBack,
    Take,
    Handled,
    Retry,
    Dead,
    Crash,
}

#[derive(Default)]
struct Model {
    queue: VecDeque<String>,
    reserved: usize,
    in_hand: Option<(String, u32)>,
    handled: Vec<String>,
    dead: Vec<String>,
    dropped: u64,
}

impl Model {
    fn free(&self) -> bool {
        self.queue.len() + self.reserved < CAPACITY
    }

    /// What the policy does with `id` when there is no room; false when it refuses.
    fn overflow(&mut self, policy: Overflow, id: String) -> bool {
        match policy {
            Overflow::Reject => return false,
            Overflow::DropNewest => self.dropped += 1,
            Overflow::DeadLetter => self.dead.push(id),
            Overflow::DropOldest => match self.queue.pop_front() {
                Some(_) => {
                    self.dropped += 1;
                    self.queue.push_back(id);
                }
                None => self.dropped += 1,
            },
        }
        true
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Publish),
        2 => Just(Op::Reserve),
        2 => Just(Op::Send),
        1 => Just(Op::GiveBack),
        4 => Just(Op::Take),
        3 => Just(Op::Handled),
        1 => Just(Op::Retry),
        1 => Just(Op::Dead),
        1 => Just(Op::Crash),
    ]
}

fn policy() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        Just(Overflow::Reject),
        Just(Overflow::DropOldest),
        Just(Overflow::DropNewest),
        Just(Overflow::DeadLetter),
    ]
}

proptest! {
    #[test]
    fn a_mailbox_does_what_the_naive_model_does(policy in policy(), ops in prop::collection::vec(op(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _in_runtime = runtime.enter();
        let bus = bus();
        let (mailbox, inbox) = bus.mailbox(MailboxSpec {
            name: "a".into(),
            capacity: Capacity { events: CAPACITY, ..Capacity::default() },
            overflow: policy,
            partition: None,
        });
        bus.subscribe(&filter("a"), &mailbox);
        let mut model = Model::default();
        let mut lease = inbox.lease(0).unwrap();
        // Held places come first, so that filling them tells what was promised when they were reserved.
        let mut reserved: VecDeque<(Reservation, String, bool)> = VecDeque::new();
        let mut handled = Vec::new();
        let mut next_id = 0_u32;
        let mut id = || { next_id += 1; next_id.to_string() };

        for op in ops {
            match op {
                Op::Publish => {
                    let id = id();
                    let refused = bus.publish(envelope("a", &id)).refused.len();
                    let door_limit = if policy == Overflow::Reject { CAPACITY - CAPACITY / 4 } else { CAPACITY };
                    let expected = if model.queue.len() + model.reserved < door_limit {
                        model.queue.push_back(id);
                        0
                    } else {
                        usize::from(!model.overflow(policy, id))
                    };
                    prop_assert_eq!(refused, expected);
                }
                Op::Reserve => { let id = id(); match bus.reserve(topic("a"), event(&id, 0), 1) {
                    Ok(place) => {
                        let held = model.free();
                        prop_assert!(held || policy != Overflow::Reject);
                        model.reserved += usize::from(held);
                        reserved.push_back((place, id, held));
                    }
                    Err(_) => prop_assert!(policy == Overflow::Reject && !model.free()),
                }},
                Op::Send => if let Some((place, id, held)) = reserved.pop_front() {
                    bus.send(place, None);
                    if held {
                        model.reserved -= 1;
                        model.queue.push_back(id);
                    } else if policy == Overflow::DropOldest && model.free() {
                        model.queue.push_back(id); // room came since
                    } else {
                        model.overflow(policy, id);
                    }
                },
                Op::GiveBack => if let Some((place, _, held)) = reserved.pop_front() {
                    drop(place);
                    model.reserved -= usize::from(held);
                },
                Op::Take => {
                    let expected = model.in_hand.clone().or_else(|| model.queue.pop_front().map(|id| (id, 1)));
                    let found = now(lease.next()).map(|e| (e.event.id().to_owned(), e.attempt));
                    prop_assert_eq!(&found, &expected);
                    model.in_hand = found;
                }
                Op::Handled => {
                    if let Some(found) = lease.in_hand() { handled.push(found.event.id().to_owned()); }
                    lease.handled();
                    model.handled.extend(model.in_hand.take().map(|(id, _)| id));
                }
                Op::Retry => {
                    lease.retry(tokio::time::Instant::now());
                    if let Some((_, attempt)) = &mut model.in_hand { *attempt += 1; }
                }
                Op::Dead => {
                    lease.dead_letter(&bus, Reason::MaxDeliver, String::new());
                    model.dead.extend(model.in_hand.take().map(|(id, _)| id));
                }
                Op::Crash => {
                    drop(lease);
                    lease = inbox.lease(0).unwrap();
                }
            }
            let depth = model.queue.len() + model.reserved;
            prop_assert!(depth <= CAPACITY);
            prop_assert_eq!(mailbox.stats().depth, depth);
            prop_assert_eq!(mailbox.stats().dropped, model.dropped);
            prop_assert_eq!(bus.unfinished() as usize, model.queue.len() + usize::from(model.in_hand.is_some()));
        }
        prop_assert_eq!(handled, model.handled);
        let dead: Vec<_> = bus.dead_letters().list().iter().map(|l| l.event.id().to_owned()).collect();
        prop_assert_eq!(dead, model.dead);
    }
}

mod futures_lite_now {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    /// What a future answers if it is ready at once.
    pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}
