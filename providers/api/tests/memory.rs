//! The store in memory passes the suite, and keeps to its capacity.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use whirlwind_provider_api::conformance::Subject;
use whirlwind_provider_api::{Error, KeyValue, MemoryKeyValue, key_value_conformance};

struct Memory;

#[async_trait::async_trait]
impl Subject for Memory {
    const PERSISTS: bool = false;

    async fn open(&self) -> Arc<dyn KeyValue> {
        Arc::new(MemoryKeyValue::new())
    }
}

key_value_conformance!(Memory);

#[test]
fn a_value_goes_in_and_comes_out_without_a_copy() {
    whirlwind_provider_api::conformance::run(async {
        let bucket = MemoryKeyValue::new().bucket("b").await.unwrap();
        let value = Bytes::from(vec![7; 100]);
        bucket.set("key", value.clone()).await.unwrap();
        let read = bucket.get("key").await.unwrap().unwrap();
        assert_eq!(read.as_ptr(), value.as_ptr());
    });
}

#[test]
fn what_does_not_fit_is_refused_and_room_comes_back() {
    whirlwind_provider_api::conformance::run(async {
        const FULL: usize = 100;
        let full = Error::Full {
            provider: "memory".to_owned(),
            limit: FULL,
        };
        let ten = || Bytes::from_static(&[7; 9]);
        let store = MemoryKeyValue::with_capacity(FULL);
        let (a, b) = (
            store.bucket("a").await.unwrap(),
            store.bucket("b").await.unwrap(),
        );
        for key in ["0", "1", "2", "3", "4"] {
            a.set(key, ten()).await.unwrap();
            b.set(key, ten()).await.unwrap();
        }
        // Both buckets together are full to the byte.
        assert_eq!(a.set("5", Bytes::new()).await.unwrap_err(), full);
        assert_eq!(a.increment("5", 1).await.unwrap_err(), full);
        let swap = b.compare_and_swap("5", None, Bytes::new()).await;
        assert_eq!(swap.unwrap_err(), full);
        let longer = Bytes::from_static(&[7; 10]);
        assert_eq!(a.set("0", longer.clone()).await.unwrap_err(), full);
        // What does not grow fits, and so does a batch that makes the room it takes.
        a.set("0", ten()).await.unwrap();
        a.set("1", Bytes::from_static(&[7; 8])).await.unwrap();
        a.set("0", longer.clone()).await.unwrap();
        let batch = |zero: &'static [u8], five: &'static [u8]| {
            vec![
                ("0".to_owned(), Bytes::from_static(zero)),
                ("5".to_owned(), Bytes::from_static(five)),
            ]
        };
        assert_eq!(a.set_many(batch(b"1234567890", b"")).await, Err(full));
        assert_eq!(a.get("0").await.unwrap(), Some(longer));
        assert!(!a.exists("5").await.unwrap());
        a.set_many(batch(b"12345", b"6789")).await.unwrap();
        // Deleting gives back all that it took.
        let all: Vec<_> = (0..6).map(|key| key.to_string()).collect();
        a.delete_many(&all).await.unwrap();
        for key in &all {
            b.delete(key).await.unwrap();
        }
        b.set("k", Bytes::from(vec![7; FULL - 1])).await.unwrap();
    });
}
