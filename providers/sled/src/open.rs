//! Opening a store, and what is done when that fails.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sled::{Config, Db, Mode};

use crate::caught::message;
use crate::flushes::Flushes;
use crate::seal::{self, Verdict};
use crate::store::{CACHE_BYTES, FLUSH_EVERY_MS, SledKeyValue};

/// How long sled may take to let go of its file after the last handle is dropped: some of its worker
/// threads hold one for the job in hand.
const LINGER: Duration = Duration::from_secs(2);

/// A store that is open.
#[derive(Debug)]
#[must_use]
pub struct Opened {
    /// The store; a fresh one where something was set aside.
    pub store: SledKeyValue,
    /// The damaged store that was found in its place, for the caller to report.
    pub set_aside: Option<SetAside>,
    /// That flushed writes are missing in the store itself, for the caller to report.
    pub rolled_back: Option<RolledBack>,
}

/// Writes that were flushed are missing after an abrupt stop: after a power cut, or because the end of
/// the store's log is damaged. What is there is as it was at an earlier moment, or, when the log was cut
/// off, may have gaps before that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key-value store `{}` lost its {flushes} last flushes, by a power cut or by damage to its files; it goes on with what is left", .path.display())]
pub struct RolledBack {
    /// The directory of the store.
    pub path: PathBuf,
    /// How many calls of [`flush`](whirlwind_provider_api::KeyValue::flush) are as if never made.
    pub flushes: u64,
}

/// A damaged store, kept as it was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key-value store `{}` is damaged: {reason}; it was set aside as `{}`, and a fresh one is in its place", .from.display(), .to.display())]
pub struct SetAside {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is now.
    pub to: PathBuf,
    /// What is wrong with it, as far as is known.
    pub reason: String,
}

/// Why a store did not open. Nothing in its directory was touched.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it, or this one has it twice.
    #[error(
        "the key-value store `{}` is in use by another process; stop that one, or give this one a directory of its own",
        .path.display()
    )]
    Locked {
        /// The directory of the store.
        path: PathBuf,
    },
    /// The system does not let us: permissions, space, a path that is no directory.
    #[error("the key-value store `{}` cannot be opened; check its path, permissions and space", .path.display())]
    Io {
        /// The directory of the store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is damaged, and could not be set aside.
    #[error("the key-value store `{}` is damaged ({reason}), and could not be renamed; move it away by hand", .path.display())]
    Stuck {
        /// The directory of the store.
        path: PathBuf,
        /// What is wrong with it, as far as is known.
        reason: String,
        /// Why it could not be renamed.
        source: io::Error,
    },
}

/// What an attempt came to, short of an open store.
enum Failure {
    Locked,
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An open sled, and the lock that keeps other processes of ours away from its directory.
pub(crate) struct Held {
    pub(crate) db: Db,
    pub(crate) flushes: Arc<Flushes>,
    pub(crate) lock: File,
}

/// Opens the store in `dir`, and says what is to report. Blocks.
pub(crate) fn open(dir: &Path) -> Result<(Held, Option<SetAside>, Option<RolledBack>), OpenError> {
    let io = |source| OpenError::Io {
        path: dir.to_owned(),
        source,
    };
    // Beside the directory, not in it: the lock is held before anything in there is judged or renamed.
    let lock_path = beside(dir, ".lock").map_err(io)?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(lock_path)
        .map_err(io)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Locked {
                path: dir.to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }

    let mut set_aside = None;
    loop {
        match attempt(dir) {
            Ok((db, flushes, lost)) => {
                let rolled_back = (lost > 0).then(|| RolledBack {
                    path: dir.to_owned(),
                    flushes: lost,
                });
                let flushes = Arc::new(flushes);
                return Ok((Held { db, flushes, lock }, set_aside, rolled_back));
            }
            Err(Failure::Locked) => {
                return Err(OpenError::Locked {
                    path: dir.to_owned(),
                });
            }
            Err(Failure::Io(error)) => return Err(io(error)),
            Err(Failure::Damaged(reason)) if set_aside.is_none() => {
                let to = rename_aside(dir).map_err(|source| OpenError::Stuck {
                    path: dir.to_owned(),
                    reason: reason.clone(),
                    source,
                })?;
                set_aside = Some(SetAside {
                    from: dir.to_owned(),
                    to,
                    reason,
                });
            }
            // A fresh one cannot be damaged; whatever this is, renaming does not help.
            Err(Failure::Damaged(reason)) => return Err(io(io::Error::other(reason))),
        }
    }
}

/// Opens the directory as it is, or says what is wrong.
/// Also answers how many flushes were lost.
fn attempt(dir: &Path) -> Result<(Db, Flushes, u64), Failure> {
    if !wait_released(dir)? {
        return Err(Failure::Locked);
    }
    let verdict = seal::check(dir)?;
    if let Verdict::Broken(what) = verdict {
        return Err(Failure::Damaged(format!("{what} since it was closed")));
    }
    seal::remove(dir)?;
    // Unwind safe: whatever a panic leaves behind is dropped here or never used.
    catch_unwind(AssertUnwindSafe(|| {
        let db = Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(Some(FLUSH_EVERY_MS))
            .mode(Mode::LowSpace)
            .use_compression(false)
            .open()
            .map_err(judge)?;
        if verdict != Verdict::Intact {
            read_all(&db)?;
        }
        let (flushes, lost) = Flushes::open(dir, &db).map_err(judge)?;
        Ok((db, flushes, lost))
    }))
    .unwrap_or_else(|panic| {
        Err(Failure::Damaged(format!(
            "sled panicked: {}",
            message(&*panic)
        )))
    })
}

/// Reads every key and value, so that damage shows now and not in the middle of a turn.
fn read_all(db: &Db) -> Result<(), Failure> {
    for name in db.tree_names() {
        for entry in &db.open_tree(name).map_err(judge)? {
            let (key, _) = entry.map_err(judge)?;
            std::str::from_utf8(&key)
                .map_err(|_| Failure::Damaged("a key is not UTF-8".to_owned()))?;
        }
    }
    Ok(())
}

/// What an error of sled says about the store.
fn judge(error: sled::Error) -> Failure {
    match error {
        // From a program that uses sled on this directory without our lock. sled has no kind for it.
        sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            Failure::Locked
        }
        sled::Error::Io(error) => match error.kind() {
            // Files too short, missing blobs, and what sled makes itself.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotFound
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Other => Failure::Damaged(error.to_string()),
            _ => Failure::Io(error),
        },
        error => Failure::Damaged(error.to_string()),
    }
}

/// Whether nobody holds sled's file, given some time to let go of it.
pub(crate) fn wait_released(dir: &Path) -> io::Result<bool> {
    const STEP: Duration = Duration::from_millis(5);
    let mut left = LINGER;
    loop {
        // sled locks this file with flock(2), as does std.
        let file = match OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join("db"))
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if left.is_zero() => return Ok(false),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(STEP);
                left = left.saturating_sub(STEP);
            }
        }
    }
}

/// Renames the directory to a name that is free. The lock keeps others of ours from taking it first.
fn rename_aside(dir: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut to = beside(dir, &format!(".damaged-{seconds}"))?;
    let mut counter = 0;
    while to.symlink_metadata().is_ok() {
        counter += 1;
        to = beside(dir, &format!(".damaged-{seconds}-{counter}"))?;
    }
    fs::rename(dir, &to)?;
    Ok(to)
}

/// The path next to `dir` whose name is that of `dir` with `suffix`.
fn beside(dir: &Path, suffix: &str) -> io::Result<PathBuf> {
    let name = dir.file_name().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path does not end in a directory's name",
        )
    })?;
    let mut name = OsString::from(name);
    name.push(suffix);
    Ok(dir.with_file_name(name))
}
