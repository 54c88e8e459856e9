//! A look into the store of a node that does not run, or into one that was set aside.
//!
//! All of it blocks.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;
use whirlwind_bus::Stored;
use whirlwind_event::json;
use whirlwind_provider_store::place;
use whirlwind_store::Space;

use crate::dead::DeadLetter;

/// The folder of the store, in the data directory.
pub const FOLDER: &str = crate::app::STORE;
pub use whirlwind_store::{
    CompactError, Compacted, Damage, Health, OpenError, check, compact, is_caught,
};

/// An entry of a store, as a line of JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line<'a> {
    Event {
        subscriber: &'a str,
        number: u64,
        topic: &'a str,
        event: Box<RawValue>,
    },
    DeadLetter {
        #[serde(flatten)]
        letter: DeadLetter,
    },
    Entry {
        bucket: &'a str,
        key: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
    },
    Unreadable {
        space: &'static str,
        error: String,
    },
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Whoever takes the lines does not.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Gives all that can be read of the store in `dir` to `write`, as lines of JSON without their ends: events that wait, dead letters,
/// entries of buckets. Answers how the store is: what is damaged may be missing. Changes nothing.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    dir: impl AsRef<Path>,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Health, ExportError> {
    let dir = dir.as_ref();
    let mut names = BTreeMap::new();
    whirlwind_store::export::<OpenError>(dir, |space, key, value| {
        if space == Space::Positions
            && let Ok(Some(Stored::Subscriber { number, name })) = Stored::read(space, key, value)
        {
            names.insert(number, name);
        }
        Ok(())
    })?;
    whirlwind_store::export::<ExportError>(dir, |space, key, value| {
        match line(space, key, value, &names) {
            Some(line) => Ok(write(&line)?),
            None => Ok(()),
        }
    })
}

fn line(space: Space, key: &[u8], value: &[u8], names: &BTreeMap<u32, String>) -> Option<Vec<u8>> {
    let unreadable = |error| Line::Unreadable {
        space: space.name(),
        error,
    };
    let topic_text;
    let line = match space {
        Space::Buckets => match place::parse(key) {
            Some((bucket, key)) => {
                let text = std::str::from_utf8(value).ok();
                Line::Entry {
                    bucket,
                    key,
                    value: text,
                    value_base64: text.is_none().then(|| base64(value)),
                }
            }
            None => unreadable("its key is none of a bucket".to_owned()),
        },
        _ => match Stored::read(space, key, value) {
            Ok(Some(Stored::Event {
                subscriber,
                number,
                topic,
                event,
            })) => {
                topic_text = topic;
                let document = String::from_utf8(json::to_line(&event)).ok()?;
                Line::Event {
                    subscriber: names.get(&subscriber).map_or("", String::as_str),
                    number,
                    topic: topic_text.as_str(),
                    event: RawValue::from_string(document).ok()?,
                }
            }
            Ok(Some(Stored::Letter(letter))) => Line::DeadLetter {
                letter: (*letter).into(),
            },
            Ok(Some(Stored::Subscriber { .. }) | None) => return None,
            Err(error) => unreadable(error),
        },
    };
    // Strings, numbers and an event: nothing of it can fail to be written.
    serde_json::to_vec(&line).ok()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
