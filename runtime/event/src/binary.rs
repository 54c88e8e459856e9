//! Events in a compact binary form, for the disk of a node.
//!
//! One byte of version, now 1; then, as postcard 1 writes them ([its wire format] is fixed), the fields
//! `id`, `source`, `type`, `subject`, `time`, `datacontenttype`, `dataschema`, extensions and data. A text
//! and data are a length and their bytes, what can be absent has a byte before it, the time is seconds and
//! nanoseconds since 1970, and the extensions are sorted by name. There is no checksum: who keeps events
//! has one around more than these bytes.
//!
//! Everything of an event comes back as it was: unlike [JSON](crate::json), this form keeps the white
//! space around JSON data. An event that was read is valid, whatever the bytes were: it comes from the
//! [builder](crate::EventBuilder), which checks it.
//!
//! [its wire format]: https://postcard.jamesmunns.com/wire-format
//!
//! ```
//! use whirlwind_event::{EventBuilder, binary};
//!
//! let event = EventBuilder::new().id("1").source("/a").ty("t").data("x").build()?;
//! let mut bytes = Vec::new();
//! binary::encode(&event, &mut bytes);
//! assert_eq!(bytes, b"\x01\x011\x02/a\x01t\0\0\0\0\0\x01\x01x");
//! assert_eq!(binary::decode(&bytes)?, event);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod record;

use crate::event::Event;

pub use error::BinaryError;

/// The version that is written, and the only one that is read.
const VERSION: u8 = 1;

/// Writes an event after what is in `into` already.
pub fn encode(event: &Event, into: &mut Vec<u8>) {
    into.reserve(record::size_hint(event));
    into.push(VERSION);
    record::write(event, into);
}

/// Reads an event from bytes that hold it and nothing else. Nothing is allocated before the bytes that
/// fill it are found.
///
/// # Errors
///
/// The bytes are of another version, are not what [`encode`] writes, or hold an event that is not valid.
pub fn decode(bytes: &[u8]) -> Result<Event, BinaryError> {
    match bytes.split_first() {
        None => Err(BinaryError::Nothing),
        Some((&VERSION, record)) => Ok(record::read(record)?.build()?),
        Some((&version, _)) => Err(BinaryError::Version { version }),
    }
}
