//! What a turn stages: one by one, as a bucket among others, and at random against a copy of the entries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod as_bucket;
mod ends;
mod listing;
mod model;
mod operations;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use whirlwind_provider_api::{Bucket, KeyValue, Linked, MemoryKeyValue};

/// A link to a bucket of a fresh store.
async fn link(validated: bool) -> (MemoryKeyValue, Linked) {
    let store = MemoryKeyValue::new();
    let of = Linked {
        name: "memory/bucket".into(),
        bucket: store.bucket("bucket").await.unwrap(),
        validated,
    };
    (store, of)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Everything in a bucket.
async fn entries(bucket: &Arc<dyn Bucket>) -> BTreeMap<String, Bytes> {
    let mut entries = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref()).await.unwrap();
        for key in page.keys {
            let value = bucket.get(&key).await.unwrap().unwrap();
            entries.insert(key, value);
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return entries;
        }
    }
}
