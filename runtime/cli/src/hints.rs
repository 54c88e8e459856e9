//! Nearest known names, for topics that nobody subscribes to.

use whirlwind_event::{Topic, TopicFilter};

/// The filter that was probably meant by a topic, among those that actors subscribe to.
pub(crate) fn nearest<'f>(
    topic: &Topic,
    filters: impl IntoIterator<Item = &'f TopicFilter>,
) -> Option<&'f TopicFilter> {
    filters
        .into_iter()
        .map(|filter| {
            (
                strsim::osa_distance(topic.as_str(), filter.as_str()),
                filter,
            )
        })
        // One slip in a short name, a third of a long one.
        .filter(|(slips, _)| *slips <= (topic.as_str().chars().count() / 3).max(1))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_topic() {
        let filters: Vec<TopicFilter> = ["ping", "sensors/+/raw", "alarms"]
            .map(|text| text.parse().unwrap())
            .into();
        let near =
            |topic: &str| nearest(&topic.parse().unwrap(), &filters).map(TopicFilter::as_str);
        assert_eq!(near("pign"), Some("ping"));
        assert_eq!(near("alarm"), Some("alarms"));
        assert_eq!(near("sensors/a/rw"), Some("sensors/+/raw"));
        assert_eq!(near("weather"), None);
    }
}
