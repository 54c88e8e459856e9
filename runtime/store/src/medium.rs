//! Where the store's bytes lie: a directory, or a fake of one.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A flat directory of files by name.
pub(crate) trait Medium: Send + Sync + 'static {
    /// Opens a file, which is created empty, and durably so, when missing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>>;

    /// Opens a file only to read it, or `None` when it is missing.
    fn existing(&self, name: &str) -> io::Result<Option<Arc<dyn Handle>>>;

    /// The bytes of a file, or `None` when it is missing.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes a file have these bytes, durably and at once: after a power cut it has all or is missing.
    fn publish(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// An open file.
pub(crate) trait Handle: Debug + Send + Sync + 'static {
    fn len(&self) -> io::Result<u64>;
    /// Fills `out`, or fails where the file ends before.
    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()>;
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns once all that was written survives a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the file system.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    /// Makes the names in the directory durable.
    fn sync(&self) -> io::Result<()> {
        sync_directory(&self.0)
    }
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory, and those above it, where they are missing. Its name is durable, be it made now or by a process that
/// was stopped before it had synced it: so none is made before the names above are durable.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let above = match path.parent() {
        // The root of the file system, or of a relative path.
        None => return Ok(()),
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
    };
    if found(fs::metadata(path))?.is_none() {
        make_directory(above)?;
        fs::create_dir(path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })?;
    }
    match sync_directory(above) {
        // Whoever keeps what lies above from us made the directory for us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// `None` for what is missing.
pub(crate) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Medium for Directory {
    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        let path = self.0.join(name);
        let open = |create| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(create)
                .open(&path)
        };
        match open(false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = open(true)?;
                self.sync()?;
                Ok(Arc::new(file))
            }
            file => Ok(Arc::new(file?)),
        }
    }

    fn existing(&self, name: &str) -> io::Result<Option<Arc<dyn Handle>>> {
        match found(File::open(self.0.join(name)))? {
            Some(file) => Ok(Some(Arc::new(file))),
            None => Ok(None),
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        found(fs::read(self.0.join(name)))
    }

    fn publish(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.0.join(format!("{name}.new"));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, self.0.join(name))?;
        self.sync()
    }
}

impl Handle for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, at)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
