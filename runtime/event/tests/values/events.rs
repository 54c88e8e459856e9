//! What the builder takes, what it refuses, and what an event tells of itself.

use proptest::prelude::*;
use whirlwind_event::{
    Event, EventBuilder, EventError, ExtensionValue, MAX_ATTRIBUTE_SIZE, MAX_CONTEXT_SIZE,
    MAX_EXTENSIONS,
};

use crate::schema;
use whirlwind_event::generated::{any_builder, any_extension_name, any_string};

fn minimal() -> EventBuilder {
    EventBuilder::new().id("1").source("/a").ty("t")
}

/// The string encodings of an event's attributes, as a metadata list.
fn metadata(event: &Event) -> Vec<(String, String)> {
    let owned = |(name, value): (&str, std::borrow::Cow<'_, str>)| (name.into(), value.into());
    event.attributes().map(owned).collect()
}

#[test]
fn an_event_tells_everything_that_was_set() {
    let event = minimal()
        .subject("the subject")
        .time("2018-04-05T17:31:00.25Z".parse().unwrap())
        .datacontenttype("text/plain")
        .dataschema("HTTPS://example.com")
        .extension("zone", "north")
        .extension("attempt", -7_i64)
        .extension("dry", false)
        .extension("blank", "")
        .data("ping")
        .build()
        .unwrap();
    assert_eq!(event.subject(), Some("the subject"));
    assert_eq!(event.time_text().unwrap(), "2018-04-05T17:31:00.250Z");
    assert_eq!(event.datacontenttype(), Some("text/plain"));
    assert_eq!(event.dataschema(), Some("HTTPS://example.com"));
    assert_eq!(event.extension("zone"), Some(&"north".into()));
    assert_eq!(
        event.extension("attempt"),
        Some(&ExtensionValue::Integer(-7))
    );
    assert_eq!(event.extension("none"), None);
    assert_eq!(event.data(), Some(&b"ping"[..]));

    let listed: Vec<String> = metadata(&event)
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    assert_eq!(
        listed,
        [
            "id=1",
            "source=/a",
            "type=t",
            "subject=the subject",
            "time=2018-04-05T17:31:00.250Z",
            "dataschema=HTTPS://example.com",
            "attempt=-7",
            "blank=",
            "dry=false",
            "zone=north",
        ]
    );
}

#[test]
fn what_is_missing_is_filled_in_and_what_is_there_is_kept() {
    let mut builder = EventBuilder::new();
    assert!(!builder.has_id() && !builder.has_source() && !builder.has_ty());
    builder.attribute("id", "given").unwrap();
    assert!(builder.has_id());
    let event = builder
        .id_or_else(|| unreachable!("it is given"))
        .source_or_else(|| "/filled".to_owned())
        .ty_or_else(|| "filled".to_owned())
        .build()
        .unwrap();
    assert_eq!(
        (event.id(), event.source(), event.ty()),
        ("given", "/filled", "filled")
    );
    assert_eq!(event.data(), None);
}

#[test]
fn data_without_bytes_is_not_the_same_as_no_data() {
    assert_eq!(minimal().data("").build().unwrap().data(), Some(&[][..]));
    assert_ne!(
        minimal().data("").build().unwrap(),
        minimal().build().unwrap()
    );
}

#[test]
fn what_is_no_event_is_told_which_attribute_and_how_to_mend_it() {
    for (builder, message) in [
        (
            EventBuilder::new().source("/a").ty("t"),
            r#"the event has no "id"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            EventBuilder::new().id("1").ty("t"),
            r#"the event has no "source"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            EventBuilder::new().id("1").source("/a"),
            r#"the event has no "type"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            minimal().id(""),
            r#"attribute "id" is empty; give it a value"#,
        ),
        (
            minimal().source(""),
            r#"attribute "source" is empty; give it a value"#,
        ),
        (
            minimal().ty(""),
            r#"attribute "type" is empty; give it a value"#,
        ),
        (
            minimal().subject(""),
            r#"attribute "subject" is empty; give it a value, or leave it out"#,
        ),
        (
            minimal().datacontenttype(""),
            r#"attribute "datacontenttype" is empty; give it a value, or leave it out"#,
        ),
        (
            minimal().dataschema(""),
            r#"attribute "dataschema" is empty; give it a value, or leave it out"#,
        ),
        (
            minimal().subject("a\nb"),
            r#"attribute "subject" has the character U+000A at byte 1; control characters and noncharacters are not allowed in attributes, only in data"#,
        ),
        (
            minimal().extension("note", "é\u{85}"),
            r#"attribute "note" has the character U+0085 at byte 2; control characters and noncharacters are not allowed in attributes, only in data"#,
        ),
        (
            minimal().source("/a b"),
            r#"attribute "source" is "/a b", which is not a URI-reference; write a URI or a path such as "/shop/orders", with other characters percent-encoded"#,
        ),
        (
            minimal().dataschema("schema.json"),
            r#"attribute "dataschema" is "schema.json", which is not an absolute URI; write one with its scheme, such as "https://example.com/schema.json""#,
        ),
        // A URI by RFC 3986, but no port of TCP: the SDK's URL type cannot hold it.
        (
            minimal().dataschema("http://a:99999/"),
            r#"attribute "dataschema" is "http://a:99999/", which is not an absolute URI; write one with its scheme, such as "https://example.com/schema.json""#,
        ),
        // A URL to a browser, but no URI.
        (
            minimal().dataschema("http://a/b c"),
            r#"attribute "dataschema" is "http://a/b c", which is not an absolute URI; write one with its scheme, such as "https://example.com/schema.json""#,
        ),
        (
            minimal().datacontenttype("json"),
            r#"attribute "datacontenttype" is "json", which is not a media type; write type and subtype, such as "application/json""#,
        ),
        (
            minimal().time("+10000-01-01T00:00:00Z".parse().unwrap()),
            r#"attribute "time" is "+10000-01-01T00:00:00+00:00", which is not an RFC 3339 timestamp; write one such as "2026-01-31T12:00:00Z""#,
        ),
        (
            minimal().extension("Trace_id", "x"),
            r#""Trace_id" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            minimal().extension("", "x"),
            r#""" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            minimal().extension("abcdefghijklmnopqrstu", "x"),
            r#""abcdefghijklmnopqrstu" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            minimal().extension("subject", "x"),
            r#""subject" is not an extension: CloudEvents gives that name a meaning; use another name"#,
        ),
        (
            minimal().extension("data", "x"),
            r#""data" is not an extension: CloudEvents gives that name a meaning; use another name"#,
        ),
        (
            minimal().extension("big", 2_147_483_648_i64),
            r#"extension "big" is 2147483648, outside the 32-bit range of a CloudEvents integer; send it as a string"#,
        ),
        (
            minimal().extension("small", -2_147_483_649_i64),
            r#"extension "small" is -2147483649, outside the 32-bit range of a CloudEvents integer; send it as a string"#,
        ),
    ] {
        assert_eq!(builder.build().unwrap_err().to_string(), message);
    }
}

#[test]
fn attributes_are_set_by_name_and_refused_without_harm() {
    let mut builder = minimal().extension("kept", "as it was").subject("kept too");
    for (name, value, message) in [
        (
            "specversion",
            "0.3",
            r#"attribute "specversion" is "0.3"; only CloudEvents "1.0" is understood"#,
        ),
        (
            "time",
            "yesterday",
            r#"attribute "time" is "yesterday", which is not an RFC 3339 timestamp; write one such as "2026-01-31T12:00:00Z""#,
        ),
        (
            "data",
            "x",
            r#""data" is not an extension: CloudEvents gives that name a meaning; use another name"#,
        ),
        (
            "Content-Type",
            "x",
            r#""Content-Type" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
    ] {
        assert_eq!(
            builder.attribute(name, value).unwrap_err().to_string(),
            message
        );
    }
    for (name, value) in [
        ("specversion", "1.0"),
        ("datacontenttype", "text/plain"),
        ("dataschema", "urn:a:b"),
        ("attempt", "3"),
    ] {
        builder.attribute(name, value).unwrap();
    }
    let event = builder.build().unwrap();
    assert_eq!(event.datacontenttype(), Some("text/plain"));
    assert_eq!(event.dataschema(), Some("urn:a:b"));
    // A metadata list has no types: what is no context attribute is a string.
    assert_eq!(event.extension("attempt"), Some(&"3".into()));
    assert_eq!(event.extension("kept"), Some(&"as it was".into()));
    assert_eq!(event.subject(), Some("kept too"));
}

#[test]
fn times_are_read_as_rfc_3339_and_kept_in_utc() {
    for (text, expected) in [
        ("2018-04-05T17:31:00Z", Some("2018-04-05T17:31:00Z")),
        ("2018-04-05t17:31:00z", Some("2018-04-05T17:31:00Z")),
        ("2018-04-05T17:31:00+02:00", Some("2018-04-05T15:31:00Z")),
        ("2018-04-05T17:31:00-00:00", Some("2018-04-05T17:31:00Z")),
        ("2018-04-05T17:31:00.5Z", Some("2018-04-05T17:31:00.500Z")),
        (
            "2018-04-05T17:31:00.123456789012Z",
            Some("2018-04-05T17:31:00.123456789Z"),
        ),
        ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:60Z")),
        ("2016-12-31T23:59:60.5Z", Some("2016-12-31T23:59:60.500Z")),
        ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00Z")),
        ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z")),
        ("9999-12-31T23:59:59-01:00", None),
        ("0000-01-01T00:00:00+01:00", None),
        ("2018-04-05 17:31:00Z", None),
        ("2018-04-05T17:31:00", None),
        ("2018-04-05T17:31Z", None),
        ("2018-04-05", None),
        ("2018-02-30T00:00:00Z", None),
        ("2018-04-05T24:00:00Z", None),
        ("2018-04-05T17:31:00.Z", None),
        ("2018-04-05T17:31:00+0200", None),
        ("+2018-04-05T17:31:00Z", None),
        (" 2018-04-05T17:31:00Z", None),
        ("2018-04-05T17:31:00Z ", None),
        ("", None),
    ] {
        let mut builder = minimal();
        let read = builder.attribute("time", text).is_ok();
        let event = builder.build().unwrap();
        assert_eq!(event.time_text().as_deref(), expected, "{text}");
        assert_eq!(read, expected.is_some(), "{text}");
    }
}

#[test]
fn the_bounds_are_met_exactly() {
    let longest = "x".repeat(MAX_ATTRIBUTE_SIZE);
    // "id" "1", "source" "/a", "type" "t", and the name: within the whole context too.
    let room = MAX_CONTEXT_SIZE - "id1source/atypetnote".len();
    let roomy = minimal().extension("note", longest.get(..room).unwrap());
    assert_eq!(roomy.build().unwrap().size(), MAX_CONTEXT_SIZE);
    let error = minimal()
        .extension("note", longest.get(..=room).unwrap())
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the event's attributes have 65537 bytes together, and 65536 are allowed; put long values in the data"
    );

    let error = minimal().subject(longest + "x").build().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"attribute "subject" has 65536 bytes, and 65535 are allowed; put long values in the data"#
    );

    let mut builder = minimal();
    for number in 0..MAX_EXTENSIONS {
        builder.attribute(&format!("n{number}"), "x").unwrap();
    }
    let error = EventError::TooManyExtensions {
        count: MAX_EXTENSIONS + 1,
        limit: MAX_EXTENSIONS,
    };
    assert_eq!(builder.attribute("another", "x"), Err(error.clone()));
    builder.attribute("n0", "again").unwrap();
    let event = builder.build().unwrap();
    assert_eq!(event.extensions().count(), MAX_EXTENSIONS);
    let more = event.to_builder().extension("another", "x");
    assert_eq!(more.build().unwrap_err(), error);
}

#[test]
fn data_is_not_counted_with_the_attributes() {
    let data = vec![0; 10 * MAX_CONTEXT_SIZE];
    let event = minimal().data(data.clone()).build().unwrap();
    assert_eq!(event.size(), "id1source/atypet".len() + data.len());
}

#[test]
fn an_event_of_the_sdk_is_checked_like_any_other() {
    use cloudevents::{EventBuilder as _, EventBuilderV10};

    let sdk = |builder: EventBuilderV10| builder.id("1").source("/a").ty("t");
    let json = sdk(EventBuilderV10::new()).data("application/json", serde_json::json!({"a": 1}));
    let event = EventBuilder::from(&json.build().unwrap()).build().unwrap();
    assert_eq!(event.data(), Some(&br#"{"a":1}"#[..]));
    let text = sdk(EventBuilderV10::new()).data("text/plain", "ping");
    let event = EventBuilder::from(&text.build().unwrap()).build().unwrap();
    assert_eq!(event.data(), Some(&b"ping"[..]));

    // The SDK takes this id and this name; here they stop.
    let empty = sdk(EventBuilderV10::new()).id("").build().unwrap();
    let error = EventBuilder::from(&empty).build().unwrap_err();
    assert_eq!(error, EventError::Empty { attribute: "id" });
    let named = sdk(EventBuilderV10::new())
        .extension("Not a name", "x")
        .build()
        .unwrap();
    assert!(EventBuilder::from(&named).build().is_err());
}

#[test]
fn a_printed_event_shows_its_attributes_and_not_its_data() {
    let event = minimal()
        .extension("zone", "n")
        .data("the secret")
        .build()
        .unwrap();
    assert_eq!(
        format!("{event:?}"),
        r#"Event { id: "1", source: "/a", type: "t", zone: "n", data_size: Some(10) }"#
    );
}

proptest! {
    #[test]
    fn a_rebuilt_event_is_equal_and_as_big_as_its_parts(builder in any_builder()) {
        let event = builder.build().unwrap();
        prop_assert_eq!(&event.to_builder().build().unwrap(), &event);

        let mut size = event.data().map_or(0, <[u8]>::len);
        size += event.datacontenttype().map_or(0, |t| "datacontenttype".len() + t.len());
        size += metadata(&event).iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        prop_assert_eq!(event.size(), size);

        let names: Vec<&str> = event.extensions().map(|(name, _)| name).collect();
        prop_assert!(names.is_sorted());
    }

    #[test]
    fn a_metadata_list_makes_the_attributes_it_lists(builder in any_builder()) {
        let event = builder.build().unwrap();
        let mut again = EventBuilder::new();
        for (name, value) in event.attributes() {
            again.attribute(name, &value).unwrap();
        }
        prop_assert_eq!(metadata(&again.build().unwrap()), metadata(&event));
    }

    #[test]
    fn hostile_attributes_are_refused_or_harmless(
        attributes in prop::collection::vec(
            (
                prop_oneof![
                    any::<String>(),
                    any_extension_name(),
                    prop::sample::select(vec![
                        "id", "source", "type", "subject", "time", "specversion", "datacontenttype",
                        "dataschema", "data", "data_base64",
                    ])
                    .prop_map(str::to_owned),
                ],
                prop_oneof![any::<String>(), any_string(), Just("1.0".to_owned())],
            ),
            0..8,
        ),
    ) {
        let mut builder = EventBuilder::new();
        for (name, value) in &attributes {
            let _ = builder.attribute(name, value);
        }
        let builder = builder
            .id_or_else(|| "1".to_owned())
            .source_or_else(|| "/a".to_owned())
            .ty_or_else(|| "t".to_owned());
        // What is let through satisfies the specification's own rules.
        if let Ok(event) = builder.build() {
            let document = serde_json::from_slice(&whirlwind_event::json::to_vec(&event)).unwrap();
            prop_assert_eq!(schema::violations(&document), Vec::<String>::new());
        }
    }
}
