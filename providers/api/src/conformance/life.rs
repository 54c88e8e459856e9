//! Closing, and opening again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Subject, all_keys, bucket, persists, text};
use crate::Error;

/// Also buckets handed out before; closing again is not an error.
pub async fn a_closed_store_answers_nothing(subject: &impl Subject) {
    fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    assert_eq!(bucket.ready().await, Ok(()));
    bucket.set("key", text("1")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    refused(store.bucket("default").await);
    refused(store.bucket("another").await);
    refused(store.buckets().await);
    refused(store.flush().await);
    refused(bucket.ready().await);
    refused(bucket.get("key").await);
    refused(bucket.set("key", text("2")).await);
    refused(bucket.delete("key").await);
    refused(bucket.exists("key").await);
    refused(bucket.list_keys(None).await);
    refused(bucket.increment("key", 1).await);
    refused(bucket.compare_and_swap("key", None, text("2")).await);
    refused(bucket.get_many(&["key".to_owned()]).await);
    let batch = vec![("key".to_owned(), text("2"))];
    refused(bucket.set_many(batch).await);
    refused(bucket.delete_many(&["key".to_owned()]).await);
    if persists(subject) {
        let store = subject.open().await;
        let bucket = super::bucket(&store).await;
        assert_eq!(bucket.get("key").await.unwrap(), Some(text("1")));
        store.close().await.unwrap();
    }
}

/// A write that was answered before the store closed is there; one that was refused is not.
pub async fn closing_waits_for_writers_and_keeps_what_they_wrote(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let begun = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (bucket, begun) = (bucket.clone(), begun.clone());
            tokio::spawn(async move {
                let mut written = Vec::new();
                loop {
                    let key = format!("{writer} {}", written.len());
                    match bucket.set(&key, text("value")).await {
                        Ok(()) => written.push(key),
                        Err(Error::Unavailable { .. }) => return written,
                        Err(error) => panic!("{error}"),
                    }
                    begun.store(true, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    while !begun.load(Ordering::Relaxed) {
        tokio::task::yield_now().await;
    }
    store.close().await.unwrap();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    written.sort();
    if persists(subject) {
        let store = subject.open().await;
        let keys = all_keys(&super::bucket(&store).await).await;
        assert!(keys == written, "{} of {}", keys.len(), written.len());
        store.close().await.unwrap();
    }
}

/// Everything where it persists, nothing where it does not; several times.
pub async fn a_store_opened_again_has_what_it_should(subject: &impl Subject) {
    let large = "x".repeat(300 * 1024);
    for life in 0..4 {
        let store = subject.open().await;
        let bucket = bucket(&store).await;
        let lived = if persists(subject) { life } else { 0 };
        assert_eq!(bucket.increment("lives", 1).await.unwrap(), lived + 1);
        for before in 0..life {
            let key = format!("of life {before}");
            let expected = (lived > 0).then(|| text(&format!("{before} {large}")));
            assert!(
                bucket.get(&key).await.unwrap() == expected,
                "{key} in {life}"
            );
            let gone = format!("deleted in life {before}");
            assert!(!bucket.exists(&gone).await.unwrap());
        }
        let value = text(&format!("{life} {large}"));
        bucket.set(&format!("of life {life}"), value).await.unwrap();
        let gone = format!("deleted in life {life}");
        bucket.set(&gone, text("value")).await.unwrap();
        if life % 2 == 0 {
            store.flush().await.unwrap();
        }
        bucket.delete(&gone).await.unwrap();
        store.close().await.unwrap();
    }
}
