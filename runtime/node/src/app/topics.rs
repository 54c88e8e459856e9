//! Topics: what an actor subscribes to and publishes, and the rules for topics.

use std::collections::BTreeSet;

use std::time::Duration;

use whirlwind_bus::{Keep, Partition, SeenWindow};
use whirlwind_event::{MAX_EXTENSION_NAME_SIZE, Topic, TopicError, TopicFilter};

use crate::manifest::{At, KeepSection, TopicSection, quoted};

use super::TopicRule;
use super::check::Check;

impl Check<'_, '_> {
    /// The filters of `subscribe` or `publish`.
    pub(super) fn filters(&mut self, texts: &[String], at: &At<'_>) -> Vec<TopicFilter> {
        let publish = at.describe() == "publish";
        let mut seen = BTreeSet::new();
        let mut filters = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = at.index(index);
            if !seen.insert(text) {
                self.value(
                    &at,
                    format!("{} stands here twice", quoted(text)),
                    "list it once",
                );
                continue;
            }
            let filter = match TopicFilter::parse(text) {
                Ok(filter) => filter,
                Err(error) => {
                    self.topic_fault(&error, &at);
                    continue;
                }
            };
            let help = "write a topic whose first level does not begin with `$`";
            if publish && text.starts_with('$') {
                self.value(
                    &at,
                    "topics that begin with `$` are published by the node alone",
                    help,
                );
            } else if text.starts_with('$') && !is_lifecycle(text) {
                let help = "lifecycle events are on `$sys/#`; other topics do not begin with `$`";
                self.value(&at, "topics that begin with `$` are reserved", help);
            }
            filters.push(filter);
        }
        filters
    }

    pub(super) fn topic_fault(&mut self, error: &TopicError, at: &At<'_>) {
        let text = error.to_string();
        let (message, help) = text
            .split_once("; ")
            .unwrap_or((&text, "docs/manifest.md has the rules of topics"));
        self.value(at, message, help);
    }

    pub(super) fn topics(&mut self) -> Vec<TopicRule> {
        let table = At::top("topic");
        let mut rules = Vec::new();
        for (text, section) in &self.manifest.topic {
            let at = table.key(text);
            let dead_letter = self.dead_letter(section, &at);
            self.not_empty(section.max_event, &at.key("max_event"));
            let keep = self.keep(section, &at);
            let dedup = self.dedup(section, &at);
            if text.starts_with('$') {
                let help = "take it out: what the node publishes on `$sys/#` has no rules";
                self.key(&at, "topics that begin with `$` are reserved", help);
            }
            match TopicFilter::parse(text) {
                Ok(filter) => rules.push(TopicRule {
                    filter,
                    max_event: section.max_event.map(|size| size.0),
                    dead_letter,
                    durable: section.durable,
                    keep,
                    dedup,
                }),
                Err(error) => self.topic_fault(&error, &at),
            }
        }
        // Stable over names: rules of one form stay in the order of their text.
        rules.sort_by(|one, other| specific(&one.filter).cmp(specific(&other.filter)));
        rules
    }

    fn keep(&mut self, section: &TopicSection, at: &At<'_>) -> Option<Keep> {
        let given = &section.keep;
        if *given == KeepSection::default() {
            return None;
        }
        let at = at.key("keep");
        self.not_empty(given.bytes, &at.key("bytes"));
        if given.events == Some(0) {
            let help = "write at least 1, or leave it out";
            self.value(&at.key("events"), "nothing could ever be accepted", help);
        }
        if section.durable == Some(false) {
            let help = "take `keep` out, or write `durable = true`";
            self.key(&at, "it is about durable topics, and these are not", help);
        }
        let default = Keep::default();
        Some(Keep {
            events: given.events.map_or(default.events, |events| {
                usize::try_from(events).unwrap_or(usize::MAX)
            }),
            bytes: given.bytes.map_or(default.bytes, |bytes| bytes.0),
            age: given.age.map(|age| age.0),
        })
    }

    fn dedup(&mut self, section: &TopicSection, at: &At<'_>) -> Option<SeenWindow> {
        /// As many as come in an hour at 27 a second: 20 MiB on the disk.
        const COUNT: u64 = 100_000;
        const AGE: Duration = Duration::from_secs(3600);
        let given = section.dedup.as_ref()?;
        let at = at.key("dedup");
        if given.count == Some(0) {
            let help = "write at least 1, or leave `dedup` out";
            self.value(&at.key("count"), "nothing would be remembered", help);
        }
        if section.durable == Some(false) {
            let help = "take `dedup` out, or write `durable = true`";
            self.key(&at, "it is about durable topics, and these are not", help);
        }
        Some(SeenWindow {
            count: given.count.unwrap_or(COUNT),
            age: given.age.map_or(AGE, |age| age.0),
        })
    }

    /// What the order of an actor's events is kept by.
    pub(super) fn partition(&mut self, text: Option<&str>, at: &At<'_>) -> Option<Partition> {
        let name = text?;
        if name == "subject" {
            return Some(Partition::Subject);
        }
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (1..=MAX_EXTENSION_NAME_SIZE).contains(&name.len());
        if !is_name || !name.bytes().all(letters) {
            let help = "write `subject`, or an extension's name: lower-case letters and digits, at most 20";
            let problem = format!("{} is no attribute to keep an order by", quoted(name));
            self.value(at, problem, help);
            return None;
        }
        Some(Partition::Extension(name.into()))
    }

    fn dead_letter(&mut self, section: &TopicSection, at: &At<'_>) -> Option<Topic> {
        let text = section.dead_letter.as_ref()?;
        let at = at.key("dead_letter");
        match Topic::parse(text) {
            Ok(topic) if topic.is_system() => {
                let help = "write a topic whose first level does not begin with `$`";
                self.value(
                    &at,
                    "topics that begin with `$` are published by the node alone",
                    help,
                );
                None
            }
            Ok(topic) => Some(topic),
            Err(error) => {
                self.topic_fault(&error, &at);
                None
            }
        }
    }
}

/// The one family of `$`-topics that may be subscribed to.
fn is_lifecycle(filter: &str) -> bool {
    filter == "$sys" || filter.starts_with("$sys/")
}

/// Level by level: a name is more specific than `+`, which is more specific than `#`. Of all filters that match one
/// topic exactly one comes first.
fn specific(filter: &TopicFilter) -> impl Iterator<Item = u8> {
    filter.as_str().split('/').map(|level| match level {
        "+" => 1,
        "#" => 2,
        _ => 0,
    })
}
