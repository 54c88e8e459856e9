//! What opening does with a directory that is not as it should be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::fs;
use std::path::Path;

use whirlwind_store::{Batch, OpenError, Space, Store};

/// A store with a hundred entries: closed, or as an abrupt stop leaves it.
fn written(dir: &Path, closed: bool) {
    let store = Store::open(dir).unwrap().store;
    for key in 0..100_u8 {
        let mut batch = Batch::new();
        batch.put(Space::Buckets, vec![key], vec![key; 1000]);
        store.commit(batch).unwrap().wait().unwrap();
    }
    if closed {
        store.close();
        return;
    }
    // What is on the disk now.
    let copy = dir.with_file_name("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    store.close();
    fs::remove_dir_all(dir).unwrap();
    fs::rename(copy, dir).unwrap();
}

fn entries(store: &Store) -> u8 {
    let mut entries = 0;
    for key in 0..100_u8 {
        if let Some(value) = store.get(Space::Buckets, &[key]).unwrap() {
            assert_eq!(value, vec![key; 1000]);
            entries += 1;
        }
    }
    entries
}

#[test]
fn a_store_opens_as_it_was_left_closed_or_not() {
    for closed in [true, false] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        written(&dir, closed);
        for _ in 0..3 {
            let opened = Store::open(&dir).unwrap();
            assert_eq!((opened.set_aside, opened.torn), (None, false));
            assert_eq!(entries(&opened.store), 100);
        }
    }
}

#[test]
fn a_damaged_store_is_set_aside_as_it_was_and_what_can_be_saved_is_in_its_place() {
    // A place in a page of the tree; a place in the middle of the journal; the format.
    for (closed, file) in [(true, "tree"), (false, "journal-0"), (true, "format")] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        written(&dir, closed);
        let mut bytes = fs::read(dir.join(file)).unwrap();
        let run = vec![50_u8; 1000];
        let at = bytes.windows(1000).position(|window| window == run);
        bytes[at.unwrap_or(3)] ^= 1;
        fs::write(dir.join(file), &bytes).unwrap();
        let opened = Store::open(&dir).unwrap();
        let set_aside = opened.set_aside.unwrap();
        assert_eq!(set_aside.from, dir);
        assert!(
            fs::read(set_aside.to.join(file)).unwrap() == bytes,
            "as it was found"
        );
        let name = set_aside.to.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("store.damaged-"), "{name}");
        let words = set_aside.to_string();
        println!("{words}");
        assert!(words.contains(file) && words.contains(name), "{words}");
        let saved = entries(&opened.store);
        assert!(saved >= 90, "{file}: {saved} of 100");
        opened.store.close();
        // And that is a store like any other.
        let opened = Store::open(&dir).unwrap();
        assert_eq!(opened.set_aside, None);
        assert_eq!(entries(&opened.store), saved);
    }
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("store");
    written(&dir, true);
    let text = "whirlwind-store 2 of another kind";
    let sum = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
    fs::write(dir.join("format"), format!("{text} {sum:016x}\n")).unwrap();
    let error = Store::open(&dir).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { version: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("has format 2, and this program knows 1"),
        "{error}"
    );
    let beside = fs::read_dir(parent.path()).unwrap().count();
    assert_eq!(beside, 2, "the store and its lock");
}

#[test]
fn a_path_that_is_no_directory_is_refused_and_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "not a store").unwrap();
    for path in [file.clone(), file.join("below"), "/".into()] {
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(&error, OpenError::Io { .. }), "{error}");
        assert!(error.to_string().contains("check its path"), "{error}");
    }
    assert_eq!(fs::read(file).unwrap(), b"not a store");
}

#[test]
fn a_store_is_locked_until_it_is_closed_or_its_last_handle_is_dropped() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("store");
    let store = Store::open(&dir).unwrap().store;
    let error = Store::open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    store.close();
    let again = Store::open(&dir).unwrap().store;
    assert!(store.get(Space::Events, b"key").is_err(), "the closed one");
    let clone = again.clone();
    drop(again);
    assert!(Store::open(&dir).is_err());
    drop(clone);
    assert!(Store::open(&dir).is_ok());
}

#[test]
fn a_stop_while_a_damaged_store_is_set_aside_loses_nothing() {
    // Before the whole one was made: what was begun is no store yet.
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("store");
    written(&dir, true);
    fs::remove_file(dir.join("format")).unwrap();
    for begun in ["store.saving", "store.saved"] {
        fs::create_dir(parent.path().join(begun)).unwrap();
        fs::write(parent.path().join(begun).join("tree"), "begun").unwrap();
    }
    let opened = Store::open(&dir).unwrap();
    let aside = opened.set_aside.unwrap().to;
    assert_eq!(entries(&opened.store), 100);
    opened.store.close();
    let names = || fs::read_dir(parent.path()).unwrap().count();
    assert_eq!(names(), 3, "the store, its lock, and the damaged one");
    // After the damaged one was renamed, before the whole one was.
    fs::rename(&dir, parent.path().join("store.saved")).unwrap();
    let opened = Store::open(&dir).unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(entries(&opened.store), 100);
    assert!(aside.join("tree").exists());
    assert_eq!(names(), 3);
}
