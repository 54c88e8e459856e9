//! Tests over a directory in memory that fails, is cut off or is damaged on demand.

mod damage;
mod fake;
mod fault;
mod full_disk;
mod model;
mod power_cut;
mod turn;
mod workload;

/// How many of what a test does: few as a rule, `full` of them with `WHIRLWIND_FULL`.
fn amount(few: usize, full: usize) -> usize {
    if std::env::var_os("WHIRLWIND_FULL").is_some() {
        full
    } else {
        few
    }
}

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
