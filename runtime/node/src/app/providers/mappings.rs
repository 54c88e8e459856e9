//! `in` and `out` of an MQTT provider.

use whirlwind_provider_api::Acknowledge;
use whirlwind_provider_mqtt::{
    self as mqtt, IdPlace, InMapping, MappingError, OutMapping, Qos, circles,
};

use crate::app::check::Check;
use crate::manifest::{Ack, At, Format, IdSection, InSection, Mode, OutSection, ProviderSection};

impl Check<'_, '_> {
    pub(super) fn mappings(
        &mut self,
        section: &ProviderSection,
        at: &At<'_>,
    ) -> (Vec<InMapping>, Vec<OutMapping>) {
        let (ins, outs) = (at.key("in"), at.key("out"));
        let inward: Vec<_> = section
            .inward
            .iter()
            .enumerate()
            .filter_map(|(index, section)| self.inward(section, &ins.index(index)))
            .collect();
        let outward: Vec<_> = section
            .outward
            .iter()
            .enumerate()
            .filter_map(|(index, section)| self.outward(section, &outs.index(index)))
            .collect();
        if inward.len() == section.inward.len() && outward.len() == section.outward.len() {
            for circle in circles(&inward, &outward) {
                self.value(
                    &outs.index(circle.outward),
                    format!(
                        "what goes out here comes in through entry {} of `in` and goes out again, without end",
                        circle.inward + 1
                    ),
                    "give one of the two another topic",
                );
            }
        }
        (inward, outward)
    }

    fn inward(&mut self, section: &InSection, at: &At<'_>) -> Option<InMapping> {
        let made = InMapping::new(&section.mqtt, &section.topic).and_then(|mapping| {
            let mapping = match &section.ty {
                None => mapping,
                Some(ty) => mapping.with_type(ty)?,
            };
            match &section.content_type {
                None => Ok(mapping),
                Some(media_type) => mapping.with_content_type(media_type),
            }
        });
        let mut mapping = self.mapping(made, at)?;
        if let Some(section) = &section.id {
            let place = self.id_place(section, &at.key("id"))?;
            mapping = mapping.with_id(place);
        }
        mapping.qos = self.qos(section.qos, at);
        mapping.acknowledge = match section.ack.unwrap_or_default() {
            Ack::Tree => Acknowledge::Tree,
            Ack::Accepted => Acknowledge::Accepted,
        };
        mapping.format = match section.format.unwrap_or_default() {
            Format::Auto => mqtt::Format::Auto,
            Format::Cloudevents => mqtt::Format::Cloudevents,
            Format::Plain => mqtt::Format::Plain,
        };
        Some(mapping)
    }

    fn id_place(&mut self, section: &IdSection, at: &At<'_>) -> Option<IdPlace> {
        match (&section.property, &section.field) {
            (Some(name), None) => self.mapping(IdPlace::property(name), &at.key("property")),
            (None, Some(pointer)) => self.mapping(IdPlace::field(pointer), &at.key("field")),
            (Some(_), Some(_)) => {
                let message = "an `id` has a `property` or a `field`, not both";
                self.key(&at.key("field"), message, "take one of them out");
                None
            }
            (None, None) => {
                let help = "add property = \"message-id\" or field = \"/meta/seq\"";
                self.key(at, "the `id` has neither `property` nor `field`", help);
                None
            }
        }
    }

    fn outward(&mut self, section: &OutSection, at: &At<'_>) -> Option<OutMapping> {
        let made = OutMapping::new(&section.topic, &section.mqtt);
        let mut mapping = self.mapping(made, at)?;
        mapping.qos = self.qos(section.qos, at);
        mapping.retain = section.retain;
        mapping.mode = section.mode.map(|mode| match mode {
            Mode::Binary => mqtt::Mode::Binary,
            Mode::Structured => mqtt::Mode::Structured,
            Mode::Data => mqtt::Mode::Data,
        });
        if section.topic.starts_with('$') {
            let help = "write a topic whose first level does not begin with `$`";
            self.value(
                &at.key("topic"),
                "topics that begin with `$` stay in the node",
                help,
            );
            return None;
        }
        Some(mapping)
    }

    fn mapping<T>(&mut self, made: Result<T, MappingError>, at: &At<'_>) -> Option<T> {
        made.map_err(|error| self.fault(at, &error.to_string()))
            .ok()
    }

    pub(super) fn qos(&mut self, level: Option<u8>, at: &At<'_>) -> Qos {
        match level.map(Qos::from_level) {
            None => Qos::AtLeastOnce,
            Some(Some(qos)) => qos,
            Some(None) => {
                let help = "0 at most once, 1 at least once, 2 exactly once";
                self.value(&at.key("qos"), "there is no such quality of service", help);
                Qos::AtLeastOnce
            }
        }
    }
}
