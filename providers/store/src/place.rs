//! Where a bucket's key lies in the store.
//!
//! The length of the bucket's name, its bytes, then those of the key: so no key of one bucket is one of
//! another, whatever the names and keys are, and the keys of a bucket lie together in their order.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use whirlwind_store::Range;

/// Bytes before the name.
const LENGTH: usize = 2;

/// What no key's first byte is: keys are UTF-8.
const AFTER: u8 = 0xff;

/// What every key of a bucket begins with. The name is within
/// [`MAX_BUCKET_NAME`](whirlwind_provider_api::limits::MAX_BUCKET_NAME).
fn prefix(bucket: &str, room: usize) -> BytesMut {
    let mut place = BytesMut::with_capacity(LENGTH + bucket.len() + room);
    // A name that is too long for its length would be refused before.
    place.put_u16(u16::try_from(bucket.len()).unwrap_or(u16::MAX));
    place.put_slice(bucket.as_bytes());
    place
}

/// The place of a key.
#[must_use]
pub fn of_key(bucket: &str, key: &str) -> Bytes {
    let mut place = prefix(bucket, key.len());
    place.put_slice(key.as_bytes());
    place.freeze()
}

/// The place after all keys of a bucket, and before those of the next.
#[must_use]
pub fn end(bucket: &str) -> Bytes {
    let mut place = prefix(bucket, 1);
    place.put_u8(AFTER);
    place.freeze()
}

/// The bucket and the key that lie at a place, or `None` where no bucket put one.
#[must_use]
pub fn parse(place: &[u8]) -> Option<(&str, &str)> {
    let (length, rest) = place.split_first_chunk::<LENGTH>()?;
    let length = u16::from_be_bytes(*length) as usize;
    let (bucket, key) = rest.split_at_checked(length)?;
    Some((
        std::str::from_utf8(bucket).ok()?,
        std::str::from_utf8(key).ok()?,
    ))
}

/// The places of a bucket's keys, after one or all.
#[must_use]
pub fn range<'a>(after: &'a Bytes, excluded: bool, end: &'a Bytes) -> Range<'a> {
    let from = if excluded {
        Bound::Excluded(&**after)
    } else {
        Bound::Included(&**after)
    };
    (from, Bound::Excluded(&**end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_end_after_their_bucket() {
        for (bucket, key) in [
            ("", ""),
            ("", "a"),
            ("a", ""),
            ("ab", "c"),
            ("a", "bc"),
            ("ß", "\u{10ffff}"),
        ] {
            let place = of_key(bucket, key);
            assert_eq!(parse(&place), Some((bucket, key)));
            assert!(place < end(bucket));
        }
        assert_ne!(of_key("ab", "c"), of_key("a", "bc"));
        assert!(end("a") < of_key("b", "") && end("b") < of_key("aa", ""));
        assert_eq!(parse(&[0]), None);
        assert_eq!(parse(&[0, 2, b'a']), None);
    }
}
