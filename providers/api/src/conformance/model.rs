//! Random operations, compared with a map.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::{Subject, all_keys, persists};
use crate::number;

#[derive(Clone, Debug)]
enum Operation {
    Get(String),
    Set(String, Bytes),
    Delete(String),
    Exists(String),
    ListAfter(String),
    Increment(String, i64),
    /// The expectation is what is there, or else this.
    Swap(String, Option<Option<Bytes>>, Bytes),
    GetMany(Vec<String>),
    SetMany(Vec<(String, Bytes)>),
    DeleteMany(Vec<String>),
    Flush,
    Reopen,
}

/// Few, so that operations meet; and close to one another.
fn key() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        select(&["", "a", "a\0", "ab", "b", "ß", "\u{10ffff}"][..]).prop_map(str::to_owned),
        (0..60_u8).prop_map(|at| format!("key {at}")),
    ]
}

fn value() -> impl Strategy<Value = Bytes> + Clone {
    prop_oneof![
        4 => (-3..3_i64).prop_map(number::to_bytes),
        4 => select(&["", "x", "text", "9223372036854775807"][..]).prop_map(|text| Bytes::from_static(text.as_bytes())),
        // Around where stores change how they keep a value.
        1 => (20..70_usize, any::<u8>()).prop_map(|(size, byte)| Bytes::from(vec![byte; size])),
        1 => (60_000..140_000_usize, any::<u8>()).prop_map(|(size, byte)| Bytes::from(vec![byte; size])),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::{
        Delete, DeleteMany, Exists, Flush, Get, GetMany, Increment, ListAfter, Reopen, Set,
        SetMany, Swap,
    };
    prop_oneof![
        16 => key().prop_map(Get),
        32 => (key(), value()).prop_map(|(key, value)| Set(key, value)),
        16 => key().prop_map(Delete),
        8 => key().prop_map(Exists),
        8 => key().prop_map(ListAfter),
        16 => (key(), -2..3_i64).prop_map(|(key, delta)| Increment(key, delta)),
        16 => (key(), proptest::option::of(proptest::option::of(value())), value())
            .prop_map(|(key, expected, value)| Swap(key, expected, value)),
        8 => vec(key(), 0..8).prop_map(GetMany),
        16 => vec((key(), value()), 0..8).prop_map(SetMany),
        8 => vec(key(), 0..8).prop_map(DeleteMany),
        4 => Just(Flush),
        // Rare: it takes as long as all the others.
        1 => Just(Reopen),
    ]
}

/// Every answer is the map's, and in the end every entry.
pub async fn random_operations_match_a_map<S: Subject>(subject: &S) {
    let store = subject.open().await;
    let held = std::sync::Mutex::new(store);
    let case = AtomicUsize::new(0);
    // A bucket for each case: opening a store for each would be most of the time.
    let one_case = async |operations: Vec<Operation>| {
        let name = format!("case {}", case.fetch_add(1, Ordering::Relaxed));
        let mut store = held.lock().unwrap().clone();
        let mut bucket = store.bucket(&name).await.unwrap();
        let mut map = BTreeMap::<String, Bytes>::new();
        for operation in operations {
            match operation {
                Operation::Get(key) => {
                    assert_eq!(bucket.get(&key).await.unwrap().as_ref(), map.get(&key));
                }
                Operation::Set(key, value) => {
                    bucket.set(&key, value.clone()).await.unwrap();
                    map.insert(key, value);
                }
                Operation::Delete(key) => {
                    bucket.delete(&key).await.unwrap();
                    map.remove(&key);
                }
                Operation::Exists(key) => {
                    let exists = bucket.exists(&key).await.unwrap();
                    assert_eq!(exists, map.contains_key(&key));
                }
                Operation::ListAfter(key) => {
                    let page = bucket.list_keys(Some(&key)).await.unwrap();
                    let after = map.keys().filter(|other| **other > key);
                    assert!(page.keys.iter().eq(after));
                }
                Operation::Increment(key, delta) => {
                    let sum = number::add(&key, map.get(&key).map(AsRef::as_ref), delta);
                    assert_eq!(bucket.increment(&key, delta).await, sum);
                    if let Ok(sum) = sum {
                        map.insert(key, number::to_bytes(sum));
                    }
                }
                Operation::Swap(key, other, value) => {
                    let present = map.get(&key).cloned();
                    let expected = other.unwrap_or_else(|| present.clone());
                    let swapped = bucket
                        .compare_and_swap(&key, expected.as_deref(), value.clone())
                        .await
                        .unwrap();
                    assert_eq!(swapped, expected == present);
                    if swapped {
                        map.insert(key, value);
                    }
                }
                Operation::GetMany(keys) => {
                    let values = bucket.get_many(&keys).await.unwrap();
                    let expected = keys.iter().map(|key| map.get(key).cloned());
                    assert!(values.into_iter().eq(expected));
                }
                Operation::SetMany(batch) => {
                    bucket.set_many(batch.clone()).await.unwrap();
                    map.extend(batch);
                }
                Operation::DeleteMany(keys) => {
                    bucket.delete_many(&keys).await.unwrap();
                    for key in keys {
                        map.remove(&key);
                    }
                }
                Operation::Flush => store.flush().await.unwrap(),
                Operation::Reopen if persists(subject) => {
                    store.close().await.unwrap();
                    store = subject.open().await;
                    *held.lock().unwrap() = store.clone();
                    bucket = store.bucket(&name).await.unwrap();
                }
                Operation::Reopen => {}
            }
        }
        let keys = all_keys(&bucket).await;
        assert!(keys.iter().eq(map.keys()), "{keys:?}");
        for (key, value) in &map {
            assert_eq!(bucket.get(key).await.unwrap().as_ref(), Some(value));
        }
    };
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    tokio::task::block_in_place(|| {
        runner
            .run(&vec(operation(), 1..120), |operations| {
                tokio::runtime::Handle::current().block_on(one_case(operations));
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{failure}"));
    });
    let store = held.lock().unwrap().clone();
    store.close().await.unwrap();
}
