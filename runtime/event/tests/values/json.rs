//! Events to JSON and back, at random, beside other readers of the same documents.

use cloudevents::event::AttributesReader;
use proptest::prelude::*;
use serde_json::Value;
use whirlwind_event::{Event, EventBuilder, MAX_EXTENSIONS, json};

use crate::schema;
use whirlwind_event::generated::{JSON_TYPES, any_event};

fn minimal() -> EventBuilder {
    EventBuilder::new().id("1").source("/a").ty("t")
}

fn has_json_type(event: &Event) -> bool {
    event
        .datacontenttype()
        .is_some_and(|t| JSON_TYPES.contains(&t))
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_went(event in any_event()) {
        let document = json::to_vec(&event);
        prop_assert_eq!(&json::from_slice(&document).unwrap(), &event);
        // A reader that knows nothing of CloudEvents can read it, and it keeps the schema.
        let value: Value = serde_json::from_slice(&document).unwrap();
        prop_assert_eq!(schema::violations(&value), Vec::<String>::new());
        // The same on one line.
        let line = json::to_line(&event);
        prop_assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        prop_assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), value);
    }

    #[test]
    fn data_is_json_or_text_or_base64_as_its_type_and_bytes_say(event in any_event()) {
        let value: Value = serde_json::from_slice(&json::to_vec(&event)).unwrap();
        let Some(data) = event.data() else {
            prop_assert!(value.get("data").is_none() && value.get("data_base64").is_none());
            return Ok(());
        };
        let readable = if has_json_type(&event) {
            serde_json::from_slice::<Value>(data).ok()
        } else if event.datacontenttype().is_some_and(|t| {
            let t = t.to_lowercase();
            (t.starts_with("text/") && !t.contains("8859")) || t.contains("xml") || t.contains("utf-8")
        }) {
            std::str::from_utf8(data).ok().map(Value::from)
        } else {
            None
        };
        prop_assert_eq!(value.get("data"), readable.as_ref());
        prop_assert_eq!(value.get("data_base64").is_some(), readable.is_none());
    }

    #[test]
    fn the_sdk_reads_what_is_written_here(event in any_event()) {
        // The SDK knows JSON content types only in lower case, and `+json` only without parameters.
        prop_assume!(!has_json_type(&event) || event.datacontenttype().is_some_and(|media_type| {
            media_type.ends_with("/json") || media_type.ends_with("+json")
        }));
        let sdk: cloudevents::Event = serde_json::from_slice(&json::to_vec(&event)).unwrap();
        prop_assert_eq!(sdk.id(), event.id());
        prop_assert_eq!(sdk.source(), event.source());
        prop_assert_eq!(sdk.ty(), event.ty());
        prop_assert_eq!(sdk.subject(), event.subject());
        prop_assert_eq!(sdk.time().copied(), event.time());
        prop_assert_eq!(sdk.datacontenttype(), event.datacontenttype());
        prop_assert_eq!(sdk.dataschema(), event.as_sdk().dataschema());
        for (name, value) in event.extensions() {
            prop_assert_eq!(sdk.extension(name), Some(value));
        }
        prop_assert_eq!(sdk.iter_extensions().count(), event.extensions().count());
        match (sdk.data(), event.data()) {
            (None, None) => {}
            (Some(cloudevents::Data::Json(value)), Some(bytes)) => {
                prop_assert_eq!(value, &serde_json::from_slice::<Value>(bytes).unwrap());
            }
            (Some(data), Some(bytes)) => {
                prop_assert_eq!(Vec::<u8>::try_from(data.clone()).unwrap(), bytes);
            }
            (theirs, ours) => prop_assert!(false, "{theirs:?} and {ours:?}"),
        }
    }

    #[test]
    fn what_the_sdk_writes_is_read_here(event in any_event()) {
        let document = serde_json::to_vec(event.as_sdk()).unwrap();
        let read = json::from_slice(&document).unwrap();
        let mut expected = event.to_builder();
        if let Some(url) = event.as_sdk().dataschema() {
            expected = expected.dataschema(url.as_str());
        }
        prop_assert_eq!(read, expected.build().unwrap());
    }

    #[test]
    fn a_batch_comes_back_as_it_went(events in prop::collection::vec(any_event(), 0..4)) {
        let document = json::batch_to_vec(&events);
        prop_assert_eq!(&json::batch_from_slice(&document).unwrap(), &events);
        let values: Vec<Value> = serde_json::from_slice(&document).unwrap();
        prop_assert_eq!(values.len(), events.len());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = json::from_slice(&bytes);
        let _ = json::batch_from_slice(&bytes);
    }

    #[test]
    fn a_damaged_document_is_refused_or_is_another_event(
        event in any_event(),
        cut in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut document = json::to_vec(&event);
        prop_assert!(json::from_slice(&document[..cut.index(document.len())]).is_err());
        let place = place.index(document.len());
        document[place] = byte;
        if let Ok(event) = json::from_slice(&document) {
            let again = json::from_slice(&json::to_vec(&event)).unwrap();
            prop_assert_eq!(again, event);
        }
    }

    /// The schema gives each member its types; whatever is not of them is refused, by name.
    #[test]
    fn a_member_of_a_wrong_type_is_refused_by_name(
        event in any_event(),
        member in prop::sample::select(&schema::TEXTS[..]),
        wrong in prop::sample::select(vec!["7", "true", "{}", "[\"x\"]", "\"\""]),
    ) {
        let mut value: Value = serde_json::from_slice(&json::to_vec(&event)).unwrap();
        value[member] = serde_json::from_str(wrong).unwrap();
        prop_assert!(!schema::violations(&value).is_empty());
        let error = json::from_slice(value.to_string().as_bytes()).unwrap_err();
        prop_assert!(error.to_string().contains(&format!("{member:?}")), "{error}");
    }
}

#[test]
fn json_data_keeps_its_bytes_and_loses_the_space_around_it() {
    let text = "{\"b\": 1.50,\n\t\"a\":1e400, \"b\":\"\\u0041\\ud83c\"}";
    let spaced = format!(" \r\n{text}\n");
    let event = minimal()
        .datacontenttype("application/json")
        .data(spaced)
        .build()
        .unwrap();
    let document = String::from_utf8(json::to_vec(&event)).unwrap();
    assert!(
        document.ends_with(&format!("\"data\":{text}}}")),
        "{document}"
    );
    let read = json::from_slice(document.as_bytes()).unwrap();
    assert_eq!(read.data(), Some(text.as_bytes()));
    let line = String::from_utf8(json::to_line(&event)).unwrap();
    assert!(
        line.ends_with(&format!("\"data\":{}}}", text.replace('\n', " "))),
        "{line}"
    );
}

/// Each level of a recursive reader would take its share of the stack.
#[test]
fn data_nested_beyond_any_stack_is_carried() {
    let deep = format!("{}7{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let event = minimal()
        .datacontenttype("application/json")
        .data(&*deep)
        .build()
        .unwrap();
    let read = json::from_slice(&json::to_vec(&event)).unwrap();
    assert_eq!(read.data(), Some(deep.as_bytes()));
    let hostile =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","x":{deep}}}"#);
    assert!(json::from_slice(hostile.as_bytes()).is_err());
}

#[test]
fn the_most_members_an_event_can_have_are_read_and_more_are_not() {
    let mut builder = minimal()
        .subject("s")
        .time("2018-04-05T17:31:00Z".parse().unwrap())
        .dataschema("urn:a:b")
        .datacontenttype("text/plain")
        .data("d");
    for number in 0..MAX_EXTENSIONS {
        builder = builder.extension(format!("n{number}"), "x");
    }
    let event = builder.build().unwrap();
    let mut document = json::to_vec(&event);
    assert_eq!(json::from_slice(&document).unwrap(), event);
    document.pop();
    let unset: String = (0..3).map(|n| format!(r#","unset{n}":null"#)).collect();
    document.extend_from_slice(unset.as_bytes());
    document.push(b'}');
    let error = json::from_slice(&document).unwrap_err().to_string();
    assert!(
        error.contains("257 extension attributes, and 256 are allowed"),
        "{error}"
    );
}

#[test]
fn data_of_no_bytes_is_an_empty_member_and_not_an_absent_one() {
    for (media_type, member) in [
        ("text/plain", r#""data":"""#),
        ("application/json", r#""data_base64":"""#),
        ("image/png", r#""data_base64":"""#),
    ] {
        let event = minimal()
            .datacontenttype(media_type)
            .data("")
            .build()
            .unwrap();
        let document = String::from_utf8(json::to_vec(&event)).unwrap();
        assert!(document.ends_with(&format!("{member}}}")), "{document}");
        assert_eq!(
            json::from_slice(document.as_bytes()).unwrap().data(),
            Some(&[][..])
        );
    }
}

#[test]
fn an_unfinished_event_can_be_completed() {
    let builder = json::builder_from_slice(br#"{"specversion":"1.0","type":"given"}"#).unwrap();
    assert!(builder.has_ty() && !builder.has_id());
    let event = builder
        .id_or_else(|| "1".to_owned())
        .source_or_else(|| "/a".to_owned())
        .ty_or_else(|| "filled".to_owned())
        .build()
        .unwrap();
    assert_eq!(event.ty(), "given");
}

#[test]
fn a_document_is_written_after_what_is_there() {
    let event = minimal().build().unwrap();
    let mut out = b"data: ".to_vec();
    json::write(&mut out, &event);
    assert_eq!(
        out,
        br#"data: {"specversion":"1.0","id":"1","source":"/a","type":"t"}"#
    );
}
