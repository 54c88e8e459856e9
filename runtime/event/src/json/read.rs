use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::JsonError;
use crate::event::{EventBuilder, EventError, ExtensionValue, MAX_EXTENSIONS};
use crate::excerpt::Excerpt;
use crate::media_type;

/// The eight context attributes, `data` and `data_base64` beside every extension there may be: a
/// document with more members can hold no event, and is not read to its end.
const MAX_MEMBERS: usize = 8 + 2 + MAX_EXTENSIONS;

pub(super) fn text(document: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(document).map_err(|error| JsonError::NotUtf8 {
        offset: error.valid_up_to(),
    })
}

pub(super) fn batch(document: &str) -> Result<Vec<&RawValue>, JsonError> {
    serde_json::from_str(document).map_err(JsonError::Syntax)
}

/// Reads one object. Nothing in it is parsed into a tree: the members are found, then each is read
/// as what its name says, and JSON data is copied as it stands.
pub(super) fn event(document: &str) -> Result<EventBuilder, JsonError> {
    let Members(members) = serde_json::from_str(document).map_err(JsonError::Syntax)?;
    refuse_doubles(&members)?;

    let mut builder = EventBuilder::new();
    let mut version = false;
    let mut media_type = None;
    let mut data = None;
    let mut data_base64 = None;
    for (name, value) in &members {
        let kind = Kind::of(value);
        match &**name {
            "data" => data = Some(*value),
            _ if kind == Kind::Null => {}
            "data_base64" => data_base64 = Some(string(name, value)?),
            "specversion" | "id" | "source" | "type" | "subject" | "time" | "dataschema" => {
                version |= name == "specversion";
                builder.attribute(name, &string(name, value)?)?;
            }
            "datacontenttype" => {
                let text = string(name, value)?;
                builder.attribute(name, &text)?;
                media_type = Some(text);
            }
            _ => builder = builder.extension(&**name, extension(name, value)?),
        }
    }
    if !version {
        return Err(JsonError::NoVersion);
    }
    match (data, data_base64) {
        (Some(value), Some(_)) if Kind::of(value) != Kind::Null => Err(JsonError::DataTwice),
        (_, Some(text)) => match BASE64_STANDARD.decode(&*text) {
            Ok(bytes) => Ok(builder.data(bytes)),
            Err(error) => Err(JsonError::NotBase64 {
                reason: error.to_string(),
            }),
        },
        (Some(value), None) => with_data(builder, value, media_type.as_deref()),
        (None, None) => Ok(builder),
    }
}

/// Adds the member `data` (JSON event format, 3.1.2).
fn with_data(
    builder: EventBuilder,
    value: &RawValue,
    media_type: Option<&str>,
) -> Result<EventBuilder, JsonError> {
    match media_type {
        None => Ok(builder
            .datacontenttype("application/json")
            .data(value.get())),
        Some(media_type) if media_type::is_json(media_type) => Ok(builder.data(value.get())),
        Some(media_type) => match Kind::of(value) {
            Kind::String => Ok(builder.data(&*string("data", value)?)),
            Kind::Null => Ok(builder),
            kind => Err(JsonError::DataNotString {
                found: kind.name(),
                media_type: Excerpt::of(media_type),
            }),
        },
    }
}

fn refuse_doubles(members: &[(Cow<'_, str>, &RawValue)]) -> Result<(), JsonError> {
    let mut rest = members;
    while let Some(((name, _), others)) = rest.split_first() {
        if others.iter().any(|(other, _)| other == name) {
            return Err(JsonError::Twice {
                member: Excerpt::of(name),
            });
        }
        rest = others;
    }
    Ok(())
}

fn string<'a>(member: &str, value: &'a RawValue) -> Result<Cow<'a, str>, JsonError> {
    let kind = Kind::of(value);
    if kind != Kind::String {
        return Err(wrong_type(member, kind.name(), "a string"));
    }
    let quoted = value.get();
    // Most strings have no escapes and are their own value.
    if let Some(plain) = quoted.get(1..quoted.len().saturating_sub(1))
        && !plain.contains('\\')
    {
        return Ok(Cow::Borrowed(plain));
    }
    match serde_json::from_str(quoted) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(error) => Err(JsonError::NotText {
            member: Excerpt::of(member),
            reason: error.to_string(),
        }),
    }
}

fn extension(name: &str, value: &RawValue) -> Result<ExtensionValue, JsonError> {
    match Kind::of(value) {
        Kind::String => Ok(ExtensionValue::String(string(name, value)?.into_owned())),
        Kind::Boolean => Ok(ExtensionValue::Boolean(value.get() == "true")),
        Kind::Number => integer(name, value.get()).map(ExtensionValue::Integer),
        kind => Err(wrong_type(
            name,
            kind.name(),
            "a string, a boolean or an integer",
        )),
    }
}

/// CloudEvents lets only the integer part of a JSON number stand, so `1.0` and `1e3` are none.
fn integer(name: &str, text: &str) -> Result<i64, JsonError> {
    if text.contains(['.', 'e', 'E']) {
        return Err(wrong_type(
            name,
            "a number with a fraction or an exponent",
            "an integer or a string",
        ));
    }
    // The builder checks the range of 32 bits; beyond 64 any number outside it says the same.
    Ok(text.parse().unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    }))
}

fn wrong_type(member: &str, found: &'static str, expected: &'static str) -> JsonError {
    JsonError::WrongType {
        member: Excerpt::of(member),
        found,
        expected,
    }
}

/// What a JSON value is, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// The members of an object in their order, borrowed from the document.
struct Members<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 12]>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = SmallVec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom(EventError::TooManyExtensions {
                    count: MAX_EXTENSIONS + 1,
                    limit: MAX_EXTENSIONS,
                }));
            }
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}

/// The name of a member, borrowed unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
