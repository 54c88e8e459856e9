//! After a power cut the disk has what was synced, and of what was not some writes, in any order, some of
//! them torn. Whatever it is: the store opens, nothing acknowledged is lost, and no turn is there in part.

use super::fake::{Fake, Files, Op, write};
use super::workload::{turn, turns};
use super::{Random, amount};

const TURNS: u64 = 400;

/// Bytes that a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// What a disk has: synced, and since then.
#[derive(Clone, Default)]
struct Disk {
    synced: Files,
    since: Vec<Op>,
    acknowledged: u64,
}

impl Disk {
    fn take(&mut self, op: &Op) {
        match op {
            Op::Sync(name) => {
                let since = std::mem::take(&mut self.since);
                for op in since {
                    if op.name() == Some(name) {
                        op.apply(&mut self.synced);
                    } else {
                        self.since.push(op);
                    }
                }
            }
            Op::Acknowledged(n) => self.acknowledged = *n,
            Op::Create(_) | Op::Publish(..) => op.apply(&mut self.synced),
            Op::Write(..) | Op::SetLen(..) => self.since.push(op.clone()),
        }
    }

    /// What is found after a cut now.
    fn cut(&self, random: &mut Random) -> Files {
        let mut files = self.synced.clone();
        let mut since = self.since.clone();
        // All in order, none, or some in any order.
        let kind = random.below(4);
        if kind > 1 {
            for at in (1..since.len()).rev() {
                since.swap(at, random.below(at + 1));
            }
        }
        for op in since {
            match (kind, op) {
                (0, op) => op.apply(&mut files),
                (1, _) => {}
                (_, Op::Write(name, at, bytes)) => {
                    for (nth, sector) in bytes.chunks(SECTOR).enumerate() {
                        if random.below(2) == 0 {
                            let at = at + (nth * SECTOR) as u64;
                            Op::Write(name.clone(), at, sector.to_owned()).apply(&mut files);
                        }
                    }
                }
                (_, op) => {
                    if random.below(2) == 0 {
                        op.apply(&mut files);
                    }
                }
            }
        }
        files
    }
}

impl Op {
    fn name(&self) -> Option<&String> {
        match self {
            Self::Write(name, ..) | Self::SetLen(name, _) => Some(name),
            _ => None,
        }
    }

    fn apply(self: &Op, files: &mut Files) {
        match self {
            Self::Create(name) => drop(files.entry(name.clone()).or_default()),
            Self::Publish(name, bytes) => drop(files.insert(name.clone(), bytes.clone())),
            Self::Write(name, at, bytes) => write(files.get_mut(name).unwrap(), *at, bytes),
            Self::SetLen(name, len) => files.get_mut(name).unwrap().resize(*len as usize, 0),
            Self::Sync(_) | Self::Acknowledged(_) => {}
        }
    }
}

/// Opens a store and commits turns, now one at a time, now many; then closes it. Twice.
fn recorded() -> Vec<Op> {
    let fake = Fake::recording();
    let mut random = Random(11);
    let mut n = 0;
    for life in 1..=2 {
        let (store, torn) = fake.open().unwrap();
        assert!(!torn);
        while n < TURNS / 2 * life {
            let many = random.below(12) as u64;
            let commits: Vec<_> = (n..=n + many)
                .map(|n| (n + 1, store.commit(turn(n + 1)).unwrap()))
                .collect();
            for (of, commit) in commits {
                commit.wait().unwrap();
                fake.say(Op::Acknowledged(of));
                n = of;
            }
        }
        store.close();
    }
    fake.log()
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    let log = recorded();
    let mut random = Random(12);
    let images = amount(100, 2000);
    let mut cuts: Vec<_> = (0..images).map(|_| random.below(log.len() + 1)).collect();
    // Every step of making a store, too.
    cuts.extend(0..40);
    cuts.sort_unstable();
    let mut cuts = cuts.into_iter().peekable();
    let mut disk = Disk::default();
    let (mut torn_ends, mut unacknowledged) = (0, 0);
    for (at, op) in log.iter().enumerate() {
        while cuts.next_if_eq(&at).is_some() {
            let fake = Fake::of(disk.cut(&mut random));
            let (store, torn) = fake.open().unwrap_or_else(|failure| {
                panic!(
                    "cut at {at}, {} acknowledged: {failure:?}",
                    disk.acknowledged
                )
            });
            let there = turns(&store);
            assert!(
                there >= disk.acknowledged,
                "cut at {at}: {there} of {} turns",
                disk.acknowledged
            );
            unacknowledged += there - disk.acknowledged;
            torn_ends += usize::from(torn);
            // And it goes on.
            store.commit(turn(there + 1)).unwrap().wait().unwrap();
            store.close();
            let (store, torn) = fake.open().unwrap();
            assert!(!torn, "it was said before");
            assert_eq!(turns(&store), there + 1);
        }
        disk.take(op);
    }
    println!(
        "{images} images of {} writes and syncs: all open, 0 lost; {torn_ends} with a torn end, {unacknowledged} turns more than acknowledged",
        log.len()
    );
}
