//! Finding and reading a manifest's file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::ManifestError;

/// What the manifest of a folder is called.
pub const FILE_NAME: &str = "whirlwind.toml";

/// The largest manifest that is read, in bytes. Written by hand they are a few KiB.
pub const MAX_MANIFEST: u64 = 1 << 20;

/// The manifest that `path` names: itself, or the one in the folder.
///
/// # Errors
/// Nothing is there.
pub fn locate(path: &Path) -> Result<PathBuf, ManifestError> {
    let here = path.as_os_str().is_empty();
    let path = if here { Path::new(".") } else { path };
    let file = if path.is_dir() {
        path.join(FILE_NAME)
    } else {
        path.to_owned()
    };
    if file.exists() {
        return Ok(if here || path == Path::new(".") {
            PathBuf::from(FILE_NAME)
        } else {
            file
        });
    }
    let message = if path.is_dir() {
        format!("there is no {FILE_NAME} in {}", path.display())
    } else {
        format!("{} does not exist", path.display())
    };
    Err(ManifestError::one(
        message,
        format!("name a manifest or a folder that holds a {FILE_NAME}"),
    ))
}

/// The text of a manifest. Only plain files are opened: reading a pipe or a device might never end.
pub(crate) fn read(file: &Path) -> Result<String, ManifestError> {
    let unreadable = |error: std::io::Error| {
        ManifestError::one(
            format!("{} cannot be read: {error}", file.display()),
            "name a manifest that can be read",
        )
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        let message = format!("{} is not a plain file", file.display());
        return Err(ManifestError::one(message, "a manifest is a text file"));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed tells too large from just fitting, whatever the metadata says.
    File::open(file)
        .map_err(unreadable)?
        .take(MAX_MANIFEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(too_large(&file.display().to_string()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        ManifestError::one(
            format!("{}:{line}: the manifest is not UTF-8", file.display()),
            "save it as UTF-8 text",
        )
    })
}

pub(super) fn too_large(file: &str) -> ManifestError {
    let message = format!("{file} is larger than {} KiB", MAX_MANIFEST / 1024);
    ManifestError::one(
        message,
        "a manifest of this size is not read; is it the right file?",
    )
}
