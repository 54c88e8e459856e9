//! What holds for single topics.

use whirlwind_event::{FilterTree, Topic, TopicFilter};

/// The size limit of an event where no rule names another: large enough for a picture, small against a mailbox's 16 MiB.
pub const DEFAULT_MAX_EVENT: usize = 1024 * 1024;

/// What a manifest says of the topics that match a filter.
#[derive(Clone, Debug, Default)]
pub struct TopicRule {
    /// The largest event accepted, in bytes of [`Event::size`](whirlwind_event::Event::size).
    pub max_event: Option<usize>,
    /// Where dead letters are published besides being kept.
    pub dead_letter: Option<Topic>,
}

/// All rules, looked up by topic. Where several match, the first that says something (in the order they were given) holds.
#[derive(Debug, Default)]
pub struct TopicRules(FilterTree<(usize, TopicRule)>);

impl TopicRules {
    /// The rules, the most specific first.
    pub fn new(rules: impl IntoIterator<Item = (TopicFilter, TopicRule)>) -> Self {
        let mut tree = FilterTree::new();
        for (place, (filter, rule)) in rules.into_iter().enumerate() {
            tree.insert(&filter, (place, rule));
        }
        Self(tree)
    }

    /// The largest event that `topic` takes, in bytes.
    pub fn max_event(&self, topic: &Topic) -> usize {
        self.first(topic, |rule| rule.max_event)
            .unwrap_or(DEFAULT_MAX_EVENT)
    }

    /// The topic that dead letters of `topic` are published on.
    pub fn dead_letter(&self, topic: &Topic) -> Option<Topic> {
        self.first(topic, |rule| rule.dead_letter.as_ref()).cloned()
    }

    fn first<'a, T>(
        &'a self,
        topic: &Topic,
        says: impl Fn(&'a TopicRule) -> Option<T>,
    ) -> Option<T> {
        let mut first: Option<(usize, T)> = None;
        if !self.0.is_empty() {
            self.0.for_each(topic, |(place, rule)| {
                if let Some(found) = says(rule)
                    && first.as_ref().is_none_or(|(best, _)| place < best)
                {
                    first = Some((*place, found));
                }
            });
        }
        first.map(|(_, found)| found)
    }
}
