//! Messages that are no events: one is made for each.
//!
//! Its type is the mapping's, its source `mqtt://PROVIDER/TOPIC` with what a URI may not have
//! percent-encoded. Its id is what the message has where the mapping says, and so the same when it
//! is sent again; without that a UUID of version 7, another each time. Its content type is the
//! message's own if that is a media type, else the mapping's, else none: nothing is guessed. User
//! properties are left behind.

use std::fmt::Write as _;

use tracing::warn;
use uuid::Uuid;
use whirlwind_event::{EventBuilder, Excerpt};

use super::marked;
use crate::{InMapping, Message};

pub(super) fn read(mapping: &InMapping, provider: &str, mut message: Message) -> EventBuilder {
    let mut builder = EventBuilder::new()
        .source(source(provider, &message.topic))
        .ty(mapping.ty());
    let own = message.properties.content_type.take();
    let own = own.filter(|media_type| is_media_type(media_type));
    if let Some(media_type) = own.or_else(|| mapping.content_type().map(str::to_owned)) {
        builder = builder.datacontenttype(media_type);
    }
    let own = own_id(mapping, provider, &builder, &message);
    builder = builder.id(own.unwrap_or_else(|| Uuid::now_v7().to_string()));
    if !message.payload.is_empty() {
        builder = builder.data(message.payload);
    }
    builder
}

/// What the message has where the mapping says, if the event can have that for its id beside all else that it has: no message is
/// worth less for its id.
fn own_id(
    mapping: &InMapping,
    provider: &str,
    event: &EventBuilder,
    message: &Message,
) -> Option<String> {
    let place = mapping.id()?;
    let id = place.read(message).filter(|id| {
        let event = event.clone().id(id);
        let event = marked(event, &message.topic, message.retain, message.dup);
        event.build().is_ok()
    });
    if id.is_none() {
        let count = mapping.count_without_id();
        // A device that never has one shall not fill the log.
        if count.is_power_of_two() {
            let topic = Excerpt::of(&message.topic);
            warn!(
                provider,
                %topic,
                count,
                "a message has no id in its {place}: it is taken, but not known again if it is sent again"
            );
        }
    }
    id
}

/// Whether an event may have this content type; devices write all sorts of things there.
fn is_media_type(text: &str) -> bool {
    let event = EventBuilder::new().id("0").source("/").ty("t");
    event.datacontenttype(text).build().is_ok()
}

fn source(provider: &str, topic: &str) -> String {
    let mut out = String::with_capacity("mqtt:///".len() + provider.len() + topic.len());
    out.push_str("mqtt://");
    encode(&mut out, provider, b"");
    out.push('/');
    encode(&mut out, topic, b"/:@$!&'()*,;=");
    out
}

/// Percent-encodes all but the unreserved characters of RFC 3986, 2.3, and these.
fn encode(out: &mut String, text: &str, allowed: &[u8]) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || allowed.contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
