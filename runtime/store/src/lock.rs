//! One process at a time: the lock of a store's directory.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::medium::{found, make_directory};

/// Locks the directory. Beside it, not in it: the lock is held before anything in there is judged or renamed.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |source| refused(dir, source);
    let path = beside(dir, ".lock").map_err(io)?;
    if let Some(parent) = dir.parent() {
        make_directory(parent).map_err(io)?;
    }
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(io)?;
    held(dir, lock.try_lock())?;
    Ok(lock)
}

/// The lock of those who only look, of whom there may be several: they make no file for it.
pub(crate) struct Looking<'a> {
    dir: &'a Path,
    lock: Option<File>,
}

impl<'a> Looking<'a> {
    pub(crate) fn begin(dir: &'a Path) -> Result<Self, OpenError> {
        let lock = Self::file(dir)?;
        if let Some(lock) = &lock {
            held(dir, lock.try_lock_shared())?;
        }
        Ok(Self { dir, lock })
    }

    /// Where there was no lock, nobody had the store open before. Fails if somebody opened it meanwhile.
    pub(crate) fn end(self) -> Result<(), OpenError> {
        if self.lock.is_none() && Self::file(self.dir)?.is_some() {
            return Err(OpenError::Locked {
                path: self.dir.to_owned(),
            });
        }
        Ok(())
    }

    fn file(dir: &Path) -> Result<Option<File>, OpenError> {
        beside(dir, ".lock")
            .and_then(|path| found(File::open(path)))
            .map_err(|source| refused(dir, source))
    }
}

fn refused(dir: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: dir.to_owned(),
        source,
    }
}

fn held(dir: &Path, tried: Result<(), TryLockError>) -> Result<(), OpenError> {
    tried.map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked {
            path: dir.to_owned(),
        },
        TryLockError::Error(error) => refused(dir, error),
    })
}

/// The path next to `dir` whose name is that of `dir` with `suffix`.
pub(crate) fn beside(dir: &Path, suffix: &str) -> io::Result<PathBuf> {
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
