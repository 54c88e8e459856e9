use whirlwind_event::TopicFilter;

use super::MappingError;
use super::template::Template;
use crate::Qos;

/// How an event is put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The data is the payload, the attributes are properties. MQTT 5 only, and the default there.
    Binary,
    /// All of it is one JSON document. The default on 3.1.1.
    Structured,
    /// The data is the payload and the attributes stay here, for devices that know no CloudEvents.
    /// On MQTT 5 the content type goes along. No data is an empty payload, which with `retain`
    /// deletes what the broker kept.
    Data,
}

/// Topics of ours, and the MQTT topic their events go to.
#[derive(Clone, Debug)]
pub struct OutMapping {
    filter: TopicFilter,
    target: Template,
    /// How often a message arrives.
    pub qos: Qos,
    /// Whether the broker keeps the last one for later subscribers.
    pub retain: bool,
    /// How an event is put into a message; `None` is what the version of MQTT does best.
    pub mode: Option<Mode>,
}

impl OutMapping {
    /// Events on the topics that the filter `topic` matches go to the MQTT topic `target`, with
    /// QoS 1 and not retained.
    ///
    /// # Errors
    /// One of the two cannot be read, or the target has a place that the filter does not fill.
    pub fn new(topic: &str, target: &str) -> Result<Self, MappingError> {
        let filter = TopicFilter::parse(topic).map_err(MappingError::Filter)?;
        let target = Template::parse(target, &filter)?;
        Ok(Self {
            filter,
            target,
            qos: Qos::AtLeastOnce,
            retain: false,
            mode: None,
        })
    }

    /// The topics of ours.
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    /// The MQTT topic, as written.
    pub fn target(&self) -> &str {
        self.target.as_str()
    }

    pub(super) fn template(&self) -> &Template {
        &self.target
    }
}
