//! The end of a turn, and providers that are down.

use std::collections::BTreeMap;

use bytes::Bytes;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_VALUE};
use whirlwind_provider_api::{Error, KeyValue, Linked, MemoryKeyValue, Staged};

use super::{entries, link, text};

fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[test]
fn what_is_applied_is_there_and_may_be_applied_again() {
    run(async {
        let (_store, of) = link(false).await;
        of.bucket.set("a", text("1")).await.unwrap();
        of.bucket.set("b", text("1")).await.unwrap();
        let mut staged = Staged::default();
        staged.set(&of, "b", text("2")).await.unwrap();
        staged.set(&of, "c", text("2")).await.unwrap();
        staged.delete(&of, "a").await.unwrap();
        staged.delete(&of, "none").await.unwrap();
        let bucket = staged.into_buckets().next().unwrap();
        let wanted = BTreeMap::from([("b".to_owned(), text("2")), ("c".to_owned(), text("2"))]);
        for _ in 0..2 {
            bucket.apply().await.unwrap();
            assert_eq!(entries(&of.bucket).await, wanted);
        }
    });
}

/// Each kind of write alone, in numbers around a batch's.
#[test]
fn writes_of_any_number_and_size_are_applied_in_batches() {
    run(async {
        for count in [
            0,
            1,
            2,
            MAX_BATCH_KEYS,
            MAX_BATCH_KEYS + 1,
            3 * MAX_BATCH_KEYS,
        ] {
            let (_store, of) = link(true).await;
            let keys: Vec<_> = (0..count).map(|at| format!("{at:04}")).collect();
            let mut staged = Staged::default();
            for key in &keys {
                staged.set(&of, key, text(key)).await.unwrap();
            }
            for bucket in staged.into_buckets() {
                bucket.apply().await.unwrap();
            }
            let wanted = keys.iter().map(|key| (key.clone(), text(key))).collect();
            assert_eq!(entries(&of.bucket).await, wanted, "{count} set");

            let mut staged = Staged::default();
            for key in &keys {
                staged.delete(&of, key).await.unwrap();
            }
            for bucket in staged.into_buckets() {
                bucket.apply().await.unwrap();
            }
            let left = entries(&of.bucket).await;
            assert_eq!(left, BTreeMap::new(), "{count} deleted");
        }
        let (_store, of) = link(true).await;
        let large = Bytes::from(vec![7; MAX_VALUE]);
        let mut staged = Staged::default();
        let count = 2 * MAX_BATCH_BYTES / MAX_VALUE;
        for at in 0..count {
            let key = at.to_string();
            staged.set(&of, &key, large.clone()).await.unwrap();
        }
        let bucket = staged.into_buckets().next().unwrap();
        bucket.apply().await.unwrap();
        assert_eq!(entries(&of.bucket).await.len(), count);
    });
}

#[test]
fn the_first_refusal_ends_the_applying_and_is_answered() {
    run(async {
        let store = MemoryKeyValue::with_capacity(10);
        let of = Linked {
            name: "memory/small".into(),
            bucket: store.bucket("small").await.unwrap(),
            validated: true,
        };
        of.bucket.set("old", text("1")).await.unwrap();
        let mut staged = Staged::default();
        staged.set(&of, "new", text("1234")).await.unwrap();
        staged.delete(&of, "old").await.unwrap();
        let bucket = staged.into_buckets().next().unwrap();
        let error = bucket.apply().await.unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
        // The value that was to be moved is not gone.
        let before = BTreeMap::from([("old".to_owned(), text("1"))]);
        assert_eq!(entries(&of.bucket).await, before);
    });
}

#[test]
fn a_turn_hears_at_its_first_write_that_a_provider_is_down() {
    run(async {
        for validated in [true, false] {
            let (store, of) = link(validated).await;
            store.close().await.unwrap();
            let mut staged = Staged::default();
            refused(staged.set(&of, "k", text("")).await);
            refused(staged.delete(&of, "k").await);
            refused(staged.set_many(&of, vec![("k".to_owned(), text(""))]).await);
            refused(staged.delete_many(&of, &["k".to_owned()]).await);
            refused(staged.get(&of, "k").await);
            refused(staged.exists(&of, "k").await);
            refused(staged.get_many(&of, &[]).await);
            refused(staged.list_keys(&of, None).await);
            refused(staged.increment(&of, "k", 1).await);
            refused(staged.compare_and_swap(&of, "k", None, text("")).await);
            // A refusal is no answer, so the next write asks again.
            refused(staged.set(&of, "k", text("")).await);
            assert!(staged.is_empty());
        }
    });
}

#[test]
fn a_provider_that_goes_down_later_is_heard_of_when_it_is_needed() {
    run(async {
        let (store, of) = link(true).await;
        let mut staged = Staged::default();
        staged.set(&of, "k", text("1")).await.unwrap();
        store.close().await.unwrap();
        staged.set(&of, "l", text("1")).await.unwrap();
        assert_eq!(staged.get(&of, "k").await, Ok(Some(text("1"))));
        refused(staged.get(&of, "other").await);
        refused(staged.list_keys(&of, None).await);
        refused(staged.into_buckets().next().unwrap().apply().await);
    });
}

#[test]
fn values_and_keys_are_not_for_logs() {
    run(async {
        let (_store, of) = link(true).await;
        let mut staged = Staged::default();
        staged.get(&of, "secret key").await.unwrap();
        staged
            .set(&of, "other", text("secret value"))
            .await
            .unwrap();
        let shown = format!("{staged:?}");
        assert!(shown.contains("memory/bucket"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    });
}
