//! The dead-letter file: what a node that ended leaves for `dead list` and for the next node.
//!
//! One letter a line, as the control API has it. The file is replaced as a whole or not at all: it is written beside its place, flushed,
//! and moved there.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::DeadLetter;

/// The file, in the data directory.
pub const FILE: &str = "dead-letters.jsonl";

/// Beside it, the lines that were no letters.
pub const DAMAGED: &str = "dead-letters.damaged.jsonl";

/// The file while it is written.
pub(crate) const NEW: &str = "dead-letters.jsonl.new";

/// What a dead-letter file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// The letters, in the order of the file.
    pub letters: Vec<DeadLetter>,
    /// The lines that are none.
    pub damage: Vec<Damage>,
}

/// A line that is no letter.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which, counted from 1.
    pub line: usize,
    /// Why.
    pub error: String,
    bytes: Vec<u8>,
}

/// Reads the file at `path`; one that is not there holds nothing.
///
/// # Errors
/// It is there and cannot be read. A damaged line is none: it is among the [`Contents`].
pub fn read(path: &Path) -> io::Result<Contents> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::default()),
        Err(error) => return Err(error),
    };
    let mut contents = Contents::default();
    let mut ids = HashSet::new();
    for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
        let bytes = line?;
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match letter(&bytes, &mut ids) {
            Ok(letter) => contents.letters.push(letter),
            Err(error) => contents.damage.push(Damage {
                line: index + 1,
                error,
                bytes,
            }),
        }
    }
    Ok(contents)
}

fn letter(line: &[u8], ids: &mut HashSet<u64>) -> Result<DeadLetter, String> {
    let letter: DeadLetter = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    whirlwind_bus::DeadLetter::try_from(letter.clone())?;
    match ids.insert(letter.id) {
        true => Ok(letter),
        false => Err(format!("the id {} is there twice", letter.id)),
    }
}

/// Moves the damaged lines of a file in `folder` that was read as `contents` to the file beside it.
pub(crate) fn set_aside(folder: &Path, contents: &Contents) -> io::Result<()> {
    let mut beside = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(folder.join(DAMAGED))?;
    for damage in &contents.damage {
        beside.write_all(&damage.bytes)?;
        beside.write_all(b"\n")?;
    }
    beside.sync_all()?;
    // Only now: a line is in one of the two files at any time.
    write(folder, contents.letters.iter().map(DeadLetter::to_line))
}

/// Makes `lines` the file in `folder`; without any there is no file. An error leaves the one that was there.
pub(crate) fn write(
    folder: &Path,
    lines: impl ExactSizeIterator<Item = Vec<u8>>,
) -> io::Result<()> {
    let path = folder.join(FILE);
    if lines.len() == 0 {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => return sync_folder(folder),
        }
    }
    let new = folder.join(NEW);
    let written = write_new(&new, lines).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // Half a file is of no use to anybody, and takes the room that may be what is missing.
        let _ = fs::remove_file(&new);
    }
    written.and_then(|()| sync_folder(folder))
}

fn write_new(path: &Path, lines: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut to = BufWriter::new(file);
    for line in lines {
        to.write_all(&line)?;
        to.write_all(b"\n")?;
    }
    to.into_inner()?.sync_all()
}

/// A rename is on the disk when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use tempfile::TempDir;
    use whirlwind_event::EventBuilder;

    use super::*;

    fn letter(id: u64) -> DeadLetter {
        let event = EventBuilder::new()
            .id("e")
            .source("/a")
            .ty("t")
            .datacontenttype("application/json");
        DeadLetter {
            id,
            topic: "in".to_owned(),
            actor: "a".to_owned(),
            reason: "rejected".to_owned(),
            attempts: 1,
            error: "line one\nline two".to_owned(),
            at: "2026-01-31T12:00:00.250Z".to_owned(),
            event: Arc::new(event.data("{\"n\":1.50}").build().unwrap()),
        }
    }

    fn write_letters(folder: &Path, ids: &[u64]) {
        let lines: Vec<_> = ids.iter().map(|id| letter(*id).to_line()).collect();
        write(folder, lines.into_iter()).unwrap();
    }

    #[test]
    fn what_is_written_is_read_back_and_is_its_owners_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(FILE);
        write_letters(folder.path(), &[1, 2]);
        let contents = read(&path).unwrap();
        assert_eq!(contents.letters, [letter(1), letter(2)]);
        assert_eq!(contents.damage, []);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""data":{"n":1.50}"#), "{text}");
        assert_eq!(text.lines().count(), 2);
        // And nothing lies beside it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_letters_there_is_no_file() {
        let folder = TempDir::new().unwrap();
        write_letters(folder.path(), &[1]);
        write_letters(folder.path(), &[]);
        write_letters(folder.path(), &[]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let contents = read(&folder.path().join(FILE)).unwrap();
        assert_eq!(contents.letters, []);
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_that_was_there() {
        let folder = TempDir::new().unwrap();
        write_letters(folder.path(), &[1]);
        // A folder in the way of the new file: no user may write there, root included.
        fs::create_dir(folder.path().join(NEW)).unwrap();
        let lines = vec![letter(2).to_line()];
        write(folder.path(), lines.into_iter()).unwrap_err();
        let contents = read(&folder.path().join(FILE)).unwrap();
        assert_eq!(contents.letters, [letter(1)]);
    }

    #[test]
    fn damaged_lines_are_named_and_move_aside() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(FILE);
        let line = |letter: DeadLetter| String::from_utf8(letter.to_line()).unwrap();
        let cut = line(letter(2))[..40].to_owned();
        let reason = line(letter(3)).replace("rejected", "whim");
        let time = line(letter(4)).replace("2026-01-31T", "yesterday");
        let id = line(letter(u64::MAX));
        let twice = line(letter(1));
        let damaged = [&*cut, &reason, &time, &id, &twice, "\u{0}\u{0}"];
        let text = format!(
            "{}\n\n{}\n{}",
            line(letter(1)),
            damaged.join("\n"),
            line(letter(9))
        );
        fs::write(&path, text).unwrap();
        let contents = read(&path).unwrap();
        assert_eq!(contents.letters, [letter(1), letter(9)]);
        let lines: Vec<_> = contents.damage.iter().map(|damage| damage.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8]);

        set_aside(folder.path(), &contents).unwrap();
        let beside = fs::read_to_string(folder.path().join(DAMAGED)).unwrap();
        assert_eq!(beside.lines().collect::<Vec<_>>(), damaged);
        let contents = read(&path).unwrap();
        assert_eq!(contents.letters, [letter(1), letter(9)]);
        assert_eq!(contents.damage, []);
    }
}
