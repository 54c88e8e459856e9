//! How full a mailbox is: events and bytes in one word, so that both limits are checked by one atomic step.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Capacity;

/// Bytes take the low 40 bits (1 TiB), events the high 24 (16 million): far past any capacity a manifest may name.
const BYTE_BITS: u32 = 40;
const BYTE_MASK: u64 = (1 << BYTE_BITS) - 1;

/// The largest capacity that the word can count.
pub(crate) const MAX: Capacity = Capacity {
    events: (1 << (64 - BYTE_BITS)) - 1,
    bytes: BYTE_MASK as usize,
};

#[derive(Debug, Default)]
pub(crate) struct Load(AtomicU64);

impl Load {
    /// Takes room for one event of `bytes` if `fits` says so of the load it would make; `fits` sees the load before too.
    pub(crate) fn try_add(&self, bytes: usize, fits: impl Fn(Capacity, Capacity) -> bool) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let before = unpack(seen);
            let after = Capacity {
                events: before.events + 1,
                bytes: before.bytes.saturating_add(bytes),
            };
            if after.events > MAX.events || after.bytes > MAX.bytes || !fits(before, after) {
                return false;
            }
            match self.0.compare_exchange_weak(
                seen,
                pack(after),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Gives back what [`try_add`](Self::try_add) took.
    pub(crate) fn remove(&self, bytes: usize) {
        let one = pack(Capacity { events: 1, bytes });
        self.0.fetch_sub(one, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Capacity {
        unpack(self.0.load(Ordering::SeqCst))
    }
}

fn pack(load: Capacity) -> u64 {
    ((load.events as u64) << BYTE_BITS) | load.bytes as u64
}

fn unpack(word: u64) -> Capacity {
    Capacity {
        events: (word >> BYTE_BITS) as usize,
        bytes: (word & BYTE_MASK) as usize,
    }
}
