//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::config::Backoff;

/// The wait after so many failures in a row: twice as long each time, up to the longest, less a part that `chance` chooses (0 to 1),
/// so that those who lost one broker together do not come back together.
pub(crate) fn wait(backoff: &Backoff, failures: u32, chance: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.min(31));
    let whole = backoff.min.saturating_mul(doubled).min(backoff.max);
    let part = (f64::from(backoff.jitter) * chance).clamp(0.0, 1.0);
    whole.mul_f64(1.0 - part)
}

/// A number from 0 to 1 by chance; the standard library's hasher has its seed from the system.
pub(crate) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        min: Duration::from_millis(100),
        max: Duration::from_secs(5),
        jitter: 0.5,
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = [0, 1, 2, 5, 6, 100, u32::MAX]
            .into_iter()
            .map(|failures| wait(&BACKOFF, failures, 0.0).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 3200, 5000, 5000, 5000]);
    }

    #[test]
    fn chance_takes_at_most_the_part_it_may() {
        assert_eq!(wait(&BACKOFF, 1, 1.0).as_millis(), 100);
        assert_eq!(wait(&BACKOFF, 1, 0.5).as_millis(), 150);
        for _ in 0..1000 {
            assert!((0.0..=1.0).contains(&chance()));
        }
    }
}
