use std::time::Duration;

/// How long to wait before connecting again: the double each time, from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// By what part of it a wait is longer or shorter at random, 0 to 1, so that many clients of
    /// a broker that comes back do not all come at once.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(500),
            max: Duration::from_secs(30),
            jitter: 0.2,
        }
    }
}

impl Backoff {
    /// The wait after this many failed attempts, the first being 1; `random` is from 0 to 1.
    pub fn delay(&self, attempts: u32, random: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let wait = self.min.saturating_mul(1 << doublings).min(self.max);
        let factor = 1.0 + self.jitter * (random.clamp(0.0, 1.0) * 2.0 - 1.0);
        Duration::try_from_secs_f64(wait.as_secs_f64() * factor).unwrap_or(self.max)
    }
}
