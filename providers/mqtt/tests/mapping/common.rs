//! Mappings as a provider uses them.

use whirlwind_event::{Event, EventBuilder, Topic};
use whirlwind_provider_mqtt::{Config, InMapping, Message, OutMapping};

pub(crate) fn config(inward: &[(&str, &str)], outward: &[(&str, &str)]) -> Config {
    let inward = inward.iter();
    let inward = inward.map(|(mqtt, target)| InMapping::new(mqtt, target).unwrap());
    let outward = outward.iter();
    let outward = outward.map(|(topic, target)| OutMapping::new(topic, target).unwrap());
    Config::new("p", "mqtt://localhost", "c")
        .unwrap()
        .with_mappings(inward.collect(), outward.collect())
}

/// Where a message goes, or why it goes nowhere.
pub(crate) fn inward(config: &Config, topic: &str) -> Result<String, String> {
    let message = Message {
        topic: topic.into(),
        ..Message::default()
    };
    match config.inward(message) {
        Ok((topic, _, _)) => Ok(topic.as_str().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Where an event goes, or why it goes nowhere.
pub(crate) fn outward(config: &Config, topic: &str) -> Result<Vec<String>, String> {
    let topic = Topic::parse(topic).unwrap();
    match config.outward(&topic, &event()) {
        Ok(messages) => Ok(messages.into_iter().map(|m| m.topic).collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn event() -> Event {
    EventBuilder::new()
        .id("1")
        .source("/a")
        .ty("t")
        .build()
        .unwrap()
}
