//! How many instances the machine has room for, known before it runs out.
//!
//! An instance takes no thread and no file of its own. What it takes beside memory, and what therefore ends first, is memory
//! maps, of which Linux grants a process 65,530 unless told otherwise, and address space, since every linear memory reserves
//! all that 32 bits can address.

use std::fs;

use crate::settings::Isolation;

/// Memory maps of an instance beside its memories: the stack that its guest runs on, and the guard below it.
const MAPS_OF_STACK: usize = 2;

/// Memory maps of a resident memory, measured: the guard before it, what it uses, what it may grow into. An image of its
/// initial contents, where wasmtime maps one, splits the second in three.
const MAPS_OF_MEMORY: usize = 3;

/// The same in the pool, which maps images: contents before, of and after the image, what it may grow into.
const MAPS_OF_POOLED_MEMORY: usize = 4;

/// Maps left for everything else: 512 threads for blocking work with three each, allocators, stores, code compiled later.
const MAPS_RESERVED: usize = 4096;

/// Address space of a resident memory: 4 GiB, and a guard of 32 MiB on either side. These are wasmtime's own defaults.
const SPACE_OF_MEMORY: u64 = (4 << 30) + (64 << 20);

/// Address space of a stack: wasmtime's 2 MiB, and its guard.
const SPACE_OF_STACK: u64 = (2 << 20) + (4 << 10);

/// What a process can address on the machines served, in bytes; some have more.
const ADDRESSABLE: u64 = 1 << 47;

/// Address space left for everything else: heaps reserve it generously.
const SPACE_RESERVED: u64 = 1 << 40;

/// What one instance of a component takes of what a process has not got without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    maps: usize,
    space: u64,
}

impl Need {
    /// A resident instance with one memory, as most have.
    pub const PLAIN: Self = Self {
        maps: MAPS_OF_STACK + MAPS_OF_MEMORY,
        space: SPACE_OF_STACK + SPACE_OF_MEMORY,
    };

    /// An instance with so many memories.
    #[must_use]
    pub fn of(isolation: Isolation, memories: u32) -> Self {
        let memories = usize::try_from(memories).unwrap_or(usize::MAX);
        match isolation {
            Isolation::Resident => Self {
                maps: MAPS_OF_STACK.saturating_add(MAPS_OF_MEMORY.saturating_mul(memories)),
                space: SPACE_OF_STACK
                    .saturating_add(SPACE_OF_MEMORY.saturating_mul(memories as u64)),
            },
            // Its stack and its address space were taken when the pool was made.
            Isolation::PerMessage => Self {
                maps: MAPS_OF_POOLED_MEMORY.saturating_mul(memories),
                space: 0,
            },
        }
    }

    /// Memory maps.
    #[must_use]
    pub fn maps(self) -> usize {
        self.maps
    }
}

/// What a process may have, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Memory maps that it may have, if that is known.
    pub max_maps: Option<usize>,
    /// Memory maps that it has.
    pub maps: usize,
    /// Address space that it may have, in bytes.
    pub max_space: u64,
    /// Address space that it has, in bytes.
    pub space: u64,
}

impl Room {
    /// This process's, as the kernel tells it now. Off Linux the maps are not known, and nothing is refused for them.
    #[must_use]
    pub fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        let max_maps = number(Some(&read("/proc/sys/vm/max_map_count")));
        // In its own unit, like the reading of it.
        let limits = read("/proc/self/limits");
        let limit = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max address space"));
        let limit = number(limit.and_then(|rest| rest.split_whitespace().next()));
        let status = read("/proc/self/status");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let kilobytes = number(size.and_then(|rest| rest.split_whitespace().next()));
        Self {
            max_maps: max_maps.and_then(|maps| usize::try_from(maps).ok()),
            maps: read("/proc/self/maps").lines().count(),
            max_space: limit.unwrap_or(u64::MAX).min(ADDRESSABLE),
            space: kilobytes.unwrap_or(0).saturating_mul(1024),
        }
    }

    /// How many more instances with this need there is room for.
    #[must_use]
    pub fn instances(&self, need: Need) -> usize {
        let by_maps = self
            .free_maps()
            .checked_div(need.maps)
            .unwrap_or(usize::MAX);
        let by_space = self
            .free_space()
            .checked_div(need.space)
            .unwrap_or(u64::MAX);
        by_maps.min(usize::try_from(by_space).unwrap_or(usize::MAX))
    }

    /// Whether there is room for so many more of each.
    ///
    /// # Errors
    /// [`NoRoom`] says how many there is room for, in the order given, and what would make room.
    pub fn check(&self, wanted: impl IntoIterator<Item = (Need, usize)>) -> Result<(), NoRoom> {
        let (mut asked, mut possible) = (0_usize, 0_usize);
        let mut taken = Need { maps: 0, space: 0 };
        let mut full = false;
        for (need, instances) in wanted {
            let left = Self {
                maps: self.maps.saturating_add(taken.maps),
                space: self.space.saturating_add(taken.space),
                ..*self
            };
            asked = asked.saturating_add(instances);
            // What comes after the first that does not fit is not squeezed in.
            let fit = if full {
                0
            } else {
                instances.min(left.instances(need))
            };
            full |= fit < instances;
            possible = possible.saturating_add(fit);
            taken.maps = taken
                .maps
                .saturating_add(need.maps.saturating_mul(instances));
            taken.space = taken
                .space
                .saturating_add(need.space.saturating_mul(instances as u64));
        }
        if !full {
            return Ok(());
        }
        let cause = if taken.space > self.free_space() {
            Cause::AddressSpace {
                limit: self.max_space,
            }
        } else {
            Cause::Maps {
                limit: self.max_maps.unwrap_or(usize::MAX),
                needed: (self.maps.saturating_add(taken.maps)).saturating_add(MAPS_RESERVED),
            }
        };
        Err(NoRoom {
            asked,
            possible,
            cause,
        })
    }

    fn free_maps(&self) -> usize {
        let most = self.max_maps.map(|most| most.saturating_sub(MAPS_RESERVED));
        most.map_or(usize::MAX, |most| most.saturating_sub(self.maps))
    }

    fn free_space(&self) -> u64 {
        // A limit that leaves less than the reserve is one that somebody set: all of it is for use.
        let reserved = if self.max_space < ADDRESSABLE {
            0
        } else {
            SPACE_RESERVED
        };
        self.max_space
            .saturating_sub(reserved)
            .saturating_sub(self.space)
    }
}

/// More instances were asked for than this machine has room for. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for {asked} instances on this machine, only for {possible}: {cause}")]
pub struct NoRoom {
    /// How many, beside those that live.
    pub asked: usize,
    /// How many there is room for.
    pub possible: usize,
    /// What ends first.
    pub cause: Cause,
}

/// What a machine runs out of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Memory maps.
    #[error(
        "a process may have {limit} memory maps here, and they would need {needed}; use fewer instances, or allow it more with `sysctl -w vm.max_map_count={needed}`"
    )]
    Maps {
        /// How many a process may have.
        limit: usize,
        /// How many would do.
        needed: usize,
    },
    /// Address space, which more maps would not help.
    #[error(
        "each reserves 4 GiB of address space, of which a process may have {} GiB here; use fewer instances{}",
        .limit >> 30,
        if *.limit < ADDRESSABLE { ", or raise the limit (`ulimit -v`)" } else { "" }
    )]
    AddressSpace {
        /// Bytes that a process may have.
        limit: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine as it comes, a process that has just started.
    const FRESH: Room = Room {
        max_maps: Some(65_530),
        maps: 200,
        max_space: ADDRESSABLE,
        space: 1 << 30,
    };

    #[test]
    fn ten_thousand_plain_instances_fit_a_machine_as_it_comes() {
        assert_eq!(FRESH.instances(Need::PLAIN), (65_530 - 4096 - 200) / 5);
        assert_eq!(FRESH.check([(Need::PLAIN, 10_000)]), Ok(()));
    }

    #[test]
    fn the_last_that_fits_is_taken_and_the_next_is_refused_in_words() {
        let most = FRESH.instances(Need::PLAIN);
        assert_eq!(FRESH.check([(Need::PLAIN, most)]), Ok(()));
        let error = FRESH.check([(Need::PLAIN, most + 1)]).unwrap_err();
        assert_eq!((error.asked, error.possible), (most + 1, most));
        let needed = 200 + 5 * (most + 1) + 4096;
        assert_eq!(
            error.to_string(),
            format!(
                "there is no room for {} instances on this machine, only for {most}: a process may have 65530 memory maps here, and they would need {needed}; use fewer instances, or allow it more with `sysctl -w vm.max_map_count={needed}`",
                most + 1
            )
        );
        // The remedy is one.
        let remedied = Room {
            max_maps: Some(needed),
            ..FRESH
        };
        assert_eq!(remedied.check([(Need::PLAIN, most + 1)]), Ok(()));
    }

    #[test]
    fn several_components_are_counted_together_in_their_order() {
        let two = Need::of(Isolation::Resident, 2);
        assert_eq!(two.maps(), 8);
        let error = FRESH.check([(Need::PLAIN, 12_000), (two, 1000), (Need::PLAIN, 5)]);
        let error = error.unwrap_err();
        let left = (65_530 - 4096 - 200 - 60_000) / 8;
        assert_eq!((error.asked, error.possible), (13_005, 12_000 + left));
    }

    #[test]
    fn no_count_of_maps_helps_past_the_address_space() {
        let large = Room {
            max_maps: Some(100_000_000),
            ..FRESH
        };
        let most = large.instances(Need::PLAIN);
        assert!((30_000..33_000).contains(&most), "{most}");
        let error = large.check([(Need::PLAIN, 1_000_000)]).unwrap_err();
        assert_eq!(error.possible, most);
        let words = error.to_string();
        assert!(
            words.ends_with("may have 131072 GiB here; use fewer instances"),
            "{words}"
        );
        // Of both, the one that no `sysctl` mends is named.
        let error = FRESH.check([(Need::PLAIN, 1_000_000)]).unwrap_err();
        assert_eq!(error.cause, Cause::AddressSpace { limit: ADDRESSABLE });
    }

    #[test]
    fn a_limit_that_somebody_set_counts() {
        let set = Room {
            max_space: 64 << 30,
            ..FRESH
        };
        assert_eq!(set.instances(Need::PLAIN), 15);
        let words = set.check([(Need::PLAIN, 16)]).unwrap_err().to_string();
        assert!(
            words.contains("64 GiB here") && words.contains("ulimit -v"),
            "{words}"
        );
    }

    #[test]
    fn where_no_limit_is_known_none_is_made_up() {
        let unknown = Room {
            max_maps: None,
            maps: 0,
            ..FRESH
        };
        assert_eq!(unknown.check([(Need::PLAIN, 30_000)]), Ok(()));
        let pooled = Need::of(Isolation::PerMessage, 1);
        assert_eq!(unknown.check([(pooled, 1_000_000)]), Ok(()));
    }

    #[test]
    fn this_process_is_read() {
        let room = Room::now();
        if cfg!(target_os = "linux") {
            assert!(room.max_maps.is_some_and(|most| most > room.maps));
            assert!(room.maps > 10 && room.space > 1 << 20, "{room:?}");
        }
    }
}
