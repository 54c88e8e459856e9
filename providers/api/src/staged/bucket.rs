use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::Linked;
use crate::Error;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS};

/// What a turn read and wrote of one bucket.
pub struct StagedBucket {
    /// Which bucket.
    pub linked: Linked,
    /// What the bucket said of each key the turn looked at before it wrote it, if the bucket is
    /// validated. `None` is a key that was not there.
    pub reads: BTreeMap<String, Option<Bytes>>,
    /// What each key shall be. `None` is a key that shall not be there.
    pub writes: BTreeMap<String, Option<Bytes>>,
}

impl StagedBucket {
    pub(super) fn new(linked: Linked) -> Self {
        Self {
            linked,
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
        }
    }

    pub(super) fn known(&self, key: &str) -> Option<&Option<Bytes>> {
        self.writes.get(key).or_else(|| self.reads.get(key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }

    /// Applies the writes to the bucket, without a look at what was read: in as few batches as the
    /// [limits](crate::limits) allow, each of which is seen whole or not at all. What is set comes before
    /// what is deleted: a turn that moves a value, and is cut off between, has it twice and not nowhere.
    ///
    /// Applying again what was applied, wholly or in part, makes the same entries.
    ///
    /// # Errors
    /// That of the first batch the bucket refused. Those before it are applied, and none after it.
    pub async fn apply(&self) -> Result<(), Error> {
        let bucket = &self.linked.bucket;
        // Most turns write one key, for which a store does less than for a batch.
        if self.writes.len() == 1
            && let Some((key, value)) = self.writes.first_key_value()
        {
            return match value {
                Some(value) => bucket.set(key, value.clone()).await,
                None => bucket.delete(key).await,
            };
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut deleted = Vec::new();
        for (key, value) in &self.writes {
            let Some(value) = value else {
                deleted.push(key.clone());
                continue;
            };
            let more = key.len() + value.len();
            if batch.len() == MAX_BATCH_KEYS || bytes + more > MAX_BATCH_BYTES {
                bucket.set_many(std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            batch.push((key.clone(), value.clone()));
            bytes += more;
        }
        if !batch.is_empty() {
            bucket.set_many(batch).await?;
        }
        for batch in deleted.chunks(MAX_BATCH_KEYS) {
            bucket.delete_many(batch).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for StagedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys and values are left out: they may be many, and are not for logs.
        f.debug_struct("StagedBucket")
            .field("linked", &self.linked)
            .field("reads", &self.reads.len())
            .field("writes", &self.writes.len())
            .finish()
    }
}
