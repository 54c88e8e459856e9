//! What a row is measured with: the memory of the process, and times.

use std::fmt;
use std::fs;
use std::time::Duration;

/// Bytes, printed in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// The memory of this process that is in RAM now.
pub fn resident() -> Bytes {
    status("VmRSS:")
}

/// Begins a new peak, at what is resident now.
pub fn begin_peak() -> Bytes {
    fs::write("/proc/self/clear_refs", "5").expect("Linux 4.0 or later");
    resident()
}

/// The most that was resident since [`begin_peak`].
pub fn peak() -> Bytes {
    status("VmHWM:")
}

/// What is resident when everything that ended has given its memory back: the least of what is seen while others have their turn.
pub async fn settled() -> Bytes {
    let mut least = resident();
    for _ in 0..100 {
        tokio::task::yield_now().await;
        least = least.min(resident());
    }
    least
}

fn status(key: &str) -> Bytes {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Bytes(kib.unwrap().parse::<u64>().unwrap() << 10)
}

impl Bytes {
    /// What it is more than `other`, or nothing.
    pub fn over(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// In per cent.
    pub fn share_of(self, whole: Self) -> f64 {
        self.0 as f64 * 100.0 / whole.0 as f64
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

/// How long each of many things took.
#[derive(Clone, Debug)]
pub struct Times {
    sorted: Vec<Duration>,
    pub total: Duration,
}

impl Times {
    pub fn new(mut times: Vec<Duration>, total: Duration) -> Self {
        times.sort_unstable();
        let sorted = times;
        assert!(!sorted.is_empty());
        Self { sorted, total }
    }

    /// The time within which this share of them was done.
    pub fn within(&self, share: f64) -> Duration {
        let last = self.sorted.len() - 1;
        self.sorted[(last as f64 * share).round() as usize]
    }

    pub fn p50(&self) -> Duration {
        self.within(0.5)
    }

    pub fn p99(&self) -> Duration {
        self.within(0.99)
    }

    /// How many were done in a second.
    pub fn rate(&self) -> f64 {
        self.sorted.len() as f64 / self.total.as_secs_f64()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, most) = (self.p50(), self.p99(), self.within(1.0));
        write!(f, "p50 {p50:.1?}, p99 {p99:.1?}, at most {most:.1?}")
    }
}
