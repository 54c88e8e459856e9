//! Making a store that nobody has open as small as it can be.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::OpenError;
use crate::format;
use crate::lock::lock;
use crate::look::{is_missing, last_writes};
use crate::medium::{Directory, Medium};
use crate::open::{Failure, Parts, attempt};
use crate::tree::TreeError;

/// What compacting a store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on the disk before.
    pub before: u64,
    /// Bytes on the disk after. More than before where the journal held much and the tree little.
    pub after: u64,
}

/// Why a store was not compacted. Nothing that it held is lost.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It did not open: none there, in use, of a later format, or the system refuses.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is damaged, and was left as it is.
    #[error("the store `{}` is damaged: it {reason}; it was left as it is: export what can be read, or open it, which sets it aside and saves that", .path.display())]
    Damaged {
        /// The directory of the store.
        path: PathBuf,
        /// What is wrong with it, as far as is known.
        reason: String,
    },
    /// It could not be written: it needs space to give space back.
    #[error("the store `{}` cannot be compacted: {reason}; it holds what it held, and needs some space to give space back", .path.display())]
    Failed {
        /// The directory of the store.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// Moves what the journal of the store in the directory `dir` holds into its tree, and gives the free space
/// of both back to the system. Nobody may have the store open. A stop at any moment loses nothing. Blocks.
///
/// # Errors
/// [`CompactError`].
pub fn compact(dir: impl AsRef<Path>) -> Result<Compacted, CompactError> {
    let dir = dir.as_ref();
    let io = |error: io::Error| Failure::Io(error).at(dir);
    let failed = |error: TreeError| CompactError::Failed {
        path: dir.to_owned(),
        reason: error.to_string(),
    };
    let directory = Directory(dir.to_owned());
    // Before the lock, which makes a file.
    if is_missing(&directory).map_err(io)? {
        return Err(Failure::Missing.at(dir).into());
    }
    let lock = lock(dir)?;
    let before = size(dir).map_err(io)?;
    let medium: Arc<dyn Medium> = Arc::new(directory);
    let attempted = match medium.read(format::FILE).map_err(io)? {
        Some(_) => attempt(&medium),
        // Opening would make a new one where nothing was ever finished.
        None => Err(Failure::Damaged(format::LOST.to_owned())),
    };
    let parts = attempted.map_err(|failure| match failure {
        Failure::Damaged(reason) => CompactError::Damaged {
            path: dir.to_owned(),
            reason,
        },
        failure => failure.at(dir).into(),
    })?;
    let Parts {
        mut tree,
        mut journal,
        replay,
    } = parts;
    let mut group = tree.group().map_err(failed)?;
    if let Some((last, _)) = replay.groups.last() {
        group = *last;
        let writes = last_writes(replay.groups);
        let writes = writes
            .iter()
            .map(|(space, key, value)| (*space, key, value.as_ref()));
        tree.apply(group, writes).map_err(failed)?;
    }
    journal.empty(group).map_err(io)?;
    tree.compact().map_err(failed)?;
    drop(tree);
    let after = size(dir).map_err(io)?;
    drop(lock);
    Ok(Compacted { before, after })
}

/// Bytes of the directory's files, as the disk counts.
fn size(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.blocks() * 512;
    }
    Ok(bytes)
}
