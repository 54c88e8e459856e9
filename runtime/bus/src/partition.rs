//! What events are kept in order by.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use whirlwind_event::{Event, ExtensionValue};

/// What says which events are handled in order, one at a time: those that have the same of it.
///
/// An event that has none of it is in no order with any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    /// The attribute `subject`.
    Subject,
    /// The extension attribute of this name, in its string encoding: the number 5 and the text `5` are the same.
    Extension(Arc<str>),
}

impl Partition {
    /// The event's own of it, as text.
    pub fn of<'a>(&self, event: &'a Event) -> Option<Cow<'a, str>> {
        match self {
            Self::Subject => event.subject().map(Cow::Borrowed),
            Self::Extension(name) => Some(match event.extension(name)? {
                ExtensionValue::String(text) => Cow::Borrowed(text.as_str()),
                ExtensionValue::Boolean(true) => Cow::Borrowed("true"),
                ExtensionValue::Boolean(false) => Cow::Borrowed("false"),
                ExtensionValue::Integer(number) => Cow::Owned(number.to_string()),
            }),
        }
    }

    /// The key of its lane.
    pub(crate) fn key(&self, event: &Event) -> Option<Key> {
        self.of(event).map(|text| Key::of(&text))
    }
}

/// Stands for a text: of a fixed size, however long the text is. Two texts that share one share a lane, which costs them
/// a wait and no order; who sends events cannot find such two, as the hash is another in each process. So it means
/// nothing on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn of(text: &str) -> Self {
        static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(HASH.hash_one(text))
    }
}

#[cfg(test)]
mod tests {
    use whirlwind_event::EventBuilder;

    use super::*;

    fn event() -> EventBuilder {
        EventBuilder::new().id("1").source("/test").ty("test")
    }

    fn extension(name: &str) -> Partition {
        Partition::Extension(name.into())
    }

    #[test]
    fn the_subject_or_an_extension_of_any_type_is_the_key_in_its_text() {
        let event = event()
            .subject("lamp-7")
            .extension("customer", "5")
            .extension("shop", 5_i64)
            .extension("express", true)
            .build()
            .unwrap();
        assert_eq!(Partition::Subject.of(&event).unwrap(), "lamp-7");
        assert_eq!(extension("customer").of(&event).unwrap(), "5");
        assert_eq!(extension("express").of(&event).unwrap(), "true");
        assert_eq!(
            extension("shop").key(&event),
            extension("customer").key(&event)
        );
        assert_ne!(
            extension("shop").key(&event),
            Partition::Subject.key(&event)
        );
    }

    #[test]
    fn an_event_without_it_has_no_key() {
        let event = event().build().unwrap();
        assert_eq!(Partition::Subject.key(&event), None);
        assert_eq!(extension("customer").key(&event), None);
    }
}
