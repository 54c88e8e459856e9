//! The folder in which everything lies that a node writes, and the part of it that is run as it lies there.
//!
//! An app's folder may come from a stranger, with a data directory in it that he has prepared. Nothing of it leads out, and no
//! code of it is run.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::StartError;
use crate::app::App;

/// The folder beside the manifest in which everything lies that a node writes.
pub const DATA_DIR: &str = ".whirlwind";

/// Under the data directory: compiled code, which wasmtime keeps. No provider may take this name.
const COMPILED: &str = "compiled";

/// Makes the data directory, open to its owner alone: the one given, or the one beside the manifest. The latter may not be a
/// symbolic link, which whoever made the folder could lead anywhere.
pub(crate) fn make(app: &App, given: Option<&Path>) -> Result<PathBuf, StartError> {
    let path = given.map_or_else(|| app.folder.join(DATA_DIR), Path::to_owned);
    let made = (|| {
        if given.is_none() {
            no_link(&path)?;
        }
        let compiled = path.join(COMPILED);
        no_link(&compiled)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&compiled)?;
        // It may have been there before: from now on nobody else writes to it.
        fs::set_permissions(&compiled, Permissions::from_mode(0o700))
    })();
    match made {
        Ok(()) => Ok(path),
        Err(error) => Err(StartError::DataDir { path, error }),
    }
}

fn no_link(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(about) if about.is_symlink() => Err(io::Error::other(format!(
            "{} is a symbolic link",
            path.display()
        ))),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where compiled code is kept, in the data directory: in a folder whose name only this file system could have given, since it
/// has the number and the birth of the one around it. Code that came here in an archive lies elsewhere, and is never run.
/// `None` where the file system does not tell a birth: then nothing is kept.
pub(crate) fn compiled(data_dir: &Path) -> Option<PathBuf> {
    let path = data_dir.join(COMPILED);
    let about = path.metadata().ok()?;
    let born = about.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(path.join(format!("{:x}-{:x}", about.ino(), born.as_nanos())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_was_moved_here_is_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let data_dir = folder.path().join(name);
            fs::create_dir_all(data_dir.join(COMPILED)).unwrap();
            data_dir
        };
        let (one, two) = (made("one"), made("two"));
        let Some(of_one) = compiled(&one) else {
            return; // a file system without births
        };
        assert_eq!(compiled(&one), Some(of_one.clone()));
        fs::create_dir(&of_one).unwrap();
        // The same name in another folder is not that folder's.
        let copied = two.join(COMPILED).join(of_one.file_name().unwrap());
        assert_ne!(compiled(&two), Some(copied));
    }
}
