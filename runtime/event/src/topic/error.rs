use thiserror::Error;

use crate::excerpt::Excerpt;

/// Why a text is not a topic, or not a topic filter.
///
/// Levels are counted from 1, as a person reads them: in `a/b/c` the level `b` is level 2.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The text has no characters (MQTT 5, 4.7.3-1).
    #[error("{what} is empty; give it at least one level, such as \"sensors/kitchen\"")]
    Empty {
        /// `topic` or `topic filter`.
        what: &'static str,
    },

    /// The text is longer than an MQTT packet can carry (MQTT 5, 4.7.3-3).
    #[error("{what} {excerpt} has {size} bytes, and {limit} are allowed; shorten it")]
    TooLong {
        /// `topic` or `topic filter`.
        what: &'static str,
        /// The beginning of the text.
        excerpt: Excerpt,
        /// Its length in bytes.
        size: usize,
        /// [`MAX_TOPIC_SIZE`](super::MAX_TOPIC_SIZE).
        limit: usize,
    },

    /// A control character or a Unicode noncharacter. MQTT 5 forbids U+0000 (4.7.3-2) and lets a
    /// receiver refuse the others (1.5.4); here they are refused, because topics are printed.
    #[error("{what} {excerpt} has the character U+{:04X} at level {level}; remove it", u32::from(*character))]
    Character {
        /// `topic` or `topic filter`.
        what: &'static str,
        /// The text, shortened.
        excerpt: Excerpt,
        /// The character that is not allowed.
        character: char,
        /// Where it stands.
        level: usize,
    },

    /// A wildcard where one concrete name is wanted (MQTT 5, 4.7.1-1).
    #[error(
        "topic {excerpt} has the wildcard \"{wildcard}\" at level {level}; \
         write the name itself: wildcards belong in topic filters"
    )]
    WildcardInTopic {
        /// The text, shortened.
        excerpt: Excerpt,
        /// `+` or `#`.
        wildcard: char,
        /// Where it stands.
        level: usize,
    },

    /// A wildcard with other characters beside it (MQTT 5, 4.7.1-2 and 4.7.1-3).
    #[error(
        "topic filter {excerpt} has \"{wildcard}\" beside other characters at level {level}; \
         a wildcard is a whole level: write \"{wildcard}\" alone between the slashes"
    )]
    PartialWildcard {
        /// The text, shortened.
        excerpt: Excerpt,
        /// `+` or `#`.
        wildcard: char,
        /// Where it stands.
        level: usize,
    },

    /// Levels after `#` (MQTT 5, 4.7.1-1).
    #[error(
        "topic filter {excerpt} goes on after the \"#\" at level {level}; \
         \"#\" must be the last level: end the filter there, or write \"+\" for this one level"
    )]
    HashNotLast {
        /// The text, shortened.
        excerpt: Excerpt,
        /// Where the `#` stands.
        level: usize,
    },
}
