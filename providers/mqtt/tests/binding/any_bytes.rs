//! Whatever a broker sends, it is an event or told not to be one.

use std::sync::LazyLock;

use proptest::prelude::*;
use whirlwind_provider_mqtt::{Config, Format, Message, Properties, Qos, Version};

use crate::common::{DOCUMENT, config};

fn any_name() -> impl Strategy<Value = String> {
    const NAMES: [&str; 15] = [
        "a",
        "b",
        "c",
        "d",
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "data",
        "mqtttopic",
        "ID",
    ];
    prop_oneof![
        4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    const VALUES: [&str; 7] = [
        "",
        "1.0",
        "/a",
        "t",
        "text/plain",
        "2026-01-31T12:00:00Z",
        "urn:a:b",
    ];
    prop_oneof![
        4 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn any_content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("application/cloudevents+json".to_owned()),
        "[Aa]pplication/cloud[eE]vents(\\+json|-batch\\+json|)( ?;.{0,5})?",
        any::<String>(),
    ]
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (0..=DOCUMENT.len(), any::<Vec<u8>>()).prop_map(|(cut, bytes)| {
        let mut document = DOCUMENT.as_bytes()[..cut].to_vec();
        document.extend(bytes);
        document
    });
    let continued = "(,\"[a-z_0-9]{1,6}\":[\"a-z0-9{}.\\[\\]]{0,6}){0,2}\\}?"
        .prop_map(|rest| format!("{DOCUMENT}{rest}").into_bytes());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        damaged,
        continued
    ]
}

pub(crate) fn any_message() -> impl Strategy<Value = Message> {
    let topic = prop_oneof![8 => "[a/ é]{1,6}", 1 => "[a$/+# é]{0,6}", 1 => any::<String>()];
    let begun = |values: Vec<String>| {
        let names = ["specversion", "id", "source", "type"];
        let names = names.into_iter().map(str::to_owned);
        names.zip(values).collect::<Vec<_>>()
    };
    let good = ["1.0", "1", "/a", "t"].map(str::to_owned).to_vec();
    let user = prop::collection::vec((any_name(), any_value()), 0..4);
    let begun = prop_oneof![
        1 => Just(Vec::new()),
        2 => Just(begun(good)),
        1 => prop::collection::vec(any_value(), 4).prop_map(begun),
    ];
    (
        (
            topic,
            any_payload(),
            prop::option::weighted(0.3, any_content_type()),
        ),
        (begun, user),
        (0..3_u8, any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |((topic, payload, content_type), (begun, more), (qos, retain, dup))| Message {
                topic,
                payload: payload.into(),
                qos: Qos::from_level(qos).unwrap(),
                retain,
                dup,
                properties: Properties {
                    content_type,
                    user: begun.into_iter().chain(more).collect(),
                },
            },
        )
}

static CONFIGS: LazyLock<[Config; 3]> = LazyLock::new(|| {
    [Format::Auto, Format::Cloudevents, Format::Plain]
        .map(|format| config(Version::V5, format, None))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]
    #[test]
    fn any_message_is_an_event_or_told_why_not(
        message in any_message(),
        format in 0..CONFIGS.len(),
    ) {
        let config = &CONFIGS[format];
        match config.inward(message.clone()) {
            Ok((topic, event, _)) => {
                prop_assert!(!topic.is_system());
                let mqtt_topic = event.extension("mqtttopic").map(ToString::to_string);
                prop_assert_eq!(mqtt_topic, Some(message.topic));
                // What came in can go on.
                config.outward(&topic, &event).unwrap();
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(text.starts_with("message on MQTT topic \""), "{}", text);
                prop_assert!(!text.contains(char::is_control), "{}", text);
            }
        }
    }
}
