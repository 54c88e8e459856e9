//! A full disk, a real one: a small file system in memory. Where none can be mounted, the tests say so and pass.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::workload::contents;
use crate::{Batch, Commit, CommitError, OpenError, Space, Store, check};

const BYTES: usize = 2 * 1024 * 1024;

/// One test at a time: a process that is being started has the locks of this one until it runs its own program.
static ALONE: Mutex<()> = Mutex::new(());

/// A file system of that size. Unmounted when dropped.
struct Disk {
    at: PathBuf,
    _alone: MutexGuard<'static, ()>,
    _parent: tempfile::TempDir,
}

impl Disk {
    fn new() -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let parent = tempfile::tempdir().unwrap();
        let at = parent.path().join("disk");
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={BYTES}"), "tmpfs"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("not run: no file system can be mounted here");
            return None;
        }
        Some(Self {
            at,
            _alone: alone,
            _parent: parent,
        })
    }

    fn store(&self) -> PathBuf {
        self.at.join("store")
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let mut ballast = File::options()
            .create(true)
            .append(true)
            .open(self.ballast())
            .unwrap();
        while ballast.write_all(&[7; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.unwrap().success());
    }
}

fn put(key: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(
        Space::Events,
        key.to_be_bytes().to_vec(),
        vec![key as u8; 1000],
    );
    batch
}

/// As whoever commits does: the journal grows no further than what may wait for the tree.
fn commit(store: &Store, key: u32) -> Result<(), CommitError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(store.room());
    store.commit(put(key)).and_then(Commit::wait)
}

/// Commits from a key on until one is refused; answers its key.
fn until_refused(store: &Store, from: u32) -> (u32, CommitError) {
    for key in from.. {
        if let Err(error) = commit(store, key) {
            return (key, error);
        }
    }
    panic!("a disk without end");
}

/// Commits one that may have to wait until there is space again.
fn until_taken(store: &Store, key: u32) {
    while let Err(error) = commit(store, key) {
        assert!(matches!(error, CommitError::Undone { .. }), "{error}");
        std::thread::yield_now();
    }
}

/// All that was acknowledged is there, and nothing else.
fn is_there(store: &Store, keys: u32) {
    let contents = contents(store);
    assert_eq!(contents.len() as u32, keys);
    for ((_, key), value) in contents {
        let key = u32::from_be_bytes(key[..].try_into().unwrap());
        assert!(key < keys && value == vec![key as u8; 1000]);
    }
}

fn opened(dir: &Path) -> Store {
    let opened = Store::open(dir).unwrap();
    assert_eq!((opened.set_aside, opened.torn), (None, false));
    opened.store
}

#[test]
fn a_full_disk_refuses_with_a_reason_and_loses_nothing_also_opened_again() {
    let Some(disk) = Disk::new() else {
        return;
    };
    let mut keys = 0;
    fs::write(disk.ballast(), vec![7; BYTES * 3 / 4]).unwrap();
    let mut store = opened(&disk.store());
    for round in 0..3_u64 {
        let (refused, error) = until_refused(&store, keys);
        assert!(matches!(error, CommitError::Undone { .. }), "{error}");
        assert!(error.to_string().contains("No space left"), "{error}");
        println!(
            "round {round}: refused after {} commits: {error}",
            refused - keys
        );
        keys = refused;
        is_there(&store, keys);
        disk.fill();
        // Read all the while, and what the journal has a place for may still be taken.
        for _ in 0..20 {
            match commit(&store, keys) {
                Ok(()) => keys += 1,
                Err(error) => assert!(matches!(error, CommitError::Undone { .. }), "{error}"),
            }
            is_there(&store, keys);
        }
        // Closed and opened while it is full: nothing is lost, and it refuses as it did.
        store.close();
        assert!(check(disk.store()).unwrap().is_sound());
        store = opened(&disk.store());
        is_there(&store, keys);
        if round % 2 == 0 {
            // There is space again while it is open, or while it is not.
            store.close();
        }
        let ballast = File::options().write(true).open(disk.ballast()).unwrap();
        // A part of it comes back, more than the tree may want at once.
        let left = BYTES as u64 * (7 - 2 * round) / 12;
        ballast.set_len(left).unwrap();
        if round % 2 == 0 {
            store = opened(&disk.store());
        }
        for _ in 0..100 {
            until_taken(&store, keys);
            keys += 1;
        }
    }
    is_there(&store, keys);
    store.close();
    let health = check(disk.store()).unwrap();
    assert!(health.is_sound() && !health.torn);
    is_there(&opened(&disk.store()), keys);
}

#[test]
fn where_there_is_no_space_for_a_store_none_is_made_and_it_is_said() {
    let Some(disk) = Disk::new() else {
        return;
    };
    disk.fill();
    let error = Store::open(disk.store()).unwrap_err();
    assert!(error.to_string().contains("space"), "{error}");
    fs::remove_file(disk.ballast()).unwrap();
    let store = opened(&disk.store());
    store.commit(put(0)).unwrap().wait().unwrap();
    is_there(&store, 1);
}

#[test]
fn where_there_is_no_space_to_save_a_damaged_store_it_stays_where_it_is() {
    let Some(disk) = Disk::new() else {
        return;
    };
    let store = opened(&disk.store());
    for key in 0..500 {
        until_taken(&store, key);
    }
    store.close();
    fs::remove_file(disk.store().join("format")).unwrap();
    disk.fill();
    let error = Store::open(disk.store()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("space"), "{error}");
    let names = fs::read_dir(&disk.at).unwrap().count();
    assert_eq!(names, 3, "the store, its lock and the ballast");
    fs::remove_file(disk.ballast()).unwrap();
    let opened = Store::open(disk.store()).unwrap();
    assert!(opened.set_aside.is_some());
    is_there(&opened.store, 500);
}
