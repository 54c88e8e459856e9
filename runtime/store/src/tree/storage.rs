//! The tree's file as redb wants one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::medium::Handle;

/// Bytes after which the file is synced while it is written and the disk is shared, more often than redb wants:
/// the sync of a commit in the journal waits for at most that much of it.
const SYNC_EVERY: usize = 128 * 1024;

/// Bytes that are held together.
const PAGE: u64 = 4096;

/// The file, shared with redb, which owns its copy.
///
/// While redb looks whether the file is sound it may already change it. So changes are held in memory until
/// [`Storage::release`]: a damaged file stays as it was found.
///
/// From a change that the disk does not take, for want of space, they are held again. For after an error redb
/// neither reads nor writes any more; this way it only takes longer.
#[derive(Clone, Debug)]
pub(super) struct Storage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Arc<dyn Handle>,
    /// Whether changes are held: asked without the lock.
    holds: AtomicBool,
    held: Mutex<Held>,
    disk: Arc<Disk>,
    /// Bytes that were written since the last sync.
    written: AtomicUsize,
}

/// What is known of the disk, by all storages of a file, one after the other.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// A sync failed: what lies in the system's cache is not what lies on the disk.
    unsynced: AtomicBool,
    /// Commits wait for the same disk.
    shared: AtomicBool,
}

impl Disk {
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced.load(Ordering::Relaxed)
    }

    pub(super) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }
}

/// What was changed and is not in the file.
#[derive(Debug, Default)]
struct Held {
    len: u64,
    pages: HashMap<u64, Vec<u8>>,
    /// In order, for the release.
    changes: VecDeque<Change>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl Storage {
    /// Holds what is changed.
    pub(super) fn new(file: Arc<dyn Handle>, disk: Arc<Disk>) -> io::Result<Self> {
        let held = Held {
            len: file.len()?,
            ..Held::default()
        };
        Ok(Self(Arc::new(Inner {
            file,
            holds: AtomicBool::new(true),
            held: Mutex::new(held),
            disk,
            written: AtomicUsize::new(0),
        })))
    }

    /// Makes the changes that were held, and from now on each as it comes. After a failure they are held on, and
    /// it can be tried again.
    pub(super) fn release(&self) -> io::Result<()> {
        let Some(mut held) = self.held() else {
            return Ok(());
        };
        while let Some(change) = held.changes.front() {
            match change {
                Change::Write(at, bytes) => self.0.file.write(*at, bytes)?,
                Change::SetLen(len) => self.0.file.set_len(*len)?,
                Change::Sync => self.sync()?,
            }
            held.changes.pop_front();
        }
        held.pages = HashMap::new();
        self.0.holds.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether changes are held.
    pub(super) fn is_held(&self) -> bool {
        self.0.holds.load(Ordering::Acquire)
    }

    /// Holds changes from now on, as after an error. There is one who makes any.
    fn hold(&self) -> io::Result<MutexGuard<'_, Held>> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.len = self.0.file.len()?;
        self.0.holds.store(true, Ordering::Release);
        Ok(held)
    }

    /// `None` where nothing is held.
    fn held(&self) -> Option<MutexGuard<'_, Held>> {
        if !self.0.holds.load(Ordering::Acquire) {
            return None;
        }
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        // The release may have come first.
        self.0.holds.load(Ordering::Acquire).then_some(held)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.written.store(0, Ordering::Relaxed);
        self.0
            .file
            .sync()
            .inspect_err(|_| self.0.disk.unsynced.store(true, Ordering::Relaxed))
    }
}

impl Held {
    /// Calls `each` with every page that a stretch of the file touches: its number, where it begins in the
    /// page, and which bytes of the stretch lie there.
    fn stretch(at: u64, length: usize, mut each: impl FnMut(u64, usize, std::ops::Range<usize>)) {
        let mut done = 0;
        while done < length {
            let place = at + done as u64;
            let within = (place % PAGE) as usize;
            let end = length.min(done + PAGE as usize - within);
            each(place / PAGE, within, done..end);
            done = end;
        }
    }

    fn read(&self, file: &dyn Handle, at: u64, out: &mut [u8]) -> io::Result<()> {
        if at + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What the file has of it; the rest are zeros until they were written.
        let there = file.len()?.saturating_sub(at).min(out.len() as u64) as usize;
        let (of_file, rest) = out.split_at_mut(there);
        if !of_file.is_empty() {
            file.read(at, of_file)?;
        }
        rest.fill(0);
        Self::stretch(at, out.len(), |page, within, range| {
            let bytes = self.pages.get(&page);
            let bytes = bytes.and_then(|bytes| bytes.get(within..within + range.len()));
            if let (Some(bytes), Some(out)) = (bytes, out.get_mut(range)) {
                out.copy_from_slice(bytes);
            }
        });
        Ok(())
    }

    fn write(&mut self, file: &dyn Handle, at: u64, data: &[u8]) -> io::Result<()> {
        let mut missing = Vec::new();
        Self::stretch(at, data.len(), |page, _, _| {
            if !self.pages.contains_key(&page) {
                missing.push(page);
            }
        });
        self.len = self.len.max(at + data.len() as u64);
        for page in missing {
            let mut bytes = vec![0; PAGE as usize];
            let there = self.len.saturating_sub(page * PAGE).min(PAGE) as usize;
            if let Some(bytes) = bytes.get_mut(..there) {
                self.read(file, page * PAGE, bytes)?;
            }
            self.pages.insert(page, bytes);
        }
        Self::stretch(at, data.len(), |page, within, range| {
            let bytes = self.pages.get_mut(&page);
            let bytes = bytes.and_then(|bytes| bytes.get_mut(within..within + range.len()));
            if let (Some(bytes), Some(data)) = (bytes, data.get(range)) {
                bytes.copy_from_slice(data);
            }
        });
        self.changes.push_back(Change::Write(at, data.to_owned()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        self.len = len;
        self.pages.retain(|page, _| *page * PAGE < len);
        if let Some(bytes) = self
            .pages
            .get_mut(&(len / PAGE))
            .and_then(|bytes| bytes.get_mut((len % PAGE) as usize..))
        {
            bytes.fill(0);
        }
        self.changes.push_back(Change::SetLen(len));
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        match self.held() {
            Some(held) => Ok(held.len),
            None => self.0.file.len(),
        }
    }

    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        match self.held() {
            Some(held) => held.read(&*self.0.file, at, out),
            None => self.0.file.read(at, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.held() {
            Some(mut held) => {
                held.set_len(len);
                Ok(())
            }
            None => {
                if self.0.file.set_len(len).is_err() {
                    self.hold()?.set_len(len);
                }
                Ok(())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.held() {
            Some(mut held) => {
                held.changes.push_back(Change::Sync);
                Ok(())
            }
            None => self.sync(),
        }
    }

    fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        if let Some(mut held) = self.held() {
            return held.write(&*self.0.file, at, data);
        }
        if self.0.file.write(at, data).is_err() {
            return self.hold()?.write(&*self.0.file, at, data);
        }
        let written = self.0.written.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        if written >= SYNC_EVERY && self.0.disk.shared.load(Ordering::Relaxed) {
            self.sync()?;
        }
        Ok(())
    }

    // The lock is the store's: nobody else has the file.

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}
