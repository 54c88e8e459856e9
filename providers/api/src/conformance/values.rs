//! Single values.

use bytes::Bytes;

use super::{Subject, all_keys, bucket, text};
use crate::Error;
use crate::limits::{MAX_BUCKET_NAME, MAX_KEY, MAX_VALUE};

/// Of every size where a store might do something else, and one after the other under one key.
pub async fn a_value_comes_back_as_it_was_set(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let sizes = [
        0,
        1,
        21,
        22,
        23,
        64,
        65,
        256,
        4096,
        64 * 1024,
        64 * 1024 + 1,
        128 * 1024,
        200 * 1024,
        MAX_VALUE,
        3,
    ];
    for (at, size) in sizes.into_iter().enumerate() {
        let value: Bytes = (0..size).map(|byte| (byte * 31 + at) as u8).collect();
        let own = format!("of {size}");
        for key in ["", "one key for all", own.as_str()] {
            bucket.set(key, value.clone()).await.unwrap();
            assert!(bucket.exists(key).await.unwrap());
            let read = bucket.get(key).await.unwrap();
            assert!(read.as_ref() == Some(&value), "{size} bytes, key {key:?}");
        }
    }
    assert!(!bucket.exists("never set").await.unwrap());
    assert_eq!(bucket.get("never set").await.unwrap(), None);
    store.close().await.unwrap();
}

/// A store may notice that nothing changes; nobody else may.
pub async fn setting_an_equal_value_changes_nothing(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    for value in ["a", "a", "b", "a", "", ""] {
        bucket.set("key", text(value)).await.unwrap();
        assert_eq!(bucket.get("key").await.unwrap(), Some(text(value)));
    }
    assert!(bucket.exists("key").await.unwrap(), "an empty value is one");
    bucket.delete("key").await.unwrap();
    bucket.set("key", text("")).await.unwrap();
    assert_eq!(bucket.get("key").await.unwrap(), Some(text("")));
    store.close().await.unwrap();
}

/// And deleting what is not there is not an error.
pub async fn a_deleted_key_is_gone(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    bucket.delete("key").await.unwrap();
    for key in ["kex", "key", "keyz"] {
        bucket.set(key, text(key)).await.unwrap();
    }
    bucket.delete("key").await.unwrap();
    bucket.delete("key").await.unwrap();
    assert_eq!(bucket.get("key").await.unwrap(), None);
    assert!(!bucket.exists("key").await.unwrap());
    assert_eq!(all_keys(&bucket).await, ["kex", "keyz"]);
    store.close().await.unwrap();
}

/// By every operation, which then changed nothing; the limit itself is within.
pub async fn what_is_over_a_limit_is_refused_and_changes_nothing(subject: &impl Subject) {
    let store = subject.open().await;
    let longest = "n".repeat(MAX_BUCKET_NAME);
    let in_longest = store.bucket(&longest).await.unwrap();
    in_longest.set("key", text("value")).await.unwrap();
    let length = MAX_BUCKET_NAME + 1;
    assert_eq!(
        store.bucket(&"n".repeat(length)).await.unwrap_err(),
        Error::BucketNameTooLong { length }
    );

    let bucket = bucket(&store).await;
    let longest = "k".repeat(MAX_KEY);
    bucket.set(&longest, text("value")).await.unwrap();
    assert_eq!(bucket.get(&longest).await.unwrap(), Some(text("value")));
    // 64 KiB: a length that a field of 16 bits takes for 0.
    for length in [MAX_KEY + 1, 64 * 1024, 64 * 1024 + 1] {
        let key = "k".repeat(length);
        let refused = Error::KeyTooLong { length };
        let value = text("value");
        assert_eq!(bucket.get(&key).await.unwrap_err(), refused);
        assert_eq!(bucket.set(&key, value.clone()).await.unwrap_err(), refused);
        assert_eq!(bucket.delete(&key).await.unwrap_err(), refused);
        assert_eq!(bucket.exists(&key).await.unwrap_err(), refused);
        assert_eq!(bucket.list_keys(Some(&key)).await.unwrap_err(), refused);
        assert_eq!(bucket.increment(&key, 1).await.unwrap_err(), refused);
        let swap = bucket.compare_and_swap(&key, None, value.clone()).await;
        assert_eq!(swap.unwrap_err(), refused);
        let keys = [key.clone()];
        assert_eq!(bucket.get_many(&keys).await.unwrap_err(), refused);
        assert_eq!(bucket.delete_many(&keys).await.unwrap_err(), refused);
        let batch = vec![("first".to_owned(), value.clone()), (key, value)];
        assert_eq!(bucket.set_many(batch).await.unwrap_err(), refused);
    }

    bucket.set("key", text("before")).await.unwrap();
    let large = Bytes::from(vec![7; MAX_VALUE + 1]);
    let refused = Error::ValueTooLarge {
        key: "key".to_owned(),
        size: large.len(),
    };
    assert_eq!(bucket.set("key", large.clone()).await.unwrap_err(), refused);
    let swap = bucket.compare_and_swap("key", Some(b"before"), large.clone());
    assert_eq!(swap.await.unwrap_err(), refused);
    let batch = vec![("first".to_owned(), text("1")), ("key".to_owned(), large)];
    assert_eq!(bucket.set_many(batch).await.unwrap_err(), refused);
    assert_eq!(bucket.get("key").await.unwrap(), Some(text("before")));
    assert_eq!(all_keys(&bucket).await, ["key".to_owned(), longest]);
    store.close().await.unwrap();
}
