//! What opening does with a directory that is not as it should be.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use whirlwind_provider_api::KeyValue;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_sled::{OpenError, SledKeyValue};

/// A closed store with one entry.
async fn closed(dir: &Path) {
    let store = SledKeyValue::open(dir).await.unwrap().store;
    let bucket = store.bucket("default").await.unwrap();
    bucket
        .set("key", Bytes::from_static(b"value"))
        .await
        .unwrap();
    store.close().await.unwrap();
}

/// A bit of the log, so that the seal is broken.
fn damage(dir: &Path) {
    let mut log = fs::read(dir.join("db")).unwrap();
    *log.last_mut().unwrap() ^= 1;
    fs::write(dir.join("db"), log).unwrap();
}

#[test]
fn what_is_set_aside_gets_a_name_of_its_own_and_is_described() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        let mut names = Vec::new();
        // Several within one second: the counter.
        for _ in 0..4 {
            closed(&dir).await;
            damage(&dir);
            let damaged = fs::read(dir.join("db")).unwrap();
            let opened = SledKeyValue::open(&dir).await.unwrap();
            let set_aside = opened.set_aside.unwrap();
            assert_eq!(set_aside.from, dir);
            assert!(
                fs::read(set_aside.to.join("db")).unwrap() == damaged,
                "as it was found"
            );
            let name = set_aside
                .to
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let seconds = name.strip_prefix("state.damaged-").unwrap();
            let seconds = seconds.split('-').next().unwrap();
            assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000, "{name}");
            let words = set_aside.to_string();
            assert!(
                words.contains("its file `db` changed since it was closed"),
                "{words}"
            );
            assert!(words.contains(&name), "{words}");
            names.push(name);
            let bucket = opened.store.bucket("default").await.unwrap();
            assert_eq!(bucket.get("key").await.unwrap(), None);
            opened.store.close().await.unwrap();
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4, "none was renamed over another");
    });
}

#[test]
fn a_path_that_is_no_directory_is_refused_and_left_alone() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "not a store").unwrap();
        for path in [file.clone(), file.join("below"), "/".into()] {
            let error = SledKeyValue::open(&path).await.unwrap_err();
            assert!(matches!(&error, OpenError::Io { .. }), "{error}");
            assert!(error.to_string().contains("check its path"), "{error}");
        }
        assert_eq!(fs::read(file).unwrap(), b"not a store");
    });
}

#[test]
fn a_store_that_is_open_in_this_process_is_locked_until_it_is_closed() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        let store = SledKeyValue::open(&dir).await.unwrap().store;
        let error = SledKeyValue::open(&dir).await.unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        let kept = store.bucket("default").await.unwrap();
        store.close().await.unwrap();
        let again = SledKeyValue::open(&dir).await.unwrap().store;
        assert!(kept.get("key").await.is_err(), "a bucket of the closed one");
        again.close().await.unwrap();
    });
}

#[test]
fn a_store_of_another_program_that_uses_sled_is_locked_too() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        closed(&dir).await;
        let other = sled::open(&dir).unwrap();
        let error = SledKeyValue::open(&dir).await.unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        drop(other);
    });
}

#[test]
fn a_bucket_is_not_reached_by_the_name_of_a_tree() {
    run(async {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("state");
        closed(&dir).await;
        let store = SledKeyValue::open(&dir).await.unwrap().store;
        store.flush().await.unwrap();
        for name in [
            "__sled__default",
            "bucket/default",
            "whirlwind/flushes",
            "../default",
        ] {
            let bucket = store.bucket(name).await.unwrap();
            let page = bucket.list_keys(None).await.unwrap();
            assert_eq!(page.keys, [""; 0], "{name}");
        }
        assert_eq!(store.buckets().await.unwrap(), ["default"]);
        store.close().await.unwrap();
    });
}
