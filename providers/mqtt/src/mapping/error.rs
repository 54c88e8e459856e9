use thiserror::Error;
use whirlwind_event::{EventError, Excerpt, TopicError};

/// Why a line of `in` or `out` means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The MQTT filter, or the topic filter of ours, cannot be read.
    #[error("{0}")]
    Filter(#[source] TopicError),

    /// `$share/` without a group or without a filter after it (MQTT 5, 4.8.2).
    #[error(
        "shared subscription {filter} has no {lacks}; write \"$share/GROUP/FILTER\", the group without \"/\", \"+\" and \"#\""
    )]
    Share {
        /// As written.
        filter: Excerpt,
        /// `group` or `filter`.
        lacks: &'static str,
    },

    /// The target is empty.
    #[error("the target is empty; write the topic that messages go to, such as \"sensors/$1\"")]
    Empty,

    /// A target with a wildcard of its own.
    #[error(
        "target {target} has the wildcard \"{wildcard}\"; write \"$1\" for what the first wildcard of the filter stands for"
    )]
    Wildcard {
        /// As written.
        target: Excerpt,
        /// `+` or `#`.
        wildcard: char,
    },

    /// A `$` that stands for nothing.
    #[error(
        "target {target} has a \"$\" without a number; write \"$1\" for the first wildcard of the filter, \"$#\" for what its \"#\" matches, or \"$$\" for the character"
    )]
    Dollar {
        /// As written.
        target: Excerpt,
    },

    /// A number beyond the filter's wildcards.
    #[error("target {target} has \"${number}\", but the filter has {}", wildcards(*.count))]
    NoSuchWildcard {
        /// As written.
        target: Excerpt,
        /// The number.
        number: usize,
        /// How many wildcards there are.
        count: usize,
    },

    /// `$#` without a `#`.
    #[error("target {target} has \"$#\", but the filter does not end in \"#\"")]
    NoRest {
        /// As written.
        target: Excerpt,
    },

    /// What a `#` matches is any number of levels, so it cannot be part of one.
    #[error(
        "target {target} has what \"#\" matches beside other characters; write it alone between the slashes, for it may be several levels"
    )]
    PartialRest {
        /// As written.
        target: Excerpt,
    },

    /// A target that no message may have.
    #[error("target {target} begins with \"$\", which topics of the system do; use another name")]
    System {
        /// As written.
        target: Excerpt,
    },

    /// The target's own characters cannot be those of a topic.
    #[error("{0}")]
    Target(#[source] TopicError),

    /// The name of a user property that no message can have.
    #[error(
        "id property {name} is no name of a user property; write 1 to 65535 bytes without control characters, such as \"message-id\""
    )]
    Property {
        /// As written.
        name: Excerpt,
    },

    /// A field that is no JSON Pointer (RFC 6901), or too much of one.
    #[error(
        "id field {pointer} {fault}; write a JSON Pointer to a text or a number in the payload, such as \"/meta/seq\""
    )]
    Pointer {
        /// As written.
        pointer: Excerpt,
        /// What is wrong with it.
        fault: &'static str,
    },

    /// `type` or `content_type` of an in mapping cannot be that of an event.
    #[error("{0}")]
    Event(#[source] EventError),
}

fn wildcards(count: usize) -> String {
    match count {
        0 => "no wildcard; write the name itself, or a \"+\" in the filter".into(),
        1 => "one wildcard, which is \"$1\"".into(),
        count => format!("{count} wildcards, \"$1\" to \"${count}\""),
    }
}
