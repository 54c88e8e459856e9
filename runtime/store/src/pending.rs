//! Writes that the tree does not have yet, in three layers.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::Space;
use crate::tree::Range;

/// What was made of a key.
struct Version {
    /// `None`: deleted.
    value: Option<Bytes>,
    /// The commit that did.
    commit: u64,
}

/// Writes by space and key, one of each key.
#[derive(Default)]
pub(crate) struct Layer([BTreeMap<Bytes, Version>; 4]);

impl Layer {
    fn space(&self, space: Space) -> &BTreeMap<Bytes, Version> {
        let [events, positions, buckets, seen] = &self.0;
        match space {
            Space::Events => events,
            Space::Positions => positions,
            Space::Buckets => buckets,
            Space::Seen => seen,
        }
    }

    fn space_mut(&mut self, space: Space) -> &mut BTreeMap<Bytes, Version> {
        let [events, positions, buckets, seen] = &mut self.0;
        match space {
            Space::Events => events,
            Space::Positions => positions,
            Space::Buckets => buckets,
            Space::Seen => seen,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(BTreeMap::is_empty)
    }

    /// Every write, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Space, &Bytes, Option<&Bytes>)> {
        Space::ALL.into_iter().flat_map(|space| {
            self.space(space)
                .iter()
                .map(move |(key, version)| (space, key, version.value.as_ref()))
        })
    }
}

/// All such writes. A layer hides those after it, and all of them the tree.
#[derive(Default)]
pub(crate) struct Pending {
    /// Readers see it; it can still be undone.
    unsynced: Layer,
    /// In the journal.
    synced: Layer,
    /// In the journal, and on its way into the tree.
    settling: Arc<Layer>,
}

impl Pending {
    fn layers(&self) -> [&Layer; 3] {
        [&self.unsynced, &self.synced, &self.settling]
    }

    /// `None`: the key is as the tree has it. `Some(None)`: it was deleted.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Option<Option<Bytes>> {
        let mut layers = self.layers().into_iter();
        let version = layers.find_map(|layer| layer.space(space).get(key))?;
        Some(version.value.clone())
    }

    /// A commit writes a key.
    pub(crate) fn write(&mut self, space: Space, key: Bytes, value: Option<Bytes>, commit: u64) {
        let version = Version { value, commit };
        self.unsynced.space_mut(space).insert(key, version);
    }

    /// The journal has what this commit, the last of its group to write the key, made of it.
    pub(crate) fn synced(&mut self, space: Space, key: Bytes, value: Option<Bytes>, commit: u64) {
        let unsynced = self.unsynced.space_mut(space);
        // A later commit may have written it again.
        if unsynced
            .get(&key)
            .is_some_and(|latest| latest.commit <= commit)
        {
            unsynced.remove(&key);
        }
        let version = Version { value, commit };
        self.synced.space_mut(space).insert(key, version);
    }

    /// The journal will never have what is unsynced.
    pub(crate) fn undo(&mut self) -> Layer {
        mem::take(&mut self.unsynced)
    }

    /// Takes what is synced on its way into the tree. What was before has arrived.
    pub(crate) fn settle(&mut self) -> Arc<Layer> {
        self.settling = Arc::new(mem::take(&mut self.synced));
        self.settling.clone()
    }

    /// What was on its way into the tree has arrived.
    pub(crate) fn settled(&mut self) {
        self.settling = Arc::default();
    }

    /// These writes of a range in order, with what is wanted of a value: all up to the `limit`th that is no deletion. So they
    /// cover whatever the first `limit` entries of the whole are.
    pub(crate) fn scan<V>(
        &self,
        space: Space,
        range: Range<'_>,
        limit: usize,
        wanted: impl Fn(&Bytes) -> V,
    ) -> Vec<(Bytes, Option<V>)> {
        let mut layers = self
            .layers()
            .map(|layer| layer.space(space).range::<[u8], _>(range).peekable());
        let mut out = Vec::new();
        let mut values = 0;
        while values < limit {
            let Some((key, version)) = next(&mut layers) else {
                break;
            };
            values += usize::from(version.value.is_some());
            out.push((key.clone(), version.value.as_ref().map(&wanted)));
        }
        out
    }
}

/// The next key of several layers, as the first that has it does.
fn next<'a>(
    layers: &mut [Peekable<impl Iterator<Item = (&'a Bytes, &'a Version)>>],
) -> Option<(&'a Bytes, &'a Version)> {
    let least = layers
        .iter_mut()
        .filter_map(|layer| Some(layer.peek()?.0))
        .min()?;
    let mut first = None;
    for layer in layers {
        let same = layer.next_if(|(key, _)| *key == least);
        first = first.or(same);
    }
    first
}

/// Whether a range can hold a key. [`BTreeMap::range`] panics on some that cannot.
pub(crate) fn is_empty(range: Range<'_>) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Excluded(to) | Bound::Included(to),
        ) => from >= to,
    }
}

/// What lies above, over what lies below: the entries of both in order, where a key that is above hides
/// the one below. `V` is what is wanted of a value.
pub(crate) struct Overlay<V> {
    above: std::iter::Peekable<std::vec::IntoIter<(Bytes, Option<V>)>>,
    limit: usize,
    out: Vec<(Bytes, V)>,
}

impl<V> Overlay<V> {
    pub(crate) fn new(above: Vec<(Bytes, Option<V>)>, limit: usize) -> Self {
        Self {
            above: above.into_iter().peekable(),
            limit,
            out: Vec::new(),
        }
    }

    /// The next entry below: answers whether more are wanted. `value` makes its value when it is.
    pub(crate) fn below<E>(
        &mut self,
        key: &[u8],
        entry: impl FnOnce() -> Result<(Bytes, V), E>,
    ) -> Result<bool, E> {
        while let Some((above, value)) = self.above.next_if(|(above, _)| **above < *key) {
            self.push(above, value);
        }
        if self.out.len() >= self.limit {
            return Ok(false);
        }
        match self.above.next_if(|(above, _)| **above == *key) {
            Some((above, value)) => self.push(above, value),
            None => self.out.push(entry()?),
        }
        Ok(self.out.len() < self.limit)
    }

    fn push(&mut self, key: Bytes, value: Option<V>) {
        if let Some(value) = value.filter(|_| self.out.len() < self.limit) {
            self.out.push((key, value));
        }
    }

    /// There are no more below.
    pub(crate) fn finish(mut self) -> Vec<(Bytes, V)> {
        while let Some((key, value)) = self.above.next() {
            self.push(key, value);
        }
        self.out
    }
}
