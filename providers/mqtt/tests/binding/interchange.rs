//! Documents and packets that the CloudEvents SDKs of other languages made; see
//! `tests/interchange/README.md`.

use serde_json::Value;
use whirlwind_event::{Event, EventBuilder};
use whirlwind_provider_mqtt::{Format, Mode, Version};

use crate::common::{config, message, receive, send};

const JSON_TYPE: &str = "application/cloudevents+json; charset=utf-8";

fn file(name: &str) -> String {
    let path = format!("{}/tests/interchange/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The event that `make.py` and `make.js` describe, as either mode brings it.
fn expected(kind: &str, binary: bool) -> EventBuilder {
    let mut builder = EventBuilder::new()
        .id("A234-1234-1234")
        .source("/mycontext/4")
        .ty("com.example.someevent")
        .extension("mqtttopic", "t");
    builder.attribute("time", "2018-04-05T17:31:00Z").unwrap();
    match kind {
        "json" => {
            builder = builder
                .subject("123")
                .datacontenttype("application/json")
                .extension("comexampleextension1", "value");
            if binary {
                builder.extension("answer", "42").extension("dry", "true")
            } else {
                builder.extension("answer", 42_i64).extension("dry", true)
            }
        }
        "text" => builder
            .datacontenttype("text/plain")
            .data("grüße \"zwei\" Lampen\n"),
        "bytes" => builder
            .datacontenttype("application/octet-stream")
            .data([0x00, 0xFF, 0x10]),
        "none" => builder,
        kind => panic!("{kind}"),
    }
}

/// The same, JSON data being the same value however it is written.
#[track_caller]
fn is_as_described(event: &Event, kind: &str, binary: bool) {
    let mut described = expected(kind, binary);
    if kind == "json" {
        let data = event.data().unwrap();
        let value: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(value, serde_json::json!({"celsius": 21.5, "name": "Küche"}));
        described = described.data(data);
    }
    assert_eq!(event, &described.build().unwrap());
}

const KINDS: [&str; 4] = ["json", "text", "bytes", "none"];

#[test]
fn documents_of_the_python_and_the_javascript_sdk_are_read() {
    for language in ["python", "javascript"] {
        for kind in KINDS {
            let document = file(&format!("{language}-{kind}.json"));
            for (version, content_type) in [(Version::V5, Some(JSON_TYPE)), (Version::V4, None)] {
                for format in [Format::Auto, Format::Cloudevents] {
                    let config = config(version, format, None);
                    let event = receive(&config, message(content_type, &[], &document)).unwrap();
                    is_as_described(&event, kind, false);
                }
            }
        }
    }
}

#[test]
fn packets_of_the_javascript_sdk_are_read() {
    for kind in KINDS {
        let packets = file(&format!("javascript-{kind}.packets.txt"));
        let packets: Value = serde_json::from_str(&packets).unwrap();
        let structured = &packets["structured"];
        assert_eq!(structured["PUBLISH"]["Content Type"], JSON_TYPE);
        assert_eq!(structured["user"], serde_json::json!({}));

        let binary = &packets["binary"];
        let text = |value: &Value| match value {
            // The SDK leaves it to the client to write these two.
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            value => value.as_str().unwrap().to_owned(),
        };
        let user = binary["user"].as_object().unwrap();
        let user: Vec<(String, String)> = user.iter().map(|(n, v)| (n.clone(), text(v))).collect();
        let user: Vec<(&str, &str)> = user.iter().map(|(n, v)| (&**n, &**v)).collect();
        let payload: Vec<u8> = match (kind, &binary["payload"]) {
            // The note of it is in base64.
            ("bytes", payload) => {
                assert_eq!(payload, "AP8Q");
                vec![0x00, 0xFF, 0x10]
            }
            (_, Value::Null) => Vec::new(),
            (_, Value::String(text)) => text.clone().into(),
            (_, value) => value.to_string().into(),
        };
        let content_type = binary["PUBLISH"]["Content Type"].as_str();
        for format in [Format::Auto, Format::Cloudevents] {
            let config = config(Version::V5, format, None);
            let event = receive(&config, message(content_type, &user, &payload)).unwrap();
            is_as_described(&event, kind, true);
        }
    }
}

/// What `check.py` and `check.js` show to those SDKs.
#[test]
fn what_is_written_here_is_what_the_sdks_were_shown() {
    for kind in KINDS {
        let mut described = expected(kind, false);
        if kind == "json" {
            described = described.data(r#"{"celsius":21.5,"name":"Küche"}"#);
        }
        let event = described.build().unwrap();

        let structured = config(Version::V5, Format::Auto, Some(Mode::Structured));
        let went = send(&structured, &event);
        let content_type = went.properties.content_type.as_deref();
        assert_eq!(content_type, Some("application/cloudevents+json"));
        assert_eq!(went.payload, file(&format!("ours-{kind}.json")));
        // On 3.1.1 it is the same document.
        let v4 = config(Version::V4, Format::Auto, None);
        assert_eq!(send(&v4, &event).payload, went.payload);

        let went = send(&config(Version::V5, Format::Auto, None), &event);
        let note: Value = serde_json::from_str(&file(&format!("ours-{kind}.packet.txt"))).unwrap();
        let user: serde_json::Map<String, Value> = went
            .properties
            .user
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        assert_eq!(note["user"], Value::from(user));
        assert_eq!(
            note["PUBLISH"]["Content Type"].as_str(),
            went.properties.content_type.as_deref()
        );
        let payload: Vec<u8> = match kind {
            // The note of it is in base64.
            "bytes" => {
                assert_eq!(note["payload"], "AP8Q");
                vec![0x00, 0xFF, 0x10]
            }
            "none" => {
                assert_eq!(note["payload"], "");
                Vec::new()
            }
            _ => note["payload"].as_str().unwrap().into(),
        };
        assert_eq!(went.payload, payload);
    }
}
