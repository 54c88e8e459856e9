//! Dead letters of durable topics, which outlive their node in the store.

use std::ops::Bound;
use std::sync::Arc;

use whirlwind_store::{Batch, ReadError, Space, Store};

use super::committer::{Committer, Puts};
use super::{PAGE, key, record};
use crate::DeadLetter;

/// Where durable dead letters lie.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(pub(crate) Arc<Committer>);

impl Shelf {
    /// Forgets letters, but not that there were ids up to `last`. What cannot be forgotten now is there again after a restart.
    pub(crate) fn remove(&self, ids: impl IntoIterator<Item = u64>, last: u64) {
        let mut batch = Batch::new();
        for id in ids {
            remove(&mut batch, id, last);
        }
        if batch.is_empty() {
            return;
        }
        let removed = self.0.commit(batch, Puts::new(), || Box::new(|_| {}));
        if let Err(error) = removed {
            tracing::error!("a durable dead letter cannot be taken out of the store: {error}");
        }
    }
}

/// Takes a letter out. Ids go on after `last`, the highest there was: that letter may be gone too.
pub(crate) fn remove(batch: &mut Batch, id: u64, last: u64) {
    batch.delete(Space::Events, key::letter(id));
    batch.put(
        Space::Events,
        key::last_letter(),
        last.to_be_bytes().to_vec(),
    );
}

/// The highest id of those that were taken out, and of any that came before.
pub(crate) fn last(store: &Store) -> Result<u64, ReadError> {
    let last = store.get(Space::Events, &key::last_letter())?;
    let last = last.and_then(|last| <[u8; 8]>::try_from(&*last).ok());
    Ok(last.map_or(0, u64::from_be_bytes))
}

/// Puts a letter into a batch.
pub(crate) fn put(batch: &mut Batch, letter: &DeadLetter) {
    batch.put(
        Space::Events,
        key::letter(letter.id),
        record::of_letter(letter),
    );
}

/// All that are in the store, in the order of their ids. One that cannot be read stays there, and that is said.
pub(crate) fn all(store: &Store) -> Result<Vec<DeadLetter>, ReadError> {
    let mut letters = Vec::new();
    let (mut from, to) = (Bound::Included(key::letter(0)), key::letter(u64::MAX));
    loop {
        let range = (from.as_ref().map(|key| &**key), Bound::Included(&*to));
        let page = store.scan(Space::Events, range, PAGE)?;
        for (key, value) in &page {
            let Some(id) = key::letter_id(key) else {
                continue;
            };
            match record::letter(id, value) {
                Ok(letter) => letters.push(letter),
                Err(error) => tracing::error!(
                    "dead letter {id} in the store cannot be read, and stays there: {error}"
                ),
            }
        }
        let Some((key, _)) = page.last().filter(|_| page.len() == PAGE) else {
            return Ok(letters);
        };
        from = Bound::Excluded(key.clone());
    }
}
