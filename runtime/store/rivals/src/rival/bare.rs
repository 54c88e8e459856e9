//! redb alone, a transaction a batch.

use std::fs::OpenOptions;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::{Opened, Rival, made, said, synced};
use crate::workload::{Contents, SPACES, Writes};

const TABLES: [TableDefinition<'_, &[u8], &[u8]>; SPACES] = [
    TableDefinition::new("events"),
    TableDefinition::new("positions"),
    TableDefinition::new("buckets"),
];

pub(super) fn open(dir: &Path, check: bool) -> Result<Opened, String> {
    let path = dir.join("redb");
    if !path.exists() {
        made(dir).map_err(said)?;
        // redb syncs its file, not the file's name.
        let new = OpenOptions::new().create(true).append(true).open(&path);
        drop(new.map_err(said)?);
        synced(dir).map_err(said)?;
    }
    let db = Database::builder()
        .set_check_integrity_on_open(check)
        .create(path)
        .map_err(said)?;
    Ok((Box::new(db), None))
}

impl Rival for Database {
    fn commit(&self, writes: &Writes) -> Result<(), String> {
        let transaction = self.begin_write().map_err(said)?;
        for (space, table) in TABLES.into_iter().enumerate() {
            let mut table = transaction.open_table(table).map_err(said)?;
            for ((_, key), value) in writes.iter().filter(|((of, _), _)| *of == space) {
                match value {
                    Some(value) => drop(table.insert(&**key, &**value).map_err(said)?),
                    None => drop(table.remove(&**key).map_err(said)?),
                }
            }
        }
        transaction.commit().map_err(said)
    }

    fn contents(&self) -> Result<Contents, String> {
        let mut contents = Contents::new();
        let transaction = self.begin_read().map_err(said)?;
        for (space, table) in TABLES.into_iter().enumerate() {
            let table = match transaction.open_table(table) {
                Ok(table) => table,
                // Before the first turn.
                Err(TableError::TableDoesNotExist(_)) => continue,
                Err(error) => return Err(said(error)),
            };
            for entry in table.iter().map_err(said)? {
                let (key, value) = entry.map_err(said)?;
                contents.insert((space, key.value().to_vec()), value.value().to_vec());
            }
        }
        Ok(contents)
    }

    fn close(self: Box<Self>) {}
}
