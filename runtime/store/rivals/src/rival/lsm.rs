//! fjall, a keyspace a space.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Opened, Rival, made, said};
use crate::workload::{Contents, SPACES, Writes};

const NAMES: [&str; SPACES] = ["events", "positions", "buckets"];

/// Bytes after which a keyspace is written as a table: a thousandth of what it is by default, so that few turns
/// make tables and compactions.
const MEMTABLE: u64 = 64 * 1024;

struct Fjall {
    db: Database,
    keyspaces: Vec<Keyspace>,
}

pub(super) fn open(dir: &Path) -> Result<Opened, String> {
    if !dir.exists() {
        made(dir).map_err(said)?;
    }
    let db = Database::builder(dir).open().map_err(said)?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
    let keyspaces: Result<_, _> = NAMES
        .map(|name| db.keyspace(name, options))
        .into_iter()
        .collect();
    let keyspaces = keyspaces.map_err(said)?;
    Ok((Box::new(Fjall { db, keyspaces }), None))
}

impl Rival for Fjall {
    fn commit(&self, writes: &Writes) -> Result<(), String> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        for ((space, key), value) in writes {
            let keyspace = &self.keyspaces[*space];
            match value {
                Some(value) => batch.insert(keyspace, &**key, &**value),
                None => batch.remove(keyspace, &**key),
            }
        }
        batch.commit().map_err(said)
    }

    fn contents(&self) -> Result<Contents, String> {
        let mut contents = Contents::new();
        for (space, keyspace) in self.keyspaces.iter().enumerate() {
            for entry in keyspace.iter() {
                let (key, value) = entry.into_inner().map_err(said)?;
                contents.insert((space, key.to_vec()), value.to_vec());
            }
        }
        Ok(contents)
    }

    fn close(self: Box<Self>) {}
}
