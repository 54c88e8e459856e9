//! How long, how large, how many: the same for every store, so that one can be swapped for another.

use bytes::Bytes;

use crate::Error;

/// Bytes in a bucket's name. A name is written in a manifest, where this is more than anybody types.
pub const MAX_BUCKET_NAME: usize = 256;

/// Bytes in a key, as in S3. A page of [`KEYS_PER_PAGE`] such keys is under 1 MiB, and an inner page of
/// sled's tree, which has up to 256 of them, under 256 KiB.
pub const MAX_KEY: usize = 1024;

/// Bytes in a value, as in NATS. A leaf of sled's tree is read and written as a whole and has up to 16
/// of them: 16 MiB, as [`MAX_BATCH_BYTES`].
pub const MAX_VALUE: usize = 1024 * 1024;

/// Keys in one batch. As many as in a page, so that a page can be read or deleted with one batch.
pub const MAX_BATCH_KEYS: usize = KEYS_PER_PAGE;

/// Bytes of keys and values that one batch carries or is answered: 16 of the largest values. A call
/// holds them at most twice, once here and once on its way into a component, which is half of the
/// 64 MiB that host calls may cost the host.
pub const MAX_BATCH_BYTES: usize = 16 * MAX_VALUE;

/// Keys in one page of a listing. See [`MAX_KEY`] for what that is in bytes.
pub const KEYS_PER_PAGE: usize = 1000;

/// Checks the name of a bucket. Any string within [`MAX_BUCKET_NAME`] is one.
///
/// # Errors
/// [`Error::BucketNameTooLong`].
pub fn check_bucket_name(name: &str) -> Result<(), Error> {
    if name.len() > MAX_BUCKET_NAME {
        return Err(Error::BucketNameTooLong { length: name.len() });
    }
    Ok(())
}

/// Checks a key. Any string within [`MAX_KEY`] is one, the empty one too.
///
/// # Errors
/// [`Error::KeyTooLong`].
pub fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY {
        return Err(Error::KeyTooLong { length: key.len() });
    }
    Ok(())
}

/// Checks a key and the value meant for it.
///
/// # Errors
/// [`Error::KeyTooLong`], [`Error::ValueTooLarge`].
pub fn check_entry(key: &str, value: &[u8]) -> Result<(), Error> {
    check_key(key)?;
    if value.len() > MAX_VALUE {
        return Err(Error::ValueTooLarge {
            key: key.to_owned(),
            size: value.len(),
        });
    }
    Ok(())
}

/// Checks the keys of a batch.
///
/// # Errors
/// [`Error::TooManyKeys`], [`Error::KeyTooLong`].
pub fn check_keys(keys: &[String]) -> Result<(), Error> {
    check_count(keys.len())?;
    keys.iter().try_for_each(|key| check_key(key))
}

/// Checks the entries of a batch, each and all together.
///
/// # Errors
/// [`Error::TooManyKeys`], [`Error::KeyTooLong`], [`Error::ValueTooLarge`], [`Error::BatchTooLarge`].
pub fn check_entries(entries: &[(String, Bytes)]) -> Result<(), Error> {
    check_count(entries.len())?;
    let mut budget = BatchBudget::default();
    for (key, value) in entries {
        check_entry(key, value)?;
        budget.spend(key.len() + value.len())?;
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), Error> {
    if count > MAX_BATCH_KEYS {
        return Err(Error::TooManyKeys { count });
    }
    Ok(())
}

/// Counts the bytes of a batch while it is gathered, so that an answer over [`MAX_BATCH_BYTES`] is
/// refused before it is held.
#[derive(Debug)]
pub struct BatchBudget {
    left: usize,
}

impl Default for BatchBudget {
    fn default() -> Self {
        Self {
            left: MAX_BATCH_BYTES,
        }
    }
}

impl BatchBudget {
    /// Takes `bytes` from what is left.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] when less is left.
    pub fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::BatchTooLarge)?;
        Ok(())
    }
}
