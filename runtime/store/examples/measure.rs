//! Measures the store, beside the raw floor of the same run: the table of docs/adr/0009.
//!
//! ```text
//! cargo run --release -p whirlwind-store --example measure -- [DIRECTORY [WAITING... | million]]
//! ```
//!
//! The directory, `target/measure` when none is given, tells which disk is measured; it is removed afterwards. Where
//! it is said how many turns are to wait, only these rates are measured; with `million`, only a million pending events.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    missing_docs
)]

use std::fs::{self, File};
use std::io::Write;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::TableDefinition;
use whirlwind_store::{Batch, Commit, Space, Store};

/// Bytes of a value, and of an event.
const VALUE: usize = 200;

const EVENTS: u64 = 1_000_000;

/// How long each rate is measured.
const WHILE: Duration = Duration::from_secs(4);

/// What tells this program that it is a process which ends abruptly with an open store.
const ABRUPT: &str = "WHIRLWIND_MEASURE_ABRUPT";

fn main() {
    if let Some(dir) = std::env::var_os(ABRUPT) {
        end_abruptly(&PathBuf::from(dir));
    }
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/measure"), PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    floor(&dir);
    if std::env::args()
        .nth(2)
        .is_some_and(|only| only == "million")
    {
        million(&dir.join("million"));
        fs::remove_dir_all(dir).unwrap();
        return;
    }
    let waiting: Vec<u64> = std::env::args()
        .skip(2)
        .map(|waiting| waiting.parse().unwrap())
        .collect();
    if !waiting.is_empty() {
        for waiting in waiting {
            rate(&dir.join("rate"), waiting);
        }
        fs::remove_dir_all(dir).unwrap();
        return;
    }
    for waiting in [1, 16, 64, 256, 1024] {
        redb_itself(&dir, waiting);
        rate(&dir.join("rate"), waiting);
    }
    million(&dir.join("million"));
    floor(&dir);
    fs::remove_dir_all(dir).unwrap();
}

/// Syncs a second of a plain file, 1 KiB appended before each.
fn floor(dir: &Path) {
    let path = dir.join("plain");
    let mut file = File::create(&path).unwrap();
    let begun = Instant::now();
    let mut times = Vec::new();
    while begun.elapsed() < WHILE {
        let at = Instant::now();
        file.write_all(&[7; 1024]).unwrap();
        file.sync_data().unwrap();
        times.push(at.elapsed());
    }
    println!("a plain file: {}", per_second(&mut times, begun.elapsed()));
    fs::remove_file(path).unwrap();
}

fn per_second(times: &mut [Duration], took: Duration) -> String {
    times.sort();
    let part = |of: usize| times[(times.len() - 1) * of / 1000];
    format!(
        "{:.0}/s, p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        times.len() as f64 / took.as_secs_f64(),
        part(500),
        part(990),
        part(1000)
    )
}

/// redb's own transactions with so many turns each, without our store.
fn redb_itself(dir: &Path, group: u64) {
    const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("table");
    let path = dir.join("redb");
    let db = redb::Database::create(&path).unwrap();
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut n = 0_u64;
    while begun.elapsed() < WHILE {
        let at = Instant::now();
        let transaction = db.begin_write().unwrap();
        {
            let mut table = transaction.open_table(TABLE).unwrap();
            for _ in 0..group {
                n += 1;
                table.remove(&*key(1, n.saturating_sub(group))).unwrap();
                for key in [key(1, n), key(2, n % group), key(3, scattered(n))] {
                    table.insert(&*key, &[9; VALUE][..]).unwrap();
                }
            }
        }
        transaction.commit().unwrap();
        times.extend(std::iter::repeat_n(at.elapsed(), group as usize));
    }
    println!(
        "{group} waiting, redb itself: {}",
        per_second(&mut times, begun.elapsed())
    );
    drop(db);
    fs::remove_file(path).unwrap();
}

fn key(kind: u8, n: u64) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(n.to_be_bytes());
    key
}

/// One of 100,000 keys, in no order.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 100_000
}

/// So many tasks that each commit a turn and wait for it: an event goes, one comes, a position moves, a key of a
/// bucket is read and set.
fn rate(dir: &Path, waiting: u64) {
    let store = Store::open(dir.join("store")).unwrap().store;
    let next = Arc::new(AtomicU64::new(1));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let begun = Instant::now();
    let mut times: Vec<Duration> = runtime.block_on(async {
        let tasks: Vec<_> = (0..waiting)
            .map(|task| {
                let (store, next) = (store.clone(), next.clone());
                tokio::spawn(turns(store, next, task, begun))
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    });
    let took = begun.elapsed();
    println!(
        "{waiting} waiting: {}; {:.0} syncs/s",
        per_second(&mut times, took),
        store.counts().syncs as f64 / took.as_secs_f64()
    );
    store.close();
    fs::remove_dir_all(dir).unwrap();
}

async fn turns(store: Store, next: Arc<AtomicU64>, task: u64, begun: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut before = None;
    while begun.elapsed() < WHILE {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let mut batch = Batch::new();
        if let Some(before) = before.replace(n) {
            batch.delete(Space::Events, key(0, before));
        }
        let bucket = key(1, scattered(n));
        batch.get(&store, Space::Buckets, &bucket).unwrap();
        batch.put(Space::Events, key(0, n), vec![9; VALUE]);
        batch.put(Space::Positions, key(0, task), vec![9; VALUE]);
        batch.put(Space::Buckets, bucket, vec![9; VALUE]);
        store.room().await;
        let at = Instant::now();
        store.commit(batch).unwrap().await.unwrap();
        times.push(at.elapsed());
    }
    times
}

/// A million pending events: how they come, how fast they are there again, and what is left of them.
fn million(dir: &Path) {
    let path = dir.join("store");
    let store = Store::open(&path).unwrap().store;
    let begun = Instant::now();
    in_hundreds(&store, |batch, n| {
        batch.put(Space::Events, key(0, n), vec![9; VALUE]);
    });
    println!(
        "{EVENTS} events: written in {:.1?}, {:.0} bytes on the disk each",
        begun.elapsed(),
        size(dir) as f64 / EVENTS as f64
    );
    store.close();
    reopened(&path, "closed");
    let mut child = Command::new(std::env::current_exe().unwrap());
    assert!(!child.env(ABRUPT, &path).status().unwrap().success());
    reopened(&path, "ended abruptly");
    let store = Store::open(&path).unwrap().store;
    let begun = Instant::now();
    in_hundreds(&store, |batch, n| batch.delete(Space::Events, key(0, n)));
    println!(
        "deleted in {:.1?}: {:.0} MB on the disk",
        begun.elapsed(),
        size(dir) as f64 / 1e6
    );
    store.close();
    println!("closed: {:.0} MB", size(dir) as f64 / 1e6);
    let begun = Instant::now();
    let store = Store::open(&path).unwrap().store;
    println!(
        "opened again in {:.1?}: {:.0} MB",
        begun.elapsed(),
        size(dir) as f64 / 1e6
    );
    store.close();
}

fn in_hundreds(store: &Store, add: impl Fn(&mut Batch, u64)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut last: Option<Commit> = None;
    for hundred in 0..EVENTS / 100 {
        let mut batch = Batch::new();
        for n in 0..100 {
            add(&mut batch, hundred * 100 + n);
        }
        runtime.block_on(store.room());
        last = Some(store.commit(batch).unwrap());
    }
    last.unwrap().wait().unwrap();
}

fn reopened(path: &Path, how: &str) {
    let begun = Instant::now();
    let store = Store::open(path).unwrap().store;
    let opened = begun.elapsed();
    let mut count = 0;
    let mut last = Vec::new();
    loop {
        let range = (Bound::Excluded(&*last), Bound::Unbounded);
        let page = store.scan(Space::Events, range, 1000).unwrap();
        let Some((key, _)) = page.last() else {
            break;
        };
        last = key.to_vec();
        count += page.len() as u64;
    }
    assert!(count >= EVENTS);
    println!(
        "{how}: opened in {opened:.1?}, all read {:.1?} after the start",
        begun.elapsed()
    );
    // Now that all of it is in the system's cache, one way after the other.
    for _ in 0..2 {
        let scan = timed(|from| {
            let page = store.scan(Space::Events, (from, Bound::Unbounded), 1024);
            let page = page.unwrap().into_iter();
            page.map(|(key, value)| (key, value.len())).collect()
        });
        let lengths = timed(|from| {
            let page = store.scan_lengths(Space::Events, (from, Bound::Unbounded), 1024);
            page.unwrap()
        });
        println!(
            "their keys and lengths: by reading all {scan:.2?}, by asking for lengths {lengths:.2?}"
        );
    }
    store.close();
}

/// How long it takes to add up the lengths of all events, by pages from a key on.
fn timed(page: impl Fn(Bound<&[u8]>) -> Vec<(Bytes, usize)>) -> Duration {
    let begun = Instant::now();
    let (mut last, mut sum) = (Bytes::new(), 0);
    loop {
        let page = page(Bound::Excluded(&*last));
        let Some((key, _)) = page.last() else {
            break;
        };
        last = key.clone();
        sum += page.iter().map(|(_, length)| length).sum::<usize>();
    }
    assert!(sum >= EVENTS as usize * VALUE);
    begun.elapsed()
}

/// With 40,000 turns in the journal that the tree does not have.
fn end_abruptly(dir: &Path) -> ! {
    let store = Store::open(dir).unwrap().store;
    let mut last: Option<Commit> = None;
    for n in 0..40_000 {
        let mut batch = Batch::new();
        batch.put(Space::Buckets, key(1, scattered(n)), vec![9; VALUE]);
        last = Some(store.commit(batch).unwrap());
    }
    last.unwrap().wait().unwrap();
    std::process::exit(1);
}

/// Bytes on the disk below a directory.
fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                size(&entry.path())
            } else {
                meta.blocks() * 512
            }
        })
        .sum()
}
