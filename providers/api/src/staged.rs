//! What one turn does to the buckets it is linked to, until its end is known.
//!
//! A [`Staged`] lies between a component and its buckets. What the turn writes stays here, where the turn
//! itself reads it; at a good end it is taken apart into one [`StagedBucket`] for each bucket, to be
//! committed or applied, and at a bad end it is dropped. So nothing is visible outside before the turn's
//! end, with one exception: see [`Staged::increment`].
//!
//! Of a bucket that is [validated](Linked::validated) the turn's reads are kept too, so that whoever
//! commits the turn can compare them with what is there then. Each key is read once: the turn sees no
//! change of others to a key it knows.

mod bucket;
mod linked;
mod listing;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::limits::{self, BatchBudget};
use crate::{Error, Keys, number};

pub use bucket::StagedBucket;
pub use linked::Linked;

/// What an entry costs beside its key and value: its place in a map that is half full, and the
/// bookkeeping of its two buffers.
const ENTRY: usize = 128;

/// The reads and writes of one turn. Every operation answers as one of [`Bucket`](crate::Bucket) does
/// whose entries are those of the bucket with the turn's own writes over them, and has the same errors,
/// but for [`Error::Full`]: that is only known when the writes are applied.
///
/// An operation that fails, or whose future is dropped, changed nothing.
#[derive(Default)]
pub struct Staged {
    /// Those that answered something, or took a write. Mostly one, so a search is a comparison.
    buckets: Vec<StagedBucket>,
    size: usize,
}

/// The operations of a bucket.
impl Staged {
    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// As [`Bucket::get`](crate::Bucket::get).
    pub async fn get(&mut self, of: &Linked, key: &str) -> Result<Option<Bytes>, Error> {
        limits::check_key(key)?;
        if let Some(known) = self.known(of, key) {
            return Ok(known.clone());
        }
        let value = of.bucket.get(key).await?;
        self.remember(of, key, &value);
        Ok(value)
    }

    /// Whether a key has a value, were it an empty one. Of a validated bucket the value is read, to be
    /// compared later.
    ///
    /// # Errors
    /// As [`Bucket::exists`](crate::Bucket::exists).
    pub async fn exists(&mut self, of: &Linked, key: &str) -> Result<bool, Error> {
        if of.validated {
            return Ok(self.get(of, key).await?.is_some());
        }
        limits::check_key(key)?;
        if let Some(known) = self.known(of, key) {
            return Ok(known.is_some());
        }
        let exists = of.bucket.exists(key).await?;
        self.touch(of, |_| ());
        Ok(exists)
    }

    /// Gives a key this value, for this turn to read and to be applied at its end.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLarge`]; and those of
    /// [`Bucket::ready`](crate::Bucket::ready), which a bucket that the turn did not touch yet is asked.
    pub async fn set(&mut self, of: &Linked, key: &str, value: Bytes) -> Result<(), Error> {
        limits::check_entry(key, &value)?;
        self.ready(of).await?;
        self.write(of, key.to_owned(), Some(value));
        Ok(())
    }

    /// Deletes a key, for this turn to miss and to be applied at its end.
    ///
    /// # Errors
    /// As [`Staged::set`].
    pub async fn delete(&mut self, of: &Linked, key: &str) -> Result<(), Error> {
        limits::check_key(key)?;
        self.ready(of).await?;
        self.write(of, key.to_owned(), None);
        Ok(())
    }

    /// A page of keys, as [`Bucket::list_keys`](crate::Bucket::list_keys) describes it. A listing is not
    /// validated: a key that another adds or deletes before the commit goes unnoticed.
    ///
    /// # Errors
    /// As [`Bucket::list_keys`](crate::Bucket::list_keys).
    pub async fn list_keys(&mut self, of: &Linked, cursor: Option<&str>) -> Result<Keys, Error> {
        let keys = match self.find(of) {
            Some(staged) => listing::merged(&*of.bucket, &staged.writes, cursor).await?,
            None => of.bucket.list_keys(cursor).await?,
        };
        self.touch(of, |_| ());
        Ok(keys)
    }

    /// Adds `delta` to the number of a key and answers the sum. A missing key counts as 0.
    ///
    /// In a validated bucket, and of a key that this turn wrote, the sum is staged like any other write.
    /// Otherwise nobody could tell at the turn's end whether another was between reading and writing, so
    /// the bucket itself adds, at once and for good: others see it before the turn ends, it stays when
    /// the turn fails, and a turn that runs again adds again.
    ///
    /// # Errors
    /// As [`Bucket::increment`](crate::Bucket::increment), [`Error::Full`] only where the bucket adds.
    pub async fn increment(&mut self, of: &Linked, key: &str, delta: i64) -> Result<i64, Error> {
        limits::check_key(key)?;
        if self.acts_at_once(of, key) {
            let sum = of.bucket.increment(key, delta).await?;
            self.touch(of, |_| ());
            return Ok(sum);
        }
        let sum = number::add(key, self.get(of, key).await?.as_deref(), delta)?;
        self.write(of, key.to_owned(), Some(number::to_bytes(sum)));
        Ok(sum)
    }

    /// Gives a key this value if its present one equals `expected` (`None`: if it has none). Answers
    /// whether it did. It is staged, or done by the bucket at once, as [`Staged::increment`] is.
    ///
    /// # Errors
    /// As [`Bucket::compare_and_swap`](crate::Bucket::compare_and_swap), [`Error::Full`] only where the
    /// bucket swaps.
    pub async fn compare_and_swap(
        &mut self,
        of: &Linked,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        limits::check_entry(key, &value)?;
        if self.acts_at_once(of, key) {
            let swapped = of.bucket.compare_and_swap(key, expected, value).await?;
            self.touch(of, |_| ());
            return Ok(swapped);
        }
        let equal = self.get(of, key).await?.as_deref() == expected;
        if equal {
            self.write(of, key.to_owned(), Some(value));
        }
        Ok(equal)
    }

    /// The values of these keys, in their order, `None` for each that is missing.
    ///
    /// # Errors
    /// As [`Bucket::get_many`](crate::Bucket::get_many).
    pub async fn get_many(
        &mut self,
        of: &Linked,
        keys: &[String],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        limits::check_keys(keys)?;
        let unknown = match self.find(of) {
            Some(staged) => Cow::Owned(
                keys.iter()
                    .filter(|key| staged.known(key).is_none())
                    .cloned()
                    .collect(),
            ),
            None => Cow::Borrowed(keys),
        };
        let found = match &unknown {
            Cow::Owned(none) if none.is_empty() => Vec::new(),
            unknown => of.bucket.get_many(unknown).await?,
        };
        let mut budget = BatchBudget::default();
        let mut rest = found.iter();
        let values = keys
            .iter()
            .map(|key| {
                let value = self.known(of, key).or_else(|| rest.next()).cloned();
                let value = value.flatten();
                budget.spend(key.len() + value.as_ref().map_or(0, Bytes::len))?;
                Ok(value)
            })
            .collect::<Result<_, _>>()?;
        for (key, value) in unknown.iter().zip(&found) {
            self.remember(of, key, value);
        }
        Ok(values)
    }

    /// Sets all these keys, or none. Of a key named twice the last value stays.
    ///
    /// # Errors
    /// As [`Staged::set`]; [`Error::TooManyKeys`], [`Error::BatchTooLarge`].
    pub async fn set_many(
        &mut self,
        of: &Linked,
        entries: Vec<(String, Bytes)>,
    ) -> Result<(), Error> {
        limits::check_entries(&entries)?;
        self.ready(of).await?;
        for (key, value) in entries {
            self.write(of, key, Some(value));
        }
        Ok(())
    }

    /// Deletes all these keys, or none.
    ///
    /// # Errors
    /// As [`Staged::delete`]; [`Error::TooManyKeys`].
    pub async fn delete_many(&mut self, of: &Linked, keys: &[String]) -> Result<(), Error> {
        limits::check_keys(keys)?;
        self.ready(of).await?;
        for key in keys {
            self.write(of, key.clone(), None);
        }
        Ok(())
    }
}

/// What it holds, and its end.
impl Staged {
    /// Bytes that the reads and writes hold, with an allowance for each. A value that is set again
    /// counts once; one that is read and then written counts twice, for both are kept.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing was written, and nothing read that a commit would compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(StagedBucket::is_empty)
    }

    /// Each bucket of which something was written, or read to be compared.
    pub fn into_buckets(self) -> impl Iterator<Item = StagedBucket> {
        self.buckets.into_iter().filter(|staged| !staged.is_empty())
    }
}

impl Staged {
    fn find(&self, of: &Linked) -> Option<&StagedBucket> {
        self.buckets.iter().find(|staged| staged.linked.is(of))
    }

    /// What a key is to this turn, where no bucket need be asked.
    fn known(&self, of: &Linked, key: &str) -> Option<&Option<Bytes>> {
        self.find(of)?.known(key)
    }

    /// Whether nothing guards the time between reading this key and the turn's end.
    fn acts_at_once(&self, of: &Linked, key: &str) -> bool {
        !of.validated && self.known(of, key).is_none()
    }

    /// Asks a bucket that has not answered this turn yet whether it would take a write, so that the
    /// component learns of a provider that is down where it can still do something about it.
    async fn ready(&self, of: &Linked) -> Result<(), Error> {
        match self.find(of) {
            Some(_) => Ok(()),
            None => of.bucket.ready().await,
        }
    }

    /// Changes what is held of a bucket, which from now on counts as touched.
    fn touch(&mut self, of: &Linked, change: impl FnOnce(&mut StagedBucket)) {
        match self.buckets.iter_mut().find(|staged| staged.linked.is(of)) {
            Some(staged) => change(staged),
            None => {
                let mut staged = StagedBucket::new(of.clone());
                change(&mut staged);
                self.buckets.push(staged);
            }
        }
    }

    fn write(&mut self, of: &Linked, key: String, value: Option<Bytes>) {
        let new = entry_size(&key, &value);
        let mut old = 0;
        self.touch(of, |staged| {
            if let Some(before) = staged.writes.get(&key) {
                old = entry_size(&key, before);
            }
            staged.writes.insert(key, value);
        });
        self.size = self.size + new - old;
    }

    /// Keeps what a bucket said, where it will be compared. The key is not known yet, but may be named
    /// twice in one batch.
    fn remember(&mut self, of: &Linked, key: &str, value: &Option<Bytes>) {
        let mut new = 0;
        self.touch(of, |staged| {
            if of.validated && !staged.reads.contains_key(key) {
                staged.reads.insert(key.to_owned(), value.clone());
                new = entry_size(key, value);
            }
        });
        self.size += new;
    }
}

fn entry_size(key: &str, value: &Option<Bytes>) -> usize {
    ENTRY + key.len() + value.as_ref().map_or(0, Bytes::len)
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged")
            .field("buckets", &self.buckets)
            .field("size", &self.size)
            .finish()
    }
}
