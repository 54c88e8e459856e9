//! The journal: two files of frames, written in turn.
//!
//! While one is written, what the other holds goes into the tree; then the two change places. A file is
//! not shortened for that, unless it had to grow: the frames of its last turn are written over from the front, and their group
//! numbers tell them apart. So a file is never shorter than [`BYTES`], unless somebody cut it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{self, Found, Write};
use crate::health::{Damage, JournalFile};
use crate::medium::{Handle, Medium};
use crate::open::Failure;

/// The names of its files.
pub(crate) const FILES: [&str; 2] = ["journal-0", "journal-1"];

/// Bytes of frames after which the files change places, if the tree has the other's by then; else the
/// file grows.
pub(crate) const BYTES: u64 = if cfg!(test) {
    // So that the files of a short test change places, too.
    8 * 1024
} else {
    16 * 1024 * 1024
};

/// The end of a journal that is being written.
pub(crate) struct Journal {
    files: [Arc<dyn Handle>; 2],
    seed: u64,
    /// Which file is written: 0 or 1.
    current: usize,
    /// Where the next frame goes.
    at: u64,
    buffer: Vec<u8>,
}

/// What a journal holds after the tree's last group.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Groups in order, each with the number after the one before.
    pub(crate) groups: Vec<(u64, Vec<Write>)>,
    /// What is wrong, if anything is. Then the groups are what can be read, with gaps.
    pub(crate) damage: Vec<Damage>,
    /// The last write was never finished, or was damaged since.
    pub(crate) torn: bool,
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// It is not there, and will not be.
    Undone(String),
    /// Nobody knows.
    Unknown(String),
}

/// The frames of one file.
#[derive(Default)]
struct Read {
    groups: Vec<(u64, Vec<Write>)>,
    end: u64,
    torn: bool,
    /// Bytes of the file, which may be lost.
    bytes: Option<u64>,
    damage: Vec<Damage>,
}

impl Read {
    fn last(&self) -> u64 {
        self.groups.last().map_or(0, |(group, _)| *group)
    }
}

impl Journal {
    /// Makes both files empty, durably.
    pub(crate) fn create(medium: &dyn Medium, seed: u64) -> io::Result<()> {
        for name in FILES {
            let file = medium.open(name)?;
            file.set_len(0)?;
            file.set_len(BYTES)?;
            // So that on a full disk there is a place for it.
            file.write(0, &frame::end(seed, 0))?;
            file.sync()?;
        }
        Ok(())
    }

    /// Reads what comes after the tree's last group, and makes the journal go on there. A damaged one stays as
    /// it was found.
    pub(crate) fn open(
        medium: &dyn Medium,
        seed: u64,
        tree_group: u64,
    ) -> Result<(Self, Replay), Failure> {
        let reads = both(medium, seed, tree_group)?;
        let [first, second] = &reads;
        let current = usize::from(second.last() > first.last());
        let at = if current == 0 { first.end } else { second.end };
        let ends = [(first.torn, first.end), (second.torn, second.end)];
        let replay = replay(reads, Some(tree_group));
        if let Some(damage) = replay.damage.first() {
            return Err(Failure::Damaged(damage.to_string()));
        }
        let files = [medium.open(FILES[0])?, medium.open(FILES[1])?];
        for (file, (_, end)) in files.iter().zip(ends).filter(|(_, (torn, _))| *torn) {
            // Said once.
            file.write(end, &frame::end(seed, tree_group))?;
            file.sync()?;
        }
        let journal = Self {
            files,
            seed,
            current,
            at,
            buffer: Vec::new(),
        };
        Ok((journal, replay))
    }

    fn file(&self) -> &dyn Handle {
        let [first, second] = &self.files;
        if self.current == 0 {
            &**first
        } else {
            &**second
        }
    }

    /// Bytes of frames in the file that is written.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Goes on at the front of the other file, of which the tree must have all: its groups are before `group`. What
    /// it is too long, because the tree did not keep up once, is given back.
    pub(crate) fn turn(&mut self, group: u64) {
        self.current = 1 - self.current;
        self.at = 0;
        if let Err(error) = shorten(self.file(), self.seed, group) {
            tracing::warn!(%error, "a file of the store's journal stays too long");
        }
    }

    /// Empties both files, of which the tree has everything up to `group`, and gives back what they are too long.
    pub(crate) fn empty(&mut self, group: u64) -> io::Result<()> {
        // The older one first: a file that has groups must have the last ones, or the next would not follow.
        let [first, second] = &self.files;
        let in_order = if self.current == 0 {
            [second, first]
        } else {
            [first, second]
        };
        for file in in_order {
            file.write(0, &frame::end(self.seed, group))?;
            file.sync()?;
            shorten(&**file, self.seed, group)?;
        }
        self.current = 0;
        self.at = 0;
        Ok(())
    }

    /// Appends a group and syncs.
    pub(crate) fn append<'a>(
        &mut self,
        group: u64,
        writes: impl Iterator<Item = (crate::Space, &'a Bytes, Option<&'a Bytes>)>,
    ) -> Result<(), AppendError> {
        let Some(length) = frame::encode(&mut self.buffer, self.seed, group, writes) else {
            return Err(AppendError::Undone("the group is too large".to_owned()));
        };
        let file = self.file();
        let written = file.write(self.at, &self.buffer).and_then(|()| file.sync());
        if let Err(error) = written {
            // The end goes back to where it was, which a full disk has a place for; if that is durable, the
            // frame is not there.
            return Err(
                match file
                    .write(self.at, &frame::end(self.seed, group - 1))
                    .and_then(|()| file.sync())
                {
                    Ok(()) => AppendError::Undone(error.to_string()),
                    Err(after) => AppendError::Unknown(format!("{error}; then: {after}")),
                },
            );
        }
        self.at += length as u64;
        // One large group must not keep its memory for ever.
        if self.buffer.capacity() > 4 * 1024 * 1024 {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// Makes a file whose frames nobody needs no longer than it must be.
fn shorten(file: &dyn Handle, seed: u64, group: u64) -> io::Result<()> {
    // Never shorter, or it would be taken for cut.
    if file.len()? <= BYTES {
        return Ok(());
    }
    // First, or the frame that is cut would be taken for torn.
    file.write(0, &frame::end(seed, group))?;
    file.sync()?;
    file.set_len(BYTES)
}

/// Reads what comes after the tree's last group, if that is known, and what is in each file. Nothing is changed.
pub(crate) fn look(
    medium: &dyn Medium,
    seed: u64,
    tree_group: Option<u64>,
) -> io::Result<(Replay, [JournalFile; 2])> {
    let from = tree_group.unwrap_or(0);
    let reads = both(medium, seed, from)?;
    let mut files = FILES.map(JournalFile::lost);
    for (file, read) in files.iter_mut().zip(&reads) {
        file.bytes = read.bytes;
        file.groups = read.groups.len() as u64;
        let untreed = read.groups.iter().filter(|(group, _)| *group > from);
        file.untreed = untreed.count() as u64;
    }
    Ok((replay(reads, tree_group), files))
}

fn both(medium: &dyn Medium, seed: u64, tree_group: u64) -> io::Result<[Read; 2]> {
    let [first, second] = FILES;
    Ok([
        read(first, medium.read(first)?, seed, tree_group),
        read(second, medium.read(second)?, seed, tree_group),
    ])
}

/// What both files have after the tree's last group. Where that is not known, all they have.
fn replay(reads: [Read; 2], tree_group: Option<u64>) -> Replay {
    let mut replay = Replay::default();
    let from = tree_group.unwrap_or(0);
    for read in reads {
        replay.damage.extend(read.damage);
        replay.torn |= read.torn;
        let after = read.groups.into_iter();
        replay
            .groups
            .extend(after.filter(|(group, _)| *group > from));
    }
    replay.groups.sort_by_key(|(group, _)| *group);
    let numbers = replay.groups.iter().map(|(group, _)| *group);
    if replay.damage.is_empty()
        && tree_group.is_some()
        && !numbers.eq((from + 1..).take(replay.groups.len()))
    {
        replay.damage.push(Damage {
            file: "journal",
            at: None,
            space: None,
            reason: "lacks groups in its journal".to_owned(),
        });
    }
    replay
}

/// Reads the frames from the front of a file to their end.
fn read(name: &'static str, bytes: Option<Vec<u8>>, seed: u64, tree_group: u64) -> Read {
    let mut read = Read {
        bytes: bytes.as_ref().map(|bytes| bytes.len() as u64),
        ..Read::default()
    };
    let damaged = |reason: String, at: Option<usize>| Damage {
        file: name,
        at: at.map(|at| at as u64),
        space: None,
        reason,
    };
    let Some(bytes) = bytes.map(Bytes::from) else {
        let reason = format!("has lost its file `{name}`");
        read.damage.push(damaged(reason, None));
        return read;
    };
    if (bytes.len() as u64) < BYTES {
        let reason = format!("was cut in its file `{name}`");
        read.damage.push(damaged(reason, Some(bytes.len())));
    }
    let mut at = 0;
    loop {
        match frame::decode(seed, &bytes.slice(at.min(bytes.len())..)) {
            // A frame of the file's turn before has a lower number.
            Found::Frame(group, writes, taken)
                if read.groups.is_empty() || group == read.last() + 1 =>
            {
                at += taken;
                read.groups.push((group, writes));
            }
            Found::End => break,
            Found::Frame(..) | Found::Nothing => {
                // Not where the file ends, nor where the tree has what was there.
                read.torn =
                    at < bytes.len() && (read.groups.is_empty() || read.last() >= tree_group);
                break;
            }
        }
    }
    read.end = at as u64;
    // One write is on its way at a time: nothing newer can come after one that is not whole.
    let newest = read.last().max(tree_group);
    let (mut from, mut unread) = (at, at);
    while let Some(mark) = frame::next_mark(&bytes, from) {
        from = mark + 1;
        if let Found::Frame(group, writes, taken) = frame::decode(seed, &bytes.slice(mark..))
            && group > newest
        {
            if unread < mark {
                let reason = format!(
                    "has a damaged place in its file `{name}`, from byte {unread} to {mark}"
                );
                read.damage.push(damaged(reason, Some(unread)));
            }
            read.groups.push((group, writes));
            from = mark + taken;
            unread = from;
        }
    }
    read
}
