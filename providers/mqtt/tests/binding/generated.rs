//! Events at random, with everything an event can have.

use proptest::prelude::*;
use whirlwind_event::{Event, EventBuilder, ExtensionValue};

const JSON_TYPES: [&str; 3] = [
    "application/json",
    "application/vnd.example.v1+json; charset=utf-8",
    "Application/Senml+JSON",
];
const TEXT_TYPES: [&str; 3] = [
    "text/plain",
    "text/csv;charset=UTF-8",
    "application/soap+xml",
];
const BYTE_TYPES: [&str; 5] = [
    "application/octet-stream",
    "text/plain; charset=iso-8859-1",
    // Data that is itself one of these.
    "application/cloudevents+json",
    "application/cloudevents-batch+json; charset=utf-8",
    "Application/CloudEvents",
];

/// One to 24 characters of those a CloudEvents string may have, quotes and backslashes among them.
fn any_string() -> impl Strategy<Value = String> {
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
        "/[a-z0-9._~:@!$&'()*+,;=-]{0,20}",
        "urn:[a-z]{2,8}:[a-z0-9-]{1,20}",
        Just("https://example.com/a?b=c&d#e".to_owned()),
        Just("mqtt://house/caf%C3%A9".to_owned()),
    ]
}

fn any_time() -> impl Strategy<Value = String> {
    let fraction = prop_oneof![
        Just(String::new()),
        "\\.[0-9]{3}",
        "\\.[0-9]{6}",
        "\\.[0-9]{9}"
    ];
    let offset = prop_oneof![Just("Z".to_owned()), "[+-]0[0-9]:30"];
    (0..9998_u32, 1..13_u32, 1..29_u32, 0..24_u32, 0..60_u32).prop_flat_map(
        move |(year, month, day, hour, minute)| {
            (fraction.clone(), offset.clone()).prop_map(move |(fraction, offset)| {
                // A day away from both ends, which an offset could push it over.
                let year = year + 1;
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:59{fraction}{offset}")
            })
        },
    )
}

fn any_extension_name() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,20}".prop_filter("not taken", |name| {
        let taken = ["id", "source", "type", "subject", "time", "data"];
        !taken.contains(&name.as_str()) && !name.starts_with("mqtt")
    })
}

fn any_extension() -> impl Strategy<Value = ExtensionValue> {
    prop_oneof![
        prop_oneof![Just(String::new()), any_string()].prop_map(ExtensionValue::from),
        any::<bool>().prop_map(ExtensionValue::from),
        any::<i32>().prop_map(|number| ExtensionValue::from(i64::from(number))),
    ]
}

fn any_json() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("[1, 2.50, \"\\u00e9\", {\"a\": 1, \"a\": 2}]".to_owned()),
        Just("{\n\t\"specversion\": \"1.0\", \"id\": \"inner\"\n}".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::collection::vec(any::<String>(), 0..4)
            .prop_map(|texts| serde_json::to_string_pretty(&texts).unwrap()),
    ]
}

/// A content type and data that may go with it, as it comes back from a JSON document.
fn any_data() -> impl Strategy<Value = (Option<String>, Option<Vec<u8>>)> {
    let pick = |types: &'static [&'static str]| prop::sample::select(types).prop_map(str::to_owned);
    // Bytes that no JSON text consists of, so that nothing around them is trimmed.
    let not_json = prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        bytes.insert(0, b'}');
        bytes
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let any_type = prop_oneof![pick(&JSON_TYPES), pick(&TEXT_TYPES), pick(&BYTE_TYPES)];
    prop_oneof![
        Just((None, None)),
        any_type.clone().prop_map(|t| (Some(t), None)),
        any_type.prop_map(|t| (Some(t), Some(Vec::new()))),
        bytes.clone().prop_map(|bytes| (None, Some(bytes))),
        any_json().prop_map(|text| (None, Some(text.into()))),
        (pick(&JSON_TYPES), any_json()).prop_map(|(t, data)| (Some(t), Some(data.into()))),
        (pick(&JSON_TYPES), not_json).prop_map(|(t, data)| (Some(t), Some(data))),
        (pick(&TEXT_TYPES), any::<String>()).prop_map(|(t, data)| (Some(t), Some(data.into()))),
        (pick(&TEXT_TYPES), bytes.clone()).prop_map(|(t, data)| (Some(t), Some(data))),
        (pick(&BYTE_TYPES), bytes).prop_map(|(t, data)| (Some(t), Some(data))),
    ]
}

pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let required = (any_string(), any_source(), any_string());
    let optional = (
        prop::option::of(any_string()),
        prop::option::of(any_time()),
        prop::option::of(prop_oneof![
            // The URL parser writes this one otherwise than it stands.
            Just("HTTP://EXAMPLE.com/a/../b".to_owned()),
            "https://example\\.com/[a-z]{1,9}(#/[a-z]{1,5})?",
            Just("urn:example:schema:7".to_owned()),
        ]),
    );
    let extensions = prop::collection::btree_map(any_extension_name(), any_extension(), 0..6);
    (required, optional, any_data(), extensions).prop_map(
        |((id, source, ty), (subject, time, schema), (media_type, data), extensions)| {
            let mut builder = EventBuilder::new().id(id).source(source).ty(ty);
            for (name, value) in [("subject", subject), ("time", time), ("dataschema", schema)] {
                if let Some(value) = value {
                    builder.attribute(name, &value).unwrap();
                }
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
            builder.build().unwrap()
        },
    )
}
