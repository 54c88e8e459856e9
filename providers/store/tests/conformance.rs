//! The store passes the suite.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use tempfile::TempDir;
use whirlwind_provider_api::conformance::Subject;
use whirlwind_provider_api::{KeyValue, key_value_conformance};
use whirlwind_provider_store::StoreKeyValue;

struct InStore(TempDir);

impl InStore {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait::async_trait]
impl Subject for InStore {
    const PERSISTS: bool = true;

    async fn open(&self) -> Arc<dyn KeyValue> {
        let (provider, opened) = StoreKeyValue::open(self.0.path().join("state")).unwrap();
        assert_eq!((opened.set_aside, opened.torn), (None, false));
        Arc::new(provider)
    }
}

key_value_conformance!(InStore::new());
