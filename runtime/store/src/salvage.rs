//! Saving what can be saved of a damaged store.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::format::{self, Format};
use crate::frame::Write;
use crate::journal::Journal;
use crate::medium::Medium;
use crate::open::{Saved, last_writes};
use crate::sealed::unsealed;
use crate::tree::{Tree, TreeError, View};
use crate::{ReadError, Space};

/// Entries that are moved at a time.
const PAGE: usize = 10_000;

/// Copies every entry that is as it was written, and the journal's groups, into the tree of a fresh store.
pub(crate) fn salvage(damaged: &Arc<dyn Medium>, into: &Tree) -> io::Result<Saved> {
    let mut saved = Saved::default();
    let failed = |error: TreeError| io::Error::other(error.to_string());
    let put = |writes: &[Write]| {
        let writes = writes
            .iter()
            .map(|(space, key, value)| (*space, key, value.as_ref()));
        into.apply(0, writes).map_err(failed)
    };
    let tree = Tree::open_damaged(damaged.clone()).ok();
    let view = tree.as_ref().and_then(|tree| tree.view().ok());
    if let Some(view) = view {
        for space in Space::ALL {
            let mut after = None;
            loop {
                let (page, last) = page(&view, space, after.as_ref());
                put(&page)?;
                saved.entries += page.len() as u64;
                match last {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
    }
    let of_format = match damaged.read(format::FILE)?.as_deref().map(format::parse) {
        Some(Format::Known(seed)) => Some(seed),
        _ => None,
    };
    let of_tree = || tree.as_ref().and_then(|tree| tree.seed().ok().flatten());
    if let Some(seed) = of_format.or_else(of_tree) {
        let group = tree.as_ref().and_then(|tree| tree.group().ok());
        let (_, replay) = Journal::open(&**damaged, seed, group.unwrap_or(0))?;
        saved.groups = replay.groups.len() as u64;
        put(&last_writes(replay.groups))?;
    }
    Ok(saved)
}

/// The sound entries among the next ones after a key, and the last key that was read, where there may be more.
fn page(view: &View, space: Space, after: Option<&Bytes>) -> (Vec<Write>, Option<Bytes>) {
    let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(&**after));
    let mut page = Vec::new();
    let mut last = None;
    let mut read = 0;
    let all = view.scan(space, (after, Bound::Unbounded), |key, value| {
        read += 1;
        let key = Bytes::copy_from_slice(key);
        if let Ok(value) = unsealed(space, &key, Bytes::copy_from_slice(value)) {
            page.push((space, key.clone(), Some(value)));
        }
        last = Some(key);
        Ok::<_, ReadError>(read < PAGE)
    });
    // After what the tree cannot read there is nothing to go on from.
    let more = all.is_ok() && read == PAGE;
    (page, last.filter(|_| more))
}
