//! A damaged store opens with nothing wrong in it, or is set aside and that is said; it never panics.
//!
//! `WHIRLWIND_DAMAGES` sets how many damages each test does; 1,000 is the full size.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempDir;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::{Bucket, KeyValue};
use whirlwind_provider_sled::{Opened, SledKeyValue};

/// How many damages when the environment does not say: a few seconds' worth.
const DAMAGES: usize = 100;

/// Writes in the history of the store under test. Enough for a dozen of sled's 512 KiB segments, some
/// of them written over.
const WRITES: usize = 24_000;

/// Different keys, spread over two buckets.
const KEYS: usize = 600;

/// Every so many writes one is large enough for a file of its own.
const LARGE_EVERY: usize = 1500;

fn damages() -> usize {
    std::env::var("WHIRLWIND_DAMAGES").map_or(DAMAGES, |count| count.parse().unwrap())
}

/// Write number `n` of the history: bucket, key, value. The value says which write it is.
fn write(n: usize) -> (&'static str, String, String) {
    let bucket = if n.is_multiple_of(2) { "even" } else { "odd" };
    // A multiplier without a common factor with the keys: not in order, each as often.
    let key = format!("key {}", n * 7919 % KEYS);
    let size = if n.is_multiple_of(LARGE_EVERY) {
        150_000
    } else {
        20 + n % 180
    };
    let value = format!("write {n} {}", "x".repeat(size));
    (bucket, key, value)
}

fn number(value: &[u8]) -> usize {
    let text = std::str::from_utf8(value).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// For each bucket and key the writes to it, in order.
fn history() -> HashMap<(&'static str, String), Vec<usize>> {
    let mut history = HashMap::<_, Vec<_>>::new();
    for n in 0..WRITES {
        let (bucket, key, _) = write(n);
        history.entry((bucket, key)).or_default().push(n);
    }
    history
}

/// A store with the whole history, and a copy of its files as they were before it was closed: what an
/// abrupt stop leaves.
struct Written {
    _dir: TempDir,
    closed: PathBuf,
    stopped: PathBuf,
}

async fn written() -> Written {
    let dir = tempfile::tempdir().unwrap();
    let (closed, stopped) = (dir.path().join("closed"), dir.path().join("stopped"));
    let store = SledKeyValue::open(&closed).await.unwrap().store;
    for n in 0..WRITES {
        let (bucket, key, value) = write(n);
        let bucket = store.bucket(bucket).await.unwrap();
        bucket.set(&key, Bytes::from(value)).await.unwrap();
        if n.is_multiple_of(WRITES / 3) {
            store.flush().await.unwrap();
        }
    }
    store.flush().await.unwrap();
    copy(&closed, &stopped);
    store.close().await.unwrap();
    Written {
        _dir: dir,
        closed,
        stopped,
    }
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "blobs"] {
        let entries = fs::read_dir(dir.join(folder)).unwrap().map(Result::unwrap);
        for entry in entries.filter(|entry| entry.path().is_file()) {
            let name = Path::new(folder).join(entry.file_name());
            let bytes = fs::read(entry.path()).unwrap();
            files.insert(name.to_str().unwrap().to_owned(), bytes);
        }
    }
    files
}

/// Damage number `at`: each file in turn, flipped or cut at a place that wanders over it.
#[derive(Clone, Debug, PartialEq)]
struct Damage {
    file: String,
    kind: &'static str,
    at: usize,
    bit: u8,
}

impl Damage {
    fn plan(files: &BTreeMap<String, Vec<u8>>, count: usize) -> Vec<Self> {
        // The log is nearly all there is, so it gets every other damage.
        let names: Vec<_> = files.keys().collect();
        (0..count)
            .map(|n| {
                let file = if n % 2 == 0 {
                    "db"
                } else {
                    names[n / 2 % names.len()]
                };
                // The golden ratio: any number of places is spread evenly.
                let place = (n as f64 * 0.618_033_988_749_895).fract();
                Self {
                    file: file.to_owned(),
                    kind: if n / 4 % 4 == 0 { "cut" } else { "flip" },
                    at: (place * files[file].len() as f64) as usize,
                    bit: 1 << (n / 3 % 8),
                }
            })
            .collect()
    }

    fn apply(&self, dir: &Path) {
        let path = dir.join(&self.file);
        let mut bytes = fs::read(&path).unwrap();
        match self.kind {
            "cut" => bytes.truncate(self.at),
            _ => bytes[self.at] ^= self.bit,
        }
        fs::write(&path, bytes).unwrap();
    }
}

/// What opening a damaged store came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Set aside and said.
    SetAside,
    /// Everything is there.
    Whole,
    /// What is there is what was there after some write, and it was said that flushed ones are missing.
    Earlier,
    /// The same, without a word.
    EarlierUnsaid,
    /// Some writes are missing, later ones are there; it was said that flushed ones are missing.
    Gaps,
    /// The same, without a word.
    GapsUnsaid,
}

async fn entries(bucket: &dyn Bucket) -> Vec<(String, Bytes)> {
    let keys = bucket.list_keys(None).await.unwrap();
    assert_eq!(keys.cursor, None);
    let values = bucket.get_many(&keys.keys).await.unwrap();
    let values = values.into_iter().map(Option::unwrap);
    keys.keys.into_iter().zip(values).collect()
}

/// Opens a damaged store and judges what is in it. Panics, which fails the test, when it has a value
/// that was never written under its key, or when what was set aside is not as it was.
async fn judge(dir: &Path) -> Outcome {
    let before = files(dir);
    let Opened {
        store,
        set_aside,
        rolled_back,
    } = SledKeyValue::open(dir).await.unwrap();
    if let Some(set_aside) = set_aside {
        assert_eq!(set_aside.from, dir);
        assert!(!set_aside.reason.is_empty());
        assert_eq!(store.buckets().await.unwrap(), [""; 0], "a fresh one");
        // Every file is there; sled may have cut the tail of its log before it gave up.
        let kept = files(&set_aside.to);
        let mut names = before.keys().filter(|name| *name != "seal");
        assert!(names.all(|name| kept.contains_key(name)));
        // The fresh one works.
        let bucket = store.bucket("even").await.unwrap();
        bucket
            .set("key", Bytes::from_static(b"value"))
            .await
            .unwrap();
        store.close().await.unwrap();
        fs::remove_dir_all(set_aside.to).unwrap();
        return Outcome::SetAside;
    }
    let history = history();
    let mut last = HashMap::new();
    for name in ["even", "odd"] {
        let bucket = store.bucket(name).await.unwrap();
        for (key, value) in entries(&*bucket).await {
            let n = number(&value);
            let (in_bucket, of_key, written) = write(n);
            assert!(
                (in_bucket, &of_key) == (name, &key),
                "{key:?} has the value of another"
            );
            assert!(
                value == written,
                "{key:?} has a value that was never written"
            );
            last.insert((name, key), n);
        }
    }
    store.close().await.unwrap();
    // The state after write `end` has, of each key, the last write up to there.
    let end = last.values().copied().max();
    let prefix = history.iter().all(|(key, writes)| {
        let expected = writes.iter().copied().filter(|n| Some(*n) <= end).max();
        last.get(key).copied() == expected
    });
    match (prefix, end) {
        (true, Some(end)) if end == WRITES - 1 => {
            assert_eq!(rolled_back, None, "nothing is missing");
            Outcome::Whole
        }
        (true, _) if rolled_back.is_some() => Outcome::Earlier,
        (true, _) => Outcome::EarlierUnsaid,
        (false, _) if rolled_back.is_some() => Outcome::Gaps,
        (false, _) => Outcome::GapsUnsaid,
    }
}

/// Damages copies of `from` in every way planned, and counts what came of it.
async fn damage_all(from: &Path) -> BTreeMap<Outcome, Vec<Damage>> {
    let mut outcomes = BTreeMap::<_, Vec<_>>::new();
    for damage in Damage::plan(&files(from), damages()) {
        let dir = tempfile::tempdir().unwrap();
        let copied = dir.path().join("store");
        copy(from, &copied);
        damage.apply(&copied);
        let outcome = judge(&copied).await;
        outcomes.entry(outcome).or_default().push(damage);
    }
    for (outcome, damages) in &outcomes {
        println!("{outcome:?}: {}", damages.len());
    }
    outcomes
}

#[test]
fn any_damage_to_a_closed_store_is_found() {
    run(async {
        let written = written().await;
        let mut outcomes = damage_all(&written.closed).await;
        outcomes.remove(&Outcome::SetAside);
        // A damaged seal says nothing, and everything else is as it was.
        let whole = outcomes.remove(&Outcome::Whole).unwrap_or_default();
        assert!(
            whole.iter().all(|damage| damage.file == "seal"),
            "{whole:?}"
        );
        assert!(outcomes.is_empty(), "{outcomes:?}");
    });
}

#[test]
fn a_store_that_was_stopped_and_damaged_makes_nothing_up() {
    run(async {
        let written = written().await;
        assert!(!written.stopped.join("seal").exists());
        let undamaged = written.stopped.with_file_name("undamaged");
        copy(&written.stopped, &undamaged);
        assert_eq!(judge(&undamaged).await, Outcome::Whole);
        let outcomes = damage_all(&written.stopped).await;
        // All was flushed, so whatever is missing was.
        for silent in [Outcome::EarlierUnsaid, Outcome::GapsUnsaid] {
            let damages = outcomes.get(&silent);
            assert!(damages.is_none(), "{silent:?}: {damages:?}");
        }
    });
}
