//! What a process has in memory, as Linux tells it.

use std::io;

/// Bytes of a process that are in memory now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of them, what it shares with others included.
    pub resident: u64,
    /// Those that no file holds, and which are its own therefore: heap, stacks, compiled code, the memories of guests.
    pub anonymous: u64,
}

impl Memory {
    /// That of the process with this id, or of `self`.
    ///
    /// # Errors
    /// There is no such process, or no Linux.
    pub fn of(process: impl std::fmt::Display) -> io::Result<Self> {
        let sums = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        read(&sums).ok_or_else(|| io::Error::other("no sums of its memory maps"))
    }
}

fn read(sums: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = sums.lines().find_map(|line| line.strip_prefix(key))?;
        let kib = line.trim().strip_suffix(" kB")?;
        Some(kib.parse::<u64>().ok()? << 10)
    };
    Some(Memory {
        resident: bytes("Rss:")?,
        anonymous: bytes("Anonymous:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_in_their_unit() {
        let sums = "5581a4c5d000-7ffd7c7fe000 ---p 00000000 00:00 0    [rollup]\nRss:    3072 kB\nPss:    1024 kB\nAnonymous:    512 kB\nAnonHugePages:    0 kB\n";
        let memory = Memory {
            resident: 3 << 20,
            anonymous: 512 << 10,
        };
        assert_eq!(read(sums), Some(memory));
        assert_eq!(read("Rss: 3072 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_written_to_is_in_memory() {
        let before = Memory::of("self").unwrap();
        let much = vec![1_u8; 16 << 20];
        let after = Memory::of(std::process::id()).unwrap();
        assert!(after.anonymous > before.anonymous + (8 << 20));
        assert!(after.resident >= after.anonymous);
        drop(much);
    }
}
