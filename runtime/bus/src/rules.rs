//! What holds for single topics.

use whirlwind_event::{FilterTree, Topic, TopicFilter};

use crate::{Keep, SeenWindow};

/// The size limit of an event where no rule names another: large enough for a picture, small against a mailbox's 16 MiB.
pub const DEFAULT_MAX_EVENT: usize = 1024 * 1024;

/// What a manifest says of the topics that match a filter.
#[derive(Clone, Debug, Default)]
pub struct TopicRule {
    /// The largest event accepted, in bytes of [`Event::size`](whirlwind_event::Event::size).
    pub max_event: Option<usize>,
    /// Where dead letters are published besides being kept.
    pub dead_letter: Option<Topic>,
    /// Whether what is accepted is on the disk before its publisher hears so.
    pub durable: Option<bool>,
    /// How much may wait for one subscriber on a durable topic.
    pub keep: Option<Keep>,
    /// How far back a durable topic knows events that come again: they are not handled twice. Of a subscriber to several such topics
    /// all is remembered for as long as the widest of all windows says.
    pub dedup: Option<SeenWindow>,
}

/// All rules, looked up by topic. Where several match, the first that says something (in the order they were given) holds.
#[derive(Debug, Default)]
pub struct TopicRules {
    tree: FilterTree<(usize, TopicRule)>,
    /// The filters of those that make topics durable.
    durable: Vec<TopicFilter>,
    /// The filters of those that know what comes again.
    dedup: Vec<TopicFilter>,
    /// The widest window of those that events are known in.
    widest: Option<SeenWindow>,
}

impl TopicRules {
    /// The rules, the most specific first.
    pub fn new(rules: impl IntoIterator<Item = (TopicFilter, TopicRule)>) -> Self {
        let (mut tree, mut durable, mut dedup) = (FilterTree::new(), Vec::new(), Vec::new());
        let mut widest: Option<SeenWindow> = None;
        for (place, (filter, rule)) in rules.into_iter().enumerate() {
            if rule.durable == Some(true) {
                durable.push(filter.clone());
            }
            if let Some(window) = rule.dedup {
                dedup.push(filter.clone());
                let before = widest.unwrap_or(window);
                widest = Some(SeenWindow {
                    count: before.count.max(window.count),
                    age: before.age.max(window.age),
                });
            }
            tree.insert(&filter, (place, rule));
        }
        Self {
            tree,
            durable,
            dedup,
            widest,
        }
    }

    /// Whether `topic` is durable.
    pub fn is_durable(&self, topic: &Topic) -> bool {
        !self.durable.is_empty() && self.first(topic, |rule| rule.durable) == Some(true)
    }

    /// Whether a topic that matches `filter` may be durable.
    pub fn may_be_durable(&self, filter: &TopicFilter) -> bool {
        self.durable.iter().any(|durable| durable.overlaps(filter))
    }

    /// How much may wait for one subscriber, where `topic` is durable.
    pub fn keep(&self, topic: &Topic) -> Keep {
        self.first(topic, |rule| rule.keep).unwrap_or_default()
    }

    /// How far back events that come again on `topic` are known, if they are.
    pub fn dedup(&self, topic: &Topic) -> Option<SeenWindow> {
        self.widest?;
        self.first(topic, |rule| rule.dedup)
    }

    /// Whether a topic that matches `filter` may know events that come again.
    pub(crate) fn may_know(&self, filter: &TopicFilter) -> bool {
        self.dedup.iter().any(|dedup| dedup.overlaps(filter))
    }

    /// The widest window of all topics.
    pub(crate) fn widest(&self) -> Option<&SeenWindow> {
        self.widest.as_ref()
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
        if !self.tree.is_empty() {
            self.tree.for_each(topic, |(place, rule)| {
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
