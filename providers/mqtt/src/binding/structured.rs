//! Structured mode: the payload is a JSON document with all of the event (section 3.2).

use bytes::Bytes;
use memchr::memmem;
use whirlwind_event::{Event, EventBuilder, json};

use super::{Cause, DUPLICATE, RETAINED, TOPIC};
use crate::Properties;

/// Whether a content type is that of one event's document, whatever its parameters.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(json::MEDIA_TYPE)
}

/// A look before the parse: whether the payload may be an object with the member that every event
/// has.
pub(super) fn looks_like_event(payload: &[u8]) -> bool {
    payload.trim_ascii_start().first() == Some(&b'{')
        && memmem::find(payload, b"\"specversion\"").is_some()
}

pub(super) fn read(payload: &[u8]) -> Result<EventBuilder, Cause> {
    json::builder_from_slice(payload).map_err(Cause::Document)
}

/// The document, without our extensions. Only an event that came in this way has them, and is
/// copied once more.
pub(super) fn write(event: &Event) -> Bytes {
    let ours = [TOPIC, RETAINED, DUPLICATE];
    if ours.iter().all(|name| event.extension(name).is_none()) {
        return json::to_vec(event).into();
    }
    let builder = event.to_builder();
    let stripped = ours
        .iter()
        .fold(builder, |b, name| b.without_extension(name));
    match stripped.build() {
        Ok(event) => json::to_vec(&event).into(),
        // An event less an extension is an event.
        Err(_) => json::to_vec(event).into(),
    }
}

pub(super) fn properties() -> Properties {
    Properties {
        content_type: Some(json::MEDIA_TYPE.to_owned()),
        user: Vec::new(),
    }
}
