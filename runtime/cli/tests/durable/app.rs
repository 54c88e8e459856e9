//! The apps whose events are counted.

use std::path::PathBuf;

use serde_json::json;
use whirlwind_tests::guest;

/// What an app does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts it, with a get and then a set, and publishes the count.
    Pingpong,
    /// Passes it on through three stages, of which the second traps.
    Pipeline,
}

/// One of them.
#[derive(Debug)]
pub struct App {
    pub kind: Kind,
    pub instances: u32,
    pub durable: bool,
    components: Vec<PathBuf>,
}

/// What may wait before the app. More is refused, and must not take effect; so turns are under way for as long as events come.
const KEEP: u32 = 1024;

impl App {
    /// None where its components cannot be built.
    pub fn new(kind: Kind, instances: u32, durable: bool) -> Option<Self> {
        let names: &[&str] = match kind {
            Kind::Pingpong => &["pingpong", "tally"],
            Kind::Pipeline => &["relay", "misbehave", "tally"],
        };
        let components = names.iter().map(|name| guest(name));
        Some(Self {
            kind,
            instances,
            durable,
            components: components.collect::<Option<_>>()?,
        })
    }

    pub fn name(&self) -> String {
        let Self {
            kind, instances, ..
        } = self;
        let topics = match self.durable {
            true => "",
            false => ", topics in memory",
        };
        format!("{kind:?} {instances}{topics}")
    }

    /// The actors.
    pub fn actors(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Pingpong => &["pingpong", "tally"],
            Kind::Pipeline => &["first", "second", "third", "tally"],
        }
    }

    /// Where events come in.
    pub fn topic(&self) -> &'static str {
        match self.kind {
            Kind::Pingpong => "ping",
            Kind::Pipeline => "in",
        }
    }

    /// The event of a number.
    pub fn event(&self, number: u64) -> Vec<u8> {
        let data = match self.kind {
            Kind::Pingpong => "ping".to_owned(),
            // It becomes a dead letter.
            Kind::Pipeline if number.is_multiple_of(64) => format!("panic {number}"),
            // It goes well at last, most of the time.
            Kind::Pipeline if number % 4 == 1 => format!("shaky {number}"),
            Kind::Pipeline => format!("plain {number}"),
        };
        let event = json!({
            "specversion": "1.0",
            "id": number.to_string(),
            "source": "/kills",
            "type": "test",
            "subject": "first",
            "datacontenttype": "text/plain",
            "data": data,
        });
        event.to_string().into_bytes()
    }

    pub fn manifest(&self) -> String {
        let Self {
            instances, durable, ..
        } = self;
        let topic = self.topic();
        let mut manifest = format!(
            r##"
            manifest = 1
            [app]
            name = "kills"
            [defaults]
            retry = {{ backoff = {{ min = "1ms", max = "10ms" }} }}
            [provider.store]
            type = "store"
            [topic."#"]
            durable = {durable}
            "##
        );
        if *durable {
            manifest += &format!("[topic.{topic}]\nkeep = {{ events = {KEEP} }}\n");
        }
        let mut actor = |name: &str, component: usize, rest: &str| {
            let component = &self.components[component];
            manifest += &format!(
                "[actor.{name}]\ncomponent = {component:?}\ninstances = {instances}\n{rest}\n"
            );
        };
        match self.kind {
            Kind::Pingpong => {
                actor(
                    "pingpong",
                    0,
                    r#"
                    subscribe = ["ping"]
                    publish   = ["pong"]
                    links     = { keyvalue = "store/counters" }
                    "#,
                );
                actor(
                    "tally",
                    1,
                    r#"
                    subscribe = ["ping", "pong"]
                    links     = { keyvalue = "store/tally" }
                    "#,
                );
            }
            Kind::Pipeline => {
                let stage = |from, to| format!("subscribe = [{from:?}]\npublish = [{to:?}]");
                actor("first", 0, &stage("in", "first"));
                actor("second", 1, &stage("first", "answers"));
                actor("third", 0, &stage("answers", "out"));
                actor(
                    "tally",
                    2,
                    r#"
                    subscribe = ["out"]
                    links     = { keyvalue = "store/tally" }
                    "#,
                );
            }
        }
        manifest
    }
}
