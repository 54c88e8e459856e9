//! Manifests from outside: tables of bad and good ones, hostile ones, and the pages that describe them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "manifest/bad.rs"]
mod bad;
#[path = "manifest/good.rs"]
mod good;
#[path = "manifest/hostile.rs"]
mod hostile;
#[path = "manifest/pages.rs"]
mod pages;
#[path = "manifest/secrets.rs"]
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use whirlwind::app::Variables;
use whirlwind::{App, ManifestError};

/// A file of this package, or of the workspace with `../..` before it.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Reads `text` as the manifest of a folder that is called `greenhouse`.
fn load(text: &str) -> Result<App, ManifestError> {
    load_with(text, &Variables::none())
}

fn load_with(text: impl AsRef<[u8]>, variables: &Variables) -> Result<App, ManifestError> {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("greenhouse");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("whirlwind.toml"), text).unwrap();
    App::load(&folder, variables)
}

/// Compares a committed file with what it should hold. With `UPDATE=1` in the environment it is written instead.
fn golden(file: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(file, wanted).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    for (line, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(
            found,
            wanted,
            "{}:{}: not what it should be; `UPDATE=1 cargo test -p whirlwind --test manifest` writes it",
            file.display(),
            line + 1,
        );
    }
    assert!(
        found == wanted,
        "{} is not what it should be; `UPDATE=1 cargo test -p whirlwind --test manifest` writes it",
        file.display()
    );
}
