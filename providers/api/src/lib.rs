//! What a key-value provider is: the traits, the limits they share, a store in memory and one
//! conformance suite for every store; and the same for messaging.
//!
//! - [`key_value`]: [`KeyValue`], a store of named buckets, and [`Bucket`], what a component is linked to
//! - [`limits`]: how long a key and how large a value, a batch or a page may be, and the checks of it
//! - [`error`]: [`Error`], the one error of both traits
//! - [`number`]: how [`Bucket::increment`] stores a number
//! - [`staged`]: [`Staged`], what one turn does to its buckets, until its end is known
//! - [`memory`]: [`MemoryKeyValue`], the fake beside every real store, and a provider in its own right
//! - [`messaging`]: [`Messaging`], a way to and from other systems through their messages
//! - [`handover`]: [`Handover`], what is known when the other side has taken an event
//! - [`memory_messaging`]: [`MemoryMessaging`], its fake, whose other side a test plays
//! - `conformance` (feature of the same name): the tests which every store, and every messaging provider, passes
//!
//! # Errors
//!
//! An operation that fails changed nothing, and its error may be shown to the component that asked:
//! it names keys, sizes and limits, never a path of the host or a value. A provider never panics; what
//! its backend throws becomes an [`Error`].
//!
//! # What this crate knows nothing of
//!
//! Components, links and permissions: whoever holds a [`Bucket`] may do all with it. Events, mailboxes
//! and supervision. Any backend.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod handover;
pub mod key_value;
pub mod limits;
pub mod memory;
pub mod memory_messaging;
pub mod messaging;
pub mod number;
pub mod staged;

pub use error::Error;
pub use handover::{Handover, HandoverSender};
pub use key_value::{Bucket, KeyValue, Keys};
pub use memory::MemoryKeyValue;
pub use memory_messaging::MemoryMessaging;
pub use messaging::{
    Acknowledge, Link, Messaging, MessagingCounts, Receipt, ReceiptDesk, Received, SendError, Taker,
};
pub use staged::{Linked, Staged, StagedBucket};
