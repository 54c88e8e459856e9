use std::io::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::value::RawValue;

use crate::event::{Event, ExtensionValue};
use crate::media_type;

/// About how long the document will be: the names, quotes, colons and commas of an event with a
/// few extensions, and room for the growth of base64.
pub(super) fn size_hint(event: &Event) -> usize {
    96 + event.size() + event.data().map_or(0, |data| data.len() / 2)
}

/// Appends the document to `out`.
pub(super) fn event(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    for (name, value) in [
        ("id", Some(event.id())),
        ("source", Some(event.source())),
        ("type", Some(event.ty())),
        ("subject", event.subject()),
        ("time", event.time_text().as_deref()),
        ("datacontenttype", event.datacontenttype()),
        ("dataschema", event.dataschema()),
    ] {
        if let Some(value) = value {
            member(out, name);
            string(out, value);
        }
    }
    for (name, value) in event.extensions() {
        member(out, name);
        match value {
            ExtensionValue::String(text) => string(out, text),
            ExtensionValue::Boolean(true) => out.extend_from_slice(b"true"),
            ExtensionValue::Boolean(false) => out.extend_from_slice(b"false"),
            ExtensionValue::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        }
    }
    if let Some(bytes) = event.data() {
        data(out, event.datacontenttype(), bytes);
    }
    out.push(b'}');
}

/// The table in the module's documentation.
fn data(out: &mut Vec<u8>, media_type: Option<&str>, bytes: &[u8]) {
    match media_type {
        Some(media_type) if media_type::is_json(media_type) => {
            if let Ok(value) = serde_json::from_slice::<&RawValue>(bytes) {
                member(out, "data");
                return out.extend_from_slice(value.get().as_bytes());
            }
        }
        Some(media_type) if media_type::is_utf8_text(media_type) => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                member(out, "data");
                return string(out, text);
            }
        }
        _ => {}
    }
    member(out, "data_base64");
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    if let Some(space) = out.get_mut(start..) {
        // The space is exactly what padded base64 takes, so this cannot fail.
        let written = BASE64_STANDARD.encode_slice(bytes, space);
        debug_assert_eq!(written.ok(), Some(out.len() - start));
    }
    out.push(b'"');
}

/// A member's name. Names of attributes need no escapes.
fn member(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A JSON string. Only what must be escaped is (RFC 8259, 7).
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\' | '\0'..='\u{1f}')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some(c @ ('"' | '\\')) => out.extend_from_slice(&[b'\\', c as u8]),
            Some(control) => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}
