use thiserror::Error;

use crate::excerpt::Excerpt;

/// Why an event cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
    /// A required attribute is absent.
    #[error("the event has no \"{attribute}\"; every CloudEvent has an id, a source and a type")]
    Missing {
        /// `id`, `source` or `type`.
        attribute: &'static str,
    },

    /// A context attribute is the empty text, which none may be.
    #[error(
        "attribute \"{attribute}\" is empty; give it a value{}",
        or_leave_out(attribute)
    )]
    Empty {
        /// The attribute.
        attribute: &'static str,
    },

    /// A value is longer than [`MAX_ATTRIBUTE_SIZE`](super::MAX_ATTRIBUTE_SIZE).
    #[error(
        "attribute \"{attribute}\" has {size} bytes, and {limit} are allowed; put long values in the data"
    )]
    TooLong {
        /// The attribute.
        attribute: String,
        /// The value's length in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },

    /// A control character or a Unicode noncharacter (CloudEvents 1.0, type `String`).
    #[error(
        "attribute \"{attribute}\" has the character U+{:04X} at byte {offset}; \
         control characters and noncharacters are not allowed in attributes, only in data",
        u32::from(*character)
    )]
    Character {
        /// The attribute.
        attribute: String,
        /// The character.
        character: char,
        /// Where it stands in the value.
        offset: usize,
    },

    /// `source` is not a URI-reference (RFC 3986, 4.1).
    #[error(
        "attribute \"source\" is {value}, which is not a URI-reference; \
         write a URI or a path such as \"/shop/orders\", with other characters percent-encoded"
    )]
    NotUriReference {
        /// The beginning of the value.
        value: Excerpt,
    },

    /// `dataschema` is not an absolute URI (RFC 3986, 3).
    #[error(
        "attribute \"dataschema\" is {value}, which is not an absolute URI; \
         write one with its scheme, such as \"https://example.com/schema.json\""
    )]
    NotUri {
        /// The beginning of the value.
        value: Excerpt,
    },

    /// `datacontenttype` is not a media type (RFC 2046).
    #[error(
        "attribute \"datacontenttype\" is {value}, which is not a media type; \
         write type and subtype, such as \"application/json\""
    )]
    NotMediaType {
        /// The beginning of the value.
        value: Excerpt,
    },

    /// `time` is not a timestamp (RFC 3339), or not one of the years 0000 to 9999 in UTC.
    #[error(
        "attribute \"time\" is {value}, which is not an RFC 3339 timestamp; \
         write one such as \"2026-01-31T12:00:00Z\""
    )]
    NotTime {
        /// The beginning of the value.
        value: Excerpt,
    },

    /// A version of CloudEvents other than 1.0.
    #[error("attribute \"specversion\" is {value}; only CloudEvents \"1.0\" is understood")]
    SpecVersion {
        /// The beginning of the value.
        value: Excerpt,
    },

    /// A name that is not 1 to 20 of the characters `a` to `z` and `0` to `9`.
    #[error(
        "{name} cannot name an extension attribute; \
         use 1 to {} lower-case letters and digits",
        super::MAX_EXTENSION_NAME_SIZE
    )]
    ExtensionName {
        /// The beginning of the name.
        name: Excerpt,
    },

    /// The name of a context attribute, or `data`, given to an extension.
    #[error(
        "\"{name}\" is not an extension: CloudEvents gives that name a meaning; use another name"
    )]
    ReservedName {
        /// The name.
        name: String,
    },

    /// An integer outside the 32-bit range of the CloudEvents type `Integer`.
    #[error(
        "extension \"{name}\" is {value}, outside the 32-bit range of a CloudEvents integer; \
         send it as a string"
    )]
    IntegerRange {
        /// The extension.
        name: String,
        /// Its value.
        value: i64,
    },

    /// More extensions than [`MAX_EXTENSIONS`](super::MAX_EXTENSIONS).
    #[error(
        "the event has {count} extension attributes, and {limit} are allowed; put them in the data"
    )]
    TooManyExtensions {
        /// How many there are.
        count: usize,
        /// What is allowed.
        limit: usize,
    },

    /// Names and values together exceed [`MAX_CONTEXT_SIZE`](super::MAX_CONTEXT_SIZE).
    #[error(
        "the event's attributes have {size} bytes together, and {limit} are allowed; put long values in the data"
    )]
    ContextTooLarge {
        /// Bytes of all names and values.
        size: usize,
        /// What is allowed.
        limit: usize,
    },

    /// The CloudEvents SDK refused what passed the checks above.
    #[error("the CloudEvents SDK does not take the event: {reason}")]
    Sdk {
        /// In the SDK's words.
        reason: String,
    },
}

/// The remedy that fits only an optional attribute.
fn or_leave_out(attribute: &str) -> &'static str {
    match attribute {
        "id" | "source" | "type" => "",
        _ => ", or leave it out",
    }
}
