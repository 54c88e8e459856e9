//! A damaged store is known to be, or holds nothing wrong; it never panics, and what is saved of it was
//! once written.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::fake::{Fake, Files};
use super::workload::{Contents, after, contents, turn, turns, value};
use super::{Random, amount};
use crate::Health;
use crate::journal;
use crate::look::look;
use crate::medium::Medium;
use crate::open::{self, Failure};
use crate::salvage::salvage;

const TURNS: u64 = 300;

/// A store with all turns: as an abrupt stop leaves it, and closed.
fn written() -> [Files; 2] {
    let fake = Fake::default();
    let (store, _) = fake.open().unwrap();
    for n in 1..=TURNS {
        store.commit(turn(n)).unwrap().wait().unwrap();
    }
    // Taken while the settler may be at work: as of one moment all the same.
    let stopped = fake.files();
    store.close();
    [stopped, fake.files()]
}

/// Damages one file and says how.
fn damage(files: &mut Files, random: &mut Random) -> String {
    let names: Vec<_> = files.keys().cloned().collect();
    let name = names[random.below(names.len())].clone();
    let bytes = files.get_mut(&name).unwrap();
    // What is in use is in front; and most of a tree is what was in use before.
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |at| at + 1);
    let live = value(TURNS - random.below(50) as u64);
    let places: Vec<_> = memchr::memmem::find_iter(bytes, &live).collect();
    let at = match random.below(4) {
        0 => random.below(used.min(512)),
        1 if !places.is_empty() => places[random.below(places.len())] + random.below(live.len()),
        _ => random.below(used),
    };
    match random.below(8) {
        0 => {
            bytes.truncate(at);
            match name.starts_with("journal") && at as u64 >= journal::BYTES {
                true => format!("{name} cut at {at}"),
                false => format!("{name} shortened to {at}"),
            }
        }
        1 => {
            let end = (at / 512 * 512 + 512).min(bytes.len());
            bytes[at / 512 * 512..end].fill(0);
            format!("{name} zeroed to {end}")
        }
        2 if random.below(4) == 0 => {
            files.remove(&name);
            format!("{name} removed")
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("{name} bit {bit} of {at} of {used}")
        }
    }
}

/// What a look at it finds.
fn looked(fake: &Fake) -> (Health, Contents) {
    let medium: Arc<dyn Medium> = Arc::new(fake.clone());
    let mut look = look(&medium).unwrap();
    let mut found = Contents::new();
    look.entries(|space, key, value| {
        let place = (space, Bytes::copy_from_slice(key));
        found.insert(place, Bytes::copy_from_slice(value));
        Ok::<_, ()>(())
    })
    .unwrap();
    (look.health(), found)
}

#[test]
fn damage_is_known_or_harmless_and_what_is_saved_was_written() {
    let mut random = Random(21);
    let images = written();
    let all: BTreeSet<_> = (1..=TURNS)
        .flat_map(|n| turn(n).writes)
        .filter_map(|((space, key), value)| Some((space, key, value?)))
        .collect();
    let (mut known, mut torn_ends, mut harmless, mut saved_all) = (0, 0, 0, 0);
    for nth in 0..amount(200, 1000) {
        let mut files = images[nth % 2].clone();
        let what = damage(&mut files, &mut random);
        let fake = Fake::of(files.clone());
        let (health, found) = looked(&fake);
        assert!(fake.files() == files, "{what}: a look changed it");
        let opened = fake.open();
        assert_eq!(
            health.is_sound(),
            opened.is_ok(),
            "{what}: {:?}",
            health.damage
        );
        match opened {
            Ok((store, torn)) => {
                assert_eq!(health.torn, torn, "{what}");
                assert!(found == contents(&store), "{what}");
                let there = turns(&store);
                if torn {
                    torn_ends += 1;
                    // A sector holds the ends of several turns; and a file that had to grow, since the tree did not keep
                    // up, may be cut where it always was longer.
                    let is_cut = what.contains("cut");
                    let lost = if what.contains("zeroed") { 4 } else { 1 };
                    assert!(is_cut || there + lost >= TURNS, "{what}: {there} turns");
                } else {
                    harmless += 1;
                    assert_eq!(there, TURNS, "{what}");
                }
            }
            Err(Failure::Damaged(reason)) => {
                known += 1;
                assert!(fake.files() == files, "{what}: as it was found");
                assert_eq!(health.damage[0].reason, reason, "{what}");
                let damaged: Arc<dyn Medium> = Arc::new(fake.clone());
                let fresh = Fake::default();
                let medium: Arc<dyn Medium> = Arc::new(fresh.clone());
                let parts = open::attempt(&medium).unwrap();
                salvage(&damaged, &parts.tree).unwrap();
                assert!(fake.files() == files, "{what}: still as it was found");
                drop(parts);
                let (store, _) = fresh.open().unwrap();
                let saved = contents(&store);
                assert!(saved == found, "{what}: saved is what a look finds");
                saved_all += usize::from(saved == after(TURNS));
                for ((space, key), value) in saved {
                    let entry = (space, key, value);
                    assert!(all.contains(&entry), "{what}: {entry:?} was made up");
                }
            }
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
    println!(
        "{known} known, of {saved_all} of which everything was saved; {torn_ends} with a torn end, {harmless} harmless"
    );
}
