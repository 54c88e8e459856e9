//! What is written of an event, borrowed from it or from the bytes it is read from.

use std::fmt;
use std::marker::PhantomData;

use chrono::DateTime;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::BinaryError;
use crate::event::{Event, EventBuilder, EventError, ExtensionValue, MAX_EXTENSIONS};

/// The order of the fields, and of the variants of [`Value`], is the format.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    id: &'a str,
    source: &'a str,
    ty: &'a str,
    #[serde(borrow)]
    subject: Option<&'a str>,
    time: Option<Time>,
    #[serde(borrow)]
    datacontenttype: Option<&'a str>,
    #[serde(borrow)]
    dataschema: Option<&'a str>,
    #[serde(borrow)]
    extensions: Extensions<'a>,
    #[serde(borrow)]
    data: Option<Bytes<'a>>,
}

/// Since 1970. In a leap second the nanoseconds go past a second.
#[derive(Serialize, Deserialize)]
struct Time {
    seconds: i64,
    nanoseconds: u32,
}

#[derive(Serialize, Deserialize)]
enum Value<'a> {
    String(&'a str),
    Boolean(bool),
    Integer(i64),
}

/// Names in order, so that none can be there twice.
struct Extensions<'a>(SmallVec<[(&'a str, Value<'a>); 4]>);

/// serde writes a slice byte by byte.
struct Bytes<'a>(&'a [u8]);

/// About how many bytes an event takes: those it counts, less the names of attributes, and a length
/// for each field.
pub(super) fn size_hint(event: &Event) -> usize {
    event.size() + 16
}

pub(super) fn write(event: &Event, into: &mut Vec<u8>) {
    let record = Record {
        id: event.id(),
        source: event.source(),
        ty: event.ty(),
        subject: event.subject(),
        time: event.time().map(|time| Time {
            seconds: time.timestamp(),
            nanoseconds: time.timestamp_subsec_nanos(),
        }),
        datacontenttype: event.datacontenttype(),
        dataschema: event.dataschema(),
        extensions: Extensions(
            event
                .extensions()
                .map(|(name, value)| {
                    let value = match value {
                        ExtensionValue::String(text) => Value::String(text),
                        ExtensionValue::Boolean(flag) => Value::Boolean(*flag),
                        ExtensionValue::Integer(number) => Value::Integer(*number),
                    };
                    (name, value)
                })
                .collect(),
        ),
        data: event.data().map(Bytes),
    };
    // A vector takes all, and the record knows all its lengths, so this cannot fail.
    let written = postcard::to_extend(&record, Sink(into));
    debug_assert!(written.is_ok());
}

pub(super) fn read(bytes: &[u8]) -> Result<EventBuilder, BinaryError> {
    let (record, rest) = postcard::take_from_bytes::<Record>(bytes).map_err(damaged)?;
    if !rest.is_empty() {
        return Err(BinaryError::Trailing { count: rest.len() });
    }
    let mut builder = EventBuilder::new()
        .id(record.id)
        .source(record.source)
        .ty(record.ty);
    if let Some(subject) = record.subject {
        builder = builder.subject(subject);
    }
    if let Some(time) = record.time {
        let time = DateTime::from_timestamp(time.seconds, time.nanoseconds)
            .ok_or_else(|| damaged("no such time"))?;
        builder = builder.time(time);
    }
    if let Some(media_type) = record.datacontenttype {
        builder = builder.datacontenttype(media_type);
    }
    if let Some(uri) = record.dataschema {
        builder = builder.dataschema(uri);
    }
    for (name, value) in record.extensions.0 {
        builder = match value {
            Value::String(text) => builder.extension(name, text),
            Value::Boolean(flag) => builder.extension(name, flag),
            Value::Integer(number) => builder.extension(name, number),
        };
    }
    if let Some(Bytes(data)) = record.data {
        builder = builder.data(data);
    }
    Ok(builder)
}

fn damaged(reason: impl fmt::Display) -> BinaryError {
    BinaryError::Damaged {
        reason: reason.to_string(),
    }
}

/// postcard takes what it writes into, and would keep it at an error.
struct Sink<'a>(&'a mut Vec<u8>);

impl Extend<u8> for Sink<'_> {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.0.extend(bytes);
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Extensions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Extensions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ExtensionsVisitor(PhantomData))
    }
}

struct ExtensionsVisitor<'a>(PhantomData<Extensions<'a>>);

impl<'de: 'a, 'a> Visitor<'de> for ExtensionsVisitor<'a> {
    type Value = Extensions<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("extension attributes, sorted by name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut extensions = SmallVec::<[(&str, Value<'_>); 4]>::new();
        while let Some((name, value)) = seq.next_element()? {
            if extensions.len() == MAX_EXTENSIONS {
                return Err(A::Error::custom(EventError::TooManyExtensions {
                    count: MAX_EXTENSIONS + 1,
                    limit: MAX_EXTENSIONS,
                }));
            }
            if extensions.last().is_some_and(|(last, _)| *last >= name) {
                return Err(A::Error::custom("extensions are not sorted by name"));
            }
            extensions.push((name, value));
        }
        Ok(Extensions(extensions))
    }
}
