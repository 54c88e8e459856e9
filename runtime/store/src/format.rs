//! The format of a store: its version, and the seed of its journal's checksums.
//!
//! One line in a file of its own, which is written last when a store is made: without it, a store was
//! never finished, or lost it.

use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_64;

/// The name of the file.
pub(crate) const FILE: &str = "format";

/// The version that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Words before the rest of the line.
const NAME: &str = "whirlwind-store";

/// What is said of a store whose file says nothing.
pub(crate) const LOST: &str = "has lost its format file, or was never finished";
pub(crate) const DAMAGED: &str = "has a damaged format file";

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One that we read: its version and its seed.
    Known(u32, u64),
    /// Of a later version.
    Newer(u32),
    /// Not what any version wrote.
    Damaged,
}

/// A seed that nobody guesses.
pub(crate) fn new_seed() -> u64 {
    RandomState::new().hash_one(NAME)
}

pub(crate) fn write(seed: u64) -> String {
    line(FORMAT, seed)
}

fn line(version: u32, seed: u64) -> String {
    let text = format!("{NAME} {version} {seed:016x}");
    format!("{text} {:016x}\n", xxh3_64(text.as_bytes()))
}

/// Every version keeps the name, the version and, last, the checksum of what is before it.
pub(crate) fn parse(bytes: &[u8]) -> Format {
    let parsed = || {
        let line = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let (text, sum) = line.rsplit_once(' ')?;
        let mut words = text.split(' ');
        let ours = words.next()? == NAME && sum == format!("{:016x}", xxh3_64(text.as_bytes()));
        let version = words.next()?.parse().ok().filter(|_| ours)?;
        if version > FORMAT {
            return Some(Format::Newer(version));
        }
        let seed = u64::from_str_radix(words.next()?, 16).ok()?;
        Some(Format::Known(version, seed))
    };
    parsed().unwrap_or(Format::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_to_the_line_is_damage_and_a_later_version_is_said() {
        let ours = write(7);
        assert_eq!(parse(ours.as_bytes()), Format::Known(FORMAT, 7));
        assert_eq!(parse(line(2, 7).as_bytes()), Format::Newer(2));
        for at in 0..ours.len() {
            for bit in 0..8 {
                let mut bytes = ours.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert_eq!(parse(&bytes), Format::Damaged, "{at} {bit}");
            }
            assert_eq!(parse(&ours.as_bytes()[..at]), Format::Damaged);
        }
    }
}
