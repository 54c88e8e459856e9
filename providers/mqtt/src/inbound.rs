//! Messages that came in: those nobody has read yet, and those whose acknowledgement is owed.
//!
//! Acknowledgements leave in the order of receipt, because MQTT wants that: one whose receipt came early waits for those before it.
//! None crosses a reconnect: the broker of the next connection owes us the message again, and we owe it nothing.

use std::collections::VecDeque;

use crate::{Message, Qos};

/// The two queues. They know no time and no connection, and wait for nothing.
#[derive(Debug)]
pub(crate) struct Inbound {
    unread: VecDeque<Unread>,
    unread_bytes: usize,
    owed: VecDeque<Owed>,
    /// The number of the first that is owed; the others follow without a gap.
    first: u64,
    /// How many of the owed, from the front, are on their way.
    leaving: usize,
    /// Whether a receipt of one that is owed was dropped without being given.
    back: bool,
    window: Window,
    closed: bool,
    counts: Counts,
}

/// How much may be received and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Messages that the broker holds for us. One that sends more loses the connection.
    pub(crate) held: usize,
    /// Messages that nobody holds for us. More of them are dropped.
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

/// The broker has sent more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

impl Inbound {
    pub(crate) fn new(window: Window) -> Self {
        Self {
            unread: VecDeque::new(),
            unread_bytes: 0,
            owed: VecDeque::new(),
            first: 0,
            leaving: 0,
            back: false,
            window,
            closed: false,
            counts: Counts::default(),
        }
    }

    /// A message, and the packet id that it is acknowledged by if it is. Whether it can be read.
    pub(crate) fn arrive(&mut self, message: Message, id: u16) -> Result<bool, Overrun> {
        let size = message.payload.len() + message.topic.len();
        if message.qos == Qos::AtMostOnce {
            self.count(&message);
            if self.unread.len() >= self.window.loose || self.unread_bytes >= self.window.bytes {
                self.counts.dropped += 1;
                return Ok(false);
            }
            self.put(message, size, None);
            return Ok(true);
        }
        if self.owed.len() >= self.window.held || self.unread_bytes >= self.window.bytes {
            return Err(Overrun);
        }
        self.count(&message);
        let number = self.owe(id, message.qos, false);
        self.put(message, size, Some(number));
        Ok(true)
    }

    /// A message that cannot even be read. It is acknowledged, or it would come again for ever.
    pub(crate) fn arrive_malformed(&mut self, id: u16, qos: Qos) -> Result<(), Overrun> {
        if self.owed.len() >= self.window.held {
            return Err(Overrun);
        }
        self.counts.received += 1;
        self.counts.malformed += 1;
        if qos != Qos::AtMostOnce {
            self.owe(id, qos, true);
        }
        Ok(())
    }

    /// The next to be read, and the number of its receipt.
    pub(crate) fn take(&mut self) -> Option<(Message, Option<u64>)> {
        let Unread { message, number } = self.unread.pop_front()?;
        self.unread_bytes -= message.payload.len() + message.topic.len();
        Some((message, number))
    }

    /// One that was taken is no event. Whether an acknowledgement may leave.
    pub(crate) fn malformed(&mut self, number: Option<u64>) -> bool {
        self.counts.malformed += 1;
        let owed = number.and_then(|number| self.find(number));
        if let Some(owed) = owed {
            owed.given = true;
            return true;
        }
        false
    }

    /// A receipt came back.
    pub(crate) fn returned(&mut self, number: u64, given: bool) -> Returned {
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
        } else {
            let bytes = &mut self.unread_bytes;
            self.unread.retain(|unread| {
                if unread.number.is_some() {
                    *bytes -= unread.message.payload.len() + unread.message.topic.len();
                }
                unread.number.is_none()
            });
        }
    }

    /// Drops what is unread; what comes back has no effect from here on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.unread.clear();
        self.unread_bytes = 0;
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

    fn put(&mut self, message: Message, size: usize, number: Option<u64>) {
        self.unread_bytes += size;
        self.unread.push_back(Unread { message, number });
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

#[cfg(test)]
mod tests;
