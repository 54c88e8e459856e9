//! Events and dead letters as the store has them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut};
use whirlwind_event::{Event, Topic, binary};

use crate::DeadLetter;

/// Part of the format: a record of another version is not read.
const VERSION: u8 = 1;

/// An event as it was accepted for a subscriber.
pub(crate) struct Record {
    pub(crate) topic: Topic,
    pub(crate) event: Event,
    pub(crate) hops: u32,
    /// When it was accepted, in milliseconds since 1970.
    pub(crate) at: u64,
}

/// Bytes that are no record, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

impl Unreadable {
    fn short() -> Self {
        Self("it is too short".to_owned())
    }
}

/// Milliseconds since 1970; of a clock before that, none.
pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// An event that is accepted now.
pub(crate) fn of_event(topic: &Topic, event: &Event, hops: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(event.size() + topic.as_str().len() + 64);
    bytes.put_u8(VERSION);
    bytes.put_u32(hops);
    bytes.put_u64(millis(SystemTime::now()));
    put_text(&mut bytes, topic.as_str());
    binary::encode(event, &mut bytes);
    bytes
}

pub(crate) fn event(mut from: &[u8]) -> Result<Record, Unreadable> {
    version(&mut from)?;
    let hops = from.try_get_u32().map_err(|_| Unreadable::short())?;
    let at = from.try_get_u64().map_err(|_| Unreadable::short())?;
    Ok(Record {
        topic: topic(&mut from)?,
        hops,
        at,
        event: rest(from)?,
    })
}

pub(crate) fn of_letter(letter: &DeadLetter) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(letter.event.size() + letter.error.len() + 128);
    bytes.put_u8(VERSION);
    bytes.put_u32(letter.attempts);
    bytes.put_u64(millis(letter.at));
    for text in [
        letter.topic.as_str(),
        &letter.actor,
        letter.reason.as_str(),
        &letter.error,
    ] {
        put_text(&mut bytes, text);
    }
    binary::encode(&letter.event, &mut bytes);
    bytes
}

pub(crate) fn letter(id: u64, mut from: &[u8]) -> Result<DeadLetter, Unreadable> {
    version(&mut from)?;
    let attempts = from.try_get_u32().map_err(|_| Unreadable::short())?;
    let at = from.try_get_u64().map_err(|_| Unreadable::short())?;
    let topic = topic(&mut from)?;
    let actor = Arc::from(text(&mut from)?);
    let reason = text(&mut from)?.parse().map_err(said)?;
    let error = text(&mut from)?.to_owned();
    Ok(DeadLetter {
        id,
        topic,
        actor,
        reason,
        attempts,
        error,
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(at),
        event: Arc::new(rest(from)?),
        durable: true,
    })
}

fn version(from: &mut &[u8]) -> Result<(), Unreadable> {
    match from.try_get_u8() {
        Ok(VERSION) => Ok(()),
        Ok(other) => Err(Unreadable(format!(
            "it is of version {other}, and this program reads {VERSION}"
        ))),
        Err(_) => Err(Unreadable::short()),
    }
}

/// Texts here are topics, names and causes, each far below 4 GiB.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    bytes.put_slice(text.as_bytes());
}

fn text<'a>(from: &mut &'a [u8]) -> Result<&'a str, Unreadable> {
    let length = from.try_get_u32().map_err(|_| Unreadable::short())? as usize;
    let (text, rest) = from
        .split_at_checked(length)
        .ok_or_else(Unreadable::short)?;
    *from = rest;
    std::str::from_utf8(text).map_err(said)
}

fn topic(from: &mut &[u8]) -> Result<Topic, Unreadable> {
    Topic::parse(text(from)?).map_err(said)
}

fn rest(from: &[u8]) -> Result<Event, Unreadable> {
    binary::decode(from).map_err(said)
}

fn said(error: impl ToString) -> Unreadable {
    Unreadable(error.to_string())
}
