//! Sizes and times with their unit: the number alone would leave the reader to guess.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest time a manifest can say. A year is past every use and far from every overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A number of bytes, written `"512B"`, `"64KiB"`, `"16MiB"` or `"4GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A length of time, written `"50ms"`, `"5s"`, `"10m"`, `"1h"` or `"1d"`; at most 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

/// Why a text is no [`ByteSize`] or [`TimeSpan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnitError {
    /// No digits at the front, or something else than a whole number.
    #[error("it must begin with a whole number")]
    Number,
    /// Digits and nothing behind them.
    #[error("the unit is missing")]
    Missing,
    /// A unit that is not known.
    #[error("the unit is not known")]
    Unknown,
    /// Past what can be held.
    #[error("it is too large")]
    TooLarge,
}

const SIZES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// `digits unit`, without a space: one way to write it, so that the schema's pattern is the whole rule.
fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(UnitError::Number)?;
    if number.is_empty() || unit.starts_with(['.', ',', '_']) {
        return Err(UnitError::Number);
    }
    if unit.is_empty() {
        return Err(UnitError::Missing);
    }
    let (_, factor) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(UnitError::Unknown)?;
    let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
    number.checked_mul(*factor).ok_or(UnitError::TooLarge)
}

/// The largest unit that divides the value, so that reading it back gives the same.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let unit = units
        .iter()
        .rev()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    match unit.or_else(|| units.first()) {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => write!(f, "{value}"),
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SIZES).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZES)
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let span = Duration::from_millis(parse(text, &TIMES)?);
        if span > LONGEST {
            Err(UnitError::TooLarge)
        } else {
            Ok(Self(span))
        }
    }
}

impl fmt::Display for TimeSpan {
    /// In whole milliseconds: what is finer cannot be written in a manifest and is rounded up, so that it never becomes zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_nanos().div_ceil(1_000_000);
        write(f, u64::try_from(millis).unwrap_or(u64::MAX), &TIMES)
    }
}

impl From<Duration> for TimeSpan {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

/// Both are text in the manifest; `format` tells the shape check which parser to ask.
macro_rules! text_with_unit {
    ($type:ident, $format:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

text_with_unit!(ByteSize, "byte-size", "^[0-9]+(B|KiB|MiB|GiB)$");
text_with_unit!(TimeSpan, "time-span", "^[0-9]+(ms|s|m|h|d)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_in_every_unit() {
        let sizes = [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("16MiB", 16 << 20),
            ("4GiB", 4 << 30),
        ];
        for (text, bytes) in sizes {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        let times = [
            ("0ms", 0),
            ("50ms", 50),
            ("5s", 5000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("365d", 31_536_000_000),
        ];
        for (text, millis) in times {
            assert_eq!(
                text.parse(),
                Ok(TimeSpan(Duration::from_millis(millis))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_size_or_time_says_why() {
        let sizes = [
            ("", UnitError::Number),
            ("MiB", UnitError::Number),
            ("-1B", UnitError::Number),
            ("+1B", UnitError::Number),
            ("1.5MiB", UnitError::Number),
            ("1_000B", UnitError::Number),
            ("64", UnitError::Missing),
            ("64MB", UnitError::Unknown),
            ("64 MiB", UnitError::Unknown),
            ("64mib", UnitError::Unknown),
            ("64µB", UnitError::Unknown),
            ("99999999999999999999B", UnitError::TooLarge),
            ("99999999999GiB", UnitError::TooLarge),
        ];
        for (text, error) in sizes {
            assert_eq!(text.parse::<ByteSize>(), Err(error), "{text}");
        }
        let times = [
            ("5", UnitError::Missing),
            ("5sec", UnitError::Unknown),
            ("366d", UnitError::TooLarge),
        ];
        for (text, error) in times {
            assert_eq!(text.parse::<TimeSpan>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 1 << 20, (1 << 30) + 1, u64::MAX] {
            assert_eq!(
                ByteSize(bytes).to_string().parse(),
                Ok(ByteSize(bytes)),
                "{bytes}"
            );
        }
        for millis in [0, 1, 999, 1000, 1500, 60_000, 86_400_000, 31_536_000_000] {
            let span = TimeSpan(Duration::from_millis(millis));
            assert_eq!(span.to_string().parse(), Ok(span), "{millis}");
        }
        assert_eq!(TimeSpan(Duration::from_nanos(1)).to_string(), "1ms");
    }
}
