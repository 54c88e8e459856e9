//! Lifecycle events: what happens to the parts of a node, told on `$sys/<kind>/<name>/<what>`.
//!
//! Each is a CloudEvent of type `dev.whirlwind.<kind>.<what>` whose source is the app; `docs/control.md` has the list, with the
//! data of each. They wait for nobody: who has no room misses one and counts it as dropped. Nothing is built unless somebody
//! subscribes.
//!
//! No circle can come of them. What a lifecycle event itself comes to (a failed delivery of it, an event that ran out of hops) is
//! told only to those who look on, who cause nothing; and what one causes lies one turn further from its door, so that `max_hops`
//! ends a chain of news and failures as it ends any other.

mod data;
mod reports;

pub(crate) use data::{Crash, GaveUpData};
pub(crate) use reports::TreeReports;

use std::sync::{Arc, Weak};

use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;
use whirlwind_bus::{Audience, Bus, Notice, Reason};
use whirlwind_event::{EventBuilder, Topic};

use data::{
    ActorData, DeadLetteredData, DownData, DroppedData, RestartedData, StartedData, StoppedData,
    SupervisorData, UpData, first_line, short,
};

/// What tells the lifecycle events of a node.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    /// `/<app>`
    source: Arc<str>,
    /// Weak, as the bus itself is among those who have something to tell.
    bus: Weak<Bus>,
}

/// What a lifecycle event follows from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    /// Turns that lie behind it.
    hops: u32,
    audience: Audience,
}

impl Cause {
    /// No event.
    pub(crate) const NONE: Self = Self {
        hops: 0,
        audience: Audience::Everybody,
    };

    /// An event on `topic` with `hops` turns behind it.
    pub(crate) fn event(topic: &Topic, hops: u32) -> Self {
        Self {
            hops: hops.saturating_add(1),
            audience: match topic.is_system() {
                true => Audience::Observers,
                false => Audience::Everybody,
            },
        }
    }
}

impl Lifecycle {
    pub(crate) fn new(app: &str, bus: Weak<Bus>) -> Self {
        Self {
            source: format!("/{app}").into(),
            bus,
        }
    }

    /// One that nobody hears, where no node runs.
    pub(crate) fn unheard() -> Self {
        Self::new("", Weak::new())
    }

    pub(crate) fn actor_started(&self, actor: &str, instances: u32) {
        self.announce("actor", actor, "started", Cause::NONE, || StartedData {
            actor,
            instances,
        });
    }

    /// One instance of an actor ended badly.
    pub(crate) fn actor_crashed(&self, actor: &str, cause: Cause, crash: Crash<'_>) {
        self.announce("actor", actor, "crashed", cause, || ActorData {
            actor,
            data: crash,
        });
    }

    /// One instance is there again, or the whole actor.
    pub(crate) fn actor_restarted(&self, actor: &str, instance: Option<usize>, cause: Cause) {
        self.announce("actor", actor, "restarted", cause, || RestartedData {
            actor,
            instance,
        });
    }

    pub(crate) fn actor_stopped(&self, actor: &str, reason: &impl ToString) {
        self.announce("actor", actor, "stopped", Cause::NONE, || StoppedData {
            actor,
            reason: short(&reason.to_string()).to_owned(),
        });
    }

    pub(crate) fn actor_gave_up(&self, actor: &str, data: impl FnOnce() -> GaveUpData) {
        self.announce("actor", actor, "gave-up", Cause::NONE, || ActorData {
            actor,
            data: data(),
        });
    }

    pub(crate) fn supervisor_restarted(&self, supervisor: &str) {
        self.announce("supervisor", supervisor, "restarted", Cause::NONE, || {
            SupervisorData {
                supervisor,
                data: (),
            }
        });
    }

    pub(crate) fn supervisor_gave_up(&self, supervisor: &str, data: impl FnOnce() -> GaveUpData) {
        self.announce("supervisor", supervisor, "gave-up", Cause::NONE, || {
            SupervisorData {
                supervisor,
                data: data(),
            }
        });
    }

    pub(crate) fn provider_up(&self, provider: &str, notice: Option<&str>) {
        self.announce("provider", provider, "up", Cause::NONE, || UpData {
            provider,
            notice,
        });
    }

    pub(crate) fn provider_down(&self, provider: &str, reason: &str) {
        self.announce("provider", provider, "down", Cause::NONE, || DownData {
            provider,
            reason: short(reason),
        });
    }

    /// An event came to an end without being handled.
    pub(crate) fn notice(&self, notice: Notice<'_>) {
        match notice {
            Notice::DeadLettered { letter, hops } => {
                let mut cause = Cause::event(&letter.topic, hops);
                // What looped may have looped through a lifecycle event.
                if letter.reason == Reason::MaxHops {
                    cause.audience = Audience::Observers;
                }
                let actor = &*letter.actor;
                self.announce("event", actor, "dead-lettered", cause, || {
                    DeadLetteredData {
                        actor,
                        id: letter.id,
                        topic: letter.topic.as_str(),
                        event: letter.event.id(),
                        reason: letter.reason.as_str(),
                        attempts: letter.attempts,
                        error: short(first_line(&letter.error)),
                    }
                });
            }
            Notice::Dropped {
                actor,
                overflow,
                topic,
                event,
                hops,
            } => {
                let cause = Cause::event(topic, hops);
                self.announce("event", actor, "dropped", cause, || DroppedData {
                    actor,
                    policy: overflow.as_str(),
                    topic: topic.as_str(),
                    event: event.id(),
                    letter: None,
                });
            }
            Notice::PushedOut { letter, hops } => {
                let (actor, cause) = (&*letter.actor, Cause::event(&letter.topic, hops));
                self.announce("event", actor, "dropped", cause, || DroppedData {
                    actor,
                    policy: "full-dead-letters",
                    topic: letter.topic.as_str(),
                    event: letter.event.id(),
                    letter: Some(letter.id),
                });
            }
        }
    }

    fn announce<D: Serialize>(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        cause: Cause,
        data: impl FnOnce() -> D,
    ) {
        let bus = self.bus.upgrade();
        let Some(bus) = bus.filter(|bus| bus.is_system_heard()) else {
            return;
        };
        let Ok(topic) = Topic::parse(&format!("$sys/{kind}/{name}/{what}")) else {
            return; // every name of a manifest is a level of a topic
        };
        if !bus.is_heard(&topic) {
            return;
        }
        let event = EventBuilder::new()
            .id(Uuid::now_v7().to_string())
            .source(&*self.source)
            .ty(format!("dev.whirlwind.{kind}.{what}"))
            .time(Utc::now())
            .datacontenttype("application/json")
            .data(serde_json::to_vec(&data()).unwrap_or_default())
            .build();
        match event {
            Ok(event) => bus.announce(&topic, &Arc::new(event), cause.hops, cause.audience),
            Err(error) => tracing::error!("no event could be made for `{topic}`: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use whirlwind_bus::{
        Capacity, DeadLetterLimits, DeadLetters, MailboxSpec, Overflow, TopicRules,
    };
    use whirlwind_event::TopicFilter;

    use super::*;

    #[test]
    fn nothing_is_built_of_what_nobody_subscribes_to() {
        let letters = DeadLetters::new(DeadLetterLimits::default());
        let bus = Arc::new(Bus::new(TopicRules::default(), letters));
        let lifecycle = Lifecycle::new("app", Arc::downgrade(&bus));
        let (mailbox, inbox) = bus.mailbox(MailboxSpec {
            name: "watch".into(),
            capacity: Capacity::default(),
            overflow: Overflow::DropNewest,
            partition: None,
        });
        let built = Cell::new(0);
        let announce = || {
            lifecycle.announce("actor", "a", "crashed", Cause::NONE, || {
                built.set(built.get() + 1);
            });
        };
        announce();
        bus.observe(&TopicFilter::parse("#").unwrap(), &mailbox);
        announce();
        bus.observe(&TopicFilter::parse("$sys/provider/#").unwrap(), &mailbox);
        announce();
        assert_eq!((built.get(), inbox.stats().depth), (0, 0));
        bus.observe(&TopicFilter::parse("$sys/+/a/crashed").unwrap(), &mailbox);
        announce();
        assert_eq!((built.get(), inbox.stats().depth), (1, 1));
    }

    #[test]
    fn what_comes_of_news_is_told_only_to_those_who_look_on() {
        let news = Cause::event(&Topic::parse("$sys/actor/a/crashed").unwrap(), 3);
        assert_eq!((news.hops, news.audience), (4, Audience::Observers));
        let other = Cause::event(&Topic::parse("in").unwrap(), u32::MAX);
        assert_eq!(
            (other.hops, other.audience),
            (u32::MAX, Audience::Everybody)
        );
    }
}
