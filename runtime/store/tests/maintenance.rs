//! Checking, exporting and compacting a store that nobody has open.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use whirlwind_store::{
    Batch, CompactError, FORMAT, Health, OpenError, Space, Store, check, compact, export,
};

const VALUE: usize = 1000;

type Entries = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// A hundred entries of a bucket, one event, and one that was deleted.
fn written(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap().store;
    for key in 0..100_u8 {
        let mut batch = Batch::new();
        batch.put(Space::Buckets, vec![key], vec![key; VALUE]);
        batch.delete(Space::Events, vec![key.wrapping_sub(1)]);
        batch.put(Space::Events, vec![key], &b"event"[..]);
        store.commit(batch).unwrap().wait().unwrap();
    }
    store
}

/// A store that was closed, or as an abrupt stop leaves it, in a directory of its own.
fn left(parent: &Path, closed: bool) -> PathBuf {
    let dir = parent.join("written");
    let store = written(&dir);
    let left = parent.join("left");
    fs::create_dir(&left).unwrap();
    let copy = || {
        for (name, bytes) in files(&dir) {
            fs::write(left.join(name), bytes).unwrap();
        }
    };
    if closed {
        store.close();
        copy();
    } else {
        copy();
        store.close();
    }
    left
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.metadata().unwrap().is_file())
        .map(|entry| (entry.file_name().into(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// What [`check`] and [`export`] say, who must agree, with every byte in the directory and beside it left as it was.
fn looked(dir: &Path) -> (Health, Entries) {
    let all = || (files(dir), files(dir.parent().unwrap()));
    let before = all();
    let health = check(dir).unwrap();
    let mut entries = BTreeMap::new();
    let mut last = None;
    let exported = export::<OpenError>(dir, |space, key, value| {
        let place = (space, key.to_vec());
        assert!(
            last.replace(place.clone()) < Some(place.clone()),
            "in order"
        );
        entries.insert(place, value.to_vec());
        Ok(())
    });
    assert_eq!(exported.unwrap(), health);
    assert!(all() == before, "it was changed");
    for contents in health.spaces {
        let of = entries
            .iter()
            .filter(|((space, _), _)| *space == contents.space);
        let sizes = of.map(|((_, key), value)| (key.len() + value.len()) as u64);
        let sizes: Vec<_> = sizes.collect();
        assert_eq!(
            (contents.entries, contents.bytes),
            (sizes.len() as u64, sizes.iter().sum())
        );
    }
    (health, entries)
}

#[test]
fn a_store_in_order_is_said_to_be_closed_or_not() {
    for closed in [true, false] {
        let parent = tempfile::tempdir().unwrap();
        let dir = left(parent.path(), closed);
        let (health, entries) = looked(&dir);
        assert_eq!(health.damage, []);
        assert!(health.is_sound() && !health.torn);
        assert_eq!(health.format, Some(FORMAT));
        let [first, second] = health.journal;
        assert_eq!((first.name, second.name), ("journal-0", "journal-1"));
        assert_eq!(first.bytes, Some(16 * 1024 * 1024));
        assert_eq!((first.groups, second.groups), (100, 0));
        assert_eq!(first.untreed, if closed { 0 } else { 100 });
        let counts = health
            .spaces
            .map(|contents| (contents.space, contents.entries));
        let [events, positions, buckets, seen] = Space::ALL;
        assert_eq!(
            counts,
            [(events, 1), (positions, 0), (buckets, 100), (seen, 0)]
        );
        assert_eq!(entries[&(Space::Events, vec![99])], b"event");
        for key in 0..100_u8 {
            assert_eq!(entries[&(Space::Buckets, vec![key])], vec![key; VALUE]);
        }
    }
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_exported() {
    // A place in a page of the tree; a place in the middle of the journal; files that were lost or cut.
    type Hurt = fn(&Path);
    let hurt: [(&str, bool, Hurt, usize); 7] = [
        ("tree", true, |file| flip(file, &[50; VALUE]), 99),
        ("tree", false, |file| fs::remove_file(file).unwrap(), 100),
        ("tree", true, |file| fs::write(file, "").unwrap(), 0),
        ("journal-0", false, |file| flip(file, &[50; VALUE]), 99),
        (
            "journal-1",
            false,
            |file| fs::remove_file(file).unwrap(),
            100,
        ),
        ("format", true, |file| flip(file, b"whirl"), 100),
        ("format", false, |file| fs::remove_file(file).unwrap(), 100),
    ];
    for (name, closed, hurt, saved) in hurt {
        let parent = tempfile::tempdir().unwrap();
        let dir = left(parent.path(), closed);
        hurt(&dir.join(name));
        let before = files(&dir);
        let (health, entries) = looked(&dir);
        println!("{:?}", health.damage);
        assert!(!health.is_sound());
        let damage = &health.damage[0];
        assert_eq!(damage.file, name);
        let buckets = entries
            .iter()
            .filter(|((space, _), _)| *space == Space::Buckets);
        let mut count = 0;
        for ((_, key), value) in buckets {
            assert_eq!(*value, vec![key[0]; VALUE]);
            count += 1;
        }
        assert!(count >= saved, "{name}: {count}");
        if name == "journal-0" {
            let place = fs::read(dir.join(name)).unwrap();
            let at = place
                .windows(VALUE)
                .position(|run| run == [49; VALUE])
                .unwrap()
                + VALUE;
            // Behind the turn before, whose event came after it.
            assert!(damage.at.unwrap() >= at as u64 && damage.at.unwrap() < (at + VALUE) as u64);
            assert!(damage.to_string().contains("from byte"), "{damage}");
        }
        // Opening sets the same aside, which reads as it did.
        let set_aside = Store::open(&dir).unwrap().set_aside.unwrap();
        assert_eq!(set_aside.reason, damage.to_string());
        assert!(files(&set_aside.to) == before, "as it was found");
        let aside = looked(&set_aside.to);
        assert_eq!(aside.0, health);
        assert!(aside.1 == entries);
        assert!(check(&dir).unwrap().is_sound());
    }
}

/// Flips a bit in the middle of where the file has these bytes.
fn flip(file: &Path, run: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<_> = memchr::memmem::find_iter(&bytes, run).collect();
    for at in places {
        bytes[at + run.len() / 2] ^= 1;
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn of_a_damaged_tree_only_the_entry_is_left_out_whose_seal_is_broken() {
    let parent = tempfile::tempdir().unwrap();
    let dir = left(parent.path(), true);
    // redb's checksums are of pages, and told that one is damaged; then the tree is read without them.
    flip(&dir.join("tree"), &[50; VALUE]);
    let (health, entries) = looked(&dir);
    let of_entry = &health.damage[1];
    assert_eq!(of_entry.space, Some(Space::Buckets));
    assert!(
        of_entry
            .to_string()
            .contains("not what was written: 1, the first with the key \"2\"")
    );
    assert!(!entries.contains_key(&(Space::Buckets, vec![50])));
}

#[test]
fn a_torn_end_is_said_and_left_for_the_next_opening() {
    let parent = tempfile::tempdir().unwrap();
    let dir = left(parent.path(), false);
    let file = dir.join("journal-0");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes
        .windows(VALUE)
        .position(|run| run == [99; VALUE])
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (health, entries) = looked(&dir);
    assert!(health.torn && health.is_sound());
    assert!(!entries.contains_key(&(Space::Buckets, vec![99])));
    assert!(Store::open(&dir).unwrap().torn);
}

#[test]
fn a_store_that_is_open_or_newer_or_not_there_is_refused_by_all() {
    let refused = |dir: &Path, is: fn(&OpenError) -> bool| {
        let compacted = match compact(dir).unwrap_err() {
            CompactError::Open(error) => error,
            other => panic!("{other}"),
        };
        let exported = export::<OpenError>(dir, |_, _, _| panic!("an entry")).unwrap_err();
        for error in [check(dir).unwrap_err(), exported, compacted] {
            assert!(is(&error), "{error}");
            assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
        }
    };
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("store");
    refused(&dir, |error| matches!(error, OpenError::Missing { .. }));
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes"), "not a store").unwrap();
    refused(&dir, |error| matches!(error, OpenError::Missing { .. }));
    let beside = fs::read_dir(parent.path()).unwrap().count();
    assert_eq!(beside, 1, "nothing was made");
    let store = written(&dir);
    refused(&dir, |error| matches!(error, OpenError::Locked { .. }));
    store.close();
    let text = "whirlwind-store 2 of another kind";
    let sum = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
    fs::write(dir.join("format"), format!("{text} {sum:016x}\n")).unwrap();
    let before = files(&dir);
    refused(&dir, |error| {
        matches!(error, OpenError::Newer { version: 2, .. })
    });
    assert!(files(&dir) == before);
}

#[test]
fn a_store_that_was_opened_while_it_was_exported_is_said() {
    let parent = tempfile::tempdir().unwrap();
    // A copy, which nobody ever opened where it is.
    let dir = left(parent.path(), true);
    let mut opened = None;
    let error = export::<OpenError>(&dir, |_, _, _| {
        opened.get_or_insert_with(|| Store::open(&dir).unwrap().store);
        Ok(())
    });
    assert!(matches!(error, Err(OpenError::Locked { .. })), "{error:?}");
    drop(opened);
    // From now on there is a lock to hold.
    export::<OpenError>(&dir, |_, _, _| {
        assert!(matches!(Store::open(&dir), Err(OpenError::Locked { .. })));
        assert!(check(&dir).is_ok(), "others may look");
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_export_ends_where_its_reader_does() {
    let parent = tempfile::tempdir().unwrap();
    let dir = left(parent.path(), true);
    let mut given = 0;
    let end = export(&dir, |_, _, _| {
        given += 1;
        if given == 7 {
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    assert!(end.unwrap_err().is::<std::io::Error>());
    assert_eq!(given, 7);
}

#[test]
fn compacting_moves_all_into_the_tree_and_gives_space_back() {
    for closed in [true, false] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("store");
        let store = Store::open(&dir).unwrap().store;
        // More than one page; most of it is deleted again. Where it is not closed, so little that all of it is in the
        // journal, and a copy of the files is of one moment.
        let keys = if closed { 300 } else { 140_u32 };
        for round in 0..2 {
            for key in 0..keys {
                let mut batch = Batch::new();
                let place = key.to_be_bytes().to_vec();
                match round {
                    1 if key % 10 != 0 => batch.delete(Space::Buckets, place),
                    _ => batch.put(Space::Buckets, place, vec![key as u8; 100_000]),
                }
                drop(store.commit(batch).unwrap());
            }
        }
        store.commit(Batch::new()).unwrap().wait().unwrap();
        let left = parent.path().join("left");
        if closed {
            store.close();
        }
        fs::create_dir(&left).unwrap();
        for (name, bytes) in files(&dir) {
            fs::write(left.join(name), bytes).unwrap();
        }
        store.close();
        let (before, entries) = looked(&left);
        assert_eq!(entries.len() as u32, keys / 10);
        let done = compact(&left).unwrap();
        println!("{done:?}");
        let (health, after) = looked(&left);
        assert!(after == entries);
        assert_eq!(
            health.journal.map(|file| (file.groups, file.untreed)),
            [(0, 0); 2]
        );
        assert_eq!(
            health.journal.map(|file| file.bytes),
            [Some(16 * 1024 * 1024); 2]
        );
        assert!(health.tree_bytes < Some(6_000_000));
        if closed {
            assert!(health.tree_bytes < before.tree_bytes && done.after < done.before);
        } else {
            assert!(before.journal[0].untreed > 0);
        }
        // It goes on from there, also when it is stopped.
        let store = Store::open(&left).unwrap().store;
        let mut batch = Batch::new();
        batch.put(Space::Events, &b"key"[..], &b"value"[..]);
        store.commit(batch).unwrap().wait().unwrap();
        let copy = parent.path().join("copy");
        fs::create_dir(&copy).unwrap();
        for (name, bytes) in files(&left) {
            fs::write(copy.join(name), bytes).unwrap();
        }
        store.close();
        let (health, entries) = looked(&copy);
        assert_eq!(health.damage, []);
        assert_eq!(entries.len() as u32, keys / 10 + 1);
        compact(&copy).unwrap();
        compact(&copy).unwrap();
        assert!(looked(&copy).1 == entries);
    }
}

#[test]
fn a_damaged_store_is_not_compacted_but_left_as_it_is() {
    for (name, closed) in [("tree", true), ("journal-0", false), ("format", true)] {
        let parent = tempfile::tempdir().unwrap();
        let dir = left(parent.path(), closed);
        if name == "format" {
            fs::remove_file(dir.join(name)).unwrap();
        } else {
            flip(&dir.join(name), &[50; VALUE]);
        }
        let before = files(&dir);
        let error = compact(&dir).unwrap_err();
        assert!(matches!(error, CompactError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(files(&dir) == before);
    }
}
