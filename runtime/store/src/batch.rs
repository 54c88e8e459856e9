//! A batch: what one turn read and what it writes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::pending::{Overlay, is_empty};
use crate::tree::Range;
use crate::{ReadError, Space, Store};

/// What a write costs beside its key and value: its places in the maps it lies in.
const WRITE_COST: usize = 128;

/// What one turn read and what it writes, until [`Store::commit`] takes it: wholly or not at all.
///
/// A turn reads through its batch. It sees its own writes, reads a key the same as often as it does,
/// and what it read is compared at the commit.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) writes: BTreeMap<(Space, Bytes), Option<Bytes>>,
    pub(crate) reads: BTreeMap<(Space, Bytes), Seen>,
    pub(crate) size: usize,
}

/// What was read of a key.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) value: Option<Bytes>,
    /// The last commit before the read; `None` where nothing was read, and it must be compared.
    pub(crate) commit: Option<u64>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a key this value.
    pub fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.write(space, key.into(), Some(value.into()));
    }

    /// Deletes a key. One that is not there is not an error.
    pub fn delete(&mut self, space: Space, key: impl Into<Bytes>) {
        self.write(space, key.into(), None);
    }

    fn write(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        // Of a key that is written again the size stays: it is a bound, not a count.
        self.size += WRITE_COST + key.len() + value.as_ref().map_or(0, Bytes::len);
        self.writes.insert((space, key), value);
    }

    /// The value of a key as this turn sees it: what it wrote, or what it read before, or what is in
    /// the store now, which the commit will compare.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(
        &mut self,
        store: &Store,
        space: Space,
        key: &[u8],
    ) -> Result<Option<Bytes>, ReadError> {
        let place = (space, Bytes::copy_from_slice(key));
        if let Some(written) = self.writes.get(&place) {
            return Ok(written.clone());
        }
        if let Some(seen) = self.reads.get(&place) {
            return Ok(seen.value.clone());
        }
        let (value, commit) = store.read(space, key)?;
        let seen = Seen {
            value: value.clone(),
            commit: Some(commit),
        };
        self.reads.insert(place, seen);
        Ok(value)
    }

    /// Makes the commit a conflict unless the key has this value then (`None`: no value), without a
    /// read now.
    pub fn expect(&mut self, space: Space, key: impl Into<Bytes>, value: Option<Bytes>) {
        let seen = Seen {
            value,
            commit: None,
        };
        self.reads.insert((space, key.into()), seen);
    }

    /// The first `limit` entries of a range as this turn sees them. What a scan read is **not** compared
    /// at the commit.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &self,
        store: &Store,
        space: Space,
        range: Range<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, ReadError> {
        if limit == 0 || is_empty(range) {
            return Ok(Vec::new());
        }
        let own: Vec<_> = self
            .writes
            .iter()
            .filter(|((of, key), _)| {
                *of == space && std::ops::RangeBounds::<[u8]>::contains(&range, &**key)
            })
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        // Each of its own deletions hides at most one.
        let hidden = own.iter().filter(|(_, value)| value.is_none()).count();
        let below = store.scan(space, range, limit.saturating_add(hidden))?;
        let mut overlay = Overlay::new(own, limit);
        for (key, value) in below {
            if !overlay.below::<ReadError>(&key.clone(), || Ok((key, value)))? {
                break;
            }
        }
        Ok(overlay.finish())
    }

    /// Whether it writes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes that it holds until it is synced, at most.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }
}
