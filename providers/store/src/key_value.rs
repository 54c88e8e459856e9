//! The store as a provider.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use whirlwind_provider_api::{Bucket, Error, KeyValue, limits};
use whirlwind_store::{Batch, OpenError, Opened, Space, Store};

use crate::bucket::StoreBucket;
use crate::failed::{closed, io, of_commit, of_read};
use crate::place;

/// Key-value buckets in a store.
#[derive(Debug)]
pub struct StoreKeyValue {
    shared: Arc<Shared>,
    /// Closing this closes the store.
    owns: bool,
}

/// What the provider and its buckets share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` once closed. Operations hold it together, closing alone: it waits for what is under way. No
    /// await happens under the lock.
    store: RwLock<Option<Store>>,
    /// The store's count of failures at the latest flush.
    failures: AtomicU64,
}

impl Shared {
    /// Runs `work` on the store.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        work(store.as_ref().ok_or_else(closed)?)
    }

    /// Waits until the store has room for a write.
    pub(crate) async fn room(&self) -> Result<(), Error> {
        let waits = self.with(|store| Ok((!store.has_room()).then(|| store.clone())))?;
        if let Some(store) = waits {
            store.room().await;
        }
        Ok(())
    }
}

impl StoreKeyValue {
    /// The buckets of a store that others use too. Closing this leaves the store to them.
    #[must_use]
    pub fn over(store: Store) -> Self {
        Self::new(store, false)
    }

    /// Opens the store in a directory for its buckets alone, and says what is to report. Blocks, as
    /// [`Store::open`] does.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, Opened), OpenError> {
        let opened = Store::open(path)?;
        Ok((Self::new(opened.store.clone(), true), opened))
    }

    fn new(store: Store, owns: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                failures: AtomicU64::new(store.counts().failures),
                store: RwLock::new(Some(store)),
            }),
            owns,
        }
    }

    /// Waits for what was written, and says whether all of it since the last flush is there.
    async fn flush_store(&self, store: &Store) -> Result<(), Error> {
        // An empty batch comes after all that were taken before.
        let synced = store.commit(Batch::new()).map_err(of_commit)?.await;
        let failures = store.counts().failures;
        let before = self.shared.failures.swap(failures, Ordering::Relaxed);
        synced.map_err(of_commit)?;
        if failures > before {
            return Err(io(
                "writes since the last flush could not be made durable, and were undone",
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyValue for StoreKeyValue {
    async fn bucket(&self, name: &str) -> Result<Arc<dyn Bucket>, Error> {
        limits::check_bucket_name(name)?;
        self.shared.with(|_| Ok(()))?;
        Ok(Arc::new(StoreBucket::new(self.shared.clone(), name)))
    }

    async fn buckets(&self) -> Result<Vec<String>, Error> {
        self.shared.with(|store| {
            let mut names = Vec::new();
            let mut from = Bytes::new();
            loop {
                let range = (
                    std::ops::Bound::Included(&*from),
                    std::ops::Bound::Unbounded,
                );
                let first = store
                    .scan_keys(Space::Buckets, range, 1)
                    .map_err(of_read)?
                    .pop();
                let Some(first) = first else {
                    break;
                };
                let (name, _) = place::parse(&first)
                    .ok_or_else(|| io("the store is damaged: a key is none of a bucket"))?;
                from = place::end(name);
                names.push(name.to_owned());
            }
            names.sort_unstable();
            Ok(names)
        })
    }

    async fn flush(&self) -> Result<(), Error> {
        let store = self.shared.with(|store| Ok(store.clone()))?;
        self.flush_store(&store).await
    }

    async fn close(&self) -> Result<(), Error> {
        let store = self
            .shared
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(store) = store else {
            return Ok(());
        };
        let flushed = self.flush_store(&store).await;
        let owns = self.owns;
        tokio::task::spawn_blocking(move || {
            if owns {
                store.close();
            }
            // It may be the last handle, whose end waits for the disk.
            drop(store);
        })
        .await
        .map_err(|_| io("the runtime is shutting down"))?;
        flushed
    }
}
