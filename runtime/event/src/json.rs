//! Events in the CloudEvents JSON event format 1.0.2, one by one and in batches.
//!
//! What an event's data becomes (section 3.1 of the format):
//!
//! | `datacontenttype` | data | member |
//! |---|---|---|
//! | `*/json`, `*/*+json` | a JSON text | `data`, the JSON value itself |
//! | `text/*`, `*/xml`, `*/*+xml`, or any with `charset=utf-8` | UTF-8 | `data`, a string |
//! | any other, none, or data that is not what the type says | bytes | `data_base64` |
//!
//! Reading goes the other way. A document with `data` and without `datacontenttype` means
//! `application/json` by the format, and the event says so afterwards; so an event without a
//! content type holds bytes of which nothing is known, and is written as such.
//!
//! Writing an event and reading it back gives an equal event, with one exception: white space
//! around JSON data is not kept, being no part of the value. Within, the bytes are exact: numbers,
//! escapes, order and doubled keys stay as they are.
//!
//! In the objects read here a member that is `null` counts as absent, except `data` of a JSON type;
//! every member that CloudEvents does not define is an extension. Extensions are written sorted by
//! name, so equal events make equal documents.
//!
//! ```
//! use whirlwind_event::json;
//!
//! let event = json::from_slice(
//!     br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"n": 1.50}}"#,
//! )?;
//! assert_eq!(event.data(), Some(&br#"{"n": 1.50}"#[..]));
//! assert_eq!(event.datacontenttype(), Some("application/json"));
//!
//! let error = json::from_slice(br#"{"specversion":"1.0","id":7}"#).unwrap_err();
//! assert_eq!(error.to_string(), r#"member "id" is a number; it must be a string"#);
//! # Ok::<(), json::JsonError>(())
//! ```

mod error;
mod read;
mod write;

use crate::event::{Event, EventBuilder};

pub use error::JsonError;

/// The media type of a document with one event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// The media type of a document with an array of events.
pub const BATCH_MEDIA_TYPE: &str = "application/cloudevents-batch+json";

/// Writes an event as a document.
pub fn to_vec(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(write::size_hint(event));
    write::event(&mut out, event);
    out
}

/// Writes an event as a document, after what is in `out` already.
pub fn write(out: &mut Vec<u8>, event: &Event) {
    out.reserve(write::size_hint(event));
    write::event(out, event);
}

/// Writes an event as a document without line breaks, for streams of one document a line.
///
/// A line break can come only from JSON data, where it is white space: it becomes a space.
pub fn to_line(event: &Event) -> Vec<u8> {
    let mut out = to_vec(event);
    for byte in &mut out {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out
}

/// Reads a document with one event.
///
/// # Errors
///
/// The document is not JSON, a member is of the wrong type or there twice, or the event is not
/// valid; the message names the member.
pub fn from_slice(document: &[u8]) -> Result<Event, JsonError> {
    Ok(builder_from_slice(document)?.build()?)
}

/// Reads a document with one event that may lack `id`, `source` or `type`, which the caller can
/// fill in. It must have a `specversion`.
///
/// # Errors
///
/// As [`from_slice`]; the values of the attributes are checked when the event is built.
pub fn builder_from_slice(document: &[u8]) -> Result<EventBuilder, JsonError> {
    read::event(read::text(document)?)
}

/// Writes events as a batch.
pub fn batch_to_vec<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(&mut out, event);
    }
    out.push(b']');
    out
}

/// Reads a batch.
///
/// # Errors
///
/// The document is not a JSON array, or one of the events cannot be read; the message says which.
/// No event is answered then.
pub fn batch_from_slice(document: &[u8]) -> Result<Vec<Event>, JsonError> {
    let documents = read::batch(read::text(document)?)?;
    let events = documents.into_iter().enumerate().map(|(index, document)| {
        read::event(document.get())
            .and_then(|builder| Ok(builder.build()?))
            .map_err(|error| JsonError::InBatch {
                number: index + 1,
                error: Box::new(error),
            })
    });
    events.collect()
}
