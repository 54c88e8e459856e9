//! Mailboxes, and the table of who subscribes to what.
//!
//! An event enters through [`Bus::publish`] (from a door) or through a [`Reservation`] (from a running turn), lies in the
//! [`Mailbox`] of each subscriber as an [`Envelope`], is read by one [`Lease`] and ends there: handled, dead-lettered,
//! or dropped and counted. Nothing in this crate waits on the way in: [`Bus`] is a table, not a task.
//!
//! | module | holds |
//! |---|---|
//! | [`bus`](Bus) | the table: publish, reserve, subscribe, observe, wait until idle |
//! | [`delivery`](Delivery) | what became of a publish: who took it, who refused, when it is on the disk |
//! | [`envelope`](Envelope) | what lies in a mailbox |
//! | [`mailbox`](Mailbox) | the sending end, [`Capacity`], [`Overflow`] |
//! | [`inbox`](Inbox) | the receiving end and the [`Lease`] of one incarnation |
//! | [`entrusted`](Entrusted) | events that a worker has in hand beside the one it reads |
//! | [`durable`](Durable) | topics whose events are on the disk: their queues, and a turn as one transaction |
//! | `left` | what workers left that do not come again |
//! | `ended` | what has to be gone before the next takes effect, where one worker reads |
//! | `order` | which events may run now, where those of one key go one at a time ([`Partition`]) |
//! | [`settlement`](Settlement) | the counted acknowledgement token of a door |
//! | [`dead_letters`](DeadLetters) | events that could not be handled, with their cause |
//! | `recording` | an event's way among them |
//! | [`redelivery`](Redelivered) | a dead letter's way back into mailboxes |
//! | [`departure`](Emptied) | what becomes of a mailbox that nobody will read any more |
//! | [`notice`](Notice) | what the bus tells of events that nobody will handle |
//! | [`rules`](TopicRules) | what holds for single topics: size limit, dead-letter topic, durability |
//!
//! Errors give the envelope back ([`Refusal`]) or name the mailbox that is full ([`MailboxFull`]). This crate knows nothing of
//! components, supervision or providers: a worker that dies drops its lease, and the lease keeps the event for the next one.

mod bus;
mod dead_letters;
mod delivery;
mod departure;
mod durable;
mod ended;
mod entrusted;
mod envelope;
mod inbox;
mod lanes;
mod left;
mod load;
mod mailbox;
mod notice;
mod order;
mod partition;
mod recording;
mod redelivery;
mod rules;
mod settlement;

pub use bus::{Bus, Reservation};
pub use dead_letters::{
    DeadLetter, DeadLetterCounts, DeadLetterLimits, DeadLetters, Reason, UnknownReason,
};
pub use delivery::{Delivery, Full, NotDurable, Refusal, Synced};
pub use departure::Emptied;
pub use durable::{
    Begin, Durable, DurableError, Keep, QueueFull, SeenWindow, Stored, Transaction, TurnError,
};
pub use entrusted::Entrusted;
pub use envelope::Envelope;
pub use inbox::{Inbox, Lease, LeftInHand, SlotTaken};
pub use mailbox::{Capacity, Mailbox, MailboxFull, MailboxSpec, Overflow, Stats};
pub use notice::{Audience, Notice};
pub use partition::Partition;
pub use redelivery::{RedeliverError, Redelivered};
pub use rules::{DEFAULT_MAX_EVENT, TopicRule, TopicRules};
pub use settlement::{Settled, Settlement, Verdict};
