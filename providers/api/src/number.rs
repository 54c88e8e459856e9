//! How a number lies in a bucket: as decimal text.
//!
//! `wasi:keyvalue` does not say how [`increment`](crate::Bucket::increment) stores its number. Text is
//! what a component can read back with a plain `get` without knowing its host, what it can begin a
//! counter with by a plain `set`, what Redis does, and what a person looking into a bucket can read.

use bytes::Bytes;

use crate::Error;

/// Adds `delta` to the number in `current`, where no value counts as 0. Pure: the store decides how
/// the sum gets in.
///
/// # Errors
/// [`Error::NotANumber`], [`Error::Overflow`]; both name `key`.
pub fn add(key: &str, current: Option<&[u8]>, delta: i64) -> Result<i64, Error> {
    let overflow = || Error::Overflow {
        key: key.to_owned(),
    };
    let number = match current {
        None => 0,
        Some(value) => parse(value).map_err(|kind| match kind {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => overflow(),
            _ => Error::NotANumber {
                key: key.to_owned(),
            },
        })?,
    };
    number.checked_add(delta).ok_or_else(overflow)
}

/// The bytes of a number.
#[must_use]
pub fn to_bytes(number: i64) -> Bytes {
    Bytes::from(number.to_string())
}

/// A sign or none, then digits; nothing else, no spaces.
fn parse(value: &[u8]) -> Result<i64, std::num::IntErrorKind> {
    std::str::from_utf8(value)
        .map_err(|_| std::num::IntErrorKind::InvalidDigit)?
        .parse::<i64>()
        .map_err(|error| *error.kind())
}
