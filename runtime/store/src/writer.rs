//! The two threads of a store: the writer puts commits into the journal, many with one sync, and the
//! settler moves what the journal holds into the tree.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::journal::{self, AppendError, Journal};
use crate::pending::Layer;
use crate::store::{Phase, Shared, State, UNTREED_BYTES};
use crate::tree::{Tree, View};
use crate::{CommitError, Space};

/// How long the settler waits after a failure: for space on the disk.
const RETRY: Duration = Duration::from_millis(500);

/// Bytes of memory after which the settler gets work, if the journal is not full before.
const SETTLED_FROM: usize = UNTREED_BYTES / 4;

/// A commit that waits for the disk.
pub(crate) struct Queued {
    pub(crate) writes: BTreeMap<(Space, Bytes), Option<Bytes>>,
    pub(crate) size: usize,
    pub(crate) commit: u64,
    pub(crate) done: oneshot::Sender<Result<(), CommitError>>,
}

/// The last write of each key, in order, and the commit it came with.
type Writes = BTreeMap<(Space, Bytes), (Option<Bytes>, u64)>;

/// What the journal holds and the tree does not: how much. The writes are in the shared state.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unsettled {
    /// The last group.
    pub(crate) group: u64,
    /// Bytes of the batches it came with.
    pub(crate) size: usize,
}

/// What the settler has to do.
struct Job {
    writes: Arc<Layer>,
    how_much: Unsettled,
}

/// The running threads.
pub(crate) struct Threads {
    writer: JoinHandle<()>,
    settler: JoinHandle<()>,
    held: Box<dyn Send>,
}

impl Threads {
    /// Starts them over a journal whose unsettled groups are already in the shared state. What is `held`
    /// is dropped once both were joined.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        journal: Journal,
        tree: Tree,
        unsettled: Unsettled,
        held: Box<dyn Send>,
    ) -> io::Result<Self> {
        // One job at a time.
        let (jobs, next_job) = sync_channel(1);
        let (settled, settled_group) = sync_channel(1);
        let of_settler = shared.clone();
        let settler = Builder::new()
            .name("store-settle".to_owned())
            .spawn(move || {
                let _watched = Watched {
                    shared: &of_settler,
                    takes_commits: false,
                };
                settle(&of_settler, tree, &next_job, &settled);
            })?;
        let mut writer = Writer {
            shared: shared.clone(),
            journal,
            unsettled,
            jobs,
            settled: settled_group,
            settling: false,
            failing: false,
        };
        let of_writer = shared.clone();
        let writer = Builder::new()
            .name("store-write".to_owned())
            .spawn(move || {
                let _watched = Watched {
                    shared: &of_writer,
                    takes_commits: true,
                };
                writer.run();
            })?;
        Ok(Self {
            writer,
            settler,
            held,
        })
    }

    /// Waits for both. Answers whether they ended well.
    pub(crate) fn join(self) -> bool {
        // The settler ends when the writer drops its end of the channel.
        let writer = self.writer.join();
        let settler = self.settler.join();
        drop(self.held);
        writer.is_ok() && settler.is_ok()
    }
}

/// Brings the store down where its thread panics, or callers would wait for it for ever.
struct Watched<'a> {
    shared: &'a Shared,
    takes_commits: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let mut state = self.shared.lock();
        state.down("a thread of it panicked".to_owned());
        // Each of them hears that its writer ended.
        let waiting = self.takes_commits.then(|| mem::take(&mut state.queue));
        drop(state);
        drop(waiting);
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
    }
}

struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    unsettled: Unsettled,
    jobs: SyncSender<Job>,
    /// Says when a job is done.
    settled: Receiver<()>,
    settling: bool,
    /// The last group was not made durable.
    failing: bool,
}

impl Writer {
    fn run(&mut self) {
        // What was found at the opening.
        self.give(false);
        while let Some(commits) = self.next() {
            let writes = merged(&commits);
            if writes.is_empty() {
                complete(commits, &Ok(()));
            } else {
                let of_journal = writes
                    .iter()
                    .map(|((space, key), (value, _))| (*space, key, value.as_ref()));
                match self.journal.append(self.unsettled.group + 1, of_journal) {
                    Ok(()) => self.succeeded(writes, commits),
                    Err(error) => self.undo(commits, error),
                }
            }
            // What is small in the journal may be large in memory: deletions.
            if self.journal.position() >= journal::BYTES || self.unsettled.size >= SETTLED_FROM {
                self.give(true);
            }
        }
        // So that the journal is empty at the next opening, if the tree can take it.
        if self.settling {
            let _ = self.settled.recv();
        }
        if let Some(job) = self.job() {
            let _ = self.jobs.send(job);
            let _ = self.settled.recv();
        }
    }

    /// All commits that wait; waits for one, or for the settler to have nothing to do. `None` once the store closes and none waits.
    fn next(&self) -> Option<Vec<Queued>> {
        let mut state = self.shared.lock();
        loop {
            // Nobody may commit until the settler has more to do.
            if mem::take(&mut state.idle) || !state.queue.is_empty() {
                return Some(mem::take(&mut state.queue));
            }
            if !matches!(state.phase, Phase::Open) {
                return None;
            }
            state = self
                .shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the settler all it does not have, if it has nothing to do; and then, if so wanted, goes on in the
    /// other file, which is free then: the tree has its groups.
    fn give(&mut self, turn: bool) {
        if self.settling && self.settled.try_recv().is_err() {
            return;
        }
        self.settling = false;
        if let Some(job) = self.job() {
            match self.jobs.try_send(job) {
                Ok(()) => self.settling = true,
                // It ended; the journal keeps all.
                Err(_) => return,
            }
        }
        if turn {
            self.journal.turn(self.unsettled.group);
        }
    }

    /// All that is synced, for the settler, which has nothing to do. `None` where there is nothing.
    fn job(&mut self) -> Option<Job> {
        let writes = self.shared.lock().pending.settle();
        if writes.is_empty() {
            return None;
        }
        let how_much = self.unsettled;
        self.unsettled.size = 0;
        Some(Job { writes, how_much })
    }

    fn succeeded(&mut self, writes: Writes, commits: Vec<Queued>) {
        let size = commits.iter().map(|commit| commit.size).sum::<usize>();
        self.failing = false;
        self.unsettled.group += 1;
        self.unsettled.size += size;
        let mut state = self.shared.lock();
        for ((space, key), (value, commit)) in writes {
            state.pending.synced(space, key, value, commit);
        }
        state.counts.syncs += 1;
        state.waiting -= size;
        state.untreed += size;
        drop(state);
        self.shared.room.notify_waiters();
        complete(commits, &Ok(()));
    }

    /// A group is not in the journal: nothing that is unsynced will be.
    fn undo(&mut self, mut commits: Vec<Queued>, error: AppendError) {
        let (error, down) = match error {
            AppendError::Undone(reason) => (CommitError::Undone { reason }, None),
            AppendError::Unknown(reason) => {
                let down = Some(reason.clone());
                (CommitError::Down { reason }, down)
            }
        };
        // A full disk refuses many: said once.
        if !mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "a group of the store could not be made durable");
        }
        let mut state = self.shared.lock();
        // Later ones may have read what the failed ones wrote.
        commits.append(&mut state.queue);
        let undone = state.pending.undo();
        // A number of its own: it comes after all that could be read before.
        state.commit += 1;
        let undoing = state.commit;
        state.changes.undone(undoing);
        state.waiting = 0;
        state.counts.failures += 1;
        state.counts.commits -= commits.len() as u64;
        if let Some(reason) = down {
            state.down(reason);
        }
        drop(state);
        drop(undone);
        self.shared.room.notify_waiters();
        complete(commits, &Err(error));
    }
}

/// The last write of each key.
fn merged(commits: &[Queued]) -> Writes {
    let mut last = Writes::new();
    for commit in commits {
        for ((space, key), value) in &commit.writes {
            last.insert((*space, key.clone()), (value.clone(), commit.commit));
        }
    }
    last
}

fn complete(commits: Vec<Queued>, how: &Result<(), CommitError>) {
    for commit in commits {
        // Who dropped the commit does not ask.
        let _ = commit.done.send(how.clone());
    }
}

/// The settler: moves jobs into the tree until the writer ends.
fn settle(shared: &Shared, mut tree: Tree, jobs: &Receiver<Job>, settled: &SyncSender<()>) {
    tree.share_disk();
    while let Ok(job) = jobs.recv() {
        while !settle_one(shared, &tree, &job) {
            // Where the disk only lacks what redb wrote, readers do not.
            if !tree.is_held() && !tree.is_unsynced() {
                reopen(shared, &mut tree);
            }
            let is_open = |state: &mut State| matches!(state.phase, Phase::Open);
            let (mut state, _) = shared
                .retry
                .wait_timeout_while(shared.lock(), RETRY, is_open)
                .unwrap_or_else(PoisonError::into_inner);
            if !is_open(&mut state) {
                // The journal keeps it for the next opening.
                return;
            }
        }
        if settled.send(()).is_err() {
            return;
        }
        // After that, or the writer would look too early.
        shared.lock().idle = true;
        shared.work.notify_one();
    }
}

/// After an error redb reads nothing more.
fn reopen(shared: &Shared, tree: &mut Tree) {
    match tree.reopen().and_then(|()| tree.view()) {
        Ok(view) => {
            let before = mem::replace(&mut shared.lock().view, Arc::new(view));
            drop(before);
        }
        Err(error) => {
            tracing::warn!(%error, "the tree of the store cannot be opened again");
        }
    }
}

/// Answers whether the tree has the job.
fn settle_one(shared: &Shared, tree: &Tree, job: &Job) -> bool {
    let applied = tree
        .apply(job.how_much.group, job.writes.iter())
        .and_then(|()| tree.view());
    match applied {
        Ok(view) => {
            settled(shared, view, job);
            true
        }
        Err(error) => {
            let reason = error.to_string();
            let mut state = shared.lock();
            if state.stuck.as_ref() != Some(&reason) {
                tracing::error!(%reason, "the tree of the store cannot take what the journal holds; it is tried again");
            }
            state.stuck = Some(reason.clone());
            if tree.is_unsynced() {
                state.down(reason);
            }
            drop(state);
            shared.work.notify_one();
            shared.room.notify_waiters();
            false
        }
    }
}

/// Readers find the job in the tree from now on.
fn settled(shared: &Shared, view: View, job: &Job) {
    let mut state = shared.lock();
    // Together: a reader finds each write in one of the two.
    let before = mem::replace(&mut state.view, Arc::new(view));
    state.pending.settled();
    state.stuck = None;
    state.untreed -= job.how_much.size;
    drop(state);
    // It may let go of much; nobody waits for it here.
    drop(before);
    shared.room.notify_waiters();
}
