//! A bucket: one tree of sled.

use std::collections::HashMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use sled::{Batch, IVec, Tree};
use whirlwind_provider_api::limits::{self, BatchBudget, KEYS_PER_PAGE};
use whirlwind_provider_api::{Bucket, Error, Keys, number};

use crate::caught::{caught, closed, failed, io};

/// Bytes up to which a write runs in place. sled puts what is larger than 128 KiB into a file of its
/// own, which is for a thread that may wait; half of it leaves room for the neighbours in its page.
const IN_PLACE: usize = 64 * 1024;

/// Values up to this many bytes are copied: they lie inside sled's own handle, or cost less to copy
/// than to keep that handle alive.
const COPIED: usize = 64;

/// A handle to one bucket.
#[derive(Clone)]
pub(crate) struct SledBucket(Arc<Slot>);

/// `None` once closed. Batches hold it alone, everything else together: so a `get_many` sees all of a
/// batch or nothing, and closing waits for what is under way. No await happens under the lock.
struct Slot(RwLock<Option<Tree>>);

impl fmt::Debug for SledBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledBucket").finish_non_exhaustive()
    }
}

impl SledBucket {
    pub(crate) fn new(tree: Tree) -> Self {
        Self(Arc::new(Slot(RwLock::new(Some(tree)))))
    }

    /// Lets go of the tree once what is under way has ended.
    pub(crate) fn close(&self) -> Option<Tree> {
        self.0
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Runs `work` here, or on a thread that may wait when it writes many `bytes`.
    async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Slot) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if bytes <= IN_PLACE {
            return work(&self.0);
        }
        let slot = self.0.clone();
        tokio::task::spawn_blocking(move || work(&slot))
            .await
            .unwrap_or_else(|_| Err(io("the runtime is shutting down")))
    }
}

impl Slot {
    /// Beside others.
    fn shared<T>(&self, work: impl FnOnce(&Tree) -> Result<T, Error>) -> Result<T, Error> {
        let tree = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref().ok_or_else(closed)?;
        caught(|| work(tree))
    }

    /// Alone in the bucket.
    fn alone<T>(&self, work: impl FnOnce(&Tree) -> Result<T, Error>) -> Result<T, Error> {
        let tree = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref().ok_or_else(closed)?;
        caught(|| work(tree))
    }
}

#[async_trait]
impl Bucket for SledBucket {
    async fn ready(&self) -> Result<(), Error> {
        self.0.shared(|_| Ok(()))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        limits::check_key(key)?;
        self.0
            .shared(|tree| Ok(tree.get(key).map_err(failed)?.map(bytes)))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error> {
        limits::check_entry(key, &value)?;
        if value.len() <= IN_PLACE {
            // Without the copy of the key that another thread would need.
            return self.0.shared(|tree| insert(tree, key, &value));
        }
        let key = key.to_owned();
        self.write(value.len(), move |slot| {
            slot.shared(|tree| insert(tree, &key, &value))
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        limits::check_key(key)?;
        self.0
            .shared(|tree| tree.remove(key).map(drop).map_err(failed))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        limits::check_key(key)?;
        self.0.shared(|tree| tree.contains_key(key).map_err(failed))
    }

    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error> {
        let after = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => {
                limits::check_key(cursor)?;
                Bound::Excluded(cursor)
            }
        };
        self.0.shared(|tree| {
            Keys::page(
                tree.range::<&str, _>((after, Bound::Unbounded))
                    .keys()
                    .take(KEYS_PER_PAGE + 1)
                    .map(|key| text(&key.map_err(failed)?)),
            )
        })
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        limits::check_key(key)?;
        self.0.shared(|tree| {
            let mut current = tree.get(key).map_err(failed)?;
            // sled's own `update_and_fetch` would delete the key where the sum is an error.
            loop {
                let sum = number::add(key, current.as_deref(), delta)?;
                let new = IVec::from(number::to_bytes(sum).as_ref());
                match tree
                    .compare_and_swap(key, current.as_deref(), Some(new))
                    .map_err(failed)?
                {
                    Ok(()) => return Ok(sum),
                    Err(lost) => current = lost.current,
                }
            }
        })
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        limits::check_entry(key, &value)?;
        let key = key.to_owned();
        let expected = expected.map(Bytes::copy_from_slice);
        self.write(value.len(), move |slot| {
            slot.shared(|tree| {
                tree.compare_and_swap(&key, expected, Some(&*value))
                    .map(|swapped| swapped.is_ok())
                    .map_err(failed)
            })
        })
        .await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        limits::check_keys(keys)?;
        self.0.shared(|tree| {
            let mut budget = BatchBudget::default();
            keys.iter()
                .map(|key| {
                    let value = tree.get(key).map_err(failed)?;
                    budget.spend(key.len() + value.as_ref().map_or(0, |value| value.len()))?;
                    Ok(value.map(bytes))
                })
                .collect()
        })
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>) -> Result<(), Error> {
        limits::check_entries(&entries)?;
        let size = entries.iter().map(|(_, value)| value.len()).sum();
        self.write(size, move |slot| {
            let mut batch = Batch::default();
            // One entry a key, the last.
            for (key, value) in entries.into_iter().collect::<HashMap<_, _>>() {
                batch.insert(key.as_bytes(), &*value);
            }
            slot.alone(|tree| tree.apply_batch(batch).map_err(failed))
        })
        .await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        limits::check_keys(keys)?;
        let mut batch = Batch::default();
        for key in keys {
            batch.remove(key.as_bytes());
        }
        self.0.alone(|tree| tree.apply_batch(batch).map_err(failed))
    }
}

/// An insert of the value that is there is a no-op in sled, which nobody can tell from a write: the
/// value that is there is as durable as the flush after it.
fn insert(tree: &Tree, key: &str, value: &[u8]) -> Result<(), Error> {
    tree.insert(key, value).map(drop).map_err(failed)
}

/// Without a copy where that pays. sled's values are buffers of their own, not parts of a page.
fn bytes(value: IVec) -> Bytes {
    if value.len() <= COPIED {
        Bytes::copy_from_slice(&value)
    } else {
        Bytes::from_owner(value)
    }
}

/// Every key was written as text.
fn text(key: &IVec) -> Result<String, Error> {
    std::str::from_utf8(key)
        .map(str::to_owned)
        .map_err(|_| io("the store is damaged: a key is not UTF-8"))
}
