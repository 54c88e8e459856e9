use thiserror::Error;

use crate::event::EventError;
use crate::excerpt::Excerpt;

/// Why a document is not an event, or not a batch.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// JSON is UTF-8 (RFC 8259, 8.1).
    #[error("the document is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// Where the first bad byte stands.
        offset: usize,
    },

    /// Not JSON, or not an object (for a batch: not an array).
    #[error("the document cannot be read: {0}")]
    Syntax(#[source] serde_json::Error),

    /// A member is of a type that its attribute cannot have.
    #[error("member {member} is {found}; it must be {expected}")]
    WrongType {
        /// Its name.
        member: Excerpt,
        /// What it is.
        found: &'static str,
        /// What it may be.
        expected: &'static str,
    },

    /// `data` is not a string although the content type is not JSON.
    #[error(
        "member \"data\" is {found}; it must be a string, because \"datacontenttype\" is {media_type} and not JSON"
    )]
    DataNotString {
        /// What it is.
        found: &'static str,
        /// The content type.
        media_type: Excerpt,
    },

    /// A string has an escape that stands for no character, such as half a surrogate pair.
    #[error("member {member} is not a text: {reason}")]
    NotText {
        /// Its name.
        member: Excerpt,
        /// In the parser's words.
        reason: String,
    },

    /// The same member twice. Readers differ in which they take, so neither is.
    #[error("member {member} is there twice; leave one out")]
    Twice {
        /// Its name.
        member: Excerpt,
    },

    /// Both `data` and `data_base64` (JSON event format, 3.1.1).
    #[error("members \"data\" and \"data_base64\" are both there; leave one out")]
    DataTwice,

    /// `data_base64` is not standard, padded base64 (RFC 4648, 4).
    #[error("member \"data_base64\" is not base64: {reason}")]
    NotBase64 {
        /// In the decoder's words.
        reason: String,
    },

    /// No `specversion`, by which a CloudEvent is known.
    #[error("the document has no \"specversion\"; a CloudEvent says \"specversion\": \"1.0\"")]
    NoVersion,

    /// The event is not valid.
    #[error(transparent)]
    Event(#[from] EventError),

    /// One of a batch.
    #[error("event {number} of the batch: {error}")]
    InBatch {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        error: Box<JsonError>,
    },
}
