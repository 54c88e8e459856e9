//! A file of which only those pages are in memory that were written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const PAGE: usize = 4096;

/// The bytes of a file. Clones share their pages until they are written.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    len: u64,
    pages: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Pages {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes into it; it grows where it must.
    pub fn write(&mut self, at: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let place = at + done as u64;
            let within = (place % PAGE as u64) as usize;
            let part = (PAGE - within).min(data.len() - done);
            let page = self.pages.entry(place / PAGE as u64);
            let page = Arc::make_mut(page.or_insert_with(|| Arc::new(vec![0; PAGE])));
            page[within..within + part].copy_from_slice(&data[done..done + part]);
            done += part;
        }
        self.len = self.len.max(at + data.len() as u64);
    }

    /// Cuts it, or makes it longer by zeros.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (page, within) = (len / PAGE as u64, (len % PAGE as u64) as usize);
            drop(self.pages.split_off(&(page + u64::from(within > 0))));
            if let Some(last) = self.pages.get_mut(&page) {
                Arc::make_mut(last)[within..].fill(0);
            }
        }
        self.len = len;
    }

    /// Those of a file of the system.
    ///
    /// # Errors
    /// The system's.
    pub fn load(file: &File) -> io::Result<Self> {
        let mut pages = Self {
            len: file.metadata()?.len(),
            ..Self::default()
        };
        let mut bytes = vec![0; PAGE];
        for page in 0..pages.len.div_ceil(PAGE as u64) {
            let at = page * PAGE as u64;
            bytes.fill(0);
            let part = (pages.len - at).min(PAGE as u64) as usize;
            file.read_exact_at(&mut bytes[..part], at)?;
            if bytes != [0; PAGE] {
                pages.pages.insert(page, Arc::new(bytes.clone()));
            }
        }
        Ok(pages)
    }

    /// All bytes up to the last that is not zero.
    #[must_use]
    pub fn used(&self) -> Vec<u8> {
        let mut used = Vec::new();
        for (page, bytes) in &self.pages {
            used.resize(*page as usize * PAGE, 0);
            used.extend_from_slice(bytes);
        }
        used.truncate(
            used.iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at + 1),
        );
        used
    }

    /// The byte at a place.
    #[must_use]
    pub fn byte(&self, at: u64) -> u8 {
        let page = self.pages.get(&(at / PAGE as u64));
        page.map_or(0, |page| page[(at % PAGE as u64) as usize])
    }

    /// Makes a file of the system have these bytes, which is empty.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, file: &File) -> io::Result<()> {
        file.set_len(self.len)?;
        for (page, bytes) in &self.pages {
            let at = page * PAGE as u64;
            let part = (self.len.saturating_sub(at)).min(PAGE as u64) as usize;
            file.write_all_at(&bytes[..part], at)?;
        }
        Ok(())
    }

    /// Whether a file of the system has just these bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn is(&self, file: &File) -> io::Result<bool> {
        if file.metadata()?.len() != self.len {
            return Ok(false);
        }
        let mut there = vec![0; PAGE];
        for page in 0..self.len.div_ceil(PAGE as u64) {
            let at = page * PAGE as u64;
            let there = &mut there[..(self.len - at).min(PAGE as u64) as usize];
            file.read_exact_at(there, at)?;
            let same = match self.pages.get(&page) {
                Some(bytes) => bytes.starts_with(there),
                None => there == &[0; PAGE][..there.len()],
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_file_would_be_to_which_the_same_was_done() {
        let file = tempfile::tempfile().unwrap();
        let mut pages = Pages::default();
        let mut random = crate::random::Random(1);
        for _ in 0..300 {
            let at = random.below(20_000) as u64;
            if random.below(4) == 0 {
                pages.set_len(at);
                file.set_len(at).unwrap();
            } else {
                let bytes = vec![random.below(256) as u8; random.below(9000)];
                pages.write(at, &bytes);
                file.write_all_at(&bytes, at).unwrap();
            }
            assert_eq!(pages.len(), file.metadata().unwrap().len());
            assert!(pages.is(&file).unwrap());
        }
        let copy = tempfile::tempfile().unwrap();
        pages.save(&copy).unwrap();
        assert!(pages.is(&copy).unwrap());
        let loaded = Pages::load(&copy).unwrap();
        assert_eq!(loaded.used(), pages.used());
        assert_eq!(loaded.len(), pages.len());
        let last = pages.len() - 1;
        pages.write(last, &[0]);
        pages.save(&copy).unwrap();
        pages.write(last, &[1]);
        assert!(!pages.is(&copy).unwrap());
    }
}
