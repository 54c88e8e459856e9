//! `store`: a look into the store of a node that does not run.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use serde_json::json;
use whirlwind::DATA_DIR;
use whirlwind::stored::{self, CompactError, ExportError, Health, OpenError};

use crate::args::{Global, Store, StoreAt};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, Align, Cell, Table, printable};

pub(crate) async fn run(global: &Global, store: Store) -> Ended {
    let json = global.json;
    let (Store::Check(at) | Store::Export(at) | Store::Compact(at)) = &store;
    let folder = folder(global, at);
    let work = tokio::task::spawn_blocking(move || match store {
        Store::Check(_) => check(folder, json),
        Store::Export(_) => export(folder),
        Store::Compact(_) => compact(folder, json),
    });
    work.await
        .map_err(|error| Failure::failed(error.to_string()))?
}

/// The folder that is meant.
fn folder(global: &Global, at: &StoreAt) -> PathBuf {
    let data_dir = global.data_dir.clone();
    let in_data_dir = || {
        data_dir
            .unwrap_or_else(|| DATA_DIR.into())
            .join(stored::FOLDER)
    };
    at.folder.clone().unwrap_or_else(in_data_dir)
}

fn check(folder: PathBuf, json: bool) -> Ended {
    let health = stored::check(&folder).map_err(|error| unopened(&error))?;
    match json {
        true => print::json_line(document(&health).to_string().as_bytes())?,
        false => print::out(&table(&health))?,
    };
    ended(&health)
}

/// Damage is said on standard error, and is the status.
fn ended(health: &Health) -> Ended {
    if health.torn {
        print::note(
            "the end of the journal is torn, as a power cut leaves it: nobody was told of what is missing",
        );
    }
    for damage in &health.damage {
        print::note(format_args!("the store {damage}"));
    }
    match health.is_sound() {
        true => Ok(Exit::Done),
        false => Err(Failure::failed("the store is damaged").help(
            "a node that is started sets it aside and saves what can be saved; `whirlwind store export` prints that",
        )),
    }
}

fn document(health: &Health) -> serde_json::Value {
    let spaces = health
        .spaces
        .iter()
        .map(|of| json!({ "name": of.space.name(), "entries": of.entries, "bytes": of.bytes }));
    let damage = health.damage.iter().map(ToString::to_string);
    json!([{
        "sound": health.is_sound(),
        "torn": health.torn,
        "format": health.format,
        "spaces": spaces.collect::<Vec<_>>(),
        "damage": damage.collect::<Vec<_>>(),
    }])
}

fn table(health: &Health) -> String {
    let mut table = Table::new(&[
        ("SPACE", Align::Left),
        ("ENTRIES", Align::Right),
        ("BYTES", Align::Right),
    ]);
    for of in &health.spaces {
        table.row(vec![
            Cell::new(of.space.name()),
            Cell::new(of.entries.to_string()),
            Cell::new(of.bytes.to_string()),
        ]);
    }
    table.render()
}

fn export(folder: PathBuf) -> Ended {
    let mut out = BufWriter::new(io::stdout().lock());
    let exported = stored::export(&folder, |line| {
        out.write_all(line)?;
        out.write_all(b"\n")
    });
    let flushed = out.flush();
    let health = match exported {
        Ok(health) => health,
        Err(ExportError::Open(error)) => return Err(unopened(&error)),
        Err(ExportError::Write(error)) => {
            // A reader that has seen enough is no failure.
            print::reader(Err(error))?;
            return Ok(Exit::Done);
        }
    };
    print::reader(flushed)?;
    ended(&health)
}

fn compact(folder: PathBuf, json: bool) -> Ended {
    let done = stored::compact(&folder).map_err(|error| match error {
        CompactError::Open(error) => unopened(&error),
        other => Failure::failed(printable(&other.to_string())),
    })?;
    if json {
        let document = json!([{ "before": done.before, "after": done.after }]);
        return print::json_line(document.to_string().as_bytes());
    }
    print::out(&format!("{} -> {} bytes\n", done.before, done.after))
}

fn unopened(error: &OpenError) -> Failure {
    Failure::failed(printable(&error.to_string()))
}
