//! How long a supervisor waits before a restart.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The wait before a restart: none before the first, then `min`, doubled each time up to `max`.
///
/// The count begins anew after a stable run: one that lasted as long as the window in which restarts
/// are counted ([`Intensity::within`](crate::Intensity)), so that backoff and intensity forget at
/// the same pace. OTP has no backoff; [`Backoff::NONE`] is its behaviour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait before the second restart in a row.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How much of a wait may be taken off at random, from 0 (nothing) to 1 (all of it), so that
    /// children that failed together do not come back together.
    pub jitter: f64,
}

impl Backoff {
    /// Every restart at once, as in OTP.
    pub const NONE: Self = Self {
        min: Duration::ZERO,
        max: Duration::ZERO,
        jitter: 0.0,
    };

    /// The wait before the restart that follows `streak` restarts without a stable run between them.
    /// `roll` is a random number in `0.0..1.0`: it comes from the caller, so this is a pure function.
    #[must_use]
    pub fn delay(&self, streak: u32, roll: f64) -> Duration {
        let Some(doublings) = streak.checked_sub(1) else {
            return Duration::ZERO;
        };
        let full = 2u32
            .checked_pow(doublings)
            .and_then(|factor| self.min.checked_mul(factor))
            .map_or(self.max, |delay| delay.min(self.max));
        full.mul_f64(1.0 - self.jitter * roll)
    }
}

impl Default for Backoff {
    /// 100 ms to 30 s, with a fifth of jitter.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(100),
            max: Duration::from_secs(30),
            jitter: 0.2,
        }
    }
}

/// A random number in `0.0..1.0`. The standard library's hash keys are random enough to spread
/// restarts, which is all that is asked of it.
pub(crate) fn roll() -> f64 {
    const MANTISSA: u32 = 53;
    let bits = RandomState::new().build_hasher().finish() >> (u64::BITS - MANTISSA);
    bits as f64 / (1u64 << MANTISSA) as f64
}
