//! Topics, topic filters, and the tree that finds the filters a topic matches.
//!
//! The rules are those of MQTT 5, section 4.7: a topic is a row of levels joined by `/`, which may
//! be empty; in a filter `+` stands for one whole level and `#`, as the last level, for any number
//! of levels, its parent included; a wildcard in the first level does not match a first level that
//! begins with `$`.

mod error;
mod filter;
mod tree;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::excerpt::Excerpt;
use crate::text::forbidden_character;

pub use error::TopicError;
pub use filter::TopicFilter;
pub use tree::FilterTree;

/// Bytes in the longest topic or filter: what the two-byte length of an MQTT string can say.
pub const MAX_TOPIC_SIZE: usize = u16::MAX as usize;

/// The concrete name events are published on, such as `sensors/kitchen/temperature`.
///
/// Made only by parsing, so a `Topic` in hand is valid; cloning it copies a pointer.
///
/// ```
/// use whirlwind_event::Topic;
///
/// let topic = Topic::parse("sensors/kitchen")?;
/// assert_eq!(topic.as_str(), "sensors/kitchen");
///
/// let error = Topic::parse("sensors/+").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"topic "sensors/+" has the wildcard "+" at level 2; write the name itself: wildcards belong in topic filters"#,
/// );
/// # Ok::<(), whirlwind_event::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Reads a topic.
    ///
    /// # Errors
    ///
    /// The text is empty, longer than [`MAX_TOPIC_SIZE`], or holds a wildcard or a control
    /// character.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text("topic", text)?;
        match text.char_indices().find(|(_, c)| matches!(c, '+' | '#')) {
            Some((at, wildcard)) => Err(TopicError::WildcardInTopic {
                excerpt: Excerpt::of(text),
                wildcard,
                level: level_at(text, at),
            }),
            None => Ok(Self(text.into())),
        }
    }

    /// The topic as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the first level begins with `$`: a topic of the system, which a wildcard in the
    /// first level of a filter does not match (MQTT 5, 4.7.2).
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }
}

/// What topics and filters have in common.
fn check_text(what: &'static str, text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty { what });
    }
    if text.len() > MAX_TOPIC_SIZE {
        return Err(TopicError::TooLong {
            what,
            excerpt: Excerpt::of(text),
            size: text.len(),
            limit: MAX_TOPIC_SIZE,
        });
    }
    match forbidden_character(text) {
        Some((at, character)) => Err(TopicError::Character {
            what,
            excerpt: Excerpt::of(text),
            character,
            level: level_at(text, at),
        }),
        None => Ok(()),
    }
}

/// The number, from 1, of the level that the byte at `offset` stands in.
fn level_at(text: &str, offset: usize) -> usize {
    let slashes = text.bytes().take(offset).filter(|byte| *byte == b'/');
    slashes.count() + 1
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({:?})", self.0)
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// `Hash`, `Eq` and `Ord` of an `Arc<str>` are those of the `str`, as `Borrow` asks.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse("a topic", Self::parse))
    }
}

/// Reads a string and parses it; the error is that of the parser.
struct Parse<T>(&'static str, fn(&str) -> Result<T, TopicError>);

impl<T> de::Visitor<'_> for Parse<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}
