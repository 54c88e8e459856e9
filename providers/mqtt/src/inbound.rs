//! Messages that came in: those nobody has read yet, and those whose acknowledgement is owed.
//!
//! Acknowledgements leave in the order of receipt, because MQTT wants that: one whose receipt came early waits for those before it.
//! None crosses a reconnect: the broker of the next connection owes us the message again, and we owe it nothing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use whirlwind_provider_api::{Received, Taker};

use crate::{Message, Qos};

/// The two queues. They know no time and no connection, and wait for nothing.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// Who takes messages where they come in: while it is there, somebody waits for them.
    taker: Option<Waiting>,
    /// One that the taker gave back: it is read before all others.
    given_back: Option<Box<Received>>,
    unread: VecDeque<Unread>,
    unread_bytes: usize,
    /// How many of the unread nobody holds for us.
    unread_loose: usize,
    /// How many receipts are out, of this connection and of earlier ones.
    out: usize,
    owed: VecDeque<Owed>,
    /// The number of the first that is owed; the others follow without a gap.
    first: u64,
    /// How many of the owed, from the front, are on their way.
    leaving: usize,
    /// Whether a receipt of one that is owed was dropped without being given.
    back: bool,
    /// Whether something was passed over because too much was held. What came after it is too, or the order would be lost.
    passed_over: bool,
    window: Window,
    closed: bool,
    counts: Counts,
}

/// How much may be received and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Messages that are read and whose receipt is out. Others wait until one comes back.
    pub(crate) out: usize,
    /// Messages that the broker holds for us. More of them are passed over: they come again on the next connection.
    pub(crate) held: usize,
    /// Unread messages that nobody holds for us. More of them are dropped.
    pub(crate) loose: usize,
    /// Bytes that nobody has read yet.
    pub(crate) bytes: usize,
}

/// What has been seen. Each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    pub(crate) acknowledged: u64,
    pub(crate) dropped: u64,
    pub(crate) malformed: u64,
}

struct Waiting(Arc<dyn Taker>);

/// What becomes of a message that came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It can be read.
    Unread,
    /// It is for the taker, with the number of its receipt.
    Offered(Offer),
    /// Nothing.
    Passed,
}

/// A message for the taker.
pub(crate) struct Offer {
    pub(crate) message: Message,
    pub(crate) number: Option<u64>,
    pub(crate) taker: Arc<dyn Taker>,
}

#[derive(Debug)]
struct Unread {
    message: Message,
    number: Option<u64>,
}

#[derive(Debug)]
struct Owed {
    id: u16,
    qos: Qos,
    given: bool,
}

/// What is to be done about a receipt that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Nothing: it is of an earlier connection.
    Late,
    /// Acknowledgements may leave.
    Given,
    /// The message must come again.
    Back,
}

impl Inbound {
    pub(crate) fn new(window: Window) -> Self {
        Self {
            taker: None,
            given_back: None,
            unread: VecDeque::new(),
            unread_bytes: 0,
            unread_loose: 0,
            out: 0,
            owed: VecDeque::new(),
            first: 0,
            leaving: 0,
            back: false,
            passed_over: false,
            window,
            closed: false,
            counts: Counts::default(),
        }
    }

    /// A message, and the packet id that it is acknowledged by if it is.
    pub(crate) fn arrive(&mut self, message: Message, id: u16) -> Arrival {
        let full = self.unread_bytes >= self.window.bytes;
        if message.qos == Qos::AtMostOnce {
            self.count(&message);
            if full || self.unread_loose >= self.window.loose {
                self.counts.dropped += 1;
                return Arrival::Passed;
            }
            return self.put(message, None);
        }
        if !self.has_place(full) {
            return Arrival::Passed;
        }
        self.count(&message);
        let number = self.owe(id, message.qos, false);
        self.put(message, Some(number))
    }

    /// Somebody waits, with whom messages are left that come in meanwhile; or not any more.
    pub(crate) fn waits(&mut self, taker: Option<&Arc<dyn Taker>>) {
        self.taker = taker.cloned().map(Waiting);
    }

    /// The taker did not take it after all.
    pub(crate) fn give_back(&mut self, received: Box<Received>) {
        self.given_back = Some(received);
    }

    /// What the taker gave back. Whoever takes it does not wait any more.
    pub(crate) fn take_given_back(&mut self) -> Option<Box<Received>> {
        let received = self.given_back.take()?;
        self.taker = None;
        Some(received)
    }

    /// A message that cannot even be read. It is acknowledged, or it would come again for ever.
    pub(crate) fn arrive_malformed(&mut self, id: u16, qos: Qos) {
        if qos != Qos::AtMostOnce {
            if !self.has_place(false) {
                return;
            }
            self.owe(id, qos, true);
        }
        self.counts.received += 1;
        self.counts.malformed += 1;
    }

    fn has_place(&mut self, full: bool) -> bool {
        self.passed_over |= full || self.owed.len() >= self.window.held;
        !self.passed_over
    }

    /// The next to be read, and the number of its receipt. `None` also while too many receipts are out. Whoever takes it does not wait
    /// any more: what comes next must not overtake it.
    pub(crate) fn take(&mut self) -> Option<(Message, Option<u64>)> {
        let held = self.unread.front()?.number.is_some();
        if held && self.out >= self.window.out {
            return None;
        }
        let Unread { message, number } = self.unread.pop_front()?;
        self.unread_bytes -= size(&message);
        match held {
            true => self.out += 1,
            false => self.unread_loose -= 1,
        }
        self.taker = None;
        Some((message, number))
    }

    /// Whether anything is unread.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// One that was taken is no event. Whether an acknowledgement may leave.
    pub(crate) fn malformed(&mut self, number: Option<u64>) -> bool {
        self.counts.malformed += 1;
        let Some(number) = number else {
            return false;
        };
        self.out -= 1;
        if let Some(owed) = self.find(number) {
            owed.given = true;
            return true;
        }
        false
    }

    /// A receipt came back.
    pub(crate) fn returned(&mut self, number: u64, given: bool) -> Returned {
        self.out -= 1;
        if self.closed {
            return Returned::Late;
        }
        match self.find(number) {
            None => Returned::Late,
            Some(owed) if given => {
                owed.given = true;
                self.counts.acknowledged += 1;
                Returned::Given
            }
            Some(_) => {
                self.back = true;
                Returned::Back
            }
        }
    }

    /// The next acknowledgement that may leave.
    pub(crate) fn next_ack(&mut self) -> Option<(u16, Qos)> {
        let next = self.owed.get(self.leaving).filter(|owed| owed.given)?;
        self.leaving += 1;
        Some((next.id, next.qos))
    }

    /// The client library has written an acknowledgement: they are written in the order in which they left here.
    pub(crate) fn acked(&mut self) {
        if self.leaving > 0 && self.owed.pop_front().is_some() {
            self.leaving -= 1;
            self.first += 1;
        }
    }

    /// The connection is gone, and with it all that we owed.
    pub(crate) fn lost(&mut self) {
        self.first += self.owed.len() as u64;
        self.owed.clear();
        self.leaving = 0;
        self.back = false;
        self.passed_over = false;
    }

    /// Whether nothing more comes on this connection: what comes was passed over, and all before it is acknowledged.
    pub(crate) fn is_spent(&self) -> bool {
        self.passed_over && self.owed.is_empty()
    }

    /// Whether a message of this connection must come again.
    pub(crate) fn wants_back(&self) -> bool {
        self.back
    }

    /// There is another connection. In a session that goes on, what is unread and held by the broker comes again; in a new one it
    /// would not, and from here on only we have it.
    pub(crate) fn resumed(&mut self, present: bool) {
        if !present {
            self.unread
                .iter_mut()
                .for_each(|unread| unread.number = None);
            self.unread_loose = self.unread.len();
        } else {
            let bytes = &mut self.unread_bytes;
            self.unread.retain(|unread| {
                if unread.number.is_some() {
                    *bytes -= size(&unread.message);
                }
                unread.number.is_none()
            });
        }
    }

    /// Drops what is unread; what comes back has no effect from here on. Answers what is to be dropped where nobody holds this: it
    /// has a receipt.
    pub(crate) fn close(&mut self) -> Option<Box<Received>> {
        self.closed = true;
        self.taker = None;
        self.unread.clear();
        self.unread_bytes = 0;
        self.unread_loose = 0;
        self.given_back.take()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Messages received and not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.owed.len()
    }

    fn count(&mut self, message: &Message) {
        self.counts.received += 1;
        self.counts.duplicates += u64::from(message.dup);
    }

    fn put(&mut self, message: Message, number: Option<u64>) -> Arrival {
        let held = number.is_some();
        let is_next = self.unread.is_empty() && self.given_back.is_none();
        if let Some(Waiting(taker)) = &self.taker
            && is_next
            && (!held || self.out < self.window.out)
        {
            self.out += usize::from(held);
            return Arrival::Offered(Offer {
                message,
                number,
                taker: Arc::clone(taker),
            });
        }
        self.unread_bytes += size(&message);
        self.unread_loose += usize::from(number.is_none());
        self.unread.push_back(Unread { message, number });
        Arrival::Unread
    }

    fn owe(&mut self, id: u16, qos: Qos, given: bool) -> u64 {
        let number = self.first + self.owed.len() as u64;
        self.owed.push_back(Owed { id, qos, given });
        number
    }

    fn find(&mut self, number: u64) -> Option<&mut Owed> {
        let index = number.checked_sub(self.first)?;
        self.owed.get_mut(usize::try_from(index).ok()?)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Offer").field(&self.message).finish()
    }
}

/// What an unread message counts.
fn size(message: &Message) -> usize {
    message.payload.len() + message.topic.len()
}

#[cfg(test)]
mod tests;
