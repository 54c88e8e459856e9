//! Faults that come while the store works: whatever it is, nobody waits for ever and nothing is lost without a word.

use super::fake::Fake;
use super::workload::contents;
use crate::open::Failure;
use crate::store::UNTREED_BYTES;
use crate::{Batch, Commit, CommitError, Space, Store};

fn put(key: u16) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::Events, key.to_be_bytes().to_vec(), vec![1; 1000]);
    batch
}

/// Commits until a commit is refused at once.
fn until_refused(store: &Store) -> (u16, CommitError) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut key = 0;
    loop {
        runtime.block_on(store.room());
        match store.commit(put(key)).map(Commit::wait) {
            Ok(Ok(())) => key += 1,
            Ok(Err(error)) | Err(error) => return (key, error),
        }
    }
}

/// Commits one that may be refused until the settler tried again.
fn until_taken(store: &Store, key: u16) {
    loop {
        match store.commit(put(key)).map(Commit::wait) {
            Ok(Ok(())) => return,
            Ok(Err(error)) | Err(error) => {
                assert!(matches!(error, CommitError::Undone { .. }), "{error}");
            }
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_writer_that_panics_brings_the_store_down_and_those_who_wait_hear_of_it() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    store.commit(put(0)).unwrap().wait().unwrap();
    fake.hold();
    let first = store.commit(put(1)).unwrap();
    fake.reached();
    // This one panics; another waits behind it.
    fake.panic_at("journal");
    let second = store.commit(put(2)).unwrap();
    let third = store.commit(put(3)).unwrap();
    fake.release(0);
    first.wait().unwrap();
    for waiting in [second, third] {
        let error = waiting.wait().unwrap_err();
        assert!(matches!(error, CommitError::Down { .. }), "{error}");
    }
    let (_, error) = until_refused(&store);
    assert!(matches!(error, CommitError::Down { .. }), "{error}");
    store.close();
}

#[test]
fn a_settler_that_panics_brings_the_store_down_and_nobody_waits_for_room() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    // In redb, which is taken for damage; and then where the tree is opened again.
    fake.panic_at("tree");
    let error = loop {
        // Refused for its tree's sake, before it is down.
        match until_refused(&store) {
            (_, CommitError::Undone { .. }) => std::thread::yield_now(),
            (_, error) => break error,
        }
    };
    assert!(matches!(error, CommitError::Down { .. }), "{error}");
    assert!(error.to_string().contains("panicked"), "{error}");
    store.close();
}

#[test]
fn a_failed_sync_of_the_tree_brings_the_store_down_and_nothing_is_lost() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    fake.fail_syncs(Some("tree"));
    let (keys, error) = until_refused(&store);
    assert!(matches!(error, CommitError::Down { .. }), "{error}");
    assert!(error.to_string().contains("no sync today"), "{error}");
    store.close();
    // What the system's cache has is not what the disk has: it does not go on from there.
    let failed = fake.open().map(drop).unwrap_err();
    assert!(matches!(failed, Failure::Io(_)), "{failed:?}");
    fake.fail_syncs(None);
    let (store, _) = fake.open().unwrap();
    assert!(contents(&store).len() >= usize::from(keys));
}

#[test]
fn a_tree_that_takes_nothing_refuses_with_its_reason_once_too_much_waits_for_it() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    fake.fill(Some("tree"));
    let (keys, error) = until_refused(&store);
    assert!(matches!(error, CommitError::Undone { .. }), "{error}");
    assert!(error.to_string().contains("no storage space"), "{error}");
    assert!(usize::from(keys) >= UNTREED_BYTES / 2000, "{keys}");
    // All of it is read meanwhile.
    assert_eq!(contents(&store).len(), usize::from(keys));
    fake.fill(None);
    until_taken(&store, keys);
    assert_eq!(contents(&store).len(), usize::from(keys) + 1);
    store.close();
    let (store, torn) = fake.open().unwrap();
    assert!(!torn);
    assert_eq!(contents(&store).len(), usize::from(keys) + 1);
}

#[test]
fn a_store_opens_where_its_tree_cannot_be_written_and_goes_on_when_it_can() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    for key in 0..20 {
        store.commit(put(key)).unwrap().wait().unwrap();
    }
    // As an abrupt stop leaves it: redb wants to mend its file.
    let fake = Fake::of(fake.files());
    store.close();
    fake.fill(Some("tree"));
    let (store, _) = fake.open().unwrap();
    assert_eq!(contents(&store).len(), 20);
    store.commit(put(20)).unwrap().wait().unwrap();
    store.close();
    let (store, _) = fake.open().unwrap();
    fake.fill(None);
    for key in 21..60 {
        until_taken(&store, key);
    }
    store.close();
    let (store, _) = fake.open().unwrap();
    assert_eq!(contents(&store).len(), 60);
}
