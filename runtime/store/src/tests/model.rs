//! Random turns, conflicts, failed syncs and openings, compared with a map.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::fake::Fake;
use super::workload::{Contents, contents};
use crate::{Batch, CommitError, Range, Space, Store};

/// Turns that are under way at the same time.
const TURNS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Of a turn: reads a key.
    Read(usize, u8),
    Write(usize, u8, Option<u16>),
    /// Reads the first keys from one on.
    Scan(usize, u8, usize),
    Commit(usize),
    /// What was committed is synced, or fails.
    Sync(bool),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let turn = 0..TURNS;
    let key = 0..6_u8;
    prop_oneof![
        6 => (turn.clone(), key.clone()).prop_map(|(turn, key)| Step::Read(turn, key)),
        6 => (turn.clone(), key.clone(), proptest::option::weighted(0.7, 0..9_u16))
            .prop_map(|(turn, key, value)| Step::Write(turn, key, value)),
        2 => (turn.clone(), key, 0..8_usize).prop_map(|(turn, key, limit)| Step::Scan(turn, key, limit)),
        6 => turn.prop_map(Step::Commit),
        2 => any::<bool>().prop_map(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

fn place(key: u8) -> (Space, Bytes) {
    let space = Space::ALL[key as usize % 2];
    (space, Bytes::from(vec![key]))
}

fn value(value: u16) -> Bytes {
    // Long enough that the files of the journal change places now and then.
    Bytes::from(vec![value as u8; 200 + value as usize])
}

struct Run {
    fake: Fake,
    store: Store,
    /// What readers see, and what is on the disk.
    seen: Contents,
    synced: Contents,
    commits: Vec<crate::Commit>,
    /// Of each turn its batch, what the model says it read, and what it writes.
    turns: Vec<(Batch, Contents2, Contents2)>,
}

/// Of places what is there, or that nothing is.
type Contents2 = std::collections::BTreeMap<(Space, Bytes), Option<Bytes>>;

impl Run {
    fn new() -> Self {
        let fake = Fake::default();
        let store = fake.open().unwrap().0;
        fake.hold();
        Self {
            fake,
            store,
            seen: Contents::new(),
            synced: Contents::new(),
            commits: Vec::new(),
            turns: vec![Default::default(); TURNS],
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Read(turn, key) => {
                let place = place(key);
                let (batch, reads, writes) = &mut self.turns[turn];
                let value = batch.get(&self.store, place.0, &place.1).unwrap();
                let expected = match writes.get(&place) {
                    Some(written) => written.clone(),
                    None => reads
                        .entry(place.clone())
                        .or_insert_with(|| self.seen.get(&place).cloned())
                        .clone(),
                };
                assert_eq!(value, expected);
            }
            Step::Write(turn, key, new) => {
                let place = place(key);
                let (batch, _, writes) = &mut self.turns[turn];
                let new = new.map(value);
                match &new {
                    Some(value) => batch.put(place.0, place.1.clone(), value.clone()),
                    None => batch.delete(place.0, place.1.clone()),
                }
                writes.insert(place, new);
            }
            Step::Scan(turn, key, limit) => {
                let (space, from) = place(key);
                let (batch, _, writes) = &self.turns[turn];
                let range = (Bound::Included(&*from), Bound::Unbounded);
                let entries = batch.scan(&self.store, space, range, limit).unwrap();
                let mut all = self.seen.clone();
                apply(&mut all, writes);
                let expected = all
                    .into_iter()
                    .filter(|((of, key), _)| *of == space && *key >= from)
                    .map(|((_, key), value)| (key, value));
                assert!(entries.into_iter().eq(expected.take(limit)));
                self.scans(space, range, limit);
            }
            Step::Commit(turn) => {
                let (batch, reads, writes) = std::mem::take(&mut self.turns[turn]);
                let valid = reads
                    .iter()
                    .all(|(place, value)| self.seen.get(place) == value.as_ref());
                match self.store.commit(batch) {
                    Ok(commit) => {
                        assert!(valid, "taken, though something it read changed");
                        self.commits.push(commit);
                        apply(&mut self.seen, &writes);
                    }
                    Err(error) => {
                        assert_eq!(error, CommitError::Conflict);
                        assert!(!valid, "a conflict, though nothing it read changed");
                    }
                }
                assert_eq!(contents(&self.store), self.seen);
            }
            Step::Sync(works) => self.sync(works),
            Step::Reopen => {
                self.sync(true);
                self.fake.release(0);
                self.store.close();
                self.store = self.fake.open().unwrap().0;
                self.fake.hold();
                self.turns = vec![Default::default(); TURNS];
                assert_eq!(contents(&self.store), self.seen);
            }
        }
    }

    /// What the store itself answers, without the writes of a turn.
    fn scans(&self, space: Space, range: Range<'_>, limit: usize) {
        let held = self.seen.iter().filter(|((of, _), _)| *of == space);
        let held = held
            .filter(|((_, key), _)| RangeBounds::<[u8]>::contains(&range, &**key))
            .take(limit);
        let expected: Vec<_> = held
            .map(|((_, key), value)| (key.clone(), value.len()))
            .collect();
        let lengths = self.store.scan_lengths(space, range, limit).unwrap();
        assert_eq!(lengths, expected);
        let keys = self.store.scan_keys(space, range, limit).unwrap();
        assert!(keys.iter().eq(expected.iter().map(|(key, _)| key)));
    }

    fn sync(&mut self, works: bool) {
        // A batch without writes does not fail when its group has none.
        let writes = self.seen != self.synced;
        self.fake
            .release(usize::from(!works && !self.commits.is_empty()));
        let mut failed = false;
        for commit in self.commits.drain(..) {
            match commit.wait() {
                Ok(()) => assert!(!failed, "one after a failed one is durable"),
                Err(error) => {
                    assert!(matches!(error, CommitError::Undone { .. }), "{error}");
                    failed = true;
                }
            }
        }
        assert!(!(works && failed));
        if failed {
            self.seen = self.synced.clone();
        } else {
            // Only where there was nothing to write.
            assert!(works || !writes || self.seen == self.synced || !failed);
            self.synced = self.seen.clone();
        }
        self.fake.release(0);
        self.fake.hold();
        assert_eq!(contents(&self.store), self.seen);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Or a failed test would wait for its store to close.
        self.fake.release(0);
    }
}

fn apply(contents: &mut Contents, writes: &Contents2) {
    for (place, value) in writes {
        match value {
            Some(value) => drop(contents.insert(place.clone(), value.clone())),
            None => drop(contents.remove(place)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: super::amount(64, 1000) as u32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_turns_match_a_map(steps in vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.sync(true);
        run.fake.release(0);
    }
}

#[test]
fn a_write_that_came_during_the_sync_of_another_is_seen_before_and_after_it_and_undone_alone() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    let put = |value: u8| {
        let mut batch = Batch::new();
        batch.put(Space::Events, vec![0], vec![value]);
        batch
    };
    let there = || {
        store
            .get(Space::Events, &[0])
            .unwrap()
            .map(|value| value[0])
    };
    fake.hold();
    let first = store.commit(put(1)).unwrap();
    fake.reached();
    let second = store.commit(put(2)).unwrap();
    let before = there();
    fake.pass_one();
    first.wait().unwrap();
    let after = there();
    fake.reached();
    fake.release(1);
    let error = second.wait().unwrap_err();
    // Looked at only now: a store that waits for its disk does not close.
    assert_eq!((before, after, there()), (Some(2), Some(2), Some(1)));
    assert!(matches!(error, CommitError::Undone { .. }), "{error}");
}

#[test]
fn who_waits_for_room_gets_it_however_small_the_journal_stays() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    // Deletions cost memory and hardly any journal; and many that ask at once all go over the bound.
    for turn in 0..200_u16 {
        runtime.block_on(store.room());
        for key in 0..if turn % 20 == 0 { 1000_u16 } else { 100 } {
            let mut batch = Batch::new();
            batch.delete(Space::Events, (turn ^ key).to_be_bytes().to_vec());
            drop(store.commit(batch).unwrap());
        }
    }
    store.close();
}

#[test]
fn a_store_whose_disk_fails_twice_is_down_and_decided_at_the_next_opening() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    let put = |key: u8| {
        let mut batch = Batch::new();
        batch.put(Space::Events, vec![key], vec![key]);
        batch
    };
    store.commit(put(1)).unwrap().wait().unwrap();
    // The sync of the frame, and that of the end which is to take it back.
    fake.release(2);
    let error = store.commit(put(2)).unwrap().wait().unwrap_err();
    assert!(matches!(error, CommitError::Down { .. }), "{error}");
    let error = store.commit(put(3)).unwrap_err();
    assert!(matches!(error, CommitError::Down { .. }), "{error}");
    assert!(store.get(Space::Events, &[1]).is_err());
    store.close();
    let (store, _) = fake.open().unwrap();
    assert_eq!(
        store.get(Space::Events, &[1]).unwrap().as_deref(),
        Some(&[1][..])
    );
    assert_eq!(store.get(Space::Events, &[3]).unwrap(), None);
}

#[test]
fn a_full_disk_refuses_with_a_reason_and_goes_on_when_there_is_space() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    let put = |key: u8| {
        let mut batch = Batch::new();
        batch.put(Space::Events, vec![key], vec![key; 1000]);
        batch
    };
    store.commit(put(1)).unwrap().wait().unwrap();
    fake.fill(Some("journal"));
    let error = store.commit(put(2)).unwrap().wait().unwrap_err();
    assert!(matches!(error, CommitError::Undone { .. }), "{error}");
    assert!(error.to_string().contains("no storage space"), "{error}");
    assert_eq!(contents(&store).len(), 1);
    assert_eq!(store.counts().failures, 1);
    fake.fill(None);
    store.commit(put(3)).unwrap().wait().unwrap();
    store.close();
    let (store, torn) = fake.open().unwrap();
    assert!(!torn);
    assert_eq!(contents(&store).len(), 2);
}

#[test]
fn what_the_tree_cannot_take_waits_in_the_journal() {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    let put = |key: u8| {
        let mut batch = Batch::new();
        batch.put(Space::Events, vec![key], vec![key; 1000]);
        batch
    };
    fake.fill(Some("tree"));
    // Past the journal's turn several times.
    for key in 0..25 {
        store.commit(put(key)).unwrap().wait().unwrap();
    }
    assert_eq!(contents(&store).len(), 25);
    store.close();
    fake.fill(None);
    let (store, torn) = fake.open().unwrap();
    assert!(!torn);
    assert_eq!(contents(&store).len(), 25);
    store.close();
}
