//! Events out and in again, in every form that they can have.

use std::sync::LazyLock;

use proptest::prelude::*;
use whirlwind_event::{Event, EventBuilder, MAX_EXTENSIONS, json};
use whirlwind_provider_mqtt::{Config, Format, Message, Mode, Version};

use crate::common::{config, message, minimal, receive, send};
use crate::generated::any_event;

/// Of an event in binary mode, what can come back: the types of extensions are not written
/// anywhere, and an empty payload is no data.
fn as_binary(event: &Event) -> EventBuilder {
    let mut builder = event.to_builder();
    for (name, _) in event.extensions() {
        builder = builder.without_extension(name);
    }
    for (name, text) in event.attributes() {
        builder.attribute(name, &text).unwrap();
    }
    if event.data().is_some_and(<[u8]>::is_empty) {
        let document = json::to_vec(&builder.build().unwrap());
        let mut value: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let members = value.as_object_mut().unwrap();
        assert!(members.remove("data").is_some() != members.remove("data_base64").is_some());
        builder = json::builder_from_slice(value.to_string().as_bytes()).unwrap();
    }
    builder
}

/// Of an event in a document, what can come back: JSON data without the space around it.
fn as_document(event: &Event) -> EventBuilder {
    let builder = event.to_builder();
    let (ty, data) = (event.datacontenttype(), event.data().unwrap_or_default());
    let essence = ty.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_lowercase();
    let is_json = essence.ends_with("/json") || essence.ends_with("+json");
    match is_json && serde_json::from_slice::<serde_json::Value>(data).is_ok() {
        true => builder.data(data.trim_ascii().to_vec()),
        false => builder,
    }
}

/// What the receiver adds.
fn arrived(builder: EventBuilder) -> Event {
    builder.extension("mqtttopic", "out/a/b").build().unwrap()
}

fn is_document(message: &Message) -> bool {
    serde_json::from_slice::<serde_json::Value>(&message.payload)
        .is_ok_and(|value| value["specversion"] == "1.0" && value["id"].is_string())
}

/// Whether the content type is one that would be taken for that of the whole event.
fn is_nested(event: &Event) -> bool {
    event
        .datacontenttype()
        .is_some_and(|t| t.to_lowercase().starts_with("application/cloudevents"))
}

/// For each of these, made once.
static STRUCTURED: LazyLock<Vec<(Version, Config)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for format in [Format::Auto, Format::Cloudevents] {
        for (version, mode) in [
            (Version::V5, Some(Mode::Structured)),
            (Version::V4, Some(Mode::Structured)),
            (Version::V4, None),
        ] {
            all.push((version, config(version, format, mode)));
        }
    }
    all
});

static BINARY: LazyLock<Vec<Config>> = LazyLock::new(|| {
    let formats = [Format::Auto, Format::Cloudevents].into_iter();
    let modes = [None, Some(Mode::Binary)];
    formats
        .flat_map(|format| modes.map(|mode| config(Version::V5, format, mode)))
        .collect()
});

static DATA: LazyLock<[(Version, Config); 2]> = LazyLock::new(|| {
    [Version::V5, Version::V4]
        .map(|version| (version, config(version, Format::Plain, Some(Mode::Data))))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn an_event_comes_back_as_it_went(event in any_event()) {
        for binary in &*BINARY {
            let went = send(binary, &event);
            let back = receive(binary, went.clone()).unwrap();
            if is_nested(&event) {
                // Data that is itself CloudEvents goes within a document.
                prop_assert!(is_document(&went) && went.properties.user.is_empty());
                prop_assert_eq!(back, arrived(as_document(&event)));
            } else {
                prop_assert_eq!(&went.payload[..], event.data().unwrap_or_default());
                prop_assert_eq!(went.properties.content_type.as_deref(), event.datacontenttype());
                prop_assert_eq!(back, arrived(as_binary(&event)));
            }
        }
        for (version, structured) in &*STRUCTURED {
            let went = send(structured, &event);
            prop_assert!(is_document(&went) && went.properties.user.is_empty());
            let content_type = went.properties.content_type.as_deref();
            let expected = (*version == Version::V5).then_some("application/cloudevents+json");
            prop_assert_eq!(content_type, expected);
            let back = receive(structured, went).unwrap();
            prop_assert_eq!(back, arrived(as_document(&event)));
        }
    }

    #[test]
    fn the_data_alone_goes_with_its_content_type(event in any_event()) {
        for (version, data) in &*DATA {
            let went = send(data, &event);
            prop_assert_eq!(&went.payload[..], event.data().unwrap_or_default());
            prop_assert!(went.properties.user.is_empty());
            let content_type = event.datacontenttype().filter(|_| *version == Version::V5);
            prop_assert_eq!(went.properties.content_type.as_deref(), content_type);

            let back = receive(data, went).unwrap();
            prop_assert_eq!(back.data(), event.data().filter(|data| !data.is_empty()));
            prop_assert_eq!(back.datacontenttype(), content_type);
            prop_assert_eq!(back.source(), "mqtt://house/out/a/b");
            prop_assert_eq!(back.ty(), "dev.whirlwind.mqtt.message");
        }
    }
}

#[test]
fn what_tells_of_the_last_journey_is_not_sent_on_the_next() {
    let event = minimal()
        .extension("mqtttopic", "elsewhere")
        .extension("mqttretained", true)
        .extension("mqttduplicate", true)
        .extension("mqttother", "stays")
        .datacontenttype("text/plain")
        .data("x")
        .build()
        .unwrap();
    for (version, mode) in [
        (Version::V5, Mode::Binary),
        (Version::V5, Mode::Structured),
        (Version::V4, Mode::Structured),
    ] {
        let config = config(version, Format::Auto, Some(mode));
        let went = send(&config, &event);
        let user = went.properties.user.iter();
        let payload = String::from_utf8_lossy(&went.payload);
        let names: String = user.map(|(name, _)| name.as_str()).collect();
        assert!(!names.contains("mqtttopic") && !payload.contains("mqtttopic"));
        assert!(!names.contains("mqttretained") && !payload.contains("mqttretained"));
        assert!(!names.contains("mqttduplicate") && !payload.contains("mqttduplicate"));
        let back = receive(&config, went).unwrap();
        let expected = minimal().extension("mqttother", "stays");
        let expected = expected.datacontenttype("text/plain").data("x");
        assert_eq!(back, arrived(expected));
    }
}

#[test]
fn a_journey_of_this_message_is_told_and_a_forged_one_is_not() {
    for retain in [false, true] {
        for dup in [false, true] {
            let forged = [
                ("specversion", "1.0"),
                ("id", "1"),
                ("source", "/a"),
                ("type", "t"),
                ("mqtttopic", "forged"),
                ("mqttretained", "forged"),
                ("mqttduplicate", "forged"),
                // Twice, too: they are nobody's business.
                ("mqttduplicate", "forged"),
            ];
            let document = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","mqtttopic":"forged","mqttretained":true,"mqttduplicate":7}"#;
            let structured = message(Some("application/cloudevents+json"), &[], document);
            for sent in [message(None, &forged, ""), structured] {
                let sent = Message {
                    retain,
                    dup,
                    ..sent
                };
                let config = config(Version::V5, Format::Auto, None);
                let mut expected = minimal().extension("mqtttopic", "t");
                if retain {
                    expected = expected.extension("mqttretained", true);
                }
                if dup {
                    expected = expected.extension("mqttduplicate", true);
                }
                assert_eq!(receive(&config, sent).unwrap(), expected.build().unwrap());
            }
        }
    }
}

#[test]
fn a_large_event_comes_back_and_one_filled_to_the_brim_is_not_taken_for_another() {
    let many = |count: usize| {
        (0..count).fold(minimal(), |builder, n| {
            builder.extension(format!("x{n}"), "v")
        })
    };
    let large = vec![0xFE; 3 * 1024 * 1024];
    for (version, mode) in [(Version::V5, Mode::Binary), (Version::V4, Mode::Structured)] {
        let config = config(version, Format::Auto, Some(mode));
        let event = many(MAX_EXTENSIONS - 1)
            .subject("s".repeat(40_000))
            .data(large.clone())
            .build()
            .unwrap();
        let back = receive(&config, send(&config, &event)).unwrap();
        assert_eq!(back, arrived(event.to_builder()));

        // The topic it came on is one extension more than an event may have.
        let event = many(MAX_EXTENSIONS).build().unwrap();
        let went = send(&config, &event);
        let back = receive(&config, went.clone());
        if mode == Mode::Binary {
            assert_eq!(
                back.unwrap_err().to_string(),
                r#"message on MQTT topic "out/a/b": the event has 257 extension attributes, and 256 are allowed; put them in the data"#
            );
        } else {
            // Nothing says that the document is meant for an event.
            let back = back.unwrap();
            assert_eq!(back.ty(), "dev.whirlwind.mqtt.message");
            assert_eq!(back.data(), Some(&went.payload[..]));
        }
    }
}
