//! What is asked of a store, and who is asked.

mod bare;
mod lsm;
mod ours;

use std::path::Path;
use std::str::FromStr;

use crate::workload::{Contents, Writes};

/// A store that is open.
pub trait Rival {
    /// Commits a batch, wholly and durably.
    ///
    /// # Errors
    /// What the store says.
    fn commit(&self, writes: &Writes) -> Result<(), String>;

    /// Everything in it.
    ///
    /// # Errors
    /// What the store says.
    fn contents(&self) -> Result<Contents, String>;

    /// Closes it.
    fn close(self: Box<Self>);
}

/// An open store, and what it said about what it found.
pub type Opened = (Box<dyn Rival>, Option<String>);

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A journal of our own before redb.
    Ours,
    /// redb alone, which checks every page when it is opened.
    Redb,
    /// redb alone, as it is unless one asks for the check.
    Unchecked,
    /// fjall.
    Fjall,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Ours, Self::Redb, Self::Unchecked, Self::Fjall];

    /// The name by which the program knows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Redb => "redb",
            Self::Unchecked => "redb-unchecked",
            Self::Fjall => "fjall",
        }
    }

    /// Opens the store in a directory, which is made when missing.
    ///
    /// # Errors
    /// What the store says.
    pub fn open(self, dir: &Path) -> Result<Opened, String> {
        match self {
            Self::Ours => ours::open(dir),
            Self::Redb => bare::open(dir, true),
            Self::Unchecked => bare::open(dir, false),
            Self::Fjall => lsm::open(dir),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| format!("no store is called {name}"))
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes a directory whose name is durable, as whoever uses a store without such care has to.
fn made(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    synced(dir.parent().unwrap())
}

fn synced(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}
