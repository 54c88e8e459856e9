//! The seal of a closed store: what its files were when it was closed in good order.
//!
//! sled checks the messages of its log one by one. A damaged one in the middle it takes for the end of
//! a reused segment: it skips to the next segment and goes on, so writes between are lost without a
//! word and later ones are kept. The seal makes such damage, and any other, known: it holds a hash
//! and the length of every file, is written when nothing writes any more, and is removed before sled
//! opens the files again. So it is absent after an abrupt stop.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The name of the file, inside the store's directory. sled looks at `conf`, `db`, `snap.*` and
/// `blobs/*` alone.
const FILE: &str = "seal";

/// What the seal says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every file is as it was when the store was closed.
    Intact,
    /// There is no seal: the store is new or was not closed in good order; or the seal itself is
    /// damaged, and says nothing.
    Unsealed,
    /// Files changed, came or went since: the first of them.
    Broken(String),
}

/// Makes the files of a store durable, then seals them. Nothing may write to them any more.
pub(crate) fn write(dir: &Path) -> io::Result<()> {
    let mut text = String::new();
    for (name, digest) in digests(dir, true)? {
        text.push_str(&format!("{digest} {name}\n"));
    }
    let sum = xxh3_128(text.as_bytes());
    text.push_str(&format!("{sum:032x}\n"));
    let path = dir.join(FILE);
    fs::write(&path, text)?;
    File::open(&path)?.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Compares the files of a store with its seal.
pub(crate) fn check(dir: &Path) -> io::Result<Verdict> {
    let text = match fs::read(dir.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Unsealed),
        Err(error) => return Err(error),
    };
    let Some(mut sealed) = parse(&text) else {
        return Ok(Verdict::Unsealed);
    };
    for (name, digest) in digests(dir, false)? {
        match sealed.remove(name.as_str()) {
            Some(was) if was == digest => {}
            Some(_) => return Ok(Verdict::Broken(format!("its file `{name}` changed"))),
            None => return Ok(Verdict::Broken(format!("its file `{name}` appeared"))),
        }
    }
    Ok(match sealed.keys().next() {
        None => Verdict::Intact,
        Some(name) => Verdict::Broken(format!("its file `{name}` is missing")),
    })
}

/// Removes the seal, durably: one that came back after a power cut would condemn a good store.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(FILE)) {
        Ok(()) => File::open(dir)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Digests by name, or `None` when the seal is not whole.
fn parse(text: &[u8]) -> Option<BTreeMap<&str, String>> {
    let text = std::str::from_utf8(text).ok()?;
    let body_end = text.strip_suffix('\n')?.rfind('\n').map_or(0, |at| at + 1);
    let (body, sum) = text.split_at_checked(body_end)?;
    if sum.trim_end() != format!("{:032x}", xxh3_128(body.as_bytes())) {
        return None;
    }
    body.lines()
        .map(|line| {
            let (digest, name) = line.split_once(' ')?;
            Some((name, digest.to_owned()))
        })
        .collect()
}

/// The hash and length of each file, by its name under `dir`, one folder deep as sled lays them out.
fn digests(dir: &Path, sync: bool) -> io::Result<BTreeMap<String, String>> {
    let mut digests = BTreeMap::new();
    for folder in ["", "blobs"] {
        let entries = match fs::read_dir(dir.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            let name = Path::new(folder).join(entry.file_name());
            let name = name.to_string_lossy().into_owned();
            if name != FILE {
                digests.insert(name, digest(&entry.path(), sync)?);
            }
        }
        if sync {
            File::open(dir.join(folder))?.sync_all()?;
        }
    }
    Ok(digests)
}

fn digest(path: &Path, sync: bool) -> io::Result<String> {
    let mut file = File::open(path)?;
    if sync {
        file.sync_all()?;
    }
    let mut hash = Xxh3::new();
    let mut length = 0_u64;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(format!("{:032x}-{length}", hash.digest128()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        length += read as u64;
    }
}
