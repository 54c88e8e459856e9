//! Opening a store, and what is done when that fails.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Store;
use crate::format::{self, FORMAT, Format};
use crate::frame;
use crate::journal::{self, Journal, Replay};
use crate::lock::{beside, lock};
use crate::medium::{Directory, Medium, found, make_directory, sync_directory};
use crate::salvage::salvage;
use crate::store::Shared;
use crate::tree::{self, Tree, TreeError};
use crate::writer::{Threads, Unsettled};

/// What stands behind the name of a store for what is being saved of it, and for that once it is whole.
const SAVING: &str = ".saving";
const SAVED: &str = ".saved";

/// A store that is open.
#[derive(Debug)]
#[must_use]
pub struct Opened {
    /// The store. Where something was set aside, a fresh one with what was saved of it.
    pub store: Store,
    /// The damaged store that was found in its place, for the caller to report.
    pub set_aside: Option<SetAside>,
    /// The end of the journal was not whole: the process was stopped in the middle of its last write, which
    /// nobody was told of; or the end was damaged since, and the last groups in the damaged place are missing.
    /// For the caller to report.
    pub torn: bool,
}

/// A damaged store, kept as it was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store `{}` is damaged: it {reason}; it was set aside as `{}`, and {saved} are in its place", .from.display(), .to.display())]
pub struct SetAside {
    /// Where it was.
    pub from: PathBuf,
    /// Where it is now.
    pub to: PathBuf,
    /// What is wrong with it, as far as is known.
    pub reason: String,
    /// What was saved of it.
    pub saved: Saved,
}

/// What was saved of a damaged store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Entries that are as they were written.
    pub entries: u64,
    /// Groups of turns in its journal, newer than its tree, that are as they were written and went into the
    /// entries. Between them some may be missing.
    pub groups: u64,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries that could be saved, with {} later groups of turns in them",
            self.entries, self.groups
        )
    }
}

/// Why a store did not open. Nothing in its directory was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it, or this one has it twice.
    #[error("the store `{}` is in use by another process; stop that one, or give this one a directory of its own", .path.display())]
    Locked {
        /// The directory of the store.
        path: PathBuf,
    },
    /// Nothing of a store is there. Only of those that look: [`Store::open`] makes one.
    #[error("no store lies in `{}`; check the path", .path.display())]
    Missing {
        /// The directory that was asked for.
        path: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error("the store `{}` has format {version}, and this program knows {FORMAT} and older ones; use the version that wrote it", .path.display())]
    Newer {
        /// The directory of the store.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The system does not let us: permissions, space, a path that is no directory.
    #[error("the store `{}` cannot be opened; check its path, permissions and space", .path.display())]
    Io {
        /// The directory of the store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is damaged, and could not be set aside.
    #[error("the store `{}` is damaged (it {reason}), and could not be renamed; move it away by hand", .path.display())]
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
#[derive(Debug)]
pub(crate) enum Failure {
    Missing,
    Newer(u32),
    Io(io::Error),
    Damaged(String),
}

impl Failure {
    /// What is said of the store in a directory.
    pub(crate) fn at(self, dir: &Path) -> OpenError {
        let path = dir.to_owned();
        match self {
            Self::Missing => OpenError::Missing { path },
            Self::Newer(version) => OpenError::Newer { path, version },
            Self::Io(source) => OpenError::Io { path, source },
            // Whoever expects damage deals with it; a fresh store has none, and renaming it would not help.
            Self::Damaged(reason) => OpenError::Io {
                path,
                source: io::Error::other(reason),
            },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Damaged(_) => Self::Damaged(tree::damaged(&error)),
            TreeError::Failed(reason) => Self::Io(io::Error::other(reason)),
        }
    }
}

/// The parts of a store that is in order.
pub(crate) struct Parts {
    pub(crate) tree: Tree,
    pub(crate) journal: Journal,
    pub(crate) replay: Replay,
}

impl Store {
    /// Opens the store in the directory `path`, which is created when missing. A damaged one is set aside,
    /// which [`Opened`] says. Blocks while it reads the store once, some 1 GB a second.
    ///
    /// # Errors
    /// [`OpenError`]: in use, of a later format, or the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Opened, OpenError> {
        let dir = path.as_ref();
        let path = || dir.to_owned();
        let io = |source| OpenError::Io {
            path: path(),
            source,
        };
        let lock = lock(dir)?;
        finish_setting_aside(dir).map_err(io)?;
        make_directory(dir).map_err(io)?;
        let medium: Arc<dyn Medium> = Arc::new(Directory(dir.to_owned()));
        let (parts, set_aside) = match attempt(&medium) {
            Ok(parts) => (parts, None),
            Err(Failure::Damaged(reason)) => {
                let set_aside = set_aside(dir, reason)?;
                tracing::error!("{set_aside}");
                let parts = attempt(&medium).map_err(|failure| failure.at(dir))?;
                (parts, Some(set_aside))
            }
            Err(failure) => return Err(failure.at(dir)),
        };
        let torn = parts.replay.torn;
        Ok(Opened {
            store: start(dir, parts, Box::new(lock)).map_err(io)?,
            set_aside,
            torn,
        })
    }
}

/// Puts a store with what can be saved of a damaged one in its place. Until that is made whole and durable
/// beside it the damaged one stays where it is, so that a stop at any moment loses nothing.
fn set_aside(dir: &Path, reason: String) -> Result<SetAside, OpenError> {
    let path = || dir.to_owned();
    let io = |source| OpenError::Io {
        path: path(),
        source,
    };
    let saving = beside(dir, SAVING).map_err(io)?;
    let whole = beside(dir, SAVED).map_err(io)?;
    for left in [&saving, &whole] {
        found(fs::remove_dir_all(left)).map_err(io)?;
    }
    let saved = save(dir, &saving).map_err(|failure| {
        // Where there is no space, so that there is some again.
        let _ = fs::remove_dir_all(&saving);
        failure.at(dir)
    })?;
    rename(&saving, &whole).map_err(io)?;
    let to = rename_aside(dir).map_err(|source| OpenError::Stuck {
        path: path(),
        reason: reason.clone(),
        source,
    })?;
    rename(&whole, dir).map_err(io)?;
    Ok(SetAside {
        from: path(),
        to,
        reason,
        saved,
    })
}

/// Makes a store in `into` with what can be saved of a damaged one.
fn save(damaged: &Path, into: &Path) -> Result<Saved, Failure> {
    fs::create_dir(into)?;
    let into: Arc<dyn Medium> = Arc::new(Directory(into.to_owned()));
    let damaged: Arc<dyn Medium> = Arc::new(Directory(damaged.to_owned()));
    salvage(&damaged, &attempt(&into)?.tree)
}

/// A process was stopped after it set a damaged store aside, before the whole one was in its place.
fn finish_setting_aside(dir: &Path) -> io::Result<()> {
    let whole = beside(dir, SAVED)?;
    if found(dir.symlink_metadata())?.is_none() && found(whole.symlink_metadata())?.is_some() {
        rename(&whole, dir)?;
        tracing::error!(dir = %dir.display(), "a damaged store was set aside before; what was saved of it is in its place");
    }
    Ok(())
}

/// Opens what a medium holds, or says what is wrong.
pub(crate) fn attempt(medium: &Arc<dyn Medium>) -> Result<Parts, Failure> {
    let seed = match medium.read(format::FILE)?.as_deref().map(format::parse) {
        Some(Format::Known(_, seed)) => seed,
        Some(Format::Newer(version)) => return Err(Failure::Newer(version)),
        Some(Format::Damaged) => {
            return Err(Failure::Damaged(format::DAMAGED.to_owned()));
        }
        None => create(medium)?,
    };
    let of_tree = medium.existing(tree::FILE)?.map(|file| file.len());
    if of_tree.transpose()?.is_none_or(|bytes| bytes == 0) {
        return Err(Failure::Damaged(tree::LOST.to_owned()));
    }
    let mut tree = Tree::open(medium.clone())?;
    let (journal, replay) = Journal::open(&**medium, seed, tree.group()?)?;
    // Both are sound: from here on they are changed.
    if let Err(error) = tree.compact_when_free() {
        // It needs space to give space back.
        tracing::warn!(%error, "the tree of the store keeps its free space");
        tree.reopen()?;
    }
    if let Err(error) = tree.release() {
        tracing::warn!(%error, "the tree of the store cannot be written now");
    }
    if tree.is_unsynced() {
        let reason =
            "a sync of the tree failed: only a restart of the machine tells what is on the disk";
        return Err(Failure::Io(io::Error::other(reason)));
    }
    Ok(Parts {
        tree,
        journal,
        replay,
    })
}

/// Makes a store where none is, or where one was never finished.
fn create(medium: &Arc<dyn Medium>) -> Result<u64, Failure> {
    // Journals come after the tree and are empty until the format file is there.
    let mut written = false;
    for name in journal::FILES {
        let bytes = medium.read(name)?;
        written |= bytes.is_some_and(|bytes| {
            let frames = bytes.get(frame::HEADER..).unwrap_or_default();
            frames.iter().any(|byte| *byte != 0)
        });
    }
    if written {
        return Err(Failure::Damaged(format::LOST.to_owned()));
    }
    let file = medium.open(tree::FILE)?;
    if file.len()? > 0
        && Tree::open(medium.clone()).is_ok_and(|tree| tree.group().is_ok_and(|group| group > 0))
    {
        return Err(Failure::Damaged(format::LOST.to_owned()));
    }
    file.set_len(0)?;
    file.sync()?;
    let seed = format::new_seed();
    Tree::open(medium.clone())?.set_seed(seed)?;
    Journal::create(&**medium, seed)?;
    medium.publish(format::FILE, format::write(seed).as_bytes())?;
    Ok(seed)
}

/// Starts a store from its parts.
pub(crate) fn start(dir: &Path, parts: Parts, held: Box<dyn Send>) -> io::Result<Store> {
    let Parts {
        tree,
        journal,
        replay,
    } = parts;
    let failed = |error: TreeError| io::Error::other(error.to_string());
    let shared = Arc::new(Shared::new(tree.view().map_err(failed)?));
    let mut unsettled = Unsettled {
        group: tree.group().map_err(failed)?,
        size: 0,
    };
    {
        let mut state = shared.lock();
        for (group, writes) in replay.groups {
            // Before the first commit of this run.
            for (space, key, value) in writes {
                unsettled.size += size(&key, value.as_ref());
                state.pending.synced(space, key, value, 0);
            }
            unsettled.group = group;
        }
        state.untreed = unsettled.size;
    }
    let threads = Threads::start(&shared, journal, tree, unsettled, held)?;
    Ok(Store::new(dir, shared, threads))
}

fn size(key: &bytes::Bytes, value: Option<&bytes::Bytes>) -> usize {
    key.len() + value.map_or(0, bytes::Bytes::len)
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
    rename(dir, &to)?;
    Ok(to)
}

/// Renames a directory, durably, to a name beside it.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => sync_directory(Path::new(".")),
    }
}
