//! What an event gets that an actor accepted.

use std::fmt;

use whirlwind_provider_api::Acknowledge;
use whirlwind_provider_mqtt::{Format, InMapping, Qos};

use crate::app::{self, App, Backend};
use crate::manifest::{Overflow, TurnMode};

/// A promise, and why it is no more and no less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// An event may be dropped, and is counted then; one that is handled is not handled again unless an attempt failed.
    AtMostOnce,
    /// While the process lives every event is handled, or kept as a dead letter; a failed attempt is repeated, so a handler may
    /// see an event again.
    AtLeastOnce,
    /// Each event takes effect once, or is kept as a dead letter, whatever is killed: its end, the writes and the publishes of its turn
    /// are one commit. A handler may see an event again, but only if nothing of the turn before took effect.
    EffectivelyOnce,
}

impl Guarantee {
    /// What `actor` of `app` gives.
    pub fn of(actor: &app::Actor, app: &App) -> Self {
        match actor.mailbox.overflow {
            _ if less_than_once(actor, app).is_none() => Self::EffectivelyOnce,
            Overflow::DropOldest | Overflow::DropNewest => Self::AtMostOnce,
            Overflow::Reject | Overflow::DeadLetter => Self::AtLeastOnce,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
            Self::EffectivelyOnce => "effectively-once",
        }
    }

    /// Why, in a sentence, for `actor` of `app`.
    pub fn why(self, actor: &app::Actor, app: &App) -> String {
        let begins = match self {
            Self::EffectivelyOnce => {
                let why = "its topics are durable, and its writes and publishes are committed together with the end of each event";
                return format!("{why}{}", sent_again(actor, app).unwrap_or_default());
            }
            Self::AtMostOnce => "its mailbox drops events when it is full; those are counted",
            Self::AtLeastOnce => "failed attempts are repeated, then kept as dead letters",
        };
        let mut why = begins.to_owned();
        match (self, acknowledged(actor, app).as_slice()) {
            (_, []) => why += ", and events in mailboxes are lost when the process is killed",
            (Self::AtMostOnce, _) => why += ", and acknowledged as if they were handled",
            (_, providers) => {
                why += &format!(
                    "; what comes from {} is acknowledged there after it has come to its end, so a killed process loses none of it; other events in mailboxes are lost then",
                    providers.join(" and ")
                );
            }
        }
        let hears_durable = actor.subscribe.iter().any(|f| app.may_be_durable(f));
        if hears_durable && let Some(less) = less_than_once(actor, app) {
            why += &format!(
                ", but for those on durable topics; these are not effectively-once, since {less}"
            );
        }
        why
    }
}

/// Why `actor` is not effectively-once, if it is not.
fn less_than_once(actor: &app::Actor, app: &App) -> Option<String> {
    if actor.subscribe.is_empty() {
        return Some("it subscribes to nothing".to_owned());
    }
    if let Some(filter) = actor.subscribe.iter().find(|f| !app.is_all_durable(f)) {
        return Some(format!("not all topics of `{filter}` are durable"));
    }
    if actor.turn == TurnMode::Immediate {
        return Some("its writes take effect at once (`turn = \"immediate\"`)".to_owned());
    }
    let elsewhere = actor.keyvalue.values().find(|link| {
        let provider = app.providers.get(&link.provider);
        !provider.is_some_and(|provider| matches!(provider.kind, Backend::Store))
    });
    if let Some(link) = elsewhere {
        return Some(format!(
            "provider `{}` is not the node's store, and cannot commit with it",
            link.provider
        ));
    }
    let published = actor.publish.iter().find(|f| !app.is_all_durable(f));
    published
        .map(|filter| format!("it may publish on `{filter}`, of which not all topics are durable"))
}

/// What becomes of a message that a broker sends again, for an actor whose topics are durable: it is known by its id, where it has
/// one and its topic remembers. `None`: none comes from a broker.
fn sent_again(actor: &app::Actor, app: &App) -> Option<String> {
    let mut known = Vec::new();
    for provider in app.providers.values() {
        let Backend::Mqtt(settings) = &provider.kind else {
            continue;
        };
        let name = &provider.name;
        for mapping in settings.config.mappings.inward() {
            let filters = actor.subscribe.iter();
            let mut hearing = filters.filter(|own| mapping.may_reach(own)).peekable();
            if mapping.qos == Qos::AtMostOnce || hearing.peek().is_none() {
                continue;
            }
            let filter = mapping.subscription();
            let less = match hearing.find(|own| !app.is_all_remembered(own)) {
                Some(own) => format!("`{own}` has no `dedup`"),
                None if mapping.id().is_none() && mapping.format != Format::Cloudevents => {
                    "its `in` names no `id` for plain ones".to_owned()
                }
                None => {
                    known.push(name.as_str());
                    continue;
                }
            };
            return Some(format!(
                "; but a message of `{filter}` that {name} sends again is another event, since {less}"
            ));
        }
    }
    known.dedup();
    let from = (!known.is_empty()).then(|| known.join(" and "))?;
    Some(format!(
        "; what comes from {from} again is known by its id, as long as `dedup` remembers"
    ))
}

/// The providers from which `actor` gets messages that are acknowledged after they have come to their end.
fn acknowledged<'a>(actor: &app::Actor, app: &'a App) -> Vec<&'a str> {
    let hears = |mapping: &InMapping| {
        let later = mapping.qos != Qos::AtMostOnce && mapping.acknowledge == Acknowledge::Tree;
        later && actor.subscribe.iter().any(|own| mapping.may_reach(own))
    };
    let providers = app.providers.values().filter_map(|provider| {
        let Backend::Mqtt(settings) = &provider.kind else {
            return None;
        };
        let mut inward = settings.config.mappings.inward().iter();
        inward.any(hears).then_some(provider.name.as_str())
    });
    providers.collect()
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Variables;
    use crate::manifest::Manifest;

    #[test]
    fn why_says_what_a_killed_process_loses_of_what_came_by_mqtt() {
        let manifest: Manifest = r#"
            manifest = 1
            [actor.early]
            component = "a.wasm"
            subscribe = ["early/#"]
            [actor.late]
            component = "a.wasm"
            subscribe = ["late/#"]
            [actor.lossy]
            component = "a.wasm"
            subscribe = ["late/#"]
            mailbox   = { overflow = "drop-oldest" }
            [provider.broker]
            type = "mqtt"
            url  = "mqtt://localhost"
            in   = [
                { mqtt = "early/#", topic = "early/$#", ack = "accepted" },
                { mqtt = "late/+",  topic = "late/$1" },
                { mqtt = "never",   topic = "early/never", qos = 0 },
            ]
        "#
        .parse()
        .unwrap();
        let folder = std::path::Path::new("/srv/house");
        let app = App::from_manifest(&manifest, folder, &Variables::none()).unwrap();
        let why = |name: &str| {
            let actor = &app.actors[name];
            Guarantee::of(actor, &app).why(actor, &app)
        };
        let from = "what comes from broker is acknowledged there after";
        assert!(why("late").contains(from), "{}", why("late"));
        assert!(!why("early").contains(from), "{}", why("early"));
        assert!(
            why("lossy").contains("acknowledged as if"),
            "{}",
            why("lossy")
        );
    }

    #[test]
    fn why_says_whether_a_message_that_comes_again_is_known() {
        let why = |topics: &str, mappings: &str| {
            let manifest: Manifest = format!(
                r#"
                manifest = 1
                [actor.a]
                component = "a.wasm"
                subscribe = ["in/+"]
                {topics}
                [provider.broker]
                type = "mqtt"
                url  = "mqtt://localhost"
                in   = [{mappings}]
                "#
            )
            .parse()
            .unwrap();
            let folder = std::path::Path::new("/srv/house");
            let app = App::from_manifest(&manifest, folder, &Variables::none()).unwrap();
            let actor = &app.actors["a"];
            let guarantee = Guarantee::of(actor, &app);
            assert_eq!(guarantee, Guarantee::EffectivelyOnce);
            let why = guarantee.why(actor, &app);
            let (_, again) = why.split_once("the end of each event").unwrap();
            again.to_owned()
        };
        let durable = "[topic.\"in/+\"]\ndurable = true\n";
        let remembered = format!("{durable}dedup = {{}}\n");
        let plain = r#"{ mqtt = "dev/+", topic = "in/$1" }"#;
        let with_id = r#"{ mqtt = "dev/+", topic = "in/$1", id = { field = "/id" } }"#;
        let events = r#"{ mqtt = "dev/+", topic = "in/$1", format = "cloudevents" }"#;
        let never_again = r#"{ mqtt = "dev/+", topic = "in/$1", qos = 0 }"#;
        let elsewhere = r#"{ mqtt = "dev/+", topic = "other/$1" }"#;

        let begins = "; but a message of `dev/+` that broker sends again is another event, since ";
        let forgotten = format!("{begins}`in/+` has no `dedup`");
        let nameless = format!("{begins}its `in` names no `id` for plain ones");
        let known =
            "; what comes from broker again is known by its id, as long as `dedup` remembers";
        for (topics, mappings, again) in [
            (durable, plain, &*forgotten),
            (durable, with_id, &*forgotten),
            (durable, events, &*forgotten),
            (&*remembered, plain, &*nameless),
            (&*remembered, &*format!("{with_id}, {plain}"), &*nameless),
            (&*remembered, with_id, known),
            (&*remembered, &*format!("{with_id}, {events}"), known),
            (&*remembered, never_again, ""),
            (durable, elsewhere, ""),
        ] {
            assert_eq!(why(topics, mappings), again, "{topics}{mappings}");
        }
    }
}
