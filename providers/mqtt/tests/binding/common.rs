//! One provider, and messages by hand.

use whirlwind_event::{Event, EventBuilder, Topic};
use whirlwind_provider_mqtt::{
    Config, Format, InMapping, Malformed, Message, Mode, OutMapping, Properties, Version,
};

/// A provider named `house` that takes everything in below `in` and sends everything below `out`.
pub(crate) fn config(version: Version, format: Format, mode: Option<Mode>) -> Config {
    let mut inward = InMapping::new("#", "in/$#").unwrap();
    inward.format = format;
    let mut outward = OutMapping::new("#", "out/$#").unwrap();
    outward.mode = mode;
    let mut config = Config::new("house", "mqtt://localhost", "c")
        .unwrap()
        .with_mappings(vec![inward], vec![outward]);
    config.version = version;
    config
}

/// The one message that an event becomes.
pub(crate) fn send(config: &Config, event: &Event) -> Message {
    let topic = Topic::parse("a/b").unwrap();
    let mut messages = config.outward(&topic, event).unwrap();
    assert_eq!(messages.len(), 1);
    let message = messages.remove(0);
    assert_eq!(message.topic, "out/a/b");
    message
}

pub(crate) fn receive(config: &Config, message: Message) -> Result<Event, Malformed> {
    let (topic, event, _) = config.inward(message)?;
    assert!(topic.as_str().starts_with("in/"), "{topic}");
    Ok(event)
}

pub(crate) fn message(
    content_type: Option<&str>,
    user: &[(&str, &str)],
    payload: impl AsRef<[u8]>,
) -> Message {
    let user = user.iter();
    Message {
        topic: "t".into(),
        payload: payload.as_ref().to_vec().into(),
        properties: Properties {
            content_type: content_type.map(str::to_owned),
            user: user.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        },
        ..Message::default()
    }
}

/// An event with nothing but what it must have.
pub(crate) fn minimal() -> EventBuilder {
    EventBuilder::new().id("1").source("/a").ty("t")
}

/// The user properties by which a message is known to be that event.
pub(crate) const MINIMAL: [(&str, &str); 4] = [
    ("specversion", "1.0"),
    ("id", "1"),
    ("source", "/a"),
    ("type", "t"),
];

/// The same as a document, to be continued.
pub(crate) const DOCUMENT: &str = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t""#;
