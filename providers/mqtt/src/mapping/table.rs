use whirlwind_event::{FilterTree, Topic};

use super::{InMapping, OutMapping};
use crate::Qos;

/// All mappings of a provider, in the order of its manifest.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    inward: Vec<InMapping>,
    outward: Vec<OutMapping>,
    /// Indices into the lists.
    by_mqtt: FilterTree<usize>,
    by_topic: FilterTree<usize>,
}

impl Mappings {
    /// Files them.
    pub fn new(inward: Vec<InMapping>, outward: Vec<OutMapping>) -> Self {
        let mut by_mqtt = FilterTree::new();
        for (index, mapping) in inward.iter().enumerate() {
            by_mqtt.insert(mapping.filter(), index);
        }
        let mut by_topic = FilterTree::new();
        for (index, mapping) in outward.iter().enumerate() {
            by_topic.insert(mapping.filter(), index);
        }
        Self {
            inward,
            outward,
            by_mqtt,
            by_topic,
        }
    }

    /// Those of messages that come in.
    pub fn inward(&self) -> &[InMapping] {
        &self.inward
    }

    /// Those of events that go out.
    pub fn outward(&self) -> &[OutMapping] {
        &self.outward
    }

    /// What to subscribe: each filter once, with the highest QoS that a mapping of it wants, but
    /// never 2. The client cannot keep exactly-once through a resumed session: it forgets which
    /// messages it has acknowledged halfway, and then refuses to finish them.
    pub fn subscriptions(&self) -> Vec<(String, Qos)> {
        let mut all: Vec<(String, Qos)> = Vec::new();
        for mapping in &self.inward {
            let qos = mapping.qos.min(Qos::AtLeastOnce);
            match all.iter_mut().find(|(f, _)| f == mapping.subscription()) {
                Some((_, highest)) => *highest = qos.max(*highest),
                None => all.push((mapping.subscription().to_owned(), qos)),
            }
        }
        all
    }

    /// The subscriptions that ask for QoS 2 and get 1, for telling so.
    pub fn lowered(&self) -> Vec<&str> {
        let asked = self.inward.iter().filter(|m| m.qos == Qos::ExactlyOnce);
        let mut all: Vec<&str> = asked.map(InMapping::subscription).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The mapping of a message on this MQTT topic, and the topic it goes to: the first in the
    /// manifest whose filter matches. (A broker may send a message once for each of its
    /// subscriptions that match; every copy goes the same way.)
    pub(crate) fn find_inward(&self, mqtt: &Topic) -> Option<(&InMapping, String)> {
        let mut first = usize::MAX;
        self.by_mqtt
            .for_each(mqtt, |index| first = first.min(*index));
        let mapping = self.inward.get(first)?;
        let target = mapping.template().fill(mapping.filter(), mqtt.as_str());
        Some((mapping, target))
    }

    /// The mappings of an event on this topic, in the order of the manifest, each with its MQTT
    /// topic.
    pub(crate) fn find_outward(&self, topic: &Topic) -> Vec<(&OutMapping, String)> {
        let mut found = Vec::new();
        self.by_topic.for_each(topic, |index| found.push(*index));
        found.sort_unstable();
        let mappings = found
            .into_iter()
            .filter_map(|index| self.outward.get(index));
        mappings
            .map(|m| (m, m.template().fill(m.filter(), topic.as_str())))
            .collect()
    }
}
