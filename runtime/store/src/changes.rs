//! Which keys may have changed since when, in a fixed amount of memory.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Space;

/// How many keys are told apart: 32 KiB of numbers. Two keys that share a place cost a comparison.
const PLACES: usize = 4096;

/// For each place the last commit that wrote one of its keys. What it says is on the safe side: a key
/// that it calls unchanged is unchanged, and one that it does not is compared.
pub(crate) struct Changes {
    places: Vec<u64>,
    /// Everything may have changed at this commit.
    all: u64,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            places: vec![0; PLACES],
            all: 0,
        }
    }

    fn place(space: Space, key: &[u8]) -> usize {
        let mut hasher = DefaultHasher::new();
        (space, key).hash(&mut hasher);
        (hasher.finish() % PLACES as u64) as usize
    }

    /// A commit writes a key.
    pub(crate) fn wrote(&mut self, space: Space, key: &[u8], commit: u64) {
        if let Some(last) = self.places.get_mut(Self::place(space, key)) {
            *last = commit;
        }
    }

    /// All that was unsynced was undone, which counts as a commit of its own.
    pub(crate) fn undone(&mut self, commit: u64) {
        self.all = commit;
    }

    /// Whether the key may have been changed after this commit.
    pub(crate) fn since(&self, space: Space, key: &[u8], commit: u64) -> bool {
        let last = self.places.get(Self::place(space, key));
        self.all > commit || last.is_none_or(|last| *last > commit)
    }
}
