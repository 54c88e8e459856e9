//! Saving what can be saved of a damaged store.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::Write;
use crate::look::look;
use crate::medium::Medium;
use crate::open::{Failure, Saved};
use crate::tree::Tree;

/// Bytes of entries that are moved at a time.
const PAGE: usize = 16 * 1024 * 1024;

/// Copies every entry that is as it was written into the tree of a fresh store. The damaged one stays as it is.
pub(crate) fn salvage(damaged: &Arc<dyn Medium>, into: &Tree) -> Result<Saved, Failure> {
    let put = |writes: &mut Vec<Write>| {
        let all = writes
            .iter()
            .map(|(space, key, value)| (*space, key, value.as_ref()));
        let done = into.apply(0, all);
        writes.clear();
        done.map_err(|error| io::Error::other(error.to_string()))
    };
    let mut look = look(damaged)?;
    let mut page = Vec::new();
    let mut bytes = 0;
    look.entries(|space, key, value| {
        let value = Bytes::copy_from_slice(value);
        bytes += key.len() + value.len();
        page.push((space, Bytes::copy_from_slice(key), Some(value)));
        if bytes >= PAGE {
            bytes = 0;
            put(&mut page)?;
        }
        Ok::<_, io::Error>(())
    })?;
    put(&mut page)?;
    let health = look.health();
    Ok(Saved {
        entries: health.spaces.iter().map(|space| space.entries).sum(),
        groups: health.journal.iter().map(|file| file.untreed).sum(),
    })
}
