//! The one error of the provider traits.

use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_BUCKET_NAME, MAX_KEY, MAX_VALUE};

/// Why an operation on a store or a bucket failed. It changed nothing.
///
/// A component may be shown each of these: no path of the host, no value and no secret is in them.
/// Keys are shown quoted and escaped, shortened where they are long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store does not answer: not open yet, closed, or stopped after damage.
    #[error("key-value provider `{provider}` is not available: {reason}")]
    Unavailable {
        /// The provider, by its name or its type.
        provider: String,
        /// Why, in words.
        reason: String,
    },
    /// The store could not read or write. Trying again may help.
    #[error("key-value provider `{provider}` failed: {reason}")]
    Io {
        /// The provider, by its name or its type.
        provider: String,
        /// What the system said, without paths.
        reason: String,
    },
    /// The store took as much as it may hold.
    #[error(
        "key-value provider `{provider}` is full: it holds at most {limit} bytes; delete keys to make room"
    )]
    Full {
        /// The provider, by its name or its type.
        provider: String,
        /// Bytes of keys and values together.
        limit: usize,
    },
    /// The value to increment is not a decimal whole number.
    #[error("the value of key {} is not a whole number in decimal digits, so it cannot be incremented", shown(.key))]
    NotANumber {
        /// The key whose value it is.
        key: String,
    },
    /// The number, before or after the increment, is outside the range of a signed 64-bit integer.
    #[error("the number of key {} is, or would be, outside the range of a signed 64-bit integer", shown(.key))]
    Overflow {
        /// The key whose value it is.
        key: String,
    },
    /// A bucket name is longer than [`MAX_BUCKET_NAME`].
    #[error("a bucket name of {length} bytes is longer than the limit of {MAX_BUCKET_NAME}")]
    BucketNameTooLong {
        /// Bytes of UTF-8.
        length: usize,
    },
    /// A key is longer than [`MAX_KEY`].
    #[error("a key of {length} bytes is longer than the limit of {MAX_KEY}")]
    KeyTooLong {
        /// Bytes of UTF-8.
        length: usize,
    },
    /// A value is larger than [`MAX_VALUE`].
    #[error("the value of {size} bytes for key {} is larger than the limit of {MAX_VALUE}", shown(.key))]
    ValueTooLarge {
        /// The key it was meant for.
        key: String,
        /// Bytes.
        size: usize,
    },
    /// A batch names more keys than [`MAX_BATCH_KEYS`].
    #[error("a batch of {count} keys is more than the limit of {MAX_BATCH_KEYS}; use several")]
    TooManyKeys {
        /// Keys in the batch.
        count: usize,
    },
    /// What a batch carries, or would answer, is larger than [`MAX_BATCH_BYTES`].
    #[error("a batch of more than {MAX_BATCH_BYTES} bytes is over the limit; use several")]
    BatchTooLarge,
}

/// A key for people: quoted, control characters escaped, at most 64 characters of it.
fn shown(key: &str) -> String {
    const SHOWN: usize = 64;
    match key.char_indices().nth(SHOWN) {
        None => format!("{key:?}"),
        Some((end, _)) => format!("{:?}...", key.get(..end).unwrap_or_default()),
    }
}
