//! Numbered turns, and what a store holds after so many of them.

use std::collections::BTreeMap;

/// Where something lies: in one of [`SPACES`] spaces, under a key.
pub type Place = (usize, Vec<u8>);

/// All that is in a store.
pub type Contents = BTreeMap<Place, Vec<u8>>;

/// What a batch writes. `None` deletes.
pub type Writes = BTreeMap<Place, Option<Vec<u8>>>;

/// Spaces: events, positions, buckets.
pub const SPACES: usize = 3;

const EVENTS: usize = 0;
const POSITIONS: usize = 1;
const BUCKETS: usize = 2;

const POSITION: &[u8] = b"position";

/// Events that wait at a time, and keys of the bucket.
const WAITING: u64 = 5;
const KEYS: u64 = 50;

/// How long values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Up to 308 bytes.
    Short,
    /// Up to 9 KiB: so files change places, and trees are written, after a few thousand turns.
    Long,
}

impl Values {
    /// The value that turn `n` writes, which says so.
    #[must_use]
    pub fn of(self, n: u64) -> Vec<u8> {
        let stretch = if self == Self::Long { 30 } else { 1 };
        let length = 8 + (n * 37 % 300) as usize * stretch;
        // No two sectors of it are the same.
        let mut value: Vec<u8> = (0..=length / 8)
            .flat_map(|part| (n ^ (part as u64) << 40).to_be_bytes())
            .collect();
        value.truncate(length);
        value
    }

    /// Turn `n`: an event comes, one of before goes, the position moves, one of the bucket's keys is set.
    #[must_use]
    pub fn turn(self, n: u64) -> Writes {
        let mut writes = Writes::new();
        writes.insert((EVENTS, number(n)), Some(self.of(n)));
        if n > WAITING {
            writes.insert((EVENTS, number(n - WAITING)), None);
        }
        writes.insert((POSITIONS, POSITION.to_vec()), Some(number(n)));
        writes.insert((BUCKETS, number(n * 7 % KEYS)), Some(self.of(n)));
        writes
    }

    /// What a store holds after turns 1 to `last`.
    #[must_use]
    pub fn after(self, last: u64) -> Contents {
        let mut contents = Contents::new();
        // Every key that is there was written by one of the last turns.
        for n in last.saturating_sub(KEYS).max(1)..=last {
            for (place, value) in self.turn(n) {
                match value {
                    Some(value) => contents.insert(place, value),
                    None => contents.remove(&place),
                };
            }
        }
        contents.retain(|(space, key), _| {
            *space != EVENTS || *key > number(last.saturating_sub(WAITING))
        });
        contents
    }

    /// How many turns these contents are of: all of each, and none without those before.
    ///
    /// # Errors
    /// What is not as it would be then.
    pub fn turns(self, contents: &Contents) -> Result<u64, String> {
        let position = contents.get(&(POSITIONS, POSITION.to_vec()));
        let last = match position.map(|position| <[u8; 8]>::try_from(&**position)) {
            None => 0,
            Some(Ok(position)) => u64::from_be_bytes(position),
            Some(Err(_)) => return Err("the position is no number".to_owned()),
        };
        let expected = self.after(last);
        if *contents == expected {
            return Ok(last);
        }
        let missing = expected
            .keys()
            .filter(|place| !contents.contains_key(*place))
            .count();
        let more = contents
            .keys()
            .filter(|place| !expected.contains_key(*place))
            .count();
        let other = expected
            .iter()
            .filter(|(place, value)| contents.get(*place).is_some_and(|held| held != *value))
            .count();
        Err(format!(
            "not the contents after {last} turns: {missing} keys missing, {more} too many, {other} with another value"
        ))
    }

    /// Whether each of these entries was written by one of `last` turns.
    #[must_use]
    pub fn all_written(self, contents: &Contents, last: u64) -> bool {
        let mut left = contents.clone();
        for n in 1..=last {
            for (place, value) in self.turn(n) {
                if left.get(&place) == value.as_ref() {
                    left.remove(&place);
                }
            }
        }
        left.is_empty()
    }
}

fn number(n: u64) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_after_so_many_turns_is_what_they_wrote_one_after_the_other() {
        let mut contents = Contents::new();
        for n in 1..300 {
            for (place, value) in Values::Short.turn(n) {
                match value {
                    Some(value) => drop(contents.insert(place, value)),
                    None => drop(contents.remove(&place)),
                }
            }
            assert_eq!(contents, Values::Short.after(n), "{n}");
            assert_eq!(Values::Short.turns(&contents), Ok(n));
            assert!(Values::Short.all_written(&contents, n));
        }
        let place = (BUCKETS, number(0));
        contents.get_mut(&place).unwrap()[0] ^= 1;
        let wrong = Values::Short.turns(&contents).unwrap_err();
        assert!(
            wrong.contains("0 keys missing, 0 too many, 1 with another value"),
            "{wrong}"
        );
        assert!(!Values::Short.all_written(&contents, 299));
    }
}
