//! What a killed process keeps, and that a store in use is not opened twice.
//!
//! `WHIRLWIND_KILLS` sets how many kills each test does; 200 is the full size.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::{Bucket, KeyValue};
use whirlwind_provider_sled::{FLUSH_EVERY_MS, OpenError, SledKeyValue};

/// Kills when the environment does not say.
const KILLS: usize = 4;

/// What tells this program that it is the child, and where the store is.
const DIR: &str = "WHIRLWIND_KILL_DIR";
/// What the child does: `flush` every few writes, or write at a steady `pace` and never flush.
const TASK: &str = "WHIRLWIND_KILL_TASK";

/// Writes between two flushes of the child that flushes. Each is three entries: its own key, a counter
/// and a pair set together.
const FLUSH_EVERY: usize = 7;

fn kills() -> usize {
    std::env::var("WHIRLWIND_KILLS").map_or(KILLS, |count| count.parse().unwrap())
}

/// This program again, as the child.
fn spawn(dir: &Path, task: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_that_writes", "--nocapture"])
        .env(DIR, dir)
        .env(TASK, task)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

/// Not a test when run as one: the process that the tests below start and kill.
#[test]
fn the_child_that_writes() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let flushes = std::env::var(TASK).unwrap() == "flush";
    run(async {
        let opened = SledKeyValue::open(dir).await.unwrap();
        assert_eq!((opened.set_aside, opened.rolled_back), (None, None));
        let store = opened.store;
        let bucket = store.bucket("default").await.unwrap();
        let begun = tokio::time::Instant::now();
        // Slow enough that a second of it does not fill sled's buffer of 512 KiB, which is written
        // when it is full whatever the interval is.
        let mut pace = tokio::time::interval(Duration::from_millis(1));
        let first = if flushes {
            whole_writes(&*bucket).await
        } else {
            keys(&*bucket).await
        };
        for n in first.. {
            if flushes {
                write(&*bucket, n).await;
            } else {
                // No batch, for sled writes its buffer out around one.
                pace.tick().await;
                let value = Bytes::from(n.to_string());
                bucket.set(&format!("key {n}"), value).await.unwrap();
            }
            let mut out = std::io::stdout().lock();
            if flushes && n % FLUSH_EVERY == 0 {
                drop(out);
                store.flush().await.unwrap();
                out = std::io::stdout().lock();
                writeln!(out, "flushed {n} {}", begun.elapsed().as_millis()).unwrap();
            } else {
                writeln!(out, "wrote {n} {}", begun.elapsed().as_millis()).unwrap();
            }
        }
    });
}

async fn write(bucket: &dyn Bucket, n: usize) {
    let value = Bytes::from(n.to_string());
    bucket
        .set(&format!("key {n}"), value.clone())
        .await
        .unwrap();
    bucket.increment("counter", 1).await.unwrap();
    let pair = ["left", "right"].map(|side| (side.to_owned(), value.clone()));
    bucket.set_many(pair.into()).await.unwrap();
}

/// How many keys are there from the first on. Fails when one is there without those before it.
async fn keys(bucket: &dyn Bucket) -> usize {
    let mut n = 0;
    while let Some(value) = bucket.get(&format!("key {n}")).await.unwrap() {
        assert_eq!(value, n.to_string());
        n += 1;
    }
    let mut listed = 0;
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref()).await.unwrap();
        listed += page
            .keys
            .iter()
            .filter(|key| key.starts_with("key"))
            .count();
        cursor = page.cursor;
        if cursor.is_none() {
            assert_eq!(listed, n, "a write is there without one before it");
            return n;
        }
    }
}

/// How many writes are there, each as a whole but for the last. Makes that one whole.
async fn whole_writes(bucket: &dyn Bucket) -> usize {
    let n = keys(bucket).await;
    let number = async |key: &str| {
        let value = bucket.get(key).await.unwrap()?;
        Some(
            std::str::from_utf8(&value)
                .unwrap()
                .parse::<usize>()
                .unwrap(),
        )
    };
    let counter = number("counter").await.unwrap_or(0);
    let (left, right) = (number("left").await, number("right").await);
    assert_eq!(left, right, "set together");
    let pairs = left.map_or(0, |last| last + 1);
    // Key, counter, pair: in this order, so a kill leaves each at most one behind the one before.
    assert!(counter == n || counter + 1 == n, "{counter} of {n}");
    assert!(
        pairs == counter || pairs + 1 == counter,
        "{pairs} of {counter}"
    );
    if pairs < n {
        if counter < n {
            bucket.increment("counter", 1).await.unwrap();
        }
        let value = Bytes::from((n - 1).to_string());
        let pair = ["left", "right"].map(|side| (side.to_owned(), value.clone()));
        bucket.set_many(pair.into()).await.unwrap();
    }
    n
}

/// A line of the child: what it says, the number of the write, milliseconds since it began.
fn line(line: &str) -> Option<(&str, usize, u64)> {
    let mut words = line.split(' ');
    let what = words
        .next()
        .filter(|what| ["wrote", "flushed"].contains(what))?;
    Some((
        what,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    ))
}

/// Starts the child, kills it once `enough` of its lines were read, and answers all that it said.
fn kill_after(
    dir: &Path,
    task: &str,
    enough: impl Fn(usize, u64) -> bool,
) -> Vec<(bool, usize, u64)> {
    let (mut child, out) = spawn(dir, task);
    let mut said = Vec::new();
    let mut killed = false;
    for text in out.lines().map(Result::unwrap) {
        // A line may be cut by the kill.
        let Some((what, n, at)) = line(&text) else {
            continue;
        };
        said.push((what == "flushed", n, at));
        if !killed && enough(said.len(), at) {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "it ended by itself");
    said
}

async fn reopen(dir: &Path, task: &str) -> usize {
    let opened = SledKeyValue::open(dir).await.unwrap();
    assert_eq!((opened.set_aside, opened.rolled_back), (None, None));
    let bucket = opened.store.bucket("default").await.unwrap();
    let whole = match task {
        "flush" => whole_writes(&*bucket).await,
        _ => keys(&*bucket).await,
    };
    opened.store.close().await.unwrap();
    whole
}

#[test]
fn what_was_flushed_survives_a_kill() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        let (mut written, mut lost) = (0, 0);
        for kill in 0..kills() {
            // At another point of the interval between flushes each time.
            let said = kill_after(&dir, "flush", |lines, _| lines >= 200 + kill * 3);
            let there = reopen(&dir, "flush").await;
            let flushed = said.iter().rfind(|(flushed, ..)| *flushed).unwrap().1;
            assert!(
                there > flushed,
                "{there} writes are there, {flushed} was flushed"
            );
            let last = said.last().unwrap().1;
            written += said.len();
            lost += (last + 1).saturating_sub(there);
        }
        println!("of {written} writes {lost} unflushed ones were lost, 0 flushed ones");
    });
}

#[test]
fn a_kill_loses_the_unflushed_writes_of_a_moment_and_none_before() {
    /// What sled's thread may need for a turn on a busy machine, beside its interval: of ten intervals
    /// in a second, most must have done their work.
    const BOUND: u64 = 8 * FLUSH_EVERY_MS;
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        for kill in 1..=kills().div_ceil(2) as u64 {
            // sled's thread begins with the child: at another point of its interval each time.
            let end = 10 * FLUSH_EVERY_MS + kill * 37 % FLUSH_EVERY_MS;
            let said = kill_after(&dir, "pace", |_, at| at > end);
            let there = reopen(&dir, "pace").await;
            let (_, last, end) = *said.last().unwrap();
            let lost: Vec<_> = said.iter().filter(|(_, n, _)| *n >= there).collect();
            let age = lost.first().map_or(0, |(_, _, at)| end - at);
            println!(
                "lost {} of {} writes, the last {age} ms",
                lost.len(),
                last + 1
            );
            assert!(age <= BOUND, "a write {age} ms before the kill was lost");
        }
    });
}

#[test]
fn a_store_that_another_process_has_is_refused_and_left_alone() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        let (mut child, mut out) = spawn(&dir, "pace");
        let mut text = String::new();
        while line(text.trim_end()).is_none() {
            text.clear();
            assert!(out.read_line(&mut text).unwrap() > 0, "it ended by itself");
        }
        let error = SledKeyValue::open(&dir).await.unwrap_err();
        assert!(matches!(&error, OpenError::Locked { path } if *path == dir));
        let words = error.to_string();
        assert!(
            words.contains("in use by another process; stop that one, or"),
            "{words}"
        );
        // Even with files that look damaged, it is not ours to judge.
        std::fs::write(dir.join("conf"), b"damaged, and no configuration").unwrap();
        let error = SledKeyValue::open(&dir).await.unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }));
        let beside = std::fs::read_dir(dir.parent().unwrap()).unwrap();
        assert_eq!(beside.count(), 2, "the store and its lock");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}
