//! sled passes the suite.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use tempfile::TempDir;
use whirlwind_provider_api::conformance::Subject;
use whirlwind_provider_api::{KeyValue, key_value_conformance};
use whirlwind_provider_sled::SledKeyValue;

struct Sled(TempDir);

impl Sled {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait::async_trait]
impl Subject for Sled {
    const PERSISTS: bool = true;

    async fn open(&self) -> Arc<dyn KeyValue> {
        let opened = SledKeyValue::open(self.0.path().join("state")).await;
        let opened = opened.unwrap();
        assert_eq!((opened.set_aside, opened.rolled_back), (None, None));
        Arc::new(opened.store)
    }
}

key_value_conformance!(Sled::new());
