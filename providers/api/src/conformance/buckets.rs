//! Buckets are disjoint, whatever their names and keys are.

use std::collections::BTreeSet;

use super::{Subject, all_keys, text};
use crate::limits::MAX_BUCKET_NAME;

/// Names and keys that a store could take for a path, a prefix, a separator, its own, or one another.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        " ",
        "a",
        "A",
        "ab",
        "abc",
        "b",
        "bc",
        "c",
        "a ",
        " a",
        "a/b",
        "a//b",
        "a/",
        "/a",
        "/",
        ".",
        "..",
        "../a",
        "../../a",
        "a/../b",
        "./a",
        "..\\a",
        "\\",
        "C:\\a",
        "a\0b",
        "a\0",
        "\0",
        "\0a",
        "a\u{1}b",
        "a:b",
        ":",
        "a:",
        "a.b",
        "a|b",
        "%2e%2e%2f",
        "%00",
        "a\nb",
        "a\r\nb",
        "\n",
        "~",
        "$HOME",
        "*",
        "a*",
        "?",
        "-",
        "--",
        "'; drop table a; --",
        "default",
        "__sled__default",
        "__sled__",
        "bucket",
        "bucket/",
        "bucket/a",
        "bucket/bucket/a",
        "bucket/\0",
        "db",
        "conf",
        "blobs/1",
        "seal",
        "null",
        "None",
        "0",
        "00",
        "-0",
        "1",
        "01",
        // Twins: composed and not, Latin and Cyrillic, wide, with a mark, a joiner, or a direction.
        "é",
        "e\u{301}",
        "а",
        "ａ",
        "\u{feff}a",
        "a\u{200d}",
        "\u{202e}a",
        "ß",
        "ss",
        "ſ",
        "s",
        "İ",
        "i\u{307}",
        "K",
        "\u{212a}",
        "Å",
        "\u{212b}",
        "\u{fffd}",
        "\u{10ffff}",
        "🌪",
        "🌪\u{fe0f}",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(MAX_BUCKET_NAME));
    names.push("x".repeat(MAX_BUCKET_NAME - 1));
    names.push(format!("{}y", "x".repeat(MAX_BUCKET_NAME - 1)));
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "each is another"
    );
    names
}

/// What belongs under this key of this bucket and nowhere else.
fn mark(bucket: &str, key: &str) -> String {
    format!("{bucket:?} {key:?}")
}

/// Every name as a bucket, with every one as a key, also those that are one text when joined.
pub async fn buckets_with_hostile_names_are_disjoint(subject: &impl Subject) {
    let store = subject.open().await;
    let names = hostile();
    let mut sorted = names.clone();
    sorted.sort();
    for name in &names {
        let bucket = store.bucket(name).await.unwrap();
        assert_eq!(all_keys(&bucket).await, [""; 0], "bucket {name:?} is new");
        for key in &names {
            bucket.set(key, text(&mark(name, key))).await.unwrap();
        }
    }
    assert_eq!(store.buckets().await.unwrap(), sorted);
    // Every other bucket is emptied, in another way each; the rest must not notice.
    for (at, name) in names.iter().enumerate() {
        let bucket = store.bucket(name).await.unwrap();
        match at % 4 {
            0 => bucket.delete_many(&names).await.unwrap(),
            2 => {
                for key in &names {
                    bucket.delete(key).await.unwrap();
                }
            }
            _ => {}
        }
    }
    for (at, name) in names.iter().enumerate() {
        let bucket = store.bucket(name).await.unwrap();
        if at % 2 == 0 {
            assert_eq!(all_keys(&bucket).await, [""; 0], "bucket {name:?}");
            continue;
        }
        assert_eq!(all_keys(&bucket).await, sorted, "bucket {name:?}");
        for key in &names {
            let value = bucket.get(key).await.unwrap();
            assert_eq!(value, Some(text(&mark(name, key))));
        }
    }
    store.close().await.unwrap();
}

/// Random ones of every kind on random buckets: what is read was written there.
pub async fn a_hundred_thousand_hostile_operations_read_nothing_of_another_bucket(
    subject: &impl Subject,
) {
    const OPERATIONS: usize = 100_000;
    let store = subject.open().await;
    let names = hostile();
    let mut buckets = Vec::new();
    for name in &names {
        buckets.push(store.bucket(name).await.unwrap());
    }
    let mut random = 0x5EED_u64;
    let mut pick = |below: usize| {
        // Knuth's MMIX generator; its high bits are good.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let mut read = 0;
    for _ in 0..OPERATIONS {
        let (at, key, other) = (pick(names.len()), pick(names.len()), pick(names.len()));
        let (name, bucket) = (&names[at], &buckets[at]);
        // Joined names make keys that begin or end as others do.
        let key = format!("{}{}", names[key], names[other]);
        let own = text(&mark(name, &key));
        match pick(6) {
            0 => bucket.set(&key, own).await.unwrap(),
            1 => bucket.delete(&key).await.unwrap(),
            2 => {
                bucket
                    .compare_and_swap(&key, None, own)
                    .await
                    .map(drop)
                    .unwrap();
            }
            3 => bucket.set_many(vec![(key, own)]).await.unwrap(),
            4 => {
                if let Some(value) = bucket.get(&key).await.unwrap() {
                    assert_eq!(value, own);
                    read += 1;
                }
            }
            _ => {
                let keys = bucket.list_keys(Some(&key)).await.unwrap().keys;
                let keys: Vec<_> = keys.into_iter().take(3).collect();
                let values = bucket.get_many(&keys).await.unwrap();
                for (key, value) in keys.iter().zip(values) {
                    assert_eq!(value, Some(text(&mark(name, key))));
                    read += 1;
                }
            }
        }
    }
    assert!(
        read > OPERATIONS / 20,
        "too few reads to show anything: {read}"
    );
    store.close().await.unwrap();
}

/// Handed out before or after, kept or dropped.
pub async fn handles_to_one_name_are_one_bucket(subject: &impl Subject) {
    let store = subject.open().await;
    let first = store.bucket("name").await.unwrap();
    first.set("key", text("1")).await.unwrap();
    let second = store.bucket("name").await.unwrap();
    assert_eq!(second.get("key").await.unwrap(), Some(text("1")));
    second.set("key", text("2")).await.unwrap();
    assert_eq!(first.get("key").await.unwrap(), Some(text("2")));
    drop((first, second));
    let third = store.bucket("name").await.unwrap();
    assert_eq!(third.get("key").await.unwrap(), Some(text("2")));
    store.close().await.unwrap();
}

/// Asking for a bucket does not make one.
pub async fn buckets_that_hold_something_are_listed_in_order(subject: &impl Subject) {
    let store = subject.open().await;
    assert_eq!(store.buckets().await.unwrap(), [""; 0]);
    for name in ["b", "c", "a", ""] {
        let bucket = store.bucket(name).await.unwrap();
        if name != "c" {
            bucket.set("", text("")).await.unwrap();
        }
    }
    assert_eq!(store.buckets().await.unwrap(), ["", "a", "b"]);
    let bucket = store.bucket("a").await.unwrap();
    bucket.delete("").await.unwrap();
    assert_eq!(store.buckets().await.unwrap(), ["", "b"]);
    store.close().await.unwrap();
}
