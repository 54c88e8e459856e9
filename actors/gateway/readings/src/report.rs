//! What a message of Zigbee2MQTT says about a device.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Rejection;
use crate::quantity::{AVAILABLE, Kind, Quantity, Value};

/// More than any device says; `zigbee2mqtt/bridge/...` can be longer, and is
/// none of the gateway's business.
const LONGEST: usize = 64 * 1024;

/// A device and what it measured, in the units of Zigbee2MQTT.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its name, a level of a topic.
    pub device: String,
    /// In the order of the message. Empty if it knows nothing yet: a device
    /// that has just joined says `null` for all it has.
    pub readings: Vec<Reading>,
}

/// One quantity and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// What was measured.
    pub quantity: Quantity,
    /// Within the bounds of the quantity.
    pub value: Value,
}

impl Report {
    /// Reads a message on `sensors/<device>/raw` or
    /// `sensors/<device>/availability`.
    ///
    /// # Errors
    /// The message is not what Zigbee2MQTT says there, or nothing in it is
    /// known, or something in it is not possible.
    pub fn read(topic: &str, data: &[u8]) -> Result<Self, Rejection> {
        let levels: Vec<&str> = topic.split('/').collect();
        let (device, readings) = match levels[..] {
            ["sensors", device, "raw"] => (device, measured(data)?),
            ["sensors", device, "availability"] => (device, vec![available(data)?]),
            _ => return Err(Rejection("the topic is not one of a device".into())),
        };
        Ok(Self {
            device: device.into(),
            readings,
        })
    }
}

/// The readings in the JSON object of a device. One that is not possible spoils
/// the others: a device that says such things is not to be believed.
fn measured(data: &[u8]) -> Result<Vec<Reading>, Rejection> {
    let members: Members = object(data)?;
    if members.0.is_empty() {
        let known: Vec<_> = Quantity::members().collect();
        return Err(Rejection(format!(
            "no member of the object is known; known are {}",
            known.join(", ")
        )));
    }
    let mut readings: Vec<Reading> = Vec::new();
    for (quantity, member) in members.0 {
        if readings.iter().any(|r| r.quantity == quantity) {
            return Err(Rejection(format!("{} is there twice", quantity.name)));
        }
        if let Some(value) = judge(quantity, member)? {
            readings.push(Reading { quantity, value });
        }
    }
    Ok(readings)
}

/// `{"state": "online"}`, or the bare word, as older versions say it.
fn available(data: &[u8]) -> Result<Reading, Rejection> {
    let value = match data {
        b"online" => true,
        b"offline" => false,
        data => match object::<State>(data)?.0.as_deref() {
            Some("online") => true,
            Some("offline") => false,
            _ => return Err(Rejection("state is neither online nor offline".into())),
        },
    };
    Ok(Reading {
        quantity: AVAILABLE,
        value: Value::Flag(value),
    })
}

/// Reads one JSON object.
fn object<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Rejection> {
    if data.len() > LONGEST {
        return Err(Rejection(format!(
            "{} bytes are more than a device says: {LONGEST}",
            data.len()
        )));
    }
    // Asked first, because the error for another value would repeat it.
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection("the data is not a JSON object".into()));
    }
    serde_json::from_slice(data)
        .map_err(|error| Rejection(format!("the data is not JSON: {error}")))
}

/// The value of a member; none for a `null`, which stands for one that the
/// device has not told yet.
fn judge(quantity: Quantity, member: Member) -> Result<Option<Value>, Rejection> {
    let name = quantity.name;
    match (quantity.kind, member) {
        (_, Member::Null) => Ok(None),
        (Kind::Flag, Member::Flag(flag)) => Ok(Some(Value::Flag(flag))),
        (Kind::Number { least, most, .. }, Member::Number(number)) => {
            let value = Value::Number(number);
            if (least..=most).contains(&number) {
                return Ok(Some(value));
            }
            Err(Rejection(format!(
                "{name} is {value}, which is not from {least} to {most}"
            )))
        }
        (Kind::Flag, other) => Err(Rejection(format!("{name} is {other}, not true or false"))),
        (Kind::Number { .. }, other) => Err(Rejection(format!("{name} is {other}, not a number"))),
    }
}

/// The known members of an object. The others are passed over without being
/// kept, so that a message costs no more memory than its known members.
struct Members(Vec<(Quantity, Member)>);

/// A value of JSON, of which only what a quantity can be is kept.
#[derive(Clone, Copy)]
enum Member {
    Null,
    Flag(bool),
    Number(f64),
    Text,
    Array,
    Object,
}

/// The member `state`, if it is there and a string.
struct State(Option<String>);

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => Value::Number(*number).fmt(f),
            Self::Text => f.write_str("a string"),
            Self::Array => f.write_str("an array"),
            Self::Object => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Known;

        impl<'de> Visitor<'de> for Known {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    match Quantity::of_member(&name) {
                        Some(quantity) => members.push((quantity, map.next_value()?)),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Known)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Written {
            state: Option<String>,
        }

        let Written { state } = Deserialize::deserialize(deserializer)
            .map_err(|_| de::Error::custom("no object with a string called state"))?;
        Ok(Self(state))
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Member, E> {
                Ok(Member::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Member, E> {
                Ok(Member::Flag(flag))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Member, E> {
                Ok(Member::Number(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
                Ok(Member::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
                Ok(Member::Number(number as f64))
            }

            fn visit_str<E>(self, _: &str) -> Result<Member, E> {
                Ok(Member::Text)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Member, A::Error> {
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Array)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Object)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests;
