//! The values of Whirlwind: events, topics, topic filters and their encodings.

mod event;
mod excerpt;
mod media_type;
mod text;
mod topic;
mod uri;

pub use event::{
    Event, EventBuilder, EventError, ExtensionValue, MAX_ATTRIBUTE_SIZE, MAX_CONTEXT_SIZE,
    MAX_EXTENSION_NAME_SIZE, MAX_EXTENSIONS,
};
pub use excerpt::Excerpt;
pub use topic::{FilterTree, MAX_TOPIC_SIZE, Topic, TopicError, TopicFilter};
