//! Numbered turns, and what a store holds after so many of them.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::{Batch, Space, Store};

pub(super) type Contents = BTreeMap<(Space, Bytes), Bytes>;

/// Everything in a store.
pub(super) fn contents(store: &Store) -> Contents {
    let mut contents = Contents::new();
    for space in Space::ALL {
        let entries = store
            .scan(space, (Bound::Unbounded, Bound::Unbounded), usize::MAX)
            .unwrap();
        contents.extend(
            entries
                .into_iter()
                .map(|(key, value)| ((space, key), value)),
        );
    }
    contents
}

fn number(n: u64) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

/// A value that says which turn wrote it, of a length that varies.
pub(super) fn value(n: u64) -> Bytes {
    let mut value = number(n).to_vec();
    value.resize(8 + (n * 37 % 300) as usize, n as u8);
    Bytes::from(value)
}

/// Turn `n`: an event comes, one of before goes, the position moves, one of 50 keys is set.
pub(super) fn turn(n: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::Events, number(n), value(n));
    if n > 5 {
        batch.delete(Space::Events, number(n - 5));
    }
    batch.put(Space::Positions, &b"position"[..], number(n));
    batch.put(Space::Buckets, number(n * 7 % 50), value(n));
    batch
}

/// What a store holds after turns 1 to `last`.
pub(super) fn after(last: u64) -> Contents {
    let mut contents = Contents::new();
    for n in 1..=last {
        for (place, value) in turn(n).writes {
            match value {
                Some(value) => contents.insert(place, value),
                None => contents.remove(&place),
            };
        }
    }
    contents
}

/// How many turns a store has, all of each and none without those before.
pub(super) fn turns(store: &Store) -> u64 {
    let contents = contents(store);
    let position = contents.get(&(Space::Positions, Bytes::from_static(b"position")));
    let turns = position.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()));
    assert!(contents == after(turns), "not the contents after {turns}");
    turns
}
