//! What the journal's files do when they change places.

use bytes::Bytes;

use super::fake::Fake;
use crate::Space;
use crate::journal::{BYTES, FILES, Journal};

const SEED: u64 = 3;

#[test]
fn a_file_that_had_to_grow_is_given_back_at_its_next_turn_and_no_group_is_missed() {
    let fake = Fake::default();
    Journal::create(&fake, SEED).unwrap();
    let (mut journal, _) = Journal::open(&fake, SEED, 0).unwrap();
    let lengths = || FILES.map(|name| fake.files()[name].len() as u64);
    let key = Bytes::from_static(b"key");
    let value = Bytes::from(vec![1; 1000]);
    let mut group = 0;
    // What is read of it now, if the tree has so many groups.
    let reads = |tree: u64, group: u64| {
        let (_, replay) = Journal::open(&fake, SEED, tree).unwrap();
        assert!(!replay.torn);
        let groups: Vec<_> = replay.groups.iter().map(|(group, _)| *group).collect();
        assert!(groups.iter().copied().eq(tree + 1..=group), "{groups:?}");
    };
    // The tree does not keep up with the first file; it does with the others.
    for frames in [40, 3, 3, 3] {
        let before = group;
        for _ in 0..frames {
            group += 1;
            let write = (Space::Events, &key, Some(&value));
            journal.append(group, std::iter::once(write)).unwrap();
            reads(before, group);
        }
        reads(group, group);
        journal.turn(group);
        // Stopped here, with the last of them in the tree or not.
        reads(before, group);
        reads(group, group);
    }
    assert_eq!(lengths(), [BYTES; 2]);
    journal.empty(group).unwrap();
    reads(group, group);
    assert_eq!(lengths(), [BYTES; 2]);
}
