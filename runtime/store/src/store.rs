//! The store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::changes::Changes;
use crate::pending::{Overlay, Pending, is_empty};
use crate::sealed::{unsealed, unsealed_length};
use crate::tree::{Range, View};
use crate::writer::{Queued, Threads};
use crate::{Batch, Commit, CommitError, ReadError, Space};

/// Bytes that may wait to be synced before [`Store::room`] waits: at 20,000 turns of 1 KiB a second,
/// more than a second of work for the disk.
pub const WAITING_BYTES: usize = 32 * 1024 * 1024;

/// Bytes that are synced and may wait to go into the tree before [`Store::room`] waits: what both files of the
/// journal hold, twice.
pub const UNTREED_BYTES: usize = if cfg!(test) {
    // So that a short test gets there.
    32 * 1024
} else {
    64 * 1024 * 1024
};

/// An open store. Clones are handles to the same one.
///
/// Reads and commits run where they are called and never wait for a sync. A read touches the disk only
/// where a page is not in the cache.
///
/// [Close](Store::close) it. When the last handle is dropped instead, that drop waits until all
/// that was committed is synced.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    dir: PathBuf,
    threads: Mutex<Option<Threads>>,
}

/// What callers and the threads of the store share.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The writer waits here for work.
    pub(crate) work: Condvar,
    /// The settler waits here after a failure.
    pub(crate) retry: Condvar,
    /// Callers wait here for room.
    pub(crate) room: Notify,
}

pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) pending: Pending,
    /// What is in the tree.
    pub(crate) view: Arc<View>,
    pub(crate) changes: Changes,
    /// The number of the last commit of this run.
    pub(crate) commit: u64,
    /// Commits for the writer, in order.
    pub(crate) queue: Vec<Queued>,
    /// Bytes of all that is not synced, in the queue or with the writer.
    pub(crate) waiting: usize,
    /// Bytes of all that is synced and not in the tree.
    pub(crate) untreed: usize,
    /// Why the tree does not take what the journal holds, where it does not.
    pub(crate) stuck: Option<String>,
    /// The settler did its work, and the writer has not seen it.
    pub(crate) idle: bool,
    pub(crate) counts: Counts,
}

/// What the store does with callers.
#[derive(Clone)]
pub(crate) enum Phase {
    Open,
    Down(String),
    /// The writer ends once the queue is empty.
    Closing,
    Closed,
}

/// What the store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Batches that were taken and are, or will be, synced.
    pub commits: u64,
    /// Batches that were refused because another changed what they had read.
    pub conflicts: u64,
    /// Syncs of the disk, each for a group of batches.
    pub syncs: u64,
    /// Times that a group could not be made durable, and all that was unsynced was undone.
    pub failures: u64,
    /// Bytes that wait to be synced now.
    pub waiting: usize,
}

impl Shared {
    pub(crate) fn new(view: View) -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Open,
                pending: Pending::default(),
                view: Arc::new(view),
                changes: Changes::new(),
                commit: 0,
                queue: Vec::new(),
                waiting: 0,
                untreed: 0,
                stuck: None,
                idle: false,
                counts: Counts::default(),
            }),
            work: Condvar::new(),
            retry: Condvar::new(),
            room: Notify::new(),
        }
    }

    /// No panic under the lock leaves the state half changed: what can panic is done outside.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.0.dir)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Brings the store down, for a reason. One that closes does so anyway.
    pub(crate) fn down(&mut self, reason: String) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Down(reason);
        }
    }

    fn readable(&self) -> Result<(), ReadError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Down(reason) => Err(ReadError::Down {
                reason: reason.clone(),
            }),
            Phase::Closing | Phase::Closed => Err(ReadError::Closed),
        }
    }

    fn writable(&self) -> Result<(), CommitError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Down(reason) => Err(CommitError::Down {
                reason: reason.clone(),
            }),
            Phase::Closing | Phase::Closed => Err(CommitError::Closed),
        }
    }

    /// Whether everything that the batch read is as it read it.
    fn valid(&self, batch: &Batch) -> Result<bool, ReadError> {
        for ((space, key), seen) in &batch.reads {
            if seen
                .commit
                .is_some_and(|commit| !self.changes.since(*space, key, commit))
            {
                continue;
            }
            let now = match self.pending.get(*space, key) {
                Some(value) => value,
                None => self.view.get(*space, key)?,
            };
            if now != seen.value {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Store {
    /// A store whose writer `threads` runs.
    pub(crate) fn new(dir: &Path, shared: Arc<Shared>, threads: Threads) -> Self {
        Self(Arc::new(Handle {
            shared,
            dir: dir.to_owned(),
            threads: Mutex::new(Some(threads)),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.shared.lock()
    }

    /// The directory it lies in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The value of a key, and the last commit before the read.
    pub(crate) fn read(&self, space: Space, key: &[u8]) -> Result<(Option<Bytes>, u64), ReadError> {
        let state = self.lock();
        state.readable()?;
        let commit = state.commit;
        if let Some(value) = state.pending.get(space, key) {
            return Ok((value, commit));
        }
        let view = state.view.clone();
        drop(state);
        Ok((view.get(space, key)?, commit))
    }

    /// The value of a key, be it synced or not.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.read(space, key)?.0)
    }

    /// The values of several keys, all as of one moment, given to `each` in the order of the keys until
    /// it answers an error.
    ///
    /// # Errors
    /// [`ReadError`], and what `each` answers.
    pub fn get_many<E: From<ReadError>>(
        &self,
        space: Space,
        keys: &[impl AsRef<[u8]>],
        mut each: impl FnMut(usize, Option<Bytes>) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = self.lock();
        state.readable()?;
        let pending: Vec<_> = keys
            .iter()
            .map(|key| state.pending.get(space, key.as_ref()))
            .collect();
        let view = state.view.clone();
        drop(state);
        for (at, (key, pending)) in keys.iter().zip(pending).enumerate() {
            let value = match pending {
                Some(value) => value,
                None => view.get(space, key.as_ref())?,
            };
            each(at, value)?;
        }
        Ok(())
    }

    /// The first `limit` entries of a range, in the order of their keys, synced or not, all as of one
    /// moment.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &self,
        space: Space,
        range: Range<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, ReadError> {
        let of_tree =
            |key: &[u8], value: &[u8]| unsealed(space, key, Bytes::copy_from_slice(value));
        self.overlaid(space, range, limit, Bytes::clone, of_tree)
    }

    /// The first `limit` keys of a range, as [`Store::scan`] has them, without a look at their values.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan_keys(
        &self,
        space: Space,
        range: Range<'_>,
        limit: usize,
    ) -> Result<Vec<Bytes>, ReadError> {
        let entries = self.overlaid(space, range, limit, |_| (), |_, _| Ok(()))?;
        Ok(entries.into_iter().map(|(key, ())| key).collect())
    }

    /// The first `limit` keys of a range, as [`Store::scan`] has them, and of each value how many bytes it has. Values are neither
    /// copied nor checked: one that is damaged is found when it is read.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan_lengths(
        &self,
        space: Space,
        range: Range<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, usize)>, ReadError> {
        let of_tree = |_: &[u8], value: &[u8]| unsealed_length(space, value);
        self.overlaid(space, range, limit, Bytes::len, of_tree)
    }

    /// The first entries of a range, with what is wanted of each value that is pending, or in the tree with its seal.
    fn overlaid<V>(
        &self,
        space: Space,
        range: Range<'_>,
        limit: usize,
        of_pending: impl Fn(&Bytes) -> V,
        of_tree: impl Fn(&[u8], &[u8]) -> Result<V, ReadError>,
    ) -> Result<Vec<(Bytes, V)>, ReadError> {
        let state = self.lock();
        state.readable()?;
        if limit == 0 || is_empty(range) {
            return Ok(Vec::new());
        }
        let pending = state.pending.scan(space, range, limit, of_pending);
        let view = state.view.clone();
        drop(state);
        let mut overlay = Overlay::new(pending, limit);
        view.scan(space, range, |key, value| {
            overlay.below(key, || {
                Ok((Bytes::copy_from_slice(key), of_tree(key, value)?))
            })
        })?;
        Ok(overlay.finish())
    }

    /// Takes a batch: at once, if everything it read is as it read it. From then on readers see its
    /// writes. Durable they are when the [`Commit`] is ready.
    ///
    /// Commits are serializable in the order in which they are taken, as far as their turns read through
    /// [`Batch::get`]. An empty batch is ready once all before it are.
    ///
    /// Wait for [`Store::room`] before, or what waits has no bound.
    ///
    /// # Errors
    /// [`CommitError`]. Nothing of the batch took effect, but at [`CommitError::Down`].
    pub fn commit(&self, batch: Batch) -> Result<Commit, CommitError> {
        let (done, commit) = oneshot::channel();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.writable()?;
        if state.untreed >= UNTREED_BYTES
            && let Some(reason) = &state.stuck
        {
            // More would only cost memory.
            return Err(CommitError::Undone {
                reason: reason.clone(),
            });
        }
        if !state.valid(&batch).map_err(CommitError::Read)? {
            state.counts.conflicts += 1;
            return Err(CommitError::Conflict);
        }
        state.commit += 1;
        state.counts.commits += 1;
        state.waiting += batch.size;
        for ((space, key), value) in &batch.writes {
            state.changes.wrote(*space, key, state.commit);
            state
                .pending
                .write(*space, key.clone(), value.clone(), state.commit);
        }
        state.queue.push(Queued {
            writes: batch.writes,
            size: batch.size,
            commit: state.commit,
            done,
        });
        let first = state.queue.len() == 1;
        drop(guard);
        if first {
            self.0.shared.work.notify_one();
        }
        Ok(Commit(commit))
    }

    /// Whether [`Store::room`] would return at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let state = self.lock();
        let full = state.waiting >= WAITING_BYTES || state.untreed >= UNTREED_BYTES;
        // Nobody knows when a tree that fails will take more: who commits is told.
        !full || state.stuck.is_some() || !matches!(state.phase, Phase::Open)
    }

    /// Returns once fewer than [`WAITING_BYTES`] wait to be synced, and fewer than [`UNTREED_BYTES`] to go
    /// into the tree; or once the store refuses commits: because it is down or closed, or for as long as its tree
    /// fails.
    ///
    /// Who waits before each commit goes over the bound by at most one batch.
    pub async fn room(&self) {
        loop {
            let room = self.0.shared.room.notified();
            tokio::pin!(room);
            // Before the look, so that room made after it is heard of.
            room.as_mut().enable();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }

    /// What it did since it was opened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            waiting: state.waiting,
            ..state.counts
        }
    }

    /// Syncs what was committed and lets go of the directory. From the call on everything else is refused;
    /// closing again is not an error. Blocks until it is done.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Handle {
    fn close(&self) {
        {
            let mut state = self.shared.lock();
            if !matches!(state.phase, Phase::Closed) {
                state.phase = Phase::Closing;
            }
        }
        self.shared.work.notify_one();
        self.shared.retry.notify_one();
        self.shared.room.notify_waiters();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = threads.take()
            && !threads.join()
        {
            tracing::error!(dir = %self.dir.display(), "a thread of the store panicked");
        }
        self.shared.lock().phase = Phase::Closed;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
