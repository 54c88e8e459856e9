//! What is written after a flag, and how it is read.

use std::time::Duration;

use whirlwind::manifest::{ByteSize, TimeSpan};
use whirlwind_event::Topic;

/// The least data of an event of `bench`: its number takes so much.
const SMALLEST: usize = crate::verbs::STAMP;

/// The most: a window of 512 of them is 1 GiB on its way.
const LARGEST: usize = 1024 * 1024;

/// A bucket by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) provider: String,
    pub(crate) name: String,
}

/// What `up --pub` publishes.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) topic: Topic,
    pub(crate) data: String,
}

/// How many instances an actor is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scaling {
    pub(crate) actor: String,
    pub(crate) instances: u32,
}

/// Events a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) f64);

impl Rate {
    /// When the event with this number, from 0, is due after the start. Reckoned from the start and not from the event before,
    /// so that no error adds up.
    pub(crate) fn time_of(self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.0)
    }

    /// How many events are due before this time after the start is over.
    pub(crate) fn due_within(self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.0).ceil() as u64
    }
}

pub(super) fn pair(text: &str, shape: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("write {shape}")),
    }
}

pub(super) fn scaling(text: &str) -> Result<Scaling, String> {
    let (actor, instances) = pair(text, "ACTOR=N, such as pingpong=4")?;
    match instances.parse() {
        Ok(0) => Err("an actor has at least 1 instance".to_owned()),
        Ok(instances) => Ok(Scaling { actor, instances }),
        Err(_) => Err(format!("`{instances}` is no number of instances")),
    }
}

pub(super) fn extension(text: &str) -> Result<(String, String), String> {
    pair(text, "NAME=VALUE")
}

/// A topic that a person may publish to.
pub(super) fn open_topic(text: &str) -> Result<Topic, String> {
    let topic = Topic::parse(text).map_err(|error| error.to_string())?;
    if topic.is_system() {
        return Err("topics that begin with `$` are the node's own; publish to another".to_owned());
    }
    Ok(topic)
}

pub(super) fn publication(text: &str) -> Result<Publication, String> {
    let (topic, data) = text
        .split_once('=')
        .ok_or("write TOPIC=DATA, such as ping=hello")?;
    Ok(Publication {
        topic: open_topic(topic)?,
        data: data.to_owned(),
    })
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    let span: TimeSpan = text
        .parse()
        .map_err(|error| format!("{error}; write a time such as 500ms, 10s or 5m"))?;
    Ok(span.0)
}

/// The size of an event's data.
pub(super) fn payload(text: &str) -> Result<usize, String> {
    let ByteSize(bytes) = text
        .parse()
        .map_err(|error| format!("{error}; write a size such as 100B or 4KiB"))?;
    match usize::try_from(bytes) {
        Ok(size) if (SMALLEST..=LARGEST).contains(&size) => Ok(size),
        _ => Err(format!(
            "a size is between {SMALLEST}B, which the number takes, and {}",
            ByteSize(LARGEST as u64)
        )),
    }
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let number = text
        .strip_suffix("/s")
        .and_then(|number| number.parse::<f64>().ok());
    match number {
        // A million a second is past what one connection does, and its pause is still a whole microsecond.
        Some(number) if (0.001..=1e6).contains(&number) => Ok(Rate(number)),
        Some(_) => Err("a rate is between 0.001/s and 1000000/s".to_owned()),
        None => Err("write events a second, such as 100/s".to_owned()),
    }
}

pub(super) fn bucket(text: &str) -> Result<Bucket, String> {
    let (provider, name) = text.split_once('/').unwrap_or((text, "default"));
    if provider.is_empty() || name.is_empty() {
        return Err("write PROVIDER, or PROVIDER/BUCKET".to_owned());
    }
    Ok(Bucket {
        provider: provider.to_owned(),
        name: name.to_owned(),
    })
}
