//! Timers: when they tick, and what they publish then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use whirlwind_event::{EventBuilder, Topic};

use crate::control;
use crate::manifest::{At, ByteSize, Problems, Source, TimeSpan, TimerSection, quoted};

use super::check::Check;
use super::{App, Cron, tree};

/// The shortest `every`. Waits are a whole number of milliseconds, and a busy machine is late by a few of them: of a shorter time
/// that would be the larger part.
const LEAST: Duration = Duration::from_millis(10);

/// The type of an event where none is given.
const TYPE: &str = "dev.whirlwind.timer.tick";

/// What data is where nothing is said: it stands in the manifest as text.
const CONTENT_TYPE: &str = "text/plain";

/// A door that publishes by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Its name.
    pub name: String,
    /// Where it publishes.
    pub topic: Topic,
    /// When.
    pub when: When,
    /// The type of its events.
    pub ty: String,
    /// Their data and what it is; none: they have none.
    pub data: Option<(String, String)>,
}

/// When a timer ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Each time that this much has passed, by a clock that nobody sets; never zero.
    Every(Duration),
    /// At these times of the wall clock.
    Cron(Cron),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(every) => write!(f, "every {}", TimeSpan(*every)),
            Self::Cron(cron) => write!(f, "{cron} (UTC)"),
        }
    }
}

impl Check<'_, '_> {
    pub(super) fn timers(&mut self) -> BTreeMap<String, Timer> {
        let table = At::top("timer");
        let mut timers = BTreeMap::new();
        for (name, section) in &self.manifest.timer {
            let at = table.key(name);
            self.name(name, &at);
            self.own_name(name, &at);
            let (topic, when) = (self.timer_topic(section, &at), self.when(section, &at));
            let (ty, data) = (self.event_type(section, &at), self.data(section, &at));
            if let (Some(topic), Some(when)) = (topic, when) {
                let name = name.clone();
                let timer = Timer {
                    name: name.clone(),
                    topic,
                    when,
                    ty,
                    data,
                };
                timers.insert(name, timer);
            }
        }
        timers
    }

    /// `ps` and the tree list a timer beside all other parts.
    fn own_name(&mut self, name: &str, at: &At<'_>) {
        let manifest = self.manifest;
        let other = if manifest.actor.contains_key(name) {
            "an actor"
        } else if manifest.provider.contains_key(name) {
            "a provider"
        } else if manifest.supervisor.contains_key(name)
            || name == tree::ROOT
            || tree::FIXED.contains(&name)
        {
            "a supervisor"
        } else if name == control::NAME {
            "the door of the control API"
        } else {
            return;
        };
        let message = format!("{} is {other} already", quoted(name));
        self.key(at, message, "rename the timer");
    }

    fn timer_topic(&mut self, section: &TimerSection, at: &At<'_>) -> Option<Topic> {
        let at = at.key("topic");
        match Topic::parse(&section.topic) {
            Ok(topic) if topic.is_system() => {
                let message = "topics that begin with `$` are published by the node alone";
                let help = "write a topic whose first level does not begin with `$`";
                self.value(&at, message, help);
                None
            }
            Ok(topic) => Some(topic),
            Err(error) => {
                self.topic_fault(&error, &at);
                None
            }
        }
    }

    fn when(&mut self, section: &TimerSection, at: &At<'_>) -> Option<When> {
        match (section.every, &section.cron) {
            (Some(TimeSpan(every)), None) if every < LEAST => {
                let message = format!("`every` must be at least {}", TimeSpan(LEAST));
                self.value(&at.key("every"), message, "name a longer time");
                None
            }
            (Some(TimeSpan(every)), None) => Some(When::Every(every)),
            (None, Some(text)) => match Cron::parse(text) {
                Ok(cron) => Some(When::Cron(cron)),
                Err(fault) => {
                    let help = "write minute, hour, day of the month, month and day of the week: cron = \"*/5 * * * *\"";
                    self.value(&at.key("cron"), format!("`cron` {fault}"), help);
                    None
                }
            },
            (Some(_), Some(_)) => {
                let message = "a timer has `every` or `cron`, not both";
                self.key(&at.key("cron"), message, "take one of them out");
                None
            }
            (None, None) => {
                let help = "add every = \"1s\" or cron = \"*/5 * * * *\"";
                self.key(at, "the timer has neither `every` nor `cron`", help);
                None
            }
        }
    }

    fn event_type(&mut self, section: &TimerSection, at: &At<'_>) -> String {
        let ty = section.ty.as_deref().unwrap_or(TYPE);
        let event = EventBuilder::new().id("1").source("/").ty(ty).build();
        if let Err(error) = event {
            let help = format!("leave it out for `{TYPE}`");
            self.value(&at.key("type"), error.to_string(), help);
        }
        ty.to_owned()
    }

    fn data(&mut self, section: &TimerSection, at: &At<'_>) -> Option<(String, String)> {
        let content_type = section.content_type.as_deref();
        let Some(data) = &section.data else {
            if content_type.is_some() {
                let message = "`content_type` has no meaning without `data`";
                let help = "give `data` as well, or take it out";
                self.key(&at.key("content_type"), message, help);
            }
            return None;
        };
        let content_type = content_type.unwrap_or(CONTENT_TYPE);
        let event = EventBuilder::new().id("1").source("/").ty(TYPE);
        if let Err(error) = event.datacontenttype(content_type).build() {
            let help = format!("leave it out for `{CONTENT_TYPE}`");
            self.value(&at.key("content_type"), error.to_string(), help);
        }
        Some((data.clone(), content_type.to_owned()))
    }
}

/// Data that its topic does not take would be refused at every tick.
pub(super) fn sizes(app: &App, source: &Source<'_>, problems: &mut Problems) {
    /// What an event has beside its data, generously.
    const AROUND: u64 = 1024;
    for timer in app.timers.values() {
        let data = timer.data.as_ref().map_or(0, |(data, _)| data.len());
        let size = (data as u64).saturating_add(AROUND);
        let max = app.max_event(&timer.topic);
        if data > 0 && size > max {
            let table = At::top("timer");
            let at = table.key(&timer.name);
            let message = format!(
                "an event with this data may have {} bytes, and `{}` takes {}",
                size,
                timer.topic,
                ByteSize(max)
            );
            let help = "shorten it, or raise `max_event` of the topic";
            problems.push(source.value(&at.key("data")), message, help);
        }
    }
}
