//! Dead letters outside the bus: as JSON, for the control API and the dead-letter file.

pub(crate) mod file;

pub use file::{Contents, DAMAGED, Damage, FILE, read};

use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use whirlwind_bus::{self as bus, Reason};
use whirlwind_event::{Event, Topic, json};

/// The highest id there may be: what a JSON number holds exactly for everybody who reads it.
const MAX_ID: u64 = (1 << 53) - 1;

/// A dead letter, as `GET /v1/dead` and the file have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Counted per node, from 1.
    pub id: u64,
    /// The topic it was published on.
    pub topic: String,
    /// Who could not handle it.
    pub actor: String,
    /// Why it is here, as a word.
    pub reason: String,
    /// Which attempt it had come to, counted from 1.
    pub attempts: u32,
    /// The last failure in words, with the text and backtrace of a trap.
    pub error: String,
    /// When it was recorded, in RFC 3339.
    pub at: String,
    /// The event: a structured CloudEvent.
    #[serde(serialize_with = "write_event", deserialize_with = "read_event")]
    pub event: Arc<Event>,
}

impl From<bus::DeadLetter> for DeadLetter {
    fn from(letter: bus::DeadLetter) -> Self {
        Self {
            id: letter.id,
            topic: letter.topic.as_str().to_owned(),
            actor: letter.actor.to_string(),
            reason: letter.reason.to_string(),
            attempts: letter.attempts,
            error: letter.error,
            at: DateTime::<Utc>::from(letter.at).to_rfc3339_opts(SecondsFormat::Millis, true),
            event: letter.event,
        }
    }
}

impl TryFrom<DeadLetter> for bus::DeadLetter {
    type Error = String;

    /// What is no letter is said in words.
    fn try_from(letter: DeadLetter) -> Result<Self, String> {
        if !(1..=MAX_ID).contains(&letter.id) {
            return Err(format!("no letter has the id {}", letter.id));
        }
        let at = DateTime::parse_from_rfc3339(&letter.at);
        let at = at.map_err(|error| format!("`at` is no time in RFC 3339: {error}"))?;
        let reason: Reason = letter.reason.parse().map_err(said)?;
        Ok(Self {
            id: letter.id,
            topic: Topic::parse(&letter.topic).map_err(said)?,
            actor: letter.actor.into(),
            reason,
            attempts: letter.attempts,
            error: letter.error,
            at: SystemTime::from(at),
            event: letter.event,
            durable: false,
        })
    }
}

impl DeadLetter {
    /// It as a document on one line, without its end.
    pub fn to_line(&self) -> Vec<u8> {
        // Strings, numbers and an event: nothing of it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Says that there is no letter `id`, and which there are.
pub fn unknown(id: u64, there: &[u64]) -> String {
    /// Ranges that are named: more of them help nobody.
    const NAMED: usize = 8;
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for id in there {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*id) => *last = *id,
            _ => ranges.push((*id, *id)),
        }
    }
    let named = ranges
        .iter()
        .take(NAMED)
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        });
    let named: Vec<_> = named.collect();
    let more = match ranges.len() > NAMED {
        true => " and others",
        false => "",
    };
    match named.is_empty() {
        true => format!("there is no dead letter {id}; there are none"),
        false => format!(
            "there is no dead letter {id}; there are {}{more}",
            named.join(", ")
        ),
    }
}

fn said(error: impl ToString) -> String {
    error.to_string()
}

/// The event's own document, byte for byte: its JSON data keeps its numbers and escapes.
fn write_event<S: Serializer>(event: &Event, to: S) -> Result<S::Ok, S::Error> {
    let text = String::from_utf8(json::to_line(event)).map_err(serde::ser::Error::custom)?;
    let raw = RawValue::from_string(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(to)
}

fn read_event<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Event>, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    let event = json::from_slice(raw.get().as_bytes());
    event.map(Arc::new).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_id_is_answered_with_those_that_there_are() {
        assert_eq!(unknown(7, &[]), "there is no dead letter 7; there are none");
        assert_eq!(
            unknown(7, &[1, 2, 3, 5, 9, 10]),
            "there is no dead letter 7; there are 1 to 3, 5, 9 to 10"
        );
        let odd: Vec<u64> = (0..20).map(|n| 2 * n + 1).collect();
        assert!(unknown(2, &odd).ends_with("13, 15 and others"));
    }
}
