//! Messages on their way out, from when they are taken until the broker has them.
//!
//! ```text
//! taken -> Waiting -> Handed -> Sent(id) -----------------> Done     QoS 1: PUBACK
//!                            |          `-> Released(id) -> Done     QoS 2: PUBREC, PUBCOMP
//!                            `-----------------------------> Done     QoS 0: written
//! ```
//!
//! Those that have begun are the front of one queue. They leave it from the front only, so no more packet ids are in use or were in
//! use since the oldest of them than the window is wide, and the client library, which counts ids in a circle as wide, never finds
//! the next one taken: a withheld acknowledgement stops what comes after it, but not the acknowledgements that share the
//! library's queue of requests.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use whirlwind_provider_api::{Handover, HandoverSender, SendError};

use crate::limits::Limits;
use crate::{Message, Qos};

/// The queue. It knows no time and no connection, and waits for nothing.
#[derive(Debug)]
pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    /// How many of the entries, from the front, do not wait any more.
    begun: usize,
    /// How many of those have their packet id.
    named: usize,
    /// How many of those were sent again, after a session was resumed.
    resent: usize,
    /// Messages that are not done, but for our own.
    waiting: usize,
    /// Bytes of those.
    bytes: usize,
    max: usize,
    max_bytes: usize,
    closed: bool,
    /// Those that were never begun, once nothing more is: they end after those that were.
    unbegun: VecDeque<Entry>,
    /// Events that the broker has taken.
    sent: u64,
    /// What is to be told when nobody holds the outbox any more.
    ended: Vec<Ended>,
}

/// An event that has ended, and how. Whoever waits for it may come back to the outbox, and so is told when nobody holds that.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ended {
    sender: HandoverSender,
    how: Result<(), SendError>,
}

impl Ended {
    pub(crate) fn tell(self) {
        self.sender.end(self.how);
    }
}

#[derive(Debug)]
struct Entry {
    message: Message,
    size: usize,
    step: Step,
    /// Who waits for it; `None` for our own word on how we are.
    ticket: Option<Arc<Ticket>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Waiting,
    /// With the client library, which has not said yet under which packet id.
    Handed,
    Sent(u16),
    Released(u16),
    Done,
}

/// What the messages of one event share. The last of them to end says how it went.
#[derive(Debug)]
struct Ticket {
    sender: HandoverSender,
    how: Mutex<Result<(), SendError>>,
}

impl Ticket {
    /// The event, if it has ended with this.
    fn end(self: Arc<Self>, how: Result<(), SendError>) -> Option<Ended> {
        if how.is_err() {
            *self.how.lock().unwrap_or_else(PoisonError::into_inner) = how;
        }
        let Self { sender, how } = Arc::into_inner(self)?;
        let how = how.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(Ended { sender, how })
    }
}

/// What is sent again in a resumed session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The message, under the id it had.
    Publish(u16, Message),
    /// The broker has recorded it already: it is told that we know.
    Release(u16),
}

impl Outbox {
    /// An empty one. It takes a message as long as less than `max` of them, and less than `max_bytes`, are in it.
    pub(crate) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            begun: 0,
            named: 0,
            resent: 0,
            waiting: 0,
            bytes: 0,
            max,
            max_bytes,
            closed: false,
            unbegun: VecDeque::new(),
            sent: 0,
            ended: Vec::new(),
        }
    }

    /// What has ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<Ended> {
        mem::take(&mut self.ended)
    }

    /// Takes the messages of one event, each with its size.
    pub(crate) fn take(&mut self, messages: Vec<(Message, usize)>) -> Result<Handover, SendError> {
        self.takes()?;
        let (sender, handover) = Handover::new();
        let ticket = Arc::new(Ticket {
            sender,
            how: Mutex::new(Ok(())),
        });
        for (message, size) in messages {
            self.waiting += 1;
            self.bytes += size;
            self.entries.push_back(Entry {
                message,
                size,
                step: Step::Waiting,
                ticket: Some(ticket.clone()),
            });
        }
        Ok(handover)
    }

    /// Says why one more would not be taken.
    pub(crate) fn takes(&self) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        if !self.has_room() {
            let waiting = self.waiting;
            return Err(SendError::Full { waiting });
        }
        Ok(())
    }

    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting < self.max && self.bytes < self.max_bytes
    }

    /// Puts a message of our own before those that wait. It is not sent again in another session.
    pub(crate) fn say(&mut self, message: Message, size: usize) {
        let entry = Entry {
            message,
            size,
            step: Step::Waiting,
            ticket: None,
        };
        self.entries.insert(self.begun, entry);
    }

    /// The next message to be handed over. What this connection cannot carry ends here.
    pub(crate) fn next(&mut self, limits: &Limits) -> Option<Message> {
        while self.begun < limits.window {
            let entry = self.entries.get_mut(self.begun)?;
            match limits.fit(&mut entry.message, entry.size) {
                Ok(()) => {
                    entry.step = Step::Handed;
                    self.begun += 1;
                    return Some(entry.message.clone());
                }
                Err(error) => {
                    let entry = self.entries.remove(self.begun)?;
                    self.end(entry, Err(error));
                }
            }
        }
        None
    }

    /// The client library writes a message under this id; 0 for QoS 0, with which that was all.
    pub(crate) fn written(&mut self, id: u16) {
        if self.named == self.begun {
            return;
        }
        let Some(entry) = self.entries.get_mut(self.named) else {
            return;
        };
        self.named += 1;
        // Nothing new is handed over before all that is sent again is confirmed.
        self.resent = self.named;
        if id == 0 {
            let index = self.named - 1;
            self.leave(index, Step::Done, Ok(()));
        } else {
            entry.step = Step::Sent(id);
        }
    }

    /// PUBACK or PUBCOMP. Whether such a message was on its way.
    pub(crate) fn confirmed(&mut self, id: u16, how: Result<(), SendError>) -> bool {
        let found = self.find(|step| step == Step::Sent(id) || step == Step::Released(id));
        if let Some(index) = found {
            self.leave(index, Step::Done, how);
        }
        found.is_some()
    }

    /// PUBREC. Whether such a message was on its way.
    pub(crate) fn recorded(&mut self, id: u16) -> bool {
        let found = self.find(|step| step == Step::Sent(id));
        if let Some(entry) = found.and_then(|index| self.entries.get_mut(index)) {
            entry.step = Step::Released(id);
        }
        found.is_some()
    }

    /// The connection is gone. What was not written waits again.
    pub(crate) fn lost(&mut self) {
        let begun = mem::replace(&mut self.begun, self.named);
        for entry in self.entries.range_mut(self.named..begun) {
            entry.step = Step::Waiting;
        }
        let named = self.named;
        let mut index = 0;
        self.entries.retain(|entry| {
            index += 1;
            index <= named || entry.ticket.is_some()
        });
    }

    /// There is another connection. Where the session is gone with its ids, all is sent anew.
    pub(crate) fn resumed(&mut self, present: bool) {
        self.resent = 0;
        if present {
            return;
        }
        for entry in self.entries.range_mut(..self.begun) {
            if entry.step != Step::Done {
                entry.step = Step::Waiting;
            }
        }
        self.entries
            .retain(|entry| entry.step != Step::Done && entry.ticket.is_some());
        (self.begun, self.named) = (0, 0);
    }

    /// Whether nothing is left of an earlier connection's session.
    pub(crate) fn is_settled(&self) -> bool {
        self.begun == 0
    }

    /// The next to be sent again, at most a window of them at a time.
    pub(crate) fn again(&mut self, limits: &Limits) -> Option<Again> {
        let unconfirmed = self.entries.range(..self.resent);
        if unconfirmed.filter(|e| e.step != Step::Done).count() >= limits.window {
            return None;
        }
        while self.resent < self.named {
            let index = self.resent;
            let entry = self.entries.get(index)?;
            self.resent += 1;
            match entry.step {
                // The broker takes less than it did, and would end each connection over it.
                Step::Sent(id) if entry.size > limits.packet => {
                    let (size, max) = (entry.size, limits.packet);
                    let recorded = entry.message.qos == Qos::ExactlyOnce;
                    let how = Err(SendError::TooLarge { size, max });
                    if recorded {
                        // It may have been recorded: only when released is its id free for another.
                        self.leave(index, Step::Released(id), how);
                        return Some(Again::Release(id));
                    }
                    self.leave(index, Step::Done, how);
                }
                Step::Sent(id) => {
                    let mut message = entry.message.clone();
                    message.dup = true;
                    return Some(Again::Publish(id, message));
                }
                Step::Released(id) => return Some(Again::Release(id)),
                Step::Waiting | Step::Handed | Step::Done => {}
            }
        }
        None
    }

    /// Ends all that are in it with [`SendError::Closed`], and takes no more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        (self.begun, self.named, self.resent) = (0, 0, 0);
        let mut entries = mem::take(&mut self.entries);
        entries.append(&mut self.unbegun);
        for entry in entries {
            self.end(entry, Err(SendError::Closed));
        }
    }

    /// Takes no more, and begins none of those that wait: they end when it is closed.
    pub(crate) fn shut(&mut self) {
        self.closed = true;
        let unbegun = self.entries.split_off(self.begun);
        self.unbegun.extend(unbegun);
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it takes no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Messages that wait to be sent or to be confirmed.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the broker owes us a word.
    pub(crate) fn awaits(&self) -> bool {
        self.named > 0
    }

    /// Events that the broker has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    fn find(&self, wanted: impl Fn(Step) -> bool) -> Option<usize> {
        // The broker answers in order: it is the first but after a fault.
        self.entries
            .range(..self.named)
            .position(|entry| wanted(entry.step))
    }

    /// One that has begun has ended, and only its step is kept; the done ones at the front leave.
    fn leave(&mut self, index: usize, step: Step, how: Result<(), SendError>) {
        if let Some(entry) = self.entries.get_mut(index) {
            let left = Entry {
                message: Message::default(),
                size: 0,
                step,
                ticket: None,
            };
            let entry = mem::replace(entry, left);
            self.end(entry, how);
        }
        while self.begun > 0 && self.entries.front().is_some_and(|e| e.step == Step::Done) {
            self.entries.pop_front();
            self.begun -= 1;
            self.named = self.named.saturating_sub(1);
            self.resent = self.resent.saturating_sub(1);
        }
    }

    fn end(&mut self, entry: Entry, how: Result<(), SendError>) {
        if let Some(ticket) = entry.ticket {
            self.waiting -= 1;
            self.bytes -= entry.size;
            if let Some(ended) = ticket.end(how) {
                self.sent += u64::from(ended.how.is_ok());
                self.ended.push(ended);
            }
        }
    }
}

#[cfg(test)]
mod tests;
