//! A store of named buckets, and a bucket.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Error;

/// A key-value store: buckets by name, each a world of its own.
///
/// Any two different names are different buckets, compared byte by byte: nothing in a name is a path,
/// a prefix or a separator, and names that look alike (`é` composed or not) are not the same.
#[async_trait]
pub trait KeyValue: fmt::Debug + Send + Sync + 'static {
    /// The bucket of this name. There is nothing to create: a bucket that nobody wrote to is empty.
    /// All handles to one name see the same entries, and a handle lives on when others are dropped.
    ///
    /// # Errors
    /// [`Error::BucketNameTooLong`], [`Error::Unavailable`], [`Error::Io`].
    async fn bucket(&self, name: &str) -> Result<Arc<dyn Bucket>, Error>;

    /// The names of the buckets that hold at least one key, sorted.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Io`].
    async fn buckets(&self) -> Result<Vec<String>, Error>;

    /// Returns once every write that returned before the call is as durable as this store can make it.
    /// What that is worth, at a killed process and at a power cut, stands on the page of the store.
    /// For a store in memory it is nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Io`].
    async fn flush(&self) -> Result<(), Error>;

    /// Flushes, and lets go of files and locks, so that the same store can be opened again. Afterwards
    /// every operation, also on buckets handed out before, is [`Error::Unavailable`]; closing again is
    /// not an error.
    ///
    /// # Errors
    /// [`Error::Io`] when the last flush failed. The store is closed all the same.
    async fn close(&self) -> Result<(), Error>;
}

/// A bucket: values by key, in the order of the keys' UTF-8 bytes.
///
/// Keys are any strings within [`MAX_KEY`](crate::limits::MAX_KEY), the empty one too, compared byte by
/// byte. Values are any bytes within [`MAX_VALUE`](crate::limits::MAX_VALUE); they are handed over and
/// back without a copy where the store can. Do not give a small slice of a large buffer: a store in
/// memory keeps the whole buffer alive.
///
/// Every operation takes effect at one moment or not at all, and one that returned is seen by all that
/// begin after it. An operation whose future is dropped took effect wholly or not at all.
/// Durable it is with the next [`KeyValue::flush`].
#[async_trait]
pub trait Bucket: fmt::Debug + Send + Sync + 'static {
    /// Whether the bucket would take a write now, as far as that costs nothing to find out: no disk is
    /// touched and no network. It is asked where a write is [staged](crate::Staged), before anything is
    /// told to the bucket itself. What it says holds for this moment; one that cannot tell says yes.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The value of a key, or `None`.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Unavailable`], [`Error::Io`]; so do all others.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error>;

    /// Gives a key this value, whether or not it had one.
    ///
    /// # Errors
    /// Also [`Error::ValueTooLarge`], [`Error::Full`].
    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error>;

    /// Deletes a key. One that is not there is not an error.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    async fn delete(&self, key: &str) -> Result<(), Error>;

    /// Whether a key has a value, were it an empty one.
    ///
    /// # Errors
    /// As [`Bucket::get`].
    async fn exists(&self, key: &str) -> Result<bool, Error>;

    /// A page of keys: the first ones after `cursor`, or from the beginning, at most
    /// [`KEYS_PER_PAGE`](crate::limits::KEYS_PER_PAGE).
    ///
    /// The cursor is a key, excluded from the page, and need not exist any more. So a listing is stable
    /// while others write: a key that is there all the while comes exactly once, no key comes twice, and
    /// one that comes or goes meanwhile may be listed or not.
    ///
    /// # Errors
    /// As [`Bucket::get`]; [`Error::KeyTooLong`] is about the cursor.
    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error>;

    /// Adds `delta` to the number of a key and answers the sum. A missing key counts as 0.
    ///
    /// The number is stored as decimal text, see [`number`](crate::number).
    ///
    /// # Errors
    /// Also [`Error::NotANumber`], [`Error::Overflow`], [`Error::Full`]. The value is then as before.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error>;

    /// Gives a key this value if its present one equals `expected` (`None`: if it has none). Answers
    /// whether it did.
    ///
    /// # Errors
    /// Also [`Error::ValueTooLarge`], [`Error::Full`].
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error>;

    /// The values of these keys, in their order, `None` for each that is missing. Of a
    /// [`set_many`](Bucket::set_many) or [`delete_many`](Bucket::delete_many) beside it, it sees all or
    /// nothing.
    ///
    /// # Errors
    /// Also [`Error::TooManyKeys`], and [`Error::BatchTooLarge`] when the values are.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error>;

    /// Sets all these keys, or none. Of a key named twice the last value stays.
    ///
    /// # Errors
    /// Also [`Error::TooManyKeys`], [`Error::ValueTooLarge`], [`Error::BatchTooLarge`], [`Error::Full`].
    async fn set_many(&self, entries: Vec<(String, Bytes)>) -> Result<(), Error>;

    /// Deletes all these keys, or none. One that is not there is not an error.
    ///
    /// # Errors
    /// Also [`Error::TooManyKeys`].
    async fn delete_many(&self, keys: &[String]) -> Result<(), Error>;
}

/// A page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// In order.
    pub keys: Vec<String>,
    /// What to ask the next page with: the last key of this one. `None` when, at the moment of the
    /// listing, no key came after it.
    pub cursor: Option<String>,
}

impl Keys {
    /// A page from keys in order, of which the caller took one more than a page holds, where there was
    /// one: it tells whether a next page exists.
    ///
    /// # Errors
    /// The first error among the keys.
    pub fn page(keys: impl Iterator<Item = Result<String, Error>>) -> Result<Self, Error> {
        let mut page = Self::default();
        for key in keys {
            let key = key?;
            if page.keys.len() == crate::limits::KEYS_PER_PAGE {
                page.cursor = page.keys.last().cloned();
                break;
            }
            page.keys.push(key);
        }
        Ok(page)
    }
}
