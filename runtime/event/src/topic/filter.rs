use std::borrow::Borrow;
use std::fmt;
use std::str::{FromStr, Split};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Parse, Topic, TopicError, check_text};
use crate::excerpt::Excerpt;

/// A pattern of topics, such as `sensors/+/temperature` or `sensors/#`.
///
/// Made only by parsing; cloning it copies a pointer.
///
/// ```
/// use whirlwind_event::{Topic, TopicFilter};
///
/// let filter = TopicFilter::parse("sensors/+/temperature")?;
/// assert!(filter.matches(&Topic::parse("sensors/kitchen/temperature")?));
/// assert!(!filter.matches(&Topic::parse("sensors/kitchen/humidity")?));
/// assert!(filter.overlaps(&TopicFilter::parse("sensors/kitchen/#")?));
/// # Ok::<(), whirlwind_event::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Reads a topic filter.
    ///
    /// # Errors
    ///
    /// The text is empty, longer than [`MAX_TOPIC_SIZE`](super::MAX_TOPIC_SIZE), holds a control
    /// character, has a wildcard that is not a whole level, or goes on after `#`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text("topic filter", text)?;
        let mut levels = text.split('/').enumerate().peekable();
        while let Some((index, level)) = levels.next() {
            let number = index + 1;
            match level {
                "+" => {}
                "#" if levels.peek().is_none() => {}
                "#" => {
                    return Err(TopicError::HashNotLast {
                        excerpt: Excerpt::of(text),
                        level: number,
                    });
                }
                _ => {
                    if let Some(wildcard) = level.chars().find(|c| matches!(c, '+' | '#')) {
                        return Err(TopicError::PartialWildcard {
                            excerpt: Excerpt::of(text),
                            wildcard,
                            level: number,
                        });
                    }
                }
            }
        }
        Ok(Self(text.into()))
    }

    /// The filter as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels, from the first.
    pub(super) fn levels(&self) -> Split<'_, char> {
        self.0.split('/')
    }

    /// Whether the filter has no wildcard, so that it matches exactly one topic.
    pub fn is_exact(&self) -> bool {
        !self.0.bytes().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// The one topic an exact filter matches.
    pub fn as_topic(&self) -> Option<Topic> {
        self.is_exact().then(|| Topic(Arc::clone(&self.0)))
    }

    /// Whether events on this topic are meant by the filter.
    pub fn matches(&self, topic: &Topic) -> bool {
        if topic.is_system() && self.begins_with_wildcard() {
            return false;
        }
        let mut names = topic.as_str().split('/');
        for level in self.levels() {
            match (level, names.next()) {
                // "#" takes what is left, and nothing left too: "a/#" matches "a".
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (level, Some(name)) if level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// Whether some topic matches both filters.
    pub fn overlaps(&self, other: &Self) -> bool {
        // A "$" level meets a wildcard only when it is the first of all: elsewhere it is a name
        // like any other.
        if (self.begins_with_wildcard() && other.is_system())
            || (other.begins_with_wildcard() && self.is_system())
        {
            return false;
        }
        // The parent of "/#" is the empty text, which both would match were it a topic.
        if let ("+", "/#") | ("/#", "+") = (self.as_str(), other.as_str()) {
            return false;
        }
        let mut ours = self.levels();
        let mut theirs = other.levels();
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
                (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
                (Some(our), Some(their)) if our == their => {}
                _ => return false,
            }
        }
    }

    /// Whether this filter matches every topic that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        if self.begins_with_wildcard() && other.is_system() {
            return false;
        }
        let mut ours = self.levels();
        let mut theirs = other.levels();
        loop {
            match (ours.next(), theirs.next()) {
                (Some("#"), _) | (None, None) => return true,
                // No topic is empty, so these two match at least one level where their "#" stands
                // and are the same as "+/#" and "/+/#". (Any other "#" matches its parent too:
                // "a/#" matches "a" and "a/+/#" does not.)
                (Some("+"), Some("#")) if matches!(other.as_str(), "#" | "/#") => {
                    return ours.next() == Some("#");
                }
                (_, Some("#")) => return false,
                (Some("+"), Some(_)) => {}
                (Some(our), Some(their)) if our == their => {}
                _ => return false,
            }
        }
    }

    fn begins_with_wildcard(&self) -> bool {
        self.0.starts_with(['+', '#'])
    }

    fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl From<Topic> for TopicFilter {
    /// The filter that matches this topic alone.
    fn from(topic: Topic) -> Self {
        Self(topic.0)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicFilter({:?})", self.0)
    }
}

impl FromStr for TopicFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl AsRef<str> for TopicFilter {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// `Hash`, `Eq` and `Ord` of an `Arc<str>` are those of the `str`, as `Borrow` asks.
impl Borrow<str> for TopicFilter {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for TopicFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TopicFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse("a topic filter", Self::parse))
    }
}
