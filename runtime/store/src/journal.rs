//! The journal: two files of frames, written in turn.
//!
//! While one is written, what the other holds goes into the tree; then the two change places. A file is
//! not shortened for that: the frames of its last turn are written over from the front, and their group
//! numbers tell them apart. So a file is never shorter than [`BYTES`], unless somebody cut it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::{self, Found, Write};
use crate::medium::{Handle, Medium};

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
    pub(crate) damage: Option<String>,
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
    damage: Option<&'static str>,
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

    /// Reads what comes after the tree's last group, and makes the journal go on there.
    pub(crate) fn open(
        medium: &dyn Medium,
        seed: u64,
        tree_group: u64,
    ) -> io::Result<(Self, Replay)> {
        let [first, second] = FILES;
        let first = read(medium.read(first)?, seed, tree_group);
        let second = read(medium.read(second)?, seed, tree_group);
        let current = usize::from(second.last() > first.last());
        let at = if current == 0 { first.end } else { second.end };
        let files = [medium.open(FILES[0])?, medium.open(FILES[1])?];
        let mut replay = Replay::default();
        let mut torn = Vec::new();
        for ((name, file), read) in FILES.into_iter().zip(&files).zip([first, second]) {
            if let Some(damage) = read.damage {
                replay.damage = Some(format!("{damage} `{name}`"));
            }
            if read.torn {
                torn.push((file, read.end));
            }
            let after = read.groups.into_iter();
            replay
                .groups
                .extend(after.filter(|(group, _)| *group > tree_group));
        }
        replay.groups.sort_by_key(|(group, _)| *group);
        let numbers = replay.groups.iter().map(|(group, _)| *group);
        if replay.damage.is_none() && !numbers.eq((tree_group + 1..).take(replay.groups.len())) {
            replay.damage = Some("lacks groups in its journal".to_owned());
        }
        replay.torn = !torn.is_empty();
        if replay.damage.is_none() {
            for (file, end) in torn {
                // Said once.
                file.write(end, &frame::end(seed, tree_group))?;
                file.sync()?;
            }
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

    /// Goes on at the front of the other file, whose groups the tree must have.
    pub(crate) fn turn(&mut self) {
        self.current = 1 - self.current;
        self.at = 0;
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

/// Reads the frames from the front of a file to their end.
fn read(bytes: Option<Vec<u8>>, seed: u64, tree_group: u64) -> Read {
    let mut read = Read::default();
    let Some(bytes) = bytes.map(Bytes::from) else {
        read.damage = Some("has lost its file");
        return read;
    };
    if (bytes.len() as u64) < BYTES {
        read.damage = Some("was cut in its file");
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
    let mut from = at;
    while let Some(mark) = frame::next_mark(&bytes, from) {
        from = mark + 1;
        if let Found::Frame(group, writes, taken) = frame::decode(seed, &bytes.slice(mark..))
            && group > newest
        {
            read.damage = Some("has a damaged place in its file");
            read.groups.push((group, writes));
            from = mark + taken;
        }
    }
    read
}
