//! Messages that are no events: one is made for each.
//!
//! Its type is the mapping's, its source `mqtt://PROVIDER/TOPIC` with what a URI may not have
//! percent-encoded, its id a UUID of version 7, so that a message sent again gets another. Its
//! content type is the message's own if that is a media type, else the mapping's, else none:
//! nothing is guessed. User properties are left behind.

use std::fmt::Write as _;

use uuid::Uuid;
use whirlwind_event::EventBuilder;

use crate::{InMapping, Message};

pub(super) fn read(mapping: &InMapping, provider: &str, message: Message) -> EventBuilder {
    let mut builder = EventBuilder::new()
        .id(Uuid::now_v7().to_string())
        .source(source(provider, &message.topic))
        .ty(mapping.ty());
    let own = message.properties.content_type;
    let own = own.filter(|media_type| is_media_type(media_type));
    if let Some(media_type) = own.or_else(|| mapping.content_type().map(str::to_owned)) {
        builder = builder.datacontenttype(media_type);
    }
    if !message.payload.is_empty() {
        builder = builder.data(message.payload);
    }
    builder
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
