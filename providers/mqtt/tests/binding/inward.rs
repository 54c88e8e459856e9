//! Messages by hand, and what they are by the binding and by CloudEvents 1.0.2.

use whirlwind_event::EventBuilder;
use whirlwind_provider_mqtt::{Format, InMapping, Message, Version};

use crate::common::{DOCUMENT, MINIMAL, config, message, minimal, receive};

const JSON: &str = "application/cloudevents+json";

fn with(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    MINIMAL.iter().chain(extra).copied().collect()
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    MINIMAL
        .iter()
        .filter(|(n, _)| *n != name)
        .copied()
        .collect()
}

fn document(rest: &str) -> String {
    format!("{DOCUMENT}{rest}}}")
}

#[track_caller]
fn is(formats: &[Format], message: Message, expected: EventBuilder) {
    let expected = expected.extension("mqtttopic", "t").build().unwrap();
    for format in formats {
        let config = config(Version::V5, *format, None);
        let event = receive(&config, message.clone()).unwrap();
        assert_eq!(event, expected, "{format:?}");
    }
}

/// An event made for the message, whose id is anything.
#[track_caller]
fn is_plain(formats: &[Format], message: Message, content_type: Option<&str>) {
    for format in formats {
        let config = config(Version::V5, *format, None);
        let event = receive(&config, message.clone()).unwrap();
        assert_eq!(event.ty(), "dev.whirlwind.mqtt.message", "{format:?}");
        assert_eq!(event.source(), "mqtt://house/t");
        assert_eq!(event.datacontenttype(), content_type);
        let payload = Some(&message.payload[..]);
        assert_eq!(event.data(), payload.filter(|bytes| !bytes.is_empty()));
        let names: Vec<&str> = event.extensions().map(|(name, _)| name).collect();
        assert_eq!(names, ["mqtttopic"]);
    }
}

#[track_caller]
fn is_refused(formats: &[Format], message: Message, why: &str) {
    for format in formats {
        let config = config(Version::V5, *format, None);
        let error = receive(&config, message.clone()).unwrap_err();
        let expected = format!("message on MQTT topic \"t\": {why}");
        assert_eq!(error.to_string(), expected, "{format:?}");
    }
}

const EVENTS: [Format; 2] = [Format::Auto, Format::Cloudevents];

#[test]
fn user_properties_are_the_attributes() {
    is(&EVENTS, message(None, &MINIMAL, ""), minimal());
    let mut expected = minimal()
        .extension("partitionkey", "7")
        .extension("flag", "true")
        .extension("empty", "")
        .dataschema("HTTP://EXAMPLE.com")
        .subject("grüße 🌀")
        .data("x");
    expected.attribute("time", "2026-01-31T12:00:00Z").unwrap();
    let user = with(&[
        ("partitionkey", "7"),
        ("flag", "true"),
        ("empty", ""),
        ("dataschema", "HTTP://EXAMPLE.com"),
        ("subject", "grüße 🌀"),
        ("time", "2026-01-31T14:00:00+02:00"),
    ]);
    is(&EVENTS, message(None, &user, "x"), expected);
}

#[test]
fn the_content_type_is_the_attribute_and_stands_above_a_property_that_repeats_it() {
    let typed = |media_type| minimal().datacontenttype(media_type).data("x");
    is(
        &EVENTS,
        message(Some("text/plain"), &MINIMAL, "x"),
        typed("text/plain"),
    );
    for repeated in ["text/plain", "image/png", "no media type", ""] {
        let user = with(&[("datacontenttype", repeated)]);
        is(
            &EVENTS,
            message(Some("text/plain"), &user, "x"),
            typed("text/plain"),
        );
    }
    let user = with(&[("datacontenttype", "image/png")]);
    is(&EVENTS, message(None, &user, "x"), typed("image/png"));
}

#[test]
fn names_that_no_attribute_can_have_are_somebody_elses() {
    let user = with(&[
        ("Subject", "x"),
        ("SOURCE", "x"),
        ("trace-id", "x"),
        ("ce_id", "x"),
        ("grüße", "x"),
        ("", "x"),
        ("\0", "\0"),
        ("data", "x"),
        ("atwentyonecharactersx", "x"),
        // Even twice.
        ("trace-id", "x"),
    ]);
    is(&EVENTS, message(None, &user, ""), minimal());
}

#[test]
fn an_attribute_there_twice_is_refused() {
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "1"),
        ("id", "2"),
        ("source", "/a"),
        ("type", "t"),
    ] {
        let why = format!("user property {name:?} is there twice; leave one out");
        is_refused(&EVENTS, message(None, &with(&[(name, value)]), "x"), &why);
    }
    for name in ["subject", "time", "datacontenttype", "dataschema", "ext"] {
        let value = "2026-01-31T12:00:00Z";
        let user = with(&[(name, value), (name, value)]);
        let why = format!("user property {name:?} is there twice; leave one out");
        is_refused(&EVENTS, message(None, &user, "x"), &why);
    }
}

#[test]
fn without_one_of_the_four_it_is_plain_or_refused() {
    for name in ["specversion", "id", "source", "type"] {
        let sent = message(Some("text/plain"), &without(name), "x");
        is_plain(
            &[Format::Auto, Format::Plain],
            sent.clone(),
            Some("text/plain"),
        );
        let why = match name {
            "specversion" => {
                "it has no user property \"specversion\", and its mapping takes only CloudEvents"
                    .to_owned()
            }
            name => format!(
                "the event has no \"{name}\"; every CloudEvent has an id, a source and a type"
            ),
        };
        is_refused(&[Format::Cloudevents], sent, &why);
    }
    // Names have lower-case letters.
    let upper: Vec<(&str, &str)> = without("id").into_iter().chain([("ID", "1")]).collect();
    is_plain(&[Format::Auto], message(None, &upper, "x"), None);
}

#[test]
fn attributes_that_are_not_valid_are_refused() {
    for (name, value, why) in [
        (
            "specversion",
            "0.3",
            r#"attribute "specversion" is "0.3"; only CloudEvents "1.0" is understood"#,
        ),
        (
            "specversion",
            "",
            r#"attribute "specversion" is ""; only CloudEvents "1.0" is understood"#,
        ),
        ("id", "", r#"attribute "id" is empty; give it a value"#),
        (
            "source",
            "a b",
            r#"attribute "source" is "a b", which is not a URI-reference; write a URI or a path such as "/shop/orders", with other characters percent-encoded"#,
        ),
        (
            "type",
            "t\n",
            r#"attribute "type" has the character U+000A at byte 1; control characters and noncharacters are not allowed in attributes, only in data"#,
        ),
    ] {
        let user: Vec<(&str, &str)> = without(name).into_iter().chain([(name, value)]).collect();
        is_refused(&EVENTS, message(None, &user, "x"), why);
    }
    for (name, value, why) in [
        (
            "subject",
            "",
            r#"attribute "subject" is empty; give it a value, or leave it out"#,
        ),
        (
            "time",
            "yesterday",
            r#"attribute "time" is "yesterday", which is not an RFC 3339 timestamp; write one such as "2026-01-31T12:00:00Z""#,
        ),
        (
            "dataschema",
            "/relative",
            r#"attribute "dataschema" is "/relative", which is not an absolute URI; write one with its scheme, such as "https://example.com/schema.json""#,
        ),
        (
            "ext",
            "\u{fffe}",
            r#"attribute "ext" has the character U+FFFE at byte 0; control characters and noncharacters are not allowed in attributes, only in data"#,
        ),
    ] {
        is_refused(&EVENTS, message(None, &with(&[(name, value)]), "x"), why);
    }
    is_refused(
        &EVENTS,
        message(Some("json"), &MINIMAL, "x"),
        r#"attribute "datacontenttype" is "json", which is not a media type; write type and subtype, such as "application/json""#,
    );
    let long = "x".repeat(65_536);
    let user: Vec<(&str, &str)> = MINIMAL.iter().copied().chain([("ext", &*long)]).collect();
    is_refused(
        &EVENTS,
        message(None, &user, "x"),
        r#"attribute "ext" has 65536 bytes, and 65535 are allowed; put long values in the data"#,
    );
}

#[test]
fn data_in_binary_mode_is_bytes_whatever_its_type_says() {
    let bytes = [0xFF, 0x00, 0xC3];
    for media_type in ["application/json", "text/plain; charset=utf-8", "image/png"] {
        let expected = minimal().datacontenttype(media_type).data(bytes);
        is(
            &EVENTS,
            message(Some(media_type), &MINIMAL, bytes),
            expected,
        );
        let expected = minimal().datacontenttype(media_type);
        is(&EVENTS, message(Some(media_type), &MINIMAL, ""), expected);
    }
}

#[test]
fn a_document_is_known_by_its_content_type_in_any_writing() {
    let sent = document(r#","ext":7,"datacontenttype":"text/plain","data":"é""#);
    let expected = || {
        minimal()
            .extension("ext", 7_i64)
            .datacontenttype("text/plain")
            .data("é")
    };
    for content_type in [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json;charset=utf-8",
        "application/cloudevents+json ; charset=\"UTF-8\"",
        // JSON is UTF-8 whatever stands here (JSON event format, 3).
        "application/cloudevents+json; charset=iso-8859-1",
        "application/cloudevents+json;",
    ] {
        is(&EVENTS, message(Some(content_type), &[], &sent), expected());
        // Copies of attributes in user properties do not matter, nor do they if they contradict.
        let user = with(&[("ext", "8"), ("ext", "9"), ("time", "never")]);
        is(
            &EVENTS,
            message(Some(content_type), &user, &sent),
            expected(),
        );
        is_plain(
            &[Format::Plain],
            message(Some("application/json"), &user, &sent),
            Some("application/json"),
        );
    }
}

#[test]
fn batches_and_other_formats_are_refused_and_plain_where_all_is() {
    for content_type in [
        "application/cloudevents-batch+json",
        "application/cloudevents-batch+json; charset=utf-8",
        "application/cloudevents+avro",
        "application/cloudevents+xml",
        "application/cloudevents",
        "APPLICATION/CLOUDEVENTS+protobuf",
        "application/cloudeventsjson",
    ] {
        // An event of its own that it seems to be in binary mode as well does not help.
        let sent = message(Some(content_type), &MINIMAL, "[]");
        let why = format!(
            "its content type is {content_type:?}, and of the event formats only \"application/cloudevents+json\" is understood, not batches"
        );
        is_refused(&EVENTS, sent.clone(), &why);
        is_plain(&[Format::Plain], sent, Some(content_type));
    }
    // These only look like it.
    let xcloud = "application/xcloudevents+json";
    let sent = message(Some(xcloud), &[], document(""));
    is_plain(&[Format::Auto], sent, Some(xcloud));
}

#[test]
fn a_document_that_is_no_event_is_refused() {
    for (payload, why) in [
        (
            &b""[..],
            "the document cannot be read: EOF while parsing a value at line 1 column 0",
        ),
        (
            br#"{"specversion":"1.0","id":"\xff"}"#,
            "the document cannot be read: invalid escape at line 1 column 29",
        ),
        (
            b"{\"specversion\":\"1.0\",\"id\":\"\xff\"}",
            "the document is not UTF-8 from byte 27 on",
        ),
        (
            br#"{"id":"1","source":"/a","type":"t"}"#,
            r#"the document has no "specversion"; a CloudEvent says "specversion": "1.0""#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","type":"t"}"#,
            r#"the event has no "source"; every CloudEvent has an id, a source and a type"#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","id":"1","source":"/a","type":"t"}"#,
            r#"member "id" is there twice; leave one out"#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","Upper":"x"}"#,
            r#""Upper" cannot name an extension attribute; use 1 to 20 lower-case letters and digits"#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data_base64":"AP8Q="}"#,
            r#"member "data_base64" is not base64: Invalid symbol 61, offset 4."#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data_base64":7}"#,
            r#"member "data_base64" is a number; it must be a string"#,
        ),
        (
            br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":1,"data_base64":"AP8Q"}"#,
            r#"members "data" and "data_base64" are both there; leave one out"#,
        ),
        (
            br#"[{"specversion":"1.0","id":"1","source":"/a","type":"t"}]"#,
            "the document cannot be read: invalid type: sequence, expected a CloudEvent, which is a JSON object at line 1 column 0",
        ),
    ] {
        is_refused(&EVENTS, message(Some(JSON), &MINIMAL, payload), why);
    }
}

#[test]
fn without_a_content_type_a_document_is_known_by_its_four_members() {
    let both = document(r#","data":{"n": 1.50}"#);
    let expected = || {
        minimal()
            .datacontenttype("application/json")
            .data(r#"{"n": 1.50}"#)
    };
    is(&EVENTS, message(None, &[], &both), expected());
    is(
        &EVENTS,
        message(None, &[("trace-id", "x")], format!(" \r\n\t{both}\n")),
        expected(),
    );
    // Attributes in user properties say that the payload is the data.
    let sent = message(None, &MINIMAL, &both);
    is(&EVENTS, sent, minimal().data(both.clone()));
    // So does a content type that is another.
    let sent = message(Some("application/json"), &[], &both);
    is_plain(&[Format::Auto], sent.clone(), Some("application/json"));
    is_refused(
        &[Format::Cloudevents],
        sent,
        "it has no user property \"specversion\", and its mapping takes only CloudEvents",
    );
}

#[test]
fn an_empty_content_type_is_none() {
    is(
        &EVENTS,
        message(Some(""), &MINIMAL, "x"),
        minimal().data("x"),
    );
    is(&EVENTS, message(Some(""), &[], document("")), minimal());
    is_plain(
        &[Format::Auto, Format::Plain],
        message(Some(""), &[], "x"),
        None,
    );
}

#[test]
fn what_only_looks_like_a_document_is_plain() {
    for payload in [
        "",
        "{",
        "{}",
        "21.5",
        "[]",
        r#""specversion""#,
        r#"{"specversion":"1.0"}"#,
        r#"{"specversion":"1.0","source":"/a","type":"t"}"#,
        r#"{"specversion":"1.0","id":"1","type":"t"}"#,
        r#"{"specversion":"1.0","id":"1","source":"/a"}"#,
        r#"{"specversion":"0.3","id":"1","source":"/a","type":"t"}"#,
        r#"{"specversion":1,"id":"1","source":"/a","type":"t"}"#,
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"t""#,
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"t"} and more"#,
        r#"{"nested":{"specversion":"1.0","id":"1","source":"/a","type":"t"}}"#,
        r#"[{"specversion":"1.0","id":"1","source":"/a","type":"t"}]"#,
        // These two are no events either, but for a reason that shows only when one is made.
        r#"{"specversion":"1.0","id":"","source":"/a","type":"t"}"#,
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","Upper":"x"}"#,
    ] {
        let sent = message(None, &[], payload);
        is_plain(&[Format::Auto, Format::Plain], sent.clone(), None);
        let config = config(Version::V5, Format::Cloudevents, None);
        receive(&config, sent).unwrap_err();
    }
}

#[test]
fn a_plain_message_has_its_own_content_type_or_that_of_its_mapping() {
    let mut mapping = InMapping::new("#", "in/$#")
        .unwrap()
        .with_type("com.example.reading")
        .unwrap()
        .with_content_type("application/json")
        .unwrap();
    mapping.format = Format::Plain;
    let config = config(Version::V5, Format::Plain, None).with_mappings(vec![mapping], vec![]);
    for (content_type, expected) in [
        (None, "application/json"),
        (Some("text/plain"), "text/plain"),
        // Devices write all sorts of things there.
        (Some("json"), "application/json"),
        (Some(""), "application/json"),
        (Some("text/plain\0"), "application/json"),
    ] {
        let event = receive(&config, message(content_type, &MINIMAL, "1")).unwrap();
        assert_eq!(event.datacontenttype(), Some(expected));
        assert_eq!(event.ty(), "com.example.reading");
    }
}

#[test]
fn a_plain_messages_source_is_a_uri_of_its_topic_and_its_id_is_new_each_time() {
    for (topic, source) in [
        ("t", "mqtt://house/t"),
        ("/t/", "mqtt://house//t/"),
        ("a b/ü%", "mqtt://house/a%20b/%C3%BC%25"),
        ("a?b[c]", "mqtt://house/a%3Fb%5Bc%5D"),
        ("\"<>\\^`{|}", "mqtt://house/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        (":@!$&'()*,;=", "mqtt://house/:@!$&'()*,;="),
    ] {
        let config = config(Version::V5, Format::Plain, None);
        let sent = Message {
            topic: topic.into(),
            ..message(None, &[], "x")
        };
        let one = receive(&config, sent.clone()).unwrap();
        assert_eq!(one.source(), source);
        let other = receive(&config, sent).unwrap();
        assert_ne!(one.id(), other.id());
    }
    // The provider's name is a level of its own.
    let mut config = config(Version::V5, Format::Plain, None);
    config.name = "my house/2".into();
    let event = receive(&config, message(None, &[], "x")).unwrap();
    assert_eq!(event.source(), "mqtt://my%20house%2F2/t");
}
