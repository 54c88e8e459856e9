//! A bucket: the keys of one space of the store that begin with its name.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use whirlwind_provider_api::limits::{self, BatchBudget, KEYS_PER_PAGE};
use whirlwind_provider_api::{Bucket, Error, Keys, number};
use whirlwind_store::{Batch, CommitError, ReadError, Space};

use crate::failed::{io, of_commit, of_read};
use crate::key_value::Shared;
use crate::place;

/// A handle to one bucket.
#[derive(Debug)]
pub(crate) struct StoreBucket {
    shared: Arc<Shared>,
    name: String,
}

/// An error of `get_many`, which has two makers.
struct Refused(Error);

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Self(of_read(error))
    }
}

impl StoreBucket {
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self {
            shared,
            name: name.to_owned(),
        }
    }

    fn place(&self, key: &str) -> Bytes {
        place::of_key(&self.name, key)
    }

    /// Commits what writes without a look at what is there.
    async fn write(&self, batch: Batch) -> Result<(), Error> {
        self.shared.room().await?;
        // Durable with the next flush: nobody waits here.
        self.shared
            .with(|store| store.commit(batch).map(drop).map_err(of_commit))
    }

    /// Reads a key, and gives it the value that `change` makes of it, if any, at one moment.
    async fn change<T>(
        &self,
        key: &str,
        change: impl Fn(Option<&[u8]>) -> Result<(Option<Bytes>, T), Error>,
    ) -> Result<T, Error> {
        let place = self.place(key);
        self.shared.room().await?;
        loop {
            let changed = self.shared.with(|store| {
                let mut batch = Batch::new();
                let current = batch.get(store, Space::Buckets, &place).map_err(of_read)?;
                let (value, answer) = change(current.as_deref())?;
                let Some(value) = value else {
                    return Ok(Some(answer));
                };
                batch.put(Space::Buckets, place.clone(), value);
                match store.commit(batch) {
                    Ok(_) => Ok(Some(answer)),
                    // Another was first; so some other gets on.
                    Err(CommitError::Conflict) => Ok(None),
                    Err(error) => Err(of_commit(error)),
                }
            })?;
            if let Some(answer) = changed {
                return Ok(answer);
            }
        }
    }
}

#[async_trait]
impl Bucket for StoreBucket {
    async fn ready(&self) -> Result<(), Error> {
        self.shared.with(|_| Ok(()))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        limits::check_key(key)?;
        let place = self.place(key);
        self.shared
            .with(|store| store.get(Space::Buckets, &place).map_err(of_read))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error> {
        limits::check_entry(key, &value)?;
        let mut batch = Batch::new();
        batch.put(Space::Buckets, self.place(key), value);
        self.write(batch).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        limits::check_key(key)?;
        let mut batch = Batch::new();
        batch.delete(Space::Buckets, self.place(key));
        self.write(batch).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.get(key).await?.is_some())
    }

    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error> {
        if let Some(cursor) = cursor {
            limits::check_key(cursor)?;
        }
        let after = self.place(cursor.unwrap_or_default());
        let end = place::end(&self.name);
        let range = place::range(&after, cursor.is_some(), &end);
        let places = self.shared.with(|store| {
            store
                .scan_keys(Space::Buckets, range, KEYS_PER_PAGE + 1)
                .map_err(of_read)
        })?;
        Keys::page(places.iter().map(|place| {
            place::parse(place)
                .map(|(_, key)| key.to_owned())
                .ok_or_else(|| io("the store is damaged: a key is not UTF-8"))
        }))
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        limits::check_key(key)?;
        self.change(key, |current| {
            let sum = number::add(key, current, delta)?;
            Ok((Some(number::to_bytes(sum)), sum))
        })
        .await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        limits::check_entry(key, &value)?;
        self.change(key, |current| {
            let equal = current == expected;
            Ok((equal.then(|| value.clone()), equal))
        })
        .await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        limits::check_keys(keys)?;
        let places: Vec<_> = keys.iter().map(|key| self.place(key)).collect();
        let mut budget = BatchBudget::default();
        let mut values = Vec::with_capacity(keys.len());
        self.shared.with(|store| {
            store
                .get_many(Space::Buckets, &places, |at, value| {
                    let key = keys.get(at).map_or(0, String::len);
                    budget
                        .spend(key + value.as_ref().map_or(0, Bytes::len))
                        .map_err(Refused)?;
                    values.push(value);
                    Ok(())
                })
                .map_err(|Refused(error)| error)
        })?;
        Ok(values)
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>) -> Result<(), Error> {
        limits::check_entries(&entries)?;
        let mut batch = Batch::new();
        for (key, value) in entries {
            batch.put(Space::Buckets, self.place(&key), value);
        }
        self.write(batch).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        limits::check_keys(keys)?;
        let mut batch = Batch::new();
        for key in keys {
            batch.delete(Space::Buckets, self.place(key));
        }
        self.write(batch).await
    }
}
