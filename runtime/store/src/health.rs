//! The health of a store that nobody has open.

use std::fmt;
use std::path::Path;

use crate::{OpenError, Space, export};

/// What a store holds, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The version of its format. `None` where the file that says so is lost or damaged.
    pub format: Option<u32>,
    /// Bytes of its tree's file. `None` where that is lost.
    pub tree_bytes: Option<u64>,
    /// The files of its journal.
    pub journal: [JournalFile; 2],
    /// What can be read, in the order of [`Space::ALL`]: of the tree, and over it of the journal.
    pub spaces: [Contents; 4],
    /// The end of the journal is not whole, as a stop in the middle of a write leaves it. The next opening
    /// goes on from there.
    pub torn: bool,
    /// What is damaged, and so may be missing from [`Health::spaces`]. Empty: opening will find it in order.
    pub damage: Vec<Damage>,
}

impl Health {
    /// Whether nothing is damaged. A torn end is not damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// What of a space can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The space.
    pub space: Space,
    /// Its entries.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// A file of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalFile {
    /// Its name.
    pub name: &'static str,
    /// Its bytes, used or not. `None` where it is lost.
    pub bytes: Option<u64>,
    /// Whole groups of turns in it, of its latest turn.
    pub groups: u64,
    /// Those of them that the tree does not have yet.
    pub untreed: u64,
}

impl JournalFile {
    pub(crate) fn lost(name: &'static str) -> Self {
        Self {
            name,
            bytes: None,
            groups: 0,
            untreed: 0,
        }
    }
}

/// Something in a store that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, or `journal` for both files of it.
    pub file: &'static str,
    /// The byte of the file from which on it is not, where that is known.
    pub at: Option<u64>,
    /// The space whose entries are concerned, where it is one.
    pub space: Option<Space>,
    /// What is wrong, to be read after "the store".
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Looks at the store in the directory `dir`, which nobody may have open, or at one that was set aside:
/// all of it is read once, and nothing is changed. Blocks.
///
/// # Errors
/// [`OpenError`]: none there, in use, of a later format, or the system refuses. Damage is no error.
pub fn check(dir: impl AsRef<Path>) -> Result<Health, OpenError> {
    export::<OpenError>(dir, |_, _, _| Ok(()))
}
