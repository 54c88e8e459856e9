//! For tests of those above: a store in a directory, on a disk that fails when it is told to.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::Store;
use crate::medium::{Directory, Handle, Medium};
use crate::open;

/// What the disk does with syncs of the journal. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    held: bool,
    waiting: usize,
    failing: usize,
}

impl Faults {
    /// Opens the store in `dir`, which no lock keeps from others.
    ///
    /// # Errors
    /// What is wrong with it; nothing is set aside.
    pub fn open(&self, dir: &Path) -> io::Result<Store> {
        std::fs::create_dir_all(dir)?;
        let medium: Arc<dyn Medium> = Arc::new(Failing {
            faults: self.clone(),
            inner: Directory(dir.to_owned()),
        });
        let parts =
            open::attempt(&medium).map_err(|failure| io::Error::other(format!("{failure:?}")))?;
        open::start(dir, parts, Box::new(()))
    }

    /// From now on syncs wait.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Returns once one waits. Blocks.
    pub fn reached(&self) {
        let reached = self
            .0
            .1
            .wait_while(self.state(), |state| state.waiting == 0);
        drop(reached.unwrap_or_else(PoisonError::into_inner));
    }

    /// They go on, and the next `failing` of them fail. With one, what waits is undone; with two the store goes down, as what takes
    /// it back is synced too.
    pub fn release(&self, failing: usize) {
        let mut state = self.state();
        state.held = false;
        state.failing = failing;
        self.0.1.notify_all();
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.waiting += 1;
        self.0.1.notify_all();
        let gone_on = self.0.1.wait_while(state, |state| state.held);
        state = gone_on.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        match state.failing.checked_sub(1) {
            Some(failing) => {
                state.failing = failing;
                Err(io::Error::other("no sync today"))
            }
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Failing {
    faults: Faults,
    inner: Directory,
}

impl Medium for Failing {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        let inner = self.inner.open(name)?;
        Ok(match name.starts_with("journal") {
            true => Arc::new(Journal {
                faults: self.faults.clone(),
                inner,
            }),
            false => inner,
        })
    }

    fn existing(&self, name: &str) -> io::Result<Option<Arc<dyn Handle>>> {
        self.inner.existing(name)
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.inner.read(name)
    }

    fn publish(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, bytes)
    }
}

#[derive(Debug)]
struct Journal {
    faults: Faults,
    inner: Arc<dyn Handle>,
}

impl Handle for Journal {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(at, out)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(at, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.sync()?;
        self.inner.sync()
    }
}
