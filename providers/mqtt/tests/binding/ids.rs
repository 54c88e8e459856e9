//! Plain messages that say which they are, where their mapping says.

use proptest::prelude::*;
use whirlwind_event::Event;
use whirlwind_provider_mqtt::{Config, ConfigError, Format, IdPlace, InMapping, Message, Version};

use crate::any_bytes::any_message;
use crate::common::{DOCUMENT, MINIMAL, config, message, receive};

/// A provider whose plain messages have their ids at `place`.
fn with_id(place: IdPlace, format: Format) -> Config {
    let mut mapping = InMapping::new("#", "in/$#").unwrap().with_id(place);
    mapping.format = format;
    config(Version::V5, format, None).with_mappings(vec![mapping], vec![])
}

fn property(name: &str) -> IdPlace {
    IdPlace::property(name).unwrap()
}

fn field(pointer: &str) -> IdPlace {
    IdPlace::field(pointer).unwrap()
}

fn without_id(config: &Config) -> u64 {
    config.mappings.inward()[0].without_id()
}

/// The message has this id, each time it comes.
#[track_caller]
fn has(config: &Config, message: &Message, id: &str) {
    let before = without_id(config);
    for dup in [false, true] {
        let again = Message {
            dup,
            ..message.clone()
        };
        let event = receive(config, again).unwrap();
        assert_eq!((event.id(), event.source()), (id, "mqtt://house/t"));
        assert_eq!(event.data(), Some(&message.payload[..]));
        assert_eq!(event.ty(), "dev.whirlwind.mqtt.message");
    }
    assert_eq!(without_id(config), before);
}

/// The message is taken, as another event each time it comes, and that is counted.
#[track_caller]
fn has_none(config: &Config, message: &Message) {
    let before = without_id(config);
    let events = [(); 2].map(|()| receive(config, message.clone()).unwrap());
    let data = Some(&message.payload[..]).filter(|data| !data.is_empty());
    for event in &events {
        assert!(is_made_up(event), "{}", event.id());
        assert_eq!((event.source(), event.data()), ("mqtt://house/t", data));
    }
    assert_ne!(events[0].id(), events[1].id());
    assert_eq!(without_id(config), before + 2);
}

/// Whether the id is a UUID of version 7.
fn is_made_up(event: &Event) -> bool {
    let id = event.id();
    id.len() == 36 && id.as_bytes()[14] == b'7' && id.matches('-').count() == 4
}

#[test]
fn a_user_property_is_the_id() {
    let config = with_id(property("message-id"), Format::Auto);
    for id in ["1", "a/b:c", "grüße 🌀", &"x".repeat(60_000)] {
        let user = [("other", "2"), ("message-id", id), ("Message-Id", "3")];
        has(&config, &message(None, &user, "x"), id);
    }
    for user in [
        &[][..],
        &[("Message-Id", "1")],
        &[("message-id", "")],
        &[("message-id", "a\nb")],
        // Which of the two?
        &[("message-id", "1"), ("message-id", "1")],
        &[("message-id", "1"), ("message-id", "2")],
    ] {
        has_none(&config, &message(None, user, "x"));
    }
}

#[test]
fn a_field_of_the_payload_is_the_id() {
    for format in [Format::Auto, Format::Plain] {
        let config = with_id(field("/meta/seq"), format);
        for (payload, id) in [
            (r#"{"meta":{"seq":17},"t":21.5}"#, "17"),
            (r#"{"meta":{"seq":"17"}}"#, "17"),
            (r#"{"meta":{"seq":1.70e1}}"#, "1.70e1"),
            (r#"{"meta":{"seq":"a\u00e9"}}"#, "aé"),
        ] {
            for content_type in [None, Some("application/json"), Some("text/plain")] {
                has(&config, &message(content_type, &[], payload), id);
            }
        }
        for payload in [
            &b""[..],
            b"21.5",
            b"seq=17",
            b"\xff\xfe",
            br#"{"meta":{}}"#,
            br#"{"meta":17}"#,
            br#"{"seq":17}"#,
            br#"{"meta":{"seq":17}"#,
            br#"{"meta":{"seq":true}}"#,
            br#"{"meta":{"seq":null}}"#,
            br#"{"meta":{"seq":[17]}}"#,
            br#"{"meta":{"seq":""}}"#,
            br#"{"meta":{"seq":"a\u0000"}}"#,
            br#"{"meta":{"seq":"\uffff"}}"#,
            br#"{"meta":{"seq":17,"seq":17}}"#,
        ] {
            has_none(&config, &message(None, &[], payload));
        }
    }
}

#[test]
fn an_id_that_no_event_can_have_costs_no_message() {
    let text = |bytes: usize| format!(r#"{{"id":"{}"}}"#, "x".repeat(bytes));
    let config = with_id(field("/id"), Format::Plain);
    // Beside the other attributes, and their names, within 64 KiB.
    let attributes = [
        ("source", "mqtt://house/t"),
        ("type", "dev.whirlwind.mqtt.message"),
        ("mqtttopic", "t"),
    ];
    let others: usize = attributes.iter().map(|(n, v)| n.len() + v.len()).sum();
    let longest = 64 * 1024 - others - "id".len();
    let sent = message(None, &[], text(longest));
    let event = receive(&config, sent.clone()).unwrap();
    assert_eq!(event.id().len(), longest);
    // One that is told to be sent again has an attribute more.
    let again = Message { dup: true, ..sent };
    assert!(is_made_up(&receive(&config, again).unwrap()));
    for bytes in [longest + 1, 65_535, 65_536, 1_000_000] {
        has_none(&config, &message(None, &[], text(bytes)));
    }
    let digits = format!(r#"{{"id":{}}}"#, "1".repeat(100_000));
    has_none(&config, &message(None, &[], digits));
}

#[test]
fn the_same_id_on_another_topic_is_another_event() {
    let config = with_id(property("n"), Format::Auto);
    let sources = ["a/1", "a/2"].map(|topic| {
        let sent = Message {
            topic: topic.into(),
            ..message(None, &[("n", "7")], "x")
        };
        let event = receive(&config, sent).unwrap();
        assert_eq!(event.id(), "7");
        event.source().to_owned()
    });
    assert_eq!(sources, ["mqtt://house/a/1", "mqtt://house/a/2"]);
}

#[test]
fn a_cloudevent_has_its_own_id() {
    let binary = message(None, &MINIMAL, r#"{"n":7}"#);
    let document = message(None, &[("n", "7")], format!(r#"{DOCUMENT},"n":"7"}}"#));
    for place in [property("n"), field("/n")] {
        let config = with_id(place.clone(), Format::Auto);
        for sent in [&binary, &document] {
            assert_eq!(receive(&config, sent.clone()).unwrap().id(), "1");
        }
        assert_eq!(without_id(&config), 0);
        // Where all is plain they have that of the mapping.
        let config = with_id(place.clone(), Format::Plain);
        let sent = if place.is_property() {
            &document
        } else {
            &binary
        };
        assert_eq!(receive(&config, sent.clone()).unwrap().id(), "7");
    }
    // What only looks like one is plain.
    let config = with_id(field("/n"), Format::Auto);
    let payload = format!(r#"{DOCUMENT},"Upper":"x","n":7}}"#);
    has(&config, &message(None, &[], payload), "7");
}

#[test]
fn clones_count_together() {
    let config = with_id(property("n"), Format::Auto);
    receive(&config.clone(), message(None, &[], "x")).unwrap();
    receive(&config, message(None, &[], "x")).unwrap();
    assert_eq!((without_id(&config), without_id(&config.clone())), (2, 2));
}

#[test]
fn a_place_that_its_messages_do_not_have_is_refused() {
    let mut old = with_id(property("n"), Format::Auto);
    old.version = Version::V4;
    let error = old.check().unwrap_err();
    let why = "in mapping of \"#\" takes the id from a user property, and MQTT 3.1.1 has none; write id = { field = \"/...\" }, which is in the payload, or version = 5";
    assert!(matches!(error, ConfigError::IdProperty { index: 0, .. }));
    assert_eq!(error.to_string(), why);

    let first = InMapping::new("a", "b").unwrap();
    let second = with_id(field("/n"), Format::Cloudevents);
    let second = second.mappings.inward()[0].clone();
    let events = config(Version::V5, Format::Auto, None).with_mappings(vec![first, second], vec![]);
    let error = events.check().unwrap_err();
    let why = "in mapping of \"#\" has an id and format \"cloudevents\", and every CloudEvent has an id of its own; leave the id out";
    assert!(matches!(error, ConfigError::IdOfEvents { index: 1, .. }));
    assert_eq!(error.to_string(), why);

    let mut fine = with_id(field("/n"), Format::Plain);
    fine.check().unwrap();
    fine.version = Version::V4;
    fine.check().unwrap();
    with_id(property("n"), Format::Plain).check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn what_a_message_has_for_an_id_costs_it_nothing(
        message in any_message(),
        auto in any::<bool>(),
        is_property in any::<bool>(),
    ) {
        let format = if auto { Format::Auto } else { Format::Plain };
        let place = if is_property { property("a") } else { field("/id") };
        let (plain, with_id) = (config(Version::V5, format, None), with_id(place, format));
        match (plain.inward(message.clone()), with_id.inward(message)) {
            (Ok((topic, event, _)), Ok((same, other, _))) => {
                prop_assert_eq!(topic, same);
                let alike = event.to_builder().id(other.id()).build().unwrap();
                prop_assert_eq!(&alike, &other);
                let counted = is_made_up(&event) && event.id() != other.id() && is_made_up(&other);
                prop_assert_eq!(without_id(&with_id), u64::from(counted));
            }
            (Err(error), Err(same)) => prop_assert_eq!(error.to_string(), same.to_string()),
            (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
        }
    }
}
