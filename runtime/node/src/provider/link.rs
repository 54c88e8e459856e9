//! What a component holds of a provider: one bucket, whatever happens to the store behind it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use whirlwind_provider_api::{Bucket, Error, Keys};

use super::{Provider, State};

/// A bucket of a provider that may be down now and up later. It is opened at the first call, and again when the provider came
/// back with another store; a component that kept its handle notices neither.
#[derive(Debug)]
pub(crate) struct LinkedBucket {
    provider: Arc<Provider>,
    bucket: String,
    opened: ArcSwapOption<Opened>,
}

#[derive(Debug)]
struct Opened {
    state: Arc<State>,
    bucket: Arc<dyn Bucket>,
}

impl LinkedBucket {
    pub(crate) fn new(provider: Arc<Provider>, bucket: &str) -> Self {
        Self {
            provider,
            bucket: bucket.to_owned(),
            opened: ArcSwapOption::empty(),
        }
    }

    async fn open(&self) -> Result<Arc<Opened>, Error> {
        let state = self.provider.state();
        if let Some(opened) = &*self.opened.load()
            && Arc::ptr_eq(&opened.state, &state)
        {
            return Ok(Arc::clone(opened));
        }
        // Why it is down can name paths of the host: that is for the log and for listings, not for a guest.
        let store = self.provider.store().map_err(|_| Error::Unavailable {
            provider: self.provider.name.clone(),
            reason: "it is down, and is opened again as soon as that works".to_owned(),
        })?;
        let bucket = store.bucket(&self.bucket).await?;
        let opened = Arc::new(Opened { state, bucket });
        self.opened.store(Some(Arc::clone(&opened)));
        Ok(opened)
    }
}

#[async_trait]
impl Bucket for LinkedBucket {
    async fn ready(&self) -> Result<(), Error> {
        self.open().await?.bucket.ready().await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.open().await?.bucket.get(key).await
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error> {
        self.open().await?.bucket.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.open().await?.bucket.delete(key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.open().await?.bucket.exists(key).await
    }

    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error> {
        self.open().await?.bucket.list_keys(cursor).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.open().await?.bucket.increment(key, delta).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        let opened = self.open().await?;
        opened.bucket.compare_and_swap(key, expected, value).await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.open().await?.bucket.get_many(keys).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>) -> Result<(), Error> {
        self.open().await?.bucket.set_many(entries).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        self.open().await?.bucket.delete_many(keys).await
    }
}
