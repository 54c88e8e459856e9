//! What a killed process keeps, and that a store in use is not opened twice.
//!
//! With `WHIRLWIND_FULL` 200 kills, else 20.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::io::{BufRead, BufReader, Write};
use std::ops::Bound;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use whirlwind_store::{Batch, OpenError, Space, Store};

/// What tells this program that it is the child, and where the store is.
const DIR: &str = "WHIRLWIND_KILL_DIR";

/// Turns that wait for the disk at the same time.
const WAITING: u64 = 16;

const POSITION: &[u8] = b"position";

fn kills() -> usize {
    let full = std::env::var_os("WHIRLWIND_FULL").is_some();
    if full { 200 } else { 20 }
}

/// Turn `n`: an event comes, one of before goes, a counter is read and set, a key is set.
fn turn(store: &Store, n: u64) -> Batch {
    let mut batch = Batch::new();
    let counter = batch.get(store, Space::Positions, POSITION).unwrap();
    assert_eq!(counter.map_or(0, |value| number(&value)), n - 1);
    batch.put(Space::Positions, POSITION, n.to_be_bytes().to_vec());
    batch.put(Space::Events, n.to_be_bytes().to_vec(), value(n));
    if n > WAITING {
        batch.delete(Space::Events, (n - WAITING).to_be_bytes().to_vec());
    }
    batch.put(Space::Buckets, (n % 1000).to_be_bytes().to_vec(), value(n));
    batch
}

fn value(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(25)
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// How many turns are there: all of each, and none without those before.
fn turns(store: &Store) -> u64 {
    let position = store.get(Space::Positions, POSITION).unwrap();
    let last = position.map_or(0, |value| number(&value));
    let all = |space| {
        store
            .scan(space, (Bound::Unbounded, Bound::Unbounded), usize::MAX)
            .unwrap()
    };
    let events: Vec<_> = all(Space::Events);
    let expected = last.saturating_sub(WAITING) + 1..=last;
    assert!(events.iter().map(|(key, _)| number(key)).eq(expected));
    assert!(events.iter().all(|(key, held)| *held == value(number(key))));
    let entries = all(Space::Buckets);
    assert_eq!(entries.len() as u64, last.min(1000));
    for (key, held) in entries {
        // The last turn that set it.
        let back = (last + 1000 - number(&key)) % 1000;
        assert!(held == value(last - back), "key {} at {last}", number(&key));
    }
    last
}

/// This program again, as the child.
fn spawn(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_that_commits", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Not a test when run as one: the process that the tests below start and kill.
#[test]
fn the_child_that_commits() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let opened = Store::open(dir).unwrap();
    assert_eq!(opened.set_aside, None);
    let store = opened.store;
    let mut next = turns(&store) + 1;
    let mut waiting = std::collections::VecDeque::new();
    loop {
        while (waiting.len() as u64) < WAITING {
            waiting.push_back((next, store.commit(turn(&store, next)).unwrap()));
            next += 1;
        }
        let (n, commit) = waiting.pop_front().unwrap();
        commit.wait().unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {n}").unwrap();
    }
}

fn acknowledged(line: &str) -> Option<u64> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let (mut there, mut said, mut torn) = (0, 0, 0);
    for kill in 0..kills() {
        let (mut child, out) = spawn(&dir);
        // At another point each time; so many that the journal changes its file now and then.
        let end = there + 50 + kill as u64 * 7919 % 4000;
        let mut last = there;
        let mut killed = false;
        for line in out.lines().map(Result::unwrap) {
            // A line may be cut by the kill, and the harness writes some, too.
            let Some(n) = acknowledged(&line) else {
                continue;
            };
            last = n;
            if !killed && n >= end {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "it ended by itself");
        let opened = Store::open(&dir).unwrap();
        assert_eq!(opened.set_aside, None);
        torn += usize::from(opened.torn);
        let now = turns(&opened.store);
        assert!(now >= last, "{last} were acknowledged, {now} are there");
        said += last - there;
        there = now;
        opened.store.close();
    }
    println!(
        "{} kills, {said} turns acknowledged, 0 lost, {torn} torn ends",
        kills()
    );
}

#[test]
fn a_store_that_another_process_has_is_refused_and_named() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("store");
    let (mut child, mut out) = spawn(&dir);
    let mut line = String::new();
    while acknowledged(line.trim_end()).is_none() {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
    }
    let error = Store::open(&dir).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { path } if *path == dir));
    let words = error.to_string();
    assert!(
        words.contains("in use by another process; stop that one, or"),
        "{words}"
    );
    assert!(words.contains(dir.to_str().unwrap()), "{words}");
    child.kill().unwrap();
    child.wait().unwrap();
    let opened = Store::open(&dir).unwrap();
    assert!(turns(&opened.store) > 0);
}
