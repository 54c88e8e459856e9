use thiserror::Error;
use whirlwind_event::json::JsonError;
use whirlwind_event::{EventError, Excerpt, TopicError};

/// A message that is no event and cannot be made one.
#[derive(Debug, Error)]
#[error("message on MQTT topic {topic}: {cause}")]
pub struct Malformed {
    /// Where it was published.
    pub topic: Excerpt,
    /// What is wrong.
    #[source]
    pub cause: Cause,
}

/// What is wrong with a message.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Cause {
    /// The broker sent what no mapping wants, as it does for subscriptions of an earlier run.
    #[error("no in mapping takes this topic")]
    Unmapped,

    /// The MQTT topic has characters that topics here may not have.
    #[error("{0}")]
    Topic(#[source] TopicError),

    /// What the mapping makes of it is no topic.
    #[error("its mapping makes no topic of it: {0}")]
    Target(#[source] TopicError),

    /// What the mapping makes of it is a topic of the system.
    #[error("its mapping makes {0} of it, and topics that begin with \"$\" are the system's")]
    System(Excerpt),

    /// A CloudEvents content type other than that of one JSON document.
    #[error(
        "its content type is {0}, and of the event formats only \"application/cloudevents+json\" is understood, not batches"
    )]
    Format(Excerpt),

    /// A user property that is an attribute is there twice.
    #[error("user property {0} is there twice; leave one out")]
    Twice(Excerpt),

    /// No `specversion`, by which a CloudEvent is known.
    #[error("it has no user property \"specversion\", and its mapping takes only CloudEvents")]
    NoVersion,

    /// The document is no event.
    #[error(transparent)]
    Document(JsonError),

    /// The event is not valid.
    #[error(transparent)]
    Event(EventError),
}
