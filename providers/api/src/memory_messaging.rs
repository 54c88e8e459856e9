//! Messages in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use whirlwind_event::{Event, Topic, TopicFilter};

use crate::{
    Acknowledge, Handover, HandoverSender, Link, Messaging, MessagingCounts, Receipt, ReceiptDesk,
    Received, SendError,
};

/// The fake beside every real messaging provider: what it receives and where it sends is its [`Peer`].
///
/// It keeps the promises of a real one, and takes the liberties of one: messages come in order and their acknowledgements leave in
/// that order; a cut gives back what was not acknowledged, and sends again what was not confirmed; a receipt that is dropped is such
/// a cut, after which all that is owed comes again.
#[derive(Debug)]
pub struct MemoryMessaging {
    shared: Arc<Shared>,
}

/// How much a [`MemoryMessaging`] takes, and from where.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Events that may wait to be sent or to be confirmed.
    pub outbox: usize,
    /// Messages that may be received and not acknowledged, and those that may be unread when one comes that nobody holds for us.
    pub window: usize,
    /// Bytes of the largest message that is sent: of its topic and its data.
    pub largest: usize,
    /// The topics whose events lead anywhere; `None` is all.
    pub out: Option<TopicFilter>,
}

/// The other side of a [`MemoryMessaging`].
#[derive(Debug)]
pub struct Peer {
    shared: Arc<Shared>,
}

/// An event that the other side got, and has not yet answered.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Where it was sent.
    pub topic: Topic,
    /// The event, shared with whoever sent it.
    pub event: Arc<Event>,
    /// Its number, to answer it by.
    pub number: u64,
}

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    state: Mutex<State>,
    came: Notify,
    went: Notify,
    acked: Notify,
    room: Notify,
    link: watch::Sender<Link>,
}

#[derive(Debug, Default)]
struct State {
    up: bool,
    closed: bool,
    /// What the other side holds for us and has not sent, or has to send again.
    outside: VecDeque<Held>,
    unread: VecDeque<Unread>,
    /// Not acknowledged, in the order of receipt: of this connection.
    owed: VecDeque<Owed>,
    /// The number of the next receipt.
    next: u64,
    /// Names of deliveries, in the order in which they were acknowledged.
    acknowledged: Vec<u64>,
    waiting: VecDeque<Waiting>,
    /// How many of those that wait the other side has seen, on this connection.
    seen: usize,
    numbers: u64,
    counts: MessagingCounts,
}

#[derive(Clone, Debug)]
struct Delivery {
    topic: Topic,
    event: Arc<Event>,
    acknowledge: Acknowledge,
}

#[derive(Debug)]
struct Held {
    name: u64,
    /// Whether it was sent before.
    again: bool,
    /// `None` is no event, and cannot be made one.
    delivery: Option<Delivery>,
}

#[derive(Debug)]
struct Unread {
    delivery: Delivery,
    /// Its receipt's, if one is owed.
    number: Option<u64>,
}

#[derive(Debug)]
struct Owed {
    number: u64,
    name: u64,
    given: bool,
    delivery: Option<Delivery>,
}

#[derive(Debug)]
struct Waiting {
    sent: Sent,
    sender: HandoverSender,
}

impl Bounds {
    /// At most `outbox` events wait, and nothing else is bounded.
    pub fn of_outbox(outbox: usize) -> Self {
        Self {
            outbox,
            window: usize::MAX,
            largest: usize::MAX,
            out: None,
        }
    }
}

impl MemoryMessaging {
    /// One that is connected and keeps at most `outbox` events until its peer has answered them.
    #[must_use]
    pub fn new(outbox: usize) -> (Arc<Self>, Peer) {
        Self::with_bounds(Bounds::of_outbox(outbox))
    }

    /// One that is connected, with all of its bounds.
    #[must_use]
    pub fn with_bounds(bounds: Bounds) -> (Arc<Self>, Peer) {
        let shared = Arc::new(Shared {
            bounds,
            state: Mutex::new(State {
                up: true,
                ..State::default()
            }),
            came: Notify::new(),
            went: Notify::new(),
            acked: Notify::new(),
            room: Notify::new(),
            link: watch::Sender::new(Link::Up),
        });
        let peer = Peer {
            shared: shared.clone(),
        };
        (Arc::new(Self { shared }), peer)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection, if there is one: what is owed on it is owed no more.
    fn cut(&self, reason: &str) {
        let mut state = self.state();
        if state.closed || !state.up {
            return;
        }
        state.up = false;
        state.seen = 0;
        state.unread.retain(|unread| unread.number.is_none());
        while let Some(owed) = state.owed.pop_back() {
            state.outside.push_front(Held {
                name: owed.name,
                again: true,
                delivery: owed.delivery,
            });
        }
        drop(state);
        let reason = reason.to_owned();
        self.link.send_replace(Link::Down {
            reason,
            attempts: 0,
        });
    }

    fn restore(&self) {
        let mut state = self.state();
        if state.closed || state.up {
            return;
        }
        state.up = true;
        state.counts.reconnects += 1;
        state.arrive(self.bounds.window);
        drop(state);
        self.link.send_replace(Link::Up);
        self.came.notify_one();
        self.went.notify_one();
    }
}

impl State {
    /// Brings in what the other side holds, as far as it may send it.
    fn arrive(&mut self, window: usize) {
        while self.up && self.owed.len() < window {
            let Some(held) = self.outside.pop_front() else {
                return;
            };
            self.counts.received += 1;
            self.counts.duplicates += u64::from(held.again);
            let number = self.next;
            self.next += 1;
            let malformed = held.delivery.is_none();
            self.counts.malformed += u64::from(malformed);
            self.unread
                .extend(held.delivery.clone().map(|delivery| Unread {
                    delivery,
                    number: Some(number),
                }));
            self.owed.push_back(Owed {
                number,
                name: held.name,
                given: malformed,
                delivery: held.delivery,
            });
            self.acknowledge();
        }
    }

    /// Tells the other side of what was acknowledged, up to the first that was not.
    fn acknowledge(&mut self) {
        while self.owed.front().is_some_and(|owed| owed.given) {
            let owed = self.owed.pop_front();
            self.acknowledged.extend(owed.map(|owed| owed.name));
        }
    }
}

#[async_trait]
impl Messaging for MemoryMessaging {
    async fn receive(&self) -> Option<Received> {
        loop {
            let came = self.shared.came.notified();
            {
                let mut state = self.shared.state();
                if state.closed {
                    self.shared.came.notify_one();
                    return None;
                }
                if let Some(Unread { delivery, number }) = state.unread.pop_front() {
                    // An event is not cloned by accident; this one may have to come again. What was built once can be again.
                    let Ok(event) = delivery.event.to_builder().build() else {
                        state.counts.malformed += 1;
                        continue;
                    };
                    return Some(Received {
                        topic: delivery.topic,
                        event: Arc::new(event),
                        receipt: number.map(|number| Receipt::new(self.shared.clone(), number)),
                        acknowledge: delivery.acknowledge,
                    });
                }
            }
            came.await;
        }
    }

    fn send(&self, topic: &Topic, event: &Arc<Event>) -> Result<Handover, SendError> {
        let mut state = self.shared.state();
        if state.closed {
            return Err(SendError::Closed);
        }
        let bounds = &self.shared.bounds;
        let waiting = state.waiting.len();
        if waiting >= bounds.outbox {
            return Err(SendError::Full { waiting });
        }
        if bounds.out.as_ref().is_some_and(|out| !out.matches(topic)) {
            return Err(SendError::Unsendable(format!(
                "nothing leads `{topic}` out"
            )));
        }
        let (size, max) = (
            topic.as_str().len() + event.data().map_or(0, <[u8]>::len),
            bounds.largest,
        );
        if size > max {
            return Err(SendError::TooLarge { size, max });
        }
        let (sender, handover) = Handover::new();
        let sent = Sent {
            topic: topic.clone(),
            event: event.clone(),
            number: state.numbers,
        };
        state.numbers += 1;
        state.waiting.push_back(Waiting { sent, sender });
        drop(state);
        self.shared.went.notify_one();
        Ok(handover)
    }

    async fn room(&self) {
        loop {
            let room = self.shared.room.notified();
            {
                let state = self.shared.state();
                if state.closed || state.waiting.len() < self.shared.bounds.outbox {
                    return;
                }
            }
            room.await;
        }
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.shared.link.subscribe()
    }

    fn counts(&self) -> MessagingCounts {
        let state = self.shared.state();
        MessagingCounts {
            waiting: state.waiting.len(),
            unacknowledged: state.owed.len(),
            ..state.counts
        }
    }

    async fn close(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.unread.clear();
        state.outside.clear();
        state.owed.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.shared.link.send_replace(Link::Closed);
        self.shared.came.notify_one();
        self.shared.room.notify_waiters();
    }
}

impl ReceiptDesk for Shared {
    fn returned(&self, number: u64, given: bool) {
        let mut state = self.state();
        let Some(index) = state.owed.iter().position(|owed| owed.number == number) else {
            return;
        };
        if !given {
            drop(state);
            // As a real one does, which has no other way to say it.
            self.cut("a message goes back");
            self.restore();
            return;
        }
        state.counts.acknowledged += 1;
        if let Some(owed) = state.owed.get_mut(index) {
            owed.given = true;
        }
        state.acknowledge();
        state.arrive(self.bounds.window);
        drop(state);
        self.came.notify_one();
        self.acked.notify_waiters();
    }
}

impl Peer {
    /// Delivers a message that is acknowledged under `name`, or with none: that one nobody holds, and it is lost when there is no
    /// connection.
    pub fn deliver(&self, topic: Topic, event: Event, acknowledge: Acknowledge, name: Option<u64>) {
        let delivery = Delivery {
            topic,
            event: Arc::new(event),
            acknowledge,
        };
        if let Some(name) = name {
            return self.hold(name, Some(delivery));
        }
        let mut state = self.shared.state();
        if !state.up {
            return;
        }
        state.counts.received += 1;
        if state.unread.len() >= self.shared.bounds.window {
            state.counts.dropped += 1;
            return;
        }
        let number = None;
        state.unread.push_back(Unread { delivery, number });
        drop(state);
        self.shared.came.notify_one();
    }

    /// Delivers a message that is no event. It is acknowledged by itself, or it would come again for ever.
    pub fn deliver_malformed(&self, name: u64) {
        self.hold(name, None);
    }

    fn hold(&self, name: u64, delivery: Option<Delivery>) {
        let mut state = self.shared.state();
        state.outside.push_back(Held {
            name,
            again: false,
            delivery,
        });
        state.arrive(self.shared.bounds.window);
        drop(state);
        self.shared.came.notify_one();
        self.shared.acked.notify_waiters();
    }

    /// The names of all that was acknowledged, in that order, once there are at least `count`.
    pub async fn acknowledged(&self, count: usize) -> Vec<u64> {
        loop {
            let acked = self.shared.acked.notified();
            {
                let state = self.shared.state();
                if state.acknowledged.len() >= count {
                    return state.acknowledged.clone();
                }
            }
            acked.await;
        }
    }

    /// The next event that was sent; it waits to be answered.
    pub async fn sent(&self) -> Sent {
        loop {
            let went = self.shared.went.notified();
            {
                let mut state = self.shared.state();
                let next = state.waiting.get(state.seen).map(|w| w.sent.clone());
                if let Some(sent) = next.filter(|_| state.up) {
                    state.seen += 1;
                    return sent;
                }
            }
            went.await;
        }
    }

    /// Answers an event that was sent. Answered before, it does nothing.
    pub fn answer(&self, number: u64, how: Result<(), SendError>) {
        let mut state = self.shared.state();
        let seen = state.waiting.iter().take(state.seen);
        let Some(index) = seen.map(|w| w.sent.number).position(|n| n == number) else {
            return;
        };
        let Some(waiting) = state.waiting.remove(index) else {
            return;
        };
        state.seen -= 1;
        state.counts.sent += u64::from(how.is_ok());
        drop(state);
        waiting.sender.end(how);
        self.shared.room.notify_waiters();
    }

    /// Cuts the connection: what is owed on it is owed no more, and comes again on the next.
    pub fn cut(&self, reason: &str) {
        self.shared.cut(reason);
    }

    /// Connects again.
    pub fn restore(&self) {
        self.shared.restore();
    }
}
