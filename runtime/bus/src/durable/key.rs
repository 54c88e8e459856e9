//! Where things lie in the store. Part of its format.

use bytes::{BufMut, Bytes, BytesMut};

/// What keys of [`Space::Events`](whirlwind_store::Space::Events) begin with.
const EVENT: u8 = 1;
const LETTER: u8 = 2;
const LAST_LETTER: u8 = 3;

const EVENT_LEN: usize = 1 + 4 + 8;
const LETTER_LEN: usize = 1 + 8;

/// An event that waits for a subscriber: those of one subscriber lie together, in the order of acceptance.
pub(crate) fn event(subscriber: u32, number: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(EVENT_LEN);
    key.put_u8(EVENT);
    key.put_u32(subscriber);
    key.put_u64(number);
    key.freeze()
}

/// The number of the event that lies at a key.
pub(crate) fn event_number(key: &[u8]) -> Option<u64> {
    let (prefix, number) = key.split_last_chunk::<8>()?;
    (prefix.len() == EVENT_LEN - 8 && prefix.first() == Some(&EVENT))
        .then(|| u64::from_be_bytes(*number))
}

/// The subscriber of the event that lies at a key.
pub(crate) fn subscriber(key: &[u8]) -> u32 {
    let number = key.get(1..5).and_then(|number| number.try_into().ok());
    number.map_or(0, u32::from_be_bytes)
}

/// A dead letter.
pub(crate) fn letter(id: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(LETTER_LEN);
    key.put_u8(LETTER);
    key.put_u64(id);
    key.freeze()
}

/// Where the highest id lies that a dead letter ever had, once one was taken away.
pub(crate) fn last_letter() -> Bytes {
    Bytes::from_static(&[LAST_LETTER])
}

/// The id of the dead letter that lies at a key.
pub(crate) fn letter_id(key: &[u8]) -> Option<u64> {
    let (prefix, id) = key.split_last_chunk::<8>()?;
    (prefix == [LETTER]).then(|| u64::from_be_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_subscriber_lie_together_in_the_order_of_their_numbers() {
        assert!(event(1, 1) < event(1, 256) && event(1, u64::MAX) < event(2, 0));
        assert!(event(u32::MAX, u64::MAX) < letter(0) && letter(1) < letter(256));
        assert_eq!(event_number(&event(7, 300)), Some(300));
        assert_eq!(letter_id(&letter(300)), Some(300));
        for other in [&b""[..], &letter(7), &[EVENT; EVENT_LEN + 1]] {
            assert_eq!(event_number(other), None);
        }
        assert_eq!(letter_id(&event(1, 2)), None);
    }
}
