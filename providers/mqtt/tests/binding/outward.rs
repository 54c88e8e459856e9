//! The messages that an event becomes.

use whirlwind_event::Topic;
use whirlwind_provider_mqtt::{Format, Message, Mode, OutMapping, Properties, Qos, Version};

use crate::common::{config, minimal, send};

#[test]
fn binary_mode_writes_the_attributes_in_their_string_forms_and_the_content_type_once() {
    let mut builder = minimal()
        .subject("s")
        .extension("flag", true)
        .extension("count", -7_i64)
        .extension("word", "w")
        .datacontenttype("text/plain")
        .data("x");
    builder
        .attribute("time", "2026-01-31T14:00:00.5+02:00")
        .unwrap();
    builder.attribute("dataschema", "urn:a:b").unwrap();
    let config = config(Version::V5, Format::Auto, None);
    let went = send(&config, &builder.build().unwrap());
    let user = [
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "/a"),
        ("type", "t"),
        ("subject", "s"),
        ("time", "2026-01-31T12:00:00.500Z"),
        ("dataschema", "urn:a:b"),
        ("count", "-7"),
        ("flag", "true"),
        ("word", "w"),
    ];
    let user = user.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let expected = Message {
        topic: "out/a/b".into(),
        payload: "x".into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: Properties {
            content_type: Some("text/plain".into()),
            user: user.into(),
        },
    };
    assert_eq!(went, expected);
}

#[test]
fn data_that_is_itself_cloudevents_goes_within_a_document() {
    let event = minimal()
        .datacontenttype("application/cloudevents-batch+json")
        .data("[]")
        .build()
        .unwrap();
    for mode in [None, Some(Mode::Binary), Some(Mode::Structured)] {
        let went = send(&config(Version::V5, Format::Auto, mode), &event);
        assert_eq!(
            went.payload,
            r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","datacontenttype":"application/cloudevents-batch+json","data":[]}"#
        );
        let content_type = went.properties.content_type.as_deref();
        assert_eq!(content_type, Some("application/cloudevents+json"));
    }
    // Whoever wants the data alone gets it.
    let went = send(&config(Version::V5, Format::Auto, Some(Mode::Data)), &event);
    assert_eq!(went.payload, "[]");
}

#[test]
fn each_out_mapping_of_a_topic_sends_one_message_in_the_order_of_the_manifest() {
    let mapping = |filter, target, mode, qos, retain| {
        let mut mapping = OutMapping::new(filter, target).unwrap();
        (mapping.mode, mapping.qos, mapping.retain) = (mode, qos, retain);
        mapping
    };
    let config = config(Version::V5, Format::Auto, None).with_mappings(
        vec![],
        vec![
            mapping("a/+", "one/$1", Some(Mode::Data), Qos::AtMostOnce, true),
            mapping("b", "never", None, Qos::AtMostOnce, true),
            mapping("#", "two/$#", None, Qos::ExactlyOnce, false),
            mapping(
                "a/b",
                "three",
                Some(Mode::Structured),
                Qos::AtLeastOnce,
                true,
            ),
            mapping("a/b", "three", Some(Mode::Data), Qos::AtLeastOnce, false),
        ],
    );
    let event = minimal().data("x").build().unwrap();
    let went = config.outward(&Topic::parse("a/b").unwrap(), &event);
    let went: Vec<_> = went
        .unwrap()
        .into_iter()
        .map(|m| (m.topic, m.qos.level(), m.retain, m.payload == "x"))
        .collect();
    let expected = [
        ("one/b", 0, true, true),
        ("two/a/b", 2, false, true),
        ("three", 1, true, false),
        ("three", 1, false, true),
    ];
    let expected = expected.map(|(topic, qos, retain, data)| (topic.to_owned(), qos, retain, data));
    assert_eq!(went, expected);
}

#[test]
fn an_event_that_leads_nowhere_or_to_no_topic_is_unsendable_whole() {
    let event = minimal().build().unwrap();
    let out = |filter, target| OutMapping::new(filter, target).unwrap();
    for (mappings, topic, why) in [
        (vec![], "a", r#"no out mapping takes topic "a""#),
        (
            vec![out("b/#", "x")],
            "a",
            r#"no out mapping takes topic "a""#,
        ),
        (
            vec![out("#", "x")],
            "$a",
            r#"no out mapping takes topic "$a""#,
        ),
        // The first would have been good.
        (
            vec![out("#", "x"), out("a/+", "$1/x")],
            "a/$SYS",
            r#"MQTT topic "$SYS/x" begins with "$", which topics of the broker do"#,
        ),
        (
            vec![out("#", "x"), out("a/#", "$#")],
            "a",
            r#"topic is empty; give it at least one level, such as "sensors/kitchen""#,
        ),
        (
            vec![out("a/+", "$1")],
            "a/",
            r#"topic is empty; give it at least one level, such as "sensors/kitchen""#,
        ),
    ] {
        let config = config(Version::V5, Format::Auto, None).with_mappings(vec![], mappings);
        let error = config.outward(&Topic::parse(topic).unwrap(), &event);
        assert_eq!(error.unwrap_err().to_string(), why);
    }
    let long = format!("a/{}", "x".repeat(65_530));
    let config =
        config(Version::V5, Format::Auto, None).with_mappings(vec![], vec![out("a/+", "$1/$1")]);
    let error = config.outward(&Topic::parse(&long).unwrap(), &event);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("has 131061 bytes, and 65535 are allowed"),
        "{error}"
    );
}
