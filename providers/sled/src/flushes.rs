//! The count of flushes: how it is known, after an abrupt stop, that flushed writes are missing.
//!
//! sled takes a damaged message at the wrong place for the end of its log, and everything after it never
//! was. So each flush is counted twice: in the store, before it, and in a file beside sled's, after it.
//! The file never runs ahead of the store, but where flushed writes were lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sled::{Db, Tree};
use xxhash_rust::xxh3::xxh3_64;

/// The name of the file, inside the store's directory: the count and its hash, little-endian.
const FILE: &str = "flushes";

/// The tree of the count, and its only key. No bucket's tree has this name.
const TREE: &[u8] = b"whirlwind/flushes";
const KEY: &[u8] = b"count";

pub(crate) struct Flushes {
    tree: Tree,
    state: Mutex<State>,
}

struct State {
    /// The latest in the store.
    count: u64,
    /// The latest in the file.
    written: u64,
    file: File,
}

impl Flushes {
    /// Opens the count of an open store. Answers how many flushes the store lost, too.
    pub(crate) fn open(dir: &Path, db: &Db) -> Result<(Self, u64), sled::Error> {
        let tree = db.open_tree(TREE)?;
        let count = tree
            .get(KEY)?
            .and_then(|count| count.as_ref().try_into().ok().map(u64::from_le_bytes))
            .unwrap_or(0);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(dir.join(FILE))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(17).read_to_end(&mut bytes)?;
        // New, cut or damaged, it says nothing.
        let written = decode(&bytes).unwrap_or(0);
        let mut state = State {
            count,
            written: count,
            file,
        };
        if written != count {
            // What is said once is not said again at the next opening.
            state.write(count)?;
        }
        let state = Mutex::new(state);
        Ok((Self { tree, state }, written.saturating_sub(count)))
    }

    /// Flushes the store, and counts it.
    pub(crate) fn flush(&self) -> Result<(), sled::Error> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = {
            let mut state = state();
            state.count += 1;
            self.tree.insert(KEY, &state.count.to_le_bytes())?;
            state.count
        };
        // Not under the lock: flushes beside each other share the work.
        self.tree.flush()?;
        let mut state = state();
        if count > state.written {
            state.write(count)?;
            state.written = count;
        }
        Ok(())
    }
}

impl State {
    /// One small write at the same place; a kill leaves the old or the new.
    fn write(&mut self, count: u64) -> io::Result<()> {
        let count = count.to_le_bytes();
        let hash = xxh3_64(&count).to_le_bytes();
        self.file.rewind()?;
        self.file.write_all(&[count, hash].concat())
    }
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (count, hash) = bytes.split_at_checked(8)?;
    let count: [u8; 8] = count.try_into().ok()?;
    (hash == xxh3_64(&count).to_le_bytes()).then_some(u64::from_le_bytes(count))
}
