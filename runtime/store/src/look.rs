//! Looking into a store without a change to it, damaged or not.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::format::{self, Format};
use crate::frame::Write;
use crate::health::{Contents, Damage, Health, JournalFile};
use crate::journal::{self, Replay};
use crate::medium::Medium;
use crate::open::Failure;
use crate::sealed::unsealed;
use crate::tree::{self, Tree, View};
use crate::{ReadError, Space};

/// Bytes of entries that are read before they are given to whom they are for: what that does, and whether it
/// panics, is nothing of the tree's.
const PAGE: usize = 1024 * 1024;

/// Bytes of a key that are said of it.
const SAID: usize = 32;

/// What can be read of a store.
pub(crate) struct Look {
    /// Keeps its view alive.
    _tree: Option<Tree>,
    view: Option<View>,
    /// What comes over it, in order.
    writes: Vec<Write>,
    health: Health,
}

/// Whether a directory has no file of a store.
pub(crate) fn is_missing(medium: &dyn Medium) -> io::Result<bool> {
    let [first, second] = journal::FILES;
    for name in [format::FILE, tree::FILE, first, second] {
        if medium.existing(name)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads what a medium holds, but for the entries of its tree.
pub(crate) fn look(medium: &Arc<dyn Medium>) -> Result<Look, Failure> {
    if is_missing(&**medium)? {
        return Err(Failure::Missing);
    }
    let mut damage = Vec::new();
    let mut say = |file, reason: String| {
        damage.push(Damage {
            file,
            at: None,
            space: None,
            reason,
        });
    };
    let (format, of_format) = match medium.read(format::FILE)?.as_deref().map(format::parse) {
        Some(Format::Known(version, seed)) => (Some(version), Some(seed)),
        Some(Format::Newer(version)) => return Err(Failure::Newer(version)),
        Some(Format::Damaged) => {
            say(format::FILE, format::DAMAGED.to_owned());
            (None, None)
        }
        None => {
            say(format::FILE, format::LOST.to_owned());
            (None, None)
        }
    };
    let tree_bytes = match medium.existing(tree::FILE)? {
        Some(file) => Some(file.len()?),
        None => None,
    };
    let tree = if tree_bytes.is_none_or(|bytes| bytes == 0) {
        say(tree::FILE, tree::LOST.to_owned());
        None
    } else {
        Tree::look(medium.clone()).map_or_else(
            |error| {
                say(tree::FILE, tree::damaged(&error));
                Tree::open_damaged(medium.clone()).ok()
            },
            Some,
        )
    };
    let view = tree.as_ref().and_then(|tree| {
        tree.view()
            .inspect_err(|error| say(tree::FILE, format!("cannot read its tree ({error})")))
            .ok()
    });
    let of_tree = || tree.as_ref()?.seed().ok().flatten();
    let tree_group = tree.as_ref().and_then(|tree| tree.group().ok());
    let mut torn = false;
    let mut writes = Vec::new();
    let journal = match of_format.or_else(of_tree) {
        Some(seed) => {
            let (replay, files) = journal::look(&**medium, seed, tree_group)?;
            let Replay {
                groups,
                damage: of_journal,
                torn: of_end,
            } = replay;
            damage.extend(of_journal);
            torn = of_end;
            writes = last_writes(groups);
            files
        }
        None => {
            say(
                "journal",
                "cannot read its journal without what its format file said".to_owned(),
            );
            let mut files = journal::FILES.map(JournalFile::lost);
            for file in &mut files {
                if let Some(handle) = medium.existing(file.name)? {
                    file.bytes = Some(handle.len()?);
                }
            }
            files
        }
    };
    let health = Health {
        format,
        tree_bytes,
        journal,
        spaces: Space::ALL.map(Contents::none),
        torn,
        damage,
    };
    Ok(Look {
        _tree: tree,
        view,
        writes,
        health,
    })
}

/// The last write of each key in groups that come one after the other, in order.
pub(crate) fn last_writes(groups: Vec<(u64, Vec<Write>)>) -> Vec<Write> {
    let mut last = std::collections::BTreeMap::new();
    for (space, key, value) in groups.into_iter().flat_map(|(_, writes)| writes) {
        last.insert((space, key), value);
    }
    last.into_iter()
        .map(|((space, key), value)| (space, key, value))
        .collect()
}

impl Look {
    /// What was found. Of the entries only once they were [given](Look::entries).
    pub(crate) fn health(self) -> Health {
        self.health
    }

    /// Gives each entry that is as it was written.
    pub(crate) fn entries<E>(
        &mut self,
        mut each: impl FnMut(Space, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut above = self.writes.iter().peekable();
        for contents in &mut self.health.spaces {
            let space = contents.space;
            let mut give = |key: &[u8], value: &[u8]| {
                contents.entries += 1;
                contents.bytes += (key.len() + value.len()) as u64;
                each(space, key, value)
            };
            let mut broken = Broken::default();
            let mut after = None;
            while let Some(view) = &self.view {
                let page = page(view, space, after.as_ref());
                for (key, value) in &page.entries {
                    while let Some((_, key, value)) =
                        above.next_if(|(of, above, _)| *of == space && above < key)
                    {
                        value.iter().try_for_each(|value| give(key, value))?;
                    }
                    match above.next_if(|(of, above, _)| *of == space && above == key) {
                        Some((_, _, value)) => {
                            value.iter().try_for_each(|value| give(key, value))?;
                        }
                        None => match value {
                            Some(value) => give(key, value)?,
                            None => broken.add(key),
                        },
                    }
                }
                let last = page.entries.into_iter().last().map(|(key, _)| key);
                let before = after.clone();
                after = last.or(after);
                if let Some(error) = page.error {
                    let from = after.as_ref().map_or_else(String::new, |after| {
                        format!(" after the key {}", said(after))
                    });
                    let reason =
                        format!("cannot read `{}` in its tree{from} ({error})", space.name());
                    self.health.damage.push(of_tree(space, reason));
                }
                if !page.more || after == before {
                    break;
                }
            }
            while let Some((_, key, value)) = above.next_if(|(of, ..)| *of == space) {
                value.iter().try_for_each(|value| give(key, value))?;
            }
            self.health.damage.extend(broken.damage(space));
        }
        Ok(())
    }
}

fn of_tree(space: Space, reason: String) -> Damage {
    Damage {
        file: tree::FILE,
        at: None,
        space: Some(space),
        reason,
    }
}

/// Entries whose seal is broken.
#[derive(Default)]
struct Broken {
    count: u64,
    first: Option<String>,
}

impl Broken {
    fn add(&mut self, key: &[u8]) {
        self.count += 1;
        self.first.get_or_insert_with(|| said(key));
    }

    fn damage(self, space: Space) -> Option<Damage> {
        let first = self.first?;
        let reason = format!(
            "has entries of `{}` in its tree that are not what was written: {}, the first with the key {first}",
            space.name(),
            self.count
        );
        Some(of_tree(space, reason))
    }
}

/// A key, for people.
fn said(key: &[u8]) -> String {
    let (begin, more) = match key.get(..SAID) {
        Some(begin) if key.len() > SAID => (begin, "..."),
        _ => (key, ""),
    };
    format!("\"{}{more}\"", begin.escape_ascii())
}

/// The next entries of a tree, `None` for a value whose seal is broken.
struct Page {
    entries: Vec<(Bytes, Option<Bytes>)>,
    error: Option<ReadError>,
    more: bool,
}

fn page(view: &View, space: Space, after: Option<&Bytes>) -> Page {
    use std::ops::Bound;
    let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(&**after));
    let mut entries = Vec::new();
    let mut bytes = 0;
    let all = view.scan(space, (after, Bound::Unbounded), |key, value| {
        bytes += key.len() + value.len();
        let value = unsealed(space, key, Bytes::copy_from_slice(value));
        entries.push((Bytes::copy_from_slice(key), value.ok()));
        Ok(bytes < PAGE)
    });
    // After what the tree cannot read there is nothing to go on from.
    Page {
        entries,
        more: all.is_ok() && bytes >= PAGE,
        error: all.err(),
    }
}

impl Contents {
    fn none(space: Space) -> Self {
        Self {
            space,
            entries: 0,
            bytes: 0,
        }
    }
}
