//! One file of a store, changed: a bit, a sector, its end, or all of it.

use crate::disk::Image;
use crate::random::Random;
use crate::workload::Values;

/// Bytes that are lost together.
const SECTOR: u64 = 512;

/// Values that are looked for among those of the last turns.
const LIVE: u64 = 50;

/// A sound store, and where it can be hit.
pub struct Target {
    image: Image,
    files: Vec<File>,
}

struct File {
    name: String,
    /// What is in use is in front.
    used: u64,
    /// Where values of the last turns lie, and how long they are.
    live: Vec<(u64, usize)>,
}

impl Target {
    /// The store in `image`, which lies in the directory `store` and has so many turns.
    #[must_use]
    pub fn new(image: Image, values: Values, turns: u64) -> Self {
        let files = image.files().filter(|(name, _)| name.starts_with("store/"));
        let files = files.map(|(name, pages)| {
            let used = pages.used();
            let live = (turns - LIVE..=turns).map(|n| values.of(n));
            let live = live.flat_map(|value| {
                let found =
                    memchr::memmem::find_iter(&used, &value).map(|at| (at as u64, value.len()));
                found.collect::<Vec<_>>()
            });
            File {
                name: name.clone(),
                live: live.collect(),
                used: (used.len() as u64).max(1),
            }
        });
        Self {
            files: files.collect(),
            image,
        }
    }

    /// Damages one of its files, each of which is as likely, and says how.
    #[must_use]
    pub fn hit(&self, random: &mut Random) -> (Image, String) {
        let mut image = self.image.clone();
        let File { name, used, live } = random.one(&self.files);
        let at = match random.below(4) {
            0 => random.below(*used.min(&SECTOR) as usize) as u64,
            1 if !live.is_empty() => {
                let (at, length) = *random.one(live);
                at + random.below(length) as u64
            }
            _ => random.below(*used as usize) as u64,
        };
        let file = image.file(name);
        let what = match random.below(8) {
            0 => {
                file.set_len(at.min(file.len()));
                format!("{name} cut at {at}")
            }
            1 => {
                let begin = at / SECTOR * SECTOR;
                let end = (begin + SECTOR).min(file.len());
                file.write(begin, &vec![0; (end - begin) as usize]);
                format!("{name} zeroed from {begin} to {end}")
            }
            2 if random.below(4) == 0 => {
                image.remove(name);
                format!("{name} removed")
            }
            _ => {
                let bit = random.below(8);
                file.write(at, &[file.byte(at) ^ 1 << bit]);
                format!("{name} bit {bit} of {at} of {used}")
            }
        };
        (image, what)
    }
}
