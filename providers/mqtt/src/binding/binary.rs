//! Binary mode: the payload is the data, each attribute a user property (section 3.1).

use whirlwind_event::{Event, EventBuilder, EventError, Excerpt};

use super::{Cause, is_ours};
use crate::{Message, Properties};

/// The attributes by which a message is known to be an event.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Attributes that are not extensions, of which the builder does not tell a second one.
const CONTEXT: [&str; 8] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
];

/// Whether all required attributes are there.
pub(super) fn is_event(user: &[(String, String)]) -> bool {
    let has = |wanted: &&str| user.iter().any(|(name, _)| name == wanted);
    REQUIRED.iter().all(has)
}

/// Whether it says that it is an event, of whatever worth.
pub(super) fn is_begun(user: &[(String, String)]) -> bool {
    user.iter().any(|(name, _)| name == "specversion")
}

/// Reads a message. A user property whose name no attribute can have, by its characters or its
/// length, is somebody else's and left alone; so are ours.
pub(super) fn read(message: Message) -> Result<EventBuilder, Cause> {
    let mut builder = EventBuilder::new();
    let mut seen = [false; CONTEXT.len()];
    for (name, value) in &message.properties.user {
        if is_ours(name) {
            continue;
        }
        let known = CONTEXT.iter().position(|context| context == name);
        let before = known.and_then(|index| seen.get_mut(index));
        let twice = match before {
            Some(seen) => std::mem::replace(seen, true),
            None => builder.has_extension(name),
        };
        if twice {
            return Err(Cause::Twice(Excerpt::of(name)));
        }
        match builder.attribute(name, value) {
            Ok(()) | Err(EventError::ExtensionName { .. } | EventError::ReservedName { .. }) => {}
            Err(error) => return Err(Cause::Event(error)),
        }
    }
    if !is_begun(&message.properties.user) {
        return Err(Cause::NoVersion);
    }
    // The content type is the attribute; a user property of that name only repeats it.
    if let Some(content_type) = message.properties.content_type {
        builder = builder.datacontenttype(content_type);
    }
    if !message.payload.is_empty() {
        builder = builder.data(message.payload);
    }
    Ok(builder)
}

/// The properties of an event's message.
pub(super) fn properties(event: &Event) -> Properties {
    let mut user = vec![("specversion".to_owned(), "1.0".to_owned())];
    let attributes = event.attributes().filter(|(name, _)| !is_ours(name));
    user.extend(attributes.map(|(name, value)| (name.to_owned(), value.into_owned())));
    Properties {
        content_type: event.datacontenttype().map(str::to_owned),
        user,
    }
}
