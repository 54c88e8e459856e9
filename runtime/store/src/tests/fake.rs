//! A directory in memory, which records what is done to it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::Store;
use crate::medium::{Handle, Medium};
use crate::open::{self, Failure};

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What was done.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create(String),
    Write(String, u64, Vec<u8>),
    SetLen(String, u64),
    Sync(String),
    Publish(String, Vec<u8>),
    /// Said by the test: batches up to this one were acknowledged.
    Acknowledged(u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Fake(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    files: Files,
    log: Option<Vec<Op>>,
    /// Syncs of the journal wait, but for so many.
    held: bool,
    passes: usize,
    /// So many wait.
    waiting: usize,
    /// So many syncs of the journal fail.
    failing_syncs: usize,
    /// Syncs of files whose name begins so fail.
    unsynced: Option<&'static str>,
    /// What is done to files whose name begins so panics.
    panics: Option<&'static str>,
    /// Writes to files whose name begins so fail: the disk is full.
    full: Option<&'static str>,
}

impl Fake {
    pub(super) fn of(files: Files) -> Self {
        let fake = Self::default();
        fake.0.0.lock().unwrap().files = files;
        fake
    }

    pub(super) fn recording() -> Self {
        let fake = Self::default();
        fake.0.0.lock().unwrap().log = Some(Vec::new());
        fake
    }

    pub(super) fn files(&self) -> Files {
        self.0.0.lock().unwrap().files.clone()
    }

    pub(super) fn log(&self) -> Vec<Op> {
        self.0.0.lock().unwrap().log.clone().unwrap()
    }

    pub(super) fn say(&self, op: Op) {
        if let Some(log) = &mut self.0.0.lock().unwrap().log {
            log.push(op);
        }
    }

    /// From now on syncs of the journal wait.
    pub(super) fn hold(&self) {
        self.0.0.lock().unwrap().held = true;
    }

    /// One that waits, or will, goes on.
    pub(super) fn pass_one(&self) {
        let (state, gate) = &*self.0;
        state.lock().unwrap().passes += 1;
        gate.notify_all();
    }

    /// Returns once one waits.
    pub(super) fn reached(&self) {
        let (state, gate) = &*self.0;
        let reached = gate.wait_while(state.lock().unwrap(), |state| state.waiting == 0);
        drop(reached.unwrap());
    }

    /// They go on, and so many of them fail.
    pub(super) fn release(&self, failing: usize) {
        let (state, gate) = &*self.0;
        let mut state = state.lock().unwrap();
        state.held = false;
        state.failing_syncs = failing;
        gate.notify_all();
    }

    pub(super) fn fill(&self, files: Option<&'static str>) {
        self.0.0.lock().unwrap().full = files;
    }

    /// From now on syncs of these files fail.
    pub(super) fn fail_syncs(&self, files: Option<&'static str>) {
        self.0.0.lock().unwrap().unsynced = files;
    }

    /// From now on whoever opens or writes these files panics.
    pub(super) fn panic_at(&self, files: &'static str) {
        self.0.0.lock().unwrap().panics = Some(files);
    }

    fn panics(&self, name: &str) {
        let at = self.0.0.lock().unwrap().panics;
        assert!(at.is_none_or(|at| !name.starts_with(at)), "a test wants it");
    }

    /// Opens the store that lies here, and answers whether its end was torn.
    pub(super) fn open(&self) -> Result<(Store, bool), Failure> {
        let medium: Arc<dyn Medium> = Arc::new(self.clone());
        let parts = open::attempt(&medium)?;
        let torn = parts.replay.torn;
        Ok((open::start(Path::new("fake"), parts, Box::new(()))?, torn))
    }
}

#[derive(Debug)]
struct Open(Fake, String);

impl Open {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.0.0.lock().unwrap();
        work(state.files.get_mut(&self.1).unwrap())
    }

    /// A full disk has the places that it had.
    fn refused(&self, bytes: usize) -> io::Result<()> {
        let state = self.0.0.0.lock().unwrap();
        match state.full {
            Some(full) if bytes > 64 && self.1.starts_with(full) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

impl Handle for Open {
    fn len(&self) -> io::Result<u64> {
        self.with(|bytes| Ok(bytes.len() as u64))
    }

    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|bytes| {
            let at = at as usize;
            let read = bytes.get(at..at + out.len());
            out.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write(&self, at: u64, data: &[u8]) -> io::Result<()> {
        self.0.panics(&self.1);
        self.refused(data.len())?;
        self.0.say(Op::Write(self.1.clone(), at, data.to_owned()));
        self.with(|bytes| {
            write(bytes, at, data);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.refused(len as usize)?;
        self.0.say(Op::SetLen(self.1.clone(), len));
        self.with(|bytes| {
            bytes.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let unsynced = self.0.0.0.lock().unwrap().unsynced;
        if unsynced.is_some_and(|files| self.1.starts_with(files)) {
            return Err(io::Error::other("no sync today"));
        }
        if self.1.starts_with("journal") {
            let (state, gate) = &*self.0.0;
            let mut state = state.lock().unwrap();
            state.waiting += 1;
            gate.notify_all();
            while state.held && state.passes == 0 {
                state = gate.wait(state).unwrap();
            }
            state.waiting -= 1;
            state.passes = state.passes.saturating_sub(1);
            if state.failing_syncs > 0 {
                state.failing_syncs -= 1;
                return Err(io::Error::other("no sync today"));
            }
        }
        self.0.say(Op::Sync(self.1.clone()));
        Ok(())
    }
}

/// Writes into a file, which grows where it must.
pub(super) fn write(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (at, end) = (at as usize, at as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(data);
}

impl Medium for Fake {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        self.panics(name);
        let missing = !self.0.0.lock().unwrap().files.contains_key(name);
        if missing {
            self.say(Op::Create(name.to_owned()));
            let mut state = self.0.0.lock().unwrap();
            state.files.insert(name.to_owned(), Vec::new());
        }
        Ok(Arc::new(Open(self.clone(), name.to_owned())))
    }

    fn existing(&self, name: &str) -> io::Result<Option<Arc<dyn Handle>>> {
        if !self.0.0.lock().unwrap().files.contains_key(name) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Open(self.clone(), name.to_owned()))))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.0.lock().unwrap().files.get(name).cloned())
    }

    fn publish(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.say(Op::Publish(name.to_owned(), bytes.to_owned()));
        let mut state = self.0.0.lock().unwrap();
        state.files.insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }
}
