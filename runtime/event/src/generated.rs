//! Events at random, with everything an event can have: strategies of proptest.
#![allow(
    clippy::unwrap_used,
    reason = "a strategy that fails is a test that fails"
)]

use crate::{Event, EventBuilder, ExtensionValue};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::Value;

/// Content types and what becomes of data under them: JSON, text, or bytes.
pub const JSON_TYPES: [&str; 4] = [
    "application/json",
    "text/json",
    "application/vnd.example.v1+json; charset=utf-8",
    "Application/Senml+JSON",
];
const TEXT_TYPES: [&str; 4] = [
    "text/plain",
    "text/csv;charset=UTF-8",
    "application/soap+xml",
    "application/yaml; charset=\"utf-8\"",
];
const BYTE_TYPES: [&str; 3] = [
    "application/octet-stream",
    "text/plain; charset=iso-8859-1",
    "image/png",
];

/// One to 24 characters of those a CloudEvents string may have, quotes and backslashes among them.
pub fn any_string() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range(' ', '~'),
        1 => prop::sample::select(vec!['"', '\\', '/', '\u{a0}', '\u{fffd}', '🌀', 'é', '\u{2028}']),
        1 => any::<char>(),
    ]
    .prop_filter("not a control character or noncharacter", |c| {
        let code = *c as u32;
        !c.is_control() && !(0xFDD0..0xFDF0).contains(&code) && code % 0x10000 < 0xFFFE
    });
    prop::collection::vec(character, 1..24).prop_map(String::from_iter)
}

fn any_source() -> impl Strategy<Value = String> {
    prop_oneof![
        "/[a-z0-9._~:@!$&'()*+,;=/-]{0,20}",
        "urn:[a-z]{2,8}:[a-z0-9-]{1,20}",
        "https://[a-z]{1,8}\\.example(:[0-9]{1,5})?/[a-z%0-9]{0}[a-z/]{0,9}(\\?[a-z=&]{1,9})?(#[a-z]{1,5})?",
        Just("1-555-123-4567".to_owned()),
        Just("/caf%C3%A9".to_owned()),
    ]
    // "//" begins an authority, which has rules of its own.
    .prop_filter("no authority by chance", |source| !source.starts_with("//"))
}

fn any_schema() -> impl Strategy<Value = String> {
    prop_oneof![
        // The URL parser writes these two otherwise than they stand.
        Just("HTTP://EXAMPLE.com".to_owned()),
        Just("https://example.com/a/../b".to_owned()),
        "https://example\\.com/[a-z]{1,9}(#/[a-z]{1,5})?",
        Just("urn:example:schema:7".to_owned()),
    ]
}

fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    // The years 0000 to 9999.
    let fraction = prop_oneof![
        Just(0),
        (0..1000_u32).prop_map(|millis| millis * 1_000_000),
        (0..1_000_000_u32).prop_map(|micros| micros * 1_000),
        0..1_000_000_000_u32,
    ];
    (
        -62_167_219_200..253_402_300_800_i64,
        fraction,
        any::<bool>(),
    )
        .prop_map(|(second, nanos, leap)| {
            if leap {
                let last_of_minute = second - second.rem_euclid(60) + 59;
                DateTime::from_timestamp(last_of_minute, nanos + 1_000_000_000).unwrap()
            } else {
                DateTime::from_timestamp(second, nanos).unwrap()
            }
        })
}

/// A name that an extension attribute may have.
pub fn any_extension_name() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,20}".prop_filter("not a context attribute", |name| {
        let taken = ["id", "source", "type", "subject", "time", "data"];
        !taken.contains(&name.as_str())
    })
}

fn any_extension() -> impl Strategy<Value = ExtensionValue> {
    prop_oneof![
        prop_oneof![Just(String::new()), any_string()].prop_map(ExtensionValue::from),
        any::<bool>().prop_map(ExtensionValue::from),
        any::<i32>().prop_map(|number| ExtensionValue::from(i64::from(number))),
    ]
}

/// A JSON value, some levels deep.
pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A content type and data that may go with it, as it comes back from a JSON document.
fn any_data() -> impl Strategy<Value = (Option<String>, Option<Vec<u8>>)> {
    let pick = |types: &'static [&'static str]| prop::sample::select(types).prop_map(str::to_owned);
    let json_text = (any_json(), any::<bool>()).prop_map(|(value, pretty)| {
        if pretty {
            serde_json::to_vec_pretty(&value).unwrap()
        } else {
            serde_json::to_vec(&value).unwrap()
        }
    });
    // Bytes that no JSON text consists of, so that nothing around them is trimmed.
    let not_json = prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        bytes.insert(0, b'}');
        bytes
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let any_type = prop_oneof![pick(&JSON_TYPES), pick(&TEXT_TYPES), pick(&BYTE_TYPES)];
    prop_oneof![
        Just((None, None)),
        any_type.prop_map(|media_type| (Some(media_type), None)),
        bytes.clone().prop_map(|bytes| (None, Some(bytes))),
        (pick(&JSON_TYPES), json_text).prop_map(|(t, data)| (Some(t), Some(data))),
        (pick(&JSON_TYPES), not_json).prop_map(|(t, data)| (Some(t), Some(data))),
        (pick(&TEXT_TYPES), any::<String>()).prop_map(|(t, data)| (Some(t), Some(data.into()))),
        (pick(&TEXT_TYPES), bytes.clone()).prop_map(|(t, data)| (Some(t), Some(data))),
        (pick(&BYTE_TYPES), bytes).prop_map(|(t, data)| (Some(t), Some(data))),
    ]
}

/// A builder of [such an event](any_event).
pub fn any_builder() -> impl Strategy<Value = EventBuilder> {
    let required = (any_string(), any_source(), any_string());
    let optional = (
        prop::option::of(any_string()),
        prop::option::of(any_time()),
        prop::option::of(any_schema()),
    );
    let extensions = prop::collection::btree_map(any_extension_name(), any_extension(), 0..6);
    (required, optional, any_data(), extensions).prop_map(
        |((id, source, ty), (subject, time, schema), (media_type, data), extensions)| {
            let mut builder = EventBuilder::new().id(id).source(source).ty(ty);
            if let Some(subject) = subject {
                builder = builder.subject(subject);
            }
            if let Some(time) = time {
                builder = builder.time(time);
            }
            if let Some(schema) = schema {
                builder = builder.dataschema(schema);
            }
            if let Some(media_type) = media_type {
                builder = builder.datacontenttype(media_type);
            }
            if let Some(data) = data {
                builder = builder.data(data);
            }
            for (name, value) in extensions {
                builder = builder.extension(name, value);
            }
            builder
        },
    )
}

/// A valid event.
pub fn any_event() -> impl Strategy<Value = Event> {
    any_builder().prop_map(|builder| builder.build().unwrap())
}
