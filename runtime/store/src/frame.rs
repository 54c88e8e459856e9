//! A frame: what one sync adds to the journal.
//!
//! ```text
//! mark u32 | bytes of the body u32 | group u64 | checksum u64 | body
//! body: entries of  space u8 | bytes of the key u32 | bytes of the value u32 | key | value
//! ```
//!
//! Little-endian. A deletion has [`DELETED`] for the bytes of its value. After the latest frame comes a
//! header with the mark of the end, so that it is told from an end that is torn, or was wiped.

use bytes::{Buf, BufMut, Bytes};
use memchr::memmem;
use xxhash_rust::xxh3::Xxh3;

use crate::Space;

/// A write: a value, or `None` to delete.
pub(crate) type Write = (Space, Bytes, Option<Bytes>);

const MARK: u32 = 0x4c52_4857; // "WHRL"

/// Bytes before the body.
pub(crate) const HEADER: usize = 24;

const DELETED: u32 = u32::MAX;

/// Where the mark of a frame would be, at the end.
const END: u32 = 0x454e_4421; // "!DNE"

/// The header that stands for the end, after a group.
pub(crate) fn end(seed: u64, group: u64) -> [u8; HEADER] {
    let mut end = [0; HEADER];
    let mut header = &mut end[..];
    header.put_u32_le(END);
    header.put_u32_le(0);
    header.put_u64_le(group);
    header.put_u64_le(checksum(seed, group, &END.to_le_bytes()));
    end
}

/// What reading at a place found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame and the bytes it takes.
    Frame(u64, Vec<Write>, usize),
    /// The header of the end.
    End,
    /// Neither.
    Nothing,
}

/// The seed keeps what a value holds from passing for a frame: no component knows it.
fn checksum(seed: u64, group: u64, body: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&group.to_le_bytes());
    hash.update(&(body.len() as u64).to_le_bytes());
    hash.update(body);
    hash.digest()
}

/// Writes a frame and the end after it to `out`. Answers the bytes of the frame, or `None` when it
/// would be larger than a frame can be.
pub(crate) fn encode<'a>(
    out: &mut Vec<u8>,
    seed: u64,
    group: u64,
    writes: impl Iterator<Item = (Space, &'a Bytes, Option<&'a Bytes>)>,
) -> Option<usize> {
    out.clear();
    out.put_bytes(0, HEADER);
    for (space, key, value) in writes {
        out.put_u8(space.tag());
        out.put_u32_le(u32::try_from(key.len()).ok()?);
        match value {
            Some(value) => {
                let length = u32::try_from(value.len()).ok()?;
                out.put_u32_le(Some(length).filter(|length| *length != DELETED)?);
                out.put_slice(key);
                out.put_slice(value);
            }
            None => {
                out.put_u32_le(DELETED);
                out.put_slice(key);
            }
        }
    }
    let body = out.get(HEADER..)?;
    let length = u32::try_from(body.len()).ok()?;
    let sum = checksum(seed, group, body);
    let mut header = out.get_mut(..HEADER)?;
    header.put_u32_le(MARK);
    header.put_u32_le(length);
    header.put_u64_le(group);
    header.put_u64_le(sum);
    let frame = out.len();
    out.put_slice(&end(seed, group));
    Some(frame)
}

/// Reads what begins at the beginning of `bytes`. Values are slices of them.
pub(crate) fn decode(seed: u64, bytes: &Bytes) -> Found {
    let Some(mut header) = bytes.get(..HEADER) else {
        return Found::Nothing;
    };
    let (mark, length) = (header.get_u32_le(), header.get_u32_le() as usize);
    let (group, sum) = (header.get_u64_le(), header.get_u64_le());
    if mark == END && length == 0 && checksum(seed, group, &END.to_le_bytes()) == sum {
        return Found::End;
    }
    let end = HEADER + length;
    if mark != MARK || bytes.len() < end {
        return Found::Nothing;
    }
    let body = bytes.slice(HEADER..end);
    if checksum(seed, group, &body) != sum {
        return Found::Nothing;
    }
    match entries(body) {
        Some(writes) => Found::Frame(group, writes, end),
        None => Found::Nothing,
    }
}

fn entries(mut body: Bytes) -> Option<Vec<Write>> {
    let mut writes = Vec::new();
    while body.has_remaining() {
        let space = Space::of_tag(body.try_get_u8().ok()?)?;
        let key = body.try_get_u32_le().ok()? as usize;
        let value = body.try_get_u32_le().ok()?;
        if body.remaining() < key {
            return None;
        }
        let key = body.split_to(key);
        let value = if value == DELETED {
            None
        } else {
            let value = value as usize;
            if body.remaining() < value {
                return None;
            }
            Some(body.split_to(value))
        };
        writes.push((space, key, value));
    }
    Some(writes)
}

/// Where the mark of a frame comes next in `bytes`, at `from` or after.
pub(crate) fn next_mark(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memmem::find(rest, &MARK.to_le_bytes()).map(|at| from + at)
}
