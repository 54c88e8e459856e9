//! The data of lifecycle events: fields that others script against, as `docs/control.md` lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use whirlwind_supervision::{ExitReason, GaveUp};

use crate::actor::{Actor, Message};

/// Bytes of words in an event: enough to see the cause. The log and the dead letter have all of it.
const MAX_WORDS: usize = 1024;

/// How many ends, and how many messages, a supervisor that gave up names: the newest.
const MOST_NAMED: usize = 16;

#[derive(Serialize)]
pub(super) struct StartedData<'a> {
    pub(super) actor: &'a str,
    pub(super) instances: u32,
}

/// The bad end of one instance.
#[derive(Serialize)]
pub(crate) struct Crash<'a> {
    pub(crate) instance: Option<usize>,
    pub(crate) reason: &'a str,
    /// The event it had in hand, if any, and which delivery of it this was.
    pub(crate) event: Option<&'a str>,
    pub(crate) topic: Option<&'a str>,
    pub(crate) attempt: Option<u32>,
}

impl<'a> Crash<'a> {
    pub(crate) fn new(instance: Option<usize>, reason: &'a str) -> Self {
        Self {
            instance,
            reason: short(reason),
            event: None,
            topic: None,
            attempt: None,
        }
    }

    pub(crate) fn at(mut self, event: &'a str, topic: &'a str, attempt: u32) -> Self {
        (self.event, self.topic, self.attempt) = (Some(event), Some(topic), Some(attempt));
        self
    }
}

#[derive(Serialize)]
pub(super) struct RestartedData<'a> {
    pub(super) actor: &'a str,
    pub(super) instance: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct StoppedData<'a> {
    pub(super) actor: &'a str,
    pub(super) reason: String,
}

#[derive(Serialize)]
pub(super) struct ActorData<'a, D> {
    pub(super) actor: &'a str,
    #[serde(flatten)]
    pub(super) data: D,
}

#[derive(Serialize)]
pub(super) struct SupervisorData<'a, D> {
    pub(super) supervisor: &'a str,
    #[serde(flatten)]
    pub(super) data: D,
}

#[derive(Serialize)]
pub(super) struct UpData<'a> {
    pub(super) provider: &'a str,
    pub(super) notice: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct DownData<'a> {
    pub(super) provider: &'a str,
    pub(super) reason: &'a str,
}

#[derive(Serialize)]
pub(super) struct DeadLetteredData<'a> {
    pub(super) actor: &'a str,
    pub(super) id: u64,
    pub(super) topic: &'a str,
    pub(super) event: &'a str,
    pub(super) reason: &'a str,
    pub(super) attempts: u32,
    pub(super) error: &'a str,
}

#[derive(Serialize)]
pub(super) struct DroppedData<'a> {
    pub(super) actor: &'a str,
    pub(super) policy: &'a str,
    pub(super) topic: &'a str,
    pub(super) event: &'a str,
    pub(super) letter: Option<u64>,
}

/// What a supervisor, or an actor as one, says when it gives up.
#[derive(Serialize)]
pub(crate) struct GaveUpData {
    /// The child whose end was one too many.
    child: String,
    /// All of it in words.
    reason: String,
    max_restarts: u32,
    within_ms: u64,
    ends: usize,
    reasons: Vec<EndData>,
    messages: Vec<MessageData>,
}

#[derive(Serialize)]
struct EndData {
    child: String,
    reason: String,
}

#[derive(Serialize)]
struct MessageData {
    actor: String,
    event: String,
    topic: String,
}

impl GaveUpData {
    /// `actors` are all that may stand below it: their failed deliveries are the messages concerned.
    pub(crate) fn new(gave_up: &GaveUp, actors: &[&Arc<Actor>]) -> Self {
        let newest = gave_up.charges.len().saturating_sub(MOST_NAMED);
        let reasons = gave_up.charges.iter().skip(newest).map(|charge| EndData {
            child: charge.child.to_string(),
            reason: short(&charge.reason.to_string()).to_owned(),
        });
        let mut messages = Vec::new();
        for actor in actors {
            let concerned = actor.concerned(gave_up.intensity.within).into_iter();
            messages.extend(concerned.map(|Message { topic, event }| MessageData {
                actor: actor.name().to_string(),
                event: event.id().to_owned(),
                topic: topic.to_string(),
            }));
        }
        messages.truncate(MOST_NAMED);
        Self {
            child: gave_up.last().map_or_else(
                || gave_up.supervisor.to_string(),
                |last| last.child.to_string(),
            ),
            reason: short(&gave_up.to_string()).to_owned(),
            max_restarts: gave_up.intensity.max_restarts,
            within_ms: u64::try_from(gave_up.intensity.within.as_millis()).unwrap_or(u64::MAX),
            ends: gave_up.charges.len(),
            reasons: reasons.collect(),
            messages,
        }
    }
}

/// The actors whose ends were charged to a supervisor, or to one below it, each once.
pub(super) fn charged<'a>(
    gave_up: &GaveUp,
    actors: &'a BTreeMap<String, Arc<Actor>>,
) -> Vec<&'a Arc<Actor>> {
    let mut found: Vec<&Arc<Actor>> = Vec::new();
    let mut open = vec![gave_up];
    while let Some(gave_up) = open.pop() {
        for charge in &gave_up.charges {
            if let Some(actor) = actors.get(&*charge.child)
                && !found.iter().any(|known| Arc::ptr_eq(known, actor))
            {
                found.push(actor);
            }
            if let ExitReason::IntensityExceeded(below) = &charge.reason {
                open.push(below);
            }
        }
    }
    found
}

/// The beginning of a text.
pub(super) fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_WORDS))
        .unwrap_or(text)
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_between_characters() {
        let long = "ä".repeat(MAX_WORDS);
        assert_eq!(short(&long).chars().count(), MAX_WORDS / 2);
        assert_eq!(short("brief"), "brief");
        assert_eq!(short(&format!("a{long}")).len(), MAX_WORDS - 1);
        assert_eq!((first_line("one\ntwo"), first_line("")), ("one", ""));
    }
}
