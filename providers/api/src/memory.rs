//! A store in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;

use crate::limits::{self, BatchBudget, KEYS_PER_PAGE};
use crate::{Bucket, Error, KeyValue, Keys, number};

/// Buckets in memory: gone when the store is closed or the process ends.
///
/// Each bucket is a map of its own, so no key can reach another bucket. It holds at most a number of
/// bytes of keys and values together, because those who fill it are not trusted with the memory of the
/// host.
#[derive(Debug)]
pub struct MemoryKeyValue {
    /// `None` once closed.
    buckets: Mutex<Option<HashMap<String, Arc<MemoryBucket>>>>,
    room: Arc<Room>,
}

impl Default for MemoryKeyValue {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryKeyValue {
    /// What [`MemoryKeyValue::new`] may hold: 256 MiB, four components' worth of their own default
    /// memory limit.
    pub const DEFAULT_CAPACITY: usize = 256 * 1024 * 1024;

    /// An empty store that may hold [`Self::DEFAULT_CAPACITY`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty store that may hold `capacity` bytes of keys and values, all buckets together.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buckets: Mutex::new(Some(HashMap::new())),
            room: Arc::new(Room {
                used: AtomicUsize::new(0),
                capacity,
            }),
        }
    }
}

#[async_trait]
impl KeyValue for MemoryKeyValue {
    async fn bucket(&self, name: &str) -> Result<Arc<dyn Bucket>, Error> {
        limits::check_bucket_name(name)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = buckets.as_mut().ok_or_else(closed)?;
        if let Some(bucket) = buckets.get(name) {
            return Ok(bucket.clone());
        }
        let bucket = Arc::new(MemoryBucket {
            entries: RwLock::new(Some(BTreeMap::new())),
            room: self.room.clone(),
        });
        buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }

    async fn buckets(&self) -> Result<Vec<String>, Error> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = Vec::new();
        for (name, bucket) in buckets.as_ref().ok_or_else(closed)? {
            if !open(&bucket.read())?.is_empty() {
                names.push(name.clone());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    async fn flush(&self) -> Result<(), Error> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.as_ref().map(|_| ()).ok_or_else(closed)
    }

    async fn close(&self) -> Result<(), Error> {
        let buckets = self
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for bucket in buckets.into_iter().flat_map(HashMap::into_values) {
            *bucket.write() = None;
        }
        Ok(())
    }
}

/// `None` once closed.
type Entries = Option<BTreeMap<String, Bytes>>;

/// One bucket. No lock is held across an await.
#[derive(Debug)]
struct MemoryBucket {
    entries: RwLock<Entries>,
    room: Arc<Room>,
}

impl MemoryBucket {
    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a key in entries that the caller has locked.
    fn put(
        &self,
        entries: &mut BTreeMap<String, Bytes>,
        key: &str,
        value: Bytes,
    ) -> Result<(), Error> {
        match entries.get_mut(key) {
            Some(old) => {
                self.room.exchange(old.len(), value.len())?;
                *old = value;
            }
            None => {
                self.room.exchange(0, key.len() + value.len())?;
                entries.insert(key.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Deletes a key from entries that the caller has locked.
    fn remove(&self, entries: &mut BTreeMap<String, Bytes>, key: &str) {
        if let Some(value) = entries.remove(key) {
            self.room.release(key.len() + value.len());
        }
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn ready(&self) -> Result<(), Error> {
        open(&self.read()).map(drop)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        limits::check_key(key)?;
        Ok(open(&self.read())?.get(key).cloned())
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error> {
        limits::check_entry(key, &value)?;
        self.put(open_mut(&mut self.write())?, key, value)
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        limits::check_key(key)?;
        self.remove(open_mut(&mut self.write())?, key);
        Ok(())
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        limits::check_key(key)?;
        Ok(open(&self.read())?.contains_key(key))
    }

    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error> {
        let after = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => {
                limits::check_key(cursor)?;
                Bound::Excluded(cursor)
            }
        };
        let entries = self.read();
        Keys::page(
            open(&entries)?
                .range::<str, _>((after, Bound::Unbounded))
                .take(KEYS_PER_PAGE + 1)
                .map(|(key, _)| Ok(key.clone())),
        )
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        limits::check_key(key)?;
        let mut entries = self.write();
        let entries = open_mut(&mut entries)?;
        let sum = number::add(key, entries.get(key).map(AsRef::as_ref), delta)?;
        self.put(entries, key, number::to_bytes(sum))?;
        Ok(sum)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        limits::check_entry(key, &value)?;
        let mut entries = self.write();
        let entries = open_mut(&mut entries)?;
        if entries.get(key).map(AsRef::as_ref) != expected {
            return Ok(false);
        }
        self.put(entries, key, value)?;
        Ok(true)
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        limits::check_keys(keys)?;
        let entries = self.read();
        let entries = open(&entries)?;
        let mut budget = BatchBudget::default();
        keys.iter()
            .map(|key| {
                let value = entries.get(key).cloned();
                budget.spend(key.len() + value.as_ref().map_or(0, Bytes::len))?;
                Ok(value)
            })
            .collect()
    }

    async fn set_many(&self, batch: Vec<(String, Bytes)>) -> Result<(), Error> {
        limits::check_entries(&batch)?;
        let mut entries = self.write();
        let entries = open_mut(&mut entries)?;
        // One entry a key, the last; then what the batch as a whole takes and gives back is known
        // before the first is set.
        let batch: HashMap<String, Bytes> = batch.into_iter().collect();
        let (mut old, mut new) = (0, 0);
        for (key, value) in &batch {
            old += entries.get(key).map_or(0, |value| key.len() + value.len());
            new += key.len() + value.len();
        }
        self.room.exchange(old, new)?;
        entries.extend(batch);
        Ok(())
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        limits::check_keys(keys)?;
        let mut entries = self.write();
        let entries = open_mut(&mut entries)?;
        for key in keys {
            self.remove(entries, key);
        }
        Ok(())
    }
}

/// The bytes that all buckets of a store share.
#[derive(Debug)]
struct Room {
    used: AtomicUsize,
    capacity: usize,
}

impl Room {
    /// Takes `new` bytes and gives `old` ones back, or does neither. What does not grow always fits.
    fn exchange(&self, old: usize, new: usize) -> Result<(), Error> {
        let Some(more) = new.checked_sub(old).filter(|more| *more > 0) else {
            self.release(old - new);
            return Ok(());
        };
        // Relaxed: the count guards no other memory.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(more).filter(|used| *used <= self.capacity)
            })
            .map(|_| ())
            .map_err(|_| Error::Full {
                provider: PROVIDER.to_owned(),
                limit: self.capacity,
            })
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What errors call this provider.
const PROVIDER: &str = "memory";

fn open(entries: &Entries) -> Result<&BTreeMap<String, Bytes>, Error> {
    entries.as_ref().ok_or_else(closed)
}

fn open_mut(entries: &mut Entries) -> Result<&mut BTreeMap<String, Bytes>, Error> {
    entries.as_mut().ok_or_else(closed)
}

fn closed() -> Error {
    Error::Unavailable {
        provider: PROVIDER.to_owned(),
        reason: "it is closed".to_owned(),
    }
}
