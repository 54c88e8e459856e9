//! The seal of a value: 64 bits over its space, key and bytes.
//!
//! The backend has checksums of its own over its pages. The seal is for what they do not see: an entry
//! that is whole but answered for another key, and damage between two checks.

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{ReadError, Space};

/// Bytes in front of every value.
const SEAL: usize = 8;

fn seal(space: Space, key: &[u8], value: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(space.name().as_bytes());
    hash.update(&(key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(value);
    hash.digest()
}

/// What is written for a value.
pub(crate) fn sealed(space: Space, key: &[u8], value: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(SEAL + value.len());
    out.put_u64_le(seal(space, key, value));
    out.put_slice(value);
    out.freeze()
}

/// The value of what was read, without a copy.
pub(crate) fn unsealed(space: Space, key: &[u8], mut read: Bytes) -> Result<Bytes, ReadError> {
    let damaged = ReadError::Damaged { space };
    let Some(found) = read.first_chunk::<SEAL>().copied() else {
        return Err(damaged);
    };
    let value = read.split_off(SEAL);
    if seal(space, key, &value).to_le_bytes() == found {
        Ok(value)
    } else {
        Err(damaged)
    }
}

/// How long the value of what was read is.
pub(crate) fn unsealed_length(space: Space, read: &[u8]) -> Result<usize, ReadError> {
    let length = read.len().checked_sub(SEAL);
    length.ok_or(ReadError::Damaged { space })
}
