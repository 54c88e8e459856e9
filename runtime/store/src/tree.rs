//! The tree: where entries lie that are older than the journal. redb, a copy-on-write B-tree in one file.

use std::cell::Cell;
use std::fmt::Display;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use redb::{
    ConcurrencyMode, Database, ReadOnlyDatabase, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    StorageBackend, TableDefinition, WriteTransaction,
};

use crate::medium::Medium;
use crate::sealed::{sealed, unsealed};
use crate::{ReadError, Space};

mod storage;

use storage::{Disk, Storage};

/// The name of its file.
pub(crate) const FILE: &str = "tree";

/// What is said of a store that lacks it.
pub(crate) const LOST: &str = "has lost its tree";

/// What is said of a store where it is damaged.
pub(crate) fn damaged(error: &TreeError) -> String {
    format!("has a damaged tree ({error})")
}

/// Bytes of its pages that are kept in memory. redb's own default is 1 GiB.
pub(crate) const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a file that is too short to give space back.
const COMPACTED: u64 = 64 * 1024 * 1024;

/// Numbers about the store.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const GROUP: &str = "group";
/// A copy of what the format file says, for a store that lost it.
const SEED: &str = "seed";

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

const fn table(space: Space) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(space.name())
}

/// From which key to which.
pub type Range<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// Why the tree did not do its work.
#[derive(Debug)]
pub(crate) enum TreeError {
    /// The file is not what was written.
    Damaged(String),
    /// The system did not let it.
    Failed(String),
}

impl Display for TreeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for TreeError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error)
                if !matches!(
                    error.kind(),
                    // A file that is too short, or is none of redb's.
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
                ) =>
            {
                Self::Failed(error.to_string())
            }
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen) => {
                Self::Failed(error.to_string())
            }
            error => Self::Damaged(error.to_string()),
        }
    }
}

thread_local! {
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is where a panic is caught, and told as damage: on some damage redb panics. The panic hook of a program may
/// keep still about it.
#[must_use]
pub fn is_caught() -> bool {
    CAUGHT.get()
}

/// redb panics on some damage.
fn caught<T>(work: impl FnOnce() -> Result<T, TreeError>) -> Result<T, TreeError> {
    let outer = CAUGHT.replace(true);
    // Unwind safe: after a panic the database is dropped and opened again, or the store is set aside.
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(TreeError::Damaged(format!(
            "redb panicked: {}",
            text.as_deref().unwrap_or("no message")
        )))
    })
}

/// The one writer of the tree.
pub(crate) struct Tree {
    medium: Arc<dyn Medium>,
    open: Option<Open>,
    disk: Arc<Disk>,
}

/// `None` of a [`Tree`] that could not be opened again after a failure.
struct Open {
    db: Db,
    storage: Storage,
}

enum Db {
    Sound(Database),
    /// Not sound, and only read.
    Damaged(ReadOnlyDatabase),
}

impl Tree {
    /// Opens the tree, which is created when missing, and reads it whole once: every page has a checksum.
    /// The file stays as it was found until the [release](Tree::release).
    pub(crate) fn open(medium: Arc<dyn Medium>) -> Result<Self, TreeError> {
        let mut this = Self {
            medium,
            open: None,
            disk: Arc::default(),
        };
        this.reopen()?;
        Ok(this)
    }

    /// Opens a tree that is there, only to read it, and reads it whole once. Nothing is changed: what redb mends
    /// after an abrupt stop stays in memory.
    pub(crate) fn look(medium: Arc<dyn Medium>) -> Result<Self, TreeError> {
        let disk = Arc::default();
        let storage = existing(&*medium, &disk)?;
        let db = sound(&storage)?;
        let open = Some(Open {
            db: Db::Sound(db),
            storage,
        });
        Ok(Self { medium, open, disk })
    }

    /// Opens a tree that may be damaged, without the check, to read what can be read of it. Nothing is
    /// changed.
    pub(crate) fn open_damaged(medium: Arc<dyn Medium>) -> Result<Self, TreeError> {
        let disk = Arc::default();
        let storage = existing(&*medium, &disk)?;
        let of_redb = storage.clone();
        let db = caught(|| {
            // In this mode redb reads without a look at what pages are free, which it may not know.
            Ok(Database::builder()
                .set_concurrency_mode(ConcurrencyMode::SingleWriter)
                .open_read_only_with_backend(of_redb)?)
        })?;
        let open = Some(Open {
            db: Db::Damaged(db),
            storage,
        });
        Ok(Self { medium, open, disk })
    }

    /// Opens what lies on the disk, which stays as it was found until the [release](Tree::release).
    pub(crate) fn reopen(&mut self) -> Result<(), TreeError> {
        // Let go of first.
        let before = self.open.take();
        caught(|| {
            drop(before);
            Ok(())
        })?;
        let storage = self
            .medium
            .open(FILE)
            .and_then(|file| Storage::new(file, self.disk.clone()))
            .map_err(failed)?;
        let db = sound(&storage)?;
        self.open = Some(Open {
            db: Db::Sound(db),
            storage,
        });
        Ok(())
    }

    /// Lets redb at its file, which it changes even where it only opens it. Every write does that first; where
    /// it fails, for want of space, all can be read all the same.
    pub(crate) fn release(&self) -> Result<(), TreeError> {
        match &self.open {
            Some(open) => open.storage.release().map_err(failed),
            None => Err(not_open()),
        }
    }

    /// Whether the disk lacks what redb wrote. As long as it does nothing is durable, and the next
    /// [release](Tree::release) may make it so.
    pub(crate) fn is_held(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.storage.is_held())
    }

    /// From now on others wait for the disk while it writes: it lets them.
    pub(crate) fn share_disk(&self) {
        self.disk.share();
    }

    /// Whether a sync failed, however often it was opened since. Then only a restart of the machine tells what is on the disk.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.disk.is_unsynced()
    }

    fn begin_read(&self) -> Result<ReadTransaction, TreeError> {
        match self.open.as_ref().map(|open| &open.db) {
            Some(Db::Sound(db)) => Ok(db.begin_read()?),
            Some(Db::Damaged(db)) => Ok(db.begin_read()?),
            None => Err(not_open()),
        }
    }

    fn begin_write(&self) -> Result<WriteTransaction, TreeError> {
        self.release()?;
        match self.open.as_ref().map(|open| &open.db) {
            Some(Db::Sound(db)) => Ok(db.begin_write()?),
            Some(Db::Damaged(_)) | None => Err(not_open()),
        }
    }

    /// The number of the last group in it.
    pub(crate) fn group(&self) -> Result<u64, TreeError> {
        caught(|| {
            let read = self.begin_read()?;
            let group = read.open_table(META)?.get(GROUP)?;
            Ok(group.map_or(0, |group| group.value()))
        })
    }

    /// The seed of the journal, as far as it was written.
    pub(crate) fn seed(&self) -> Result<Option<u64>, TreeError> {
        caught(|| {
            let read = self.begin_read()?;
            let seed = read.open_table(META)?.get(SEED)?;
            Ok(seed.map(|seed| seed.value()))
        })
    }

    /// Writes the seed, durably.
    pub(crate) fn set_seed(&self, seed: u64) -> Result<(), TreeError> {
        caught(|| {
            let transaction = self.begin_write()?;
            transaction.open_table(META)?.insert(SEED, seed)?;
            transaction.commit()?;
            Ok(())
        })?;
        self.release()
    }

    /// What is in it now.
    pub(crate) fn view(&self) -> Result<View, TreeError> {
        caught(|| {
            let read = self.begin_read()?;
            let open = |space| read.open_table(table(space));
            Ok(View {
                tables: [
                    open(Space::Events)?,
                    open(Space::Positions)?,
                    open(Space::Buckets)?,
                    open(Space::Seen)?,
                ],
            })
        })
    }

    /// Makes these writes, each of another key and in order, and the number of their last group durable,
    /// all or nothing.
    pub(crate) fn apply<'a>(
        &self,
        group: u64,
        writes: impl Iterator<Item = (Space, &'a Bytes, Option<&'a Bytes>)>,
    ) -> Result<(), TreeError> {
        caught(|| {
            let transaction = self.begin_write()?;
            let mut writes = writes.peekable();
            for space in Space::ALL {
                if writes.peek().is_none_or(|(of, ..)| *of != space) {
                    continue;
                }
                let mut table = transaction.open_table(table(space))?;
                while let Some((_, key, value)) = writes.next_if(|(of, ..)| *of == space) {
                    match value {
                        Some(value) => drop(table.insert(&**key, &*sealed(space, key, value))?),
                        None => drop(table.remove(&**key)?),
                    }
                }
            }
            transaction.open_table(META)?.insert(GROUP, group)?;
            transaction.commit()?;
            Ok(())
        })?;
        self.release()?;
        if self.is_unsynced() {
            return Err(TreeError::Failed("a sync of the tree failed".to_owned()));
        }
        Ok(())
    }

    /// Gives space back where most of the file is free. No view may be alive.
    pub(crate) fn compact_when_free(&mut self) -> Result<(), TreeError> {
        let Some(open) = &self.open else {
            return Err(not_open());
        };
        let length = open.storage.len().map_err(failed)?;
        if length < COMPACTED {
            return Ok(());
        }
        let used = caught(|| {
            let transaction = self.begin_write()?;
            let used = transaction.stats()?.allocated_pages() * 4096;
            transaction.abort()?;
            Ok(used)
        })?;
        if used < length / 2 {
            self.compact()?;
        }
        Ok(())
    }

    /// Gives what space is free back. No view may be alive.
    pub(crate) fn compact(&mut self) -> Result<(), TreeError> {
        self.release()?;
        let Some(Open {
            db: Db::Sound(db), ..
        }) = &mut self.open
        else {
            return Err(not_open());
        };
        caught(|| {
            // It does a part of the work at each call.
            while db.compact()? {}
            Ok(())
        })?;
        self.release()
    }
}

/// The database that lies in a storage, once every page of it was found sound.
fn sound(storage: &Storage) -> Result<Database, TreeError> {
    let of_redb = storage.clone();
    caught(|| {
        let db = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(of_redb)?;
        // All tables are made in one transaction.
        if db.begin_read()?.open_table(META).is_err() {
            let transaction = db.begin_write()?;
            for space in Space::ALL {
                transaction.open_table(table(space))?;
            }
            transaction.open_table(META)?;
            transaction.commit()?;
        }
        Ok(db)
    })
}

fn not_open() -> TreeError {
    TreeError::Failed("the tree is not open".to_owned())
}

fn failed(error: io::Error) -> TreeError {
    TreeError::Failed(error.to_string())
}

fn existing(medium: &dyn Medium, disk: &Arc<Disk>) -> Result<Storage, TreeError> {
    medium
        .existing(FILE)
        .and_then(|file| {
            let file = file.ok_or(io::ErrorKind::NotFound)?;
            Storage::new(file, disk.clone())
        })
        .map_err(failed)
}

/// What was in the tree at one moment.
pub(crate) struct View {
    /// In the order of [`Space::ALL`]. They keep their transaction alive.
    tables: [Table; 4],
}

impl View {
    fn table(&self, space: Space) -> &Table {
        let [events, positions, buckets, seen] = &self.tables;
        match space {
            Space::Events => events,
            Space::Positions => positions,
            Space::Buckets => buckets,
            Space::Seen => seen,
        }
    }

    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        read(space, || {
            Ok(self
                .table(space)
                .get(key)?
                .map(|value| Bytes::copy_from_slice(value.value())))
        })?
        .map(|value| unsealed(space, key, value))
        .transpose()
    }

    /// Gives the entries of a range in order until `each` answers `false`. A value is given with its seal.
    pub(crate) fn scan(
        &self,
        space: Space,
        range: Range<'_>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        read(space, || {
            for entry in self.table(space).range::<&[u8]>(range)? {
                let (key, value) = entry?;
                match each(key.value(), value.value()) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(()))
        })?
    }
}

fn read<T>(space: Space, work: impl FnOnce() -> Result<T, TreeError>) -> Result<T, ReadError> {
    caught(work).map_err(|error| match error {
        TreeError::Damaged(reason) => {
            tracing::error!(%reason, space = space.name(), "the store is damaged");
            ReadError::Damaged { space }
        }
        TreeError::Failed(reason) => ReadError::Failed { reason },
    })
}
