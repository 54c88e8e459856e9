//! Latencies, and what is said of them.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::exit::Failure;

/// The longest time that is told from longer ones, in nanoseconds: an hour. A longer one counts as an hour, but in the maximum.
const LONGEST: u64 = 3_600_000_000_000;

/// Three digits of each time are kept: a part in a thousand.
const DIGITS: u8 = 3;

/// Many latencies: their distribution in a fixed 300 KiB or so, and the largest.
#[derive(Debug)]
pub(super) struct Latencies {
    /// In nanoseconds.
    histogram: Histogram<u64>,
    max: Duration,
}

/// Percentiles in microseconds; none where nothing was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_us: Option<f64>,
    pub(super) p90_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p99_9_us: Option<f64>,
    pub(super) max_us: Option<f64>,
}

impl Latencies {
    pub(super) fn new() -> Result<Self, Failure> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS)
            .map_err(|error| Failure::failed(format!("latencies cannot be kept: {error}")))?;
        Ok(Self {
            histogram,
            max: Duration::ZERO,
        })
    }

    pub(super) fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(LONGEST);
        self.histogram.saturating_record(nanoseconds);
        self.max = self.max.max(latency);
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// What at least this part of them (0.99) does not exceed.
    pub(super) fn quantile(&self, part: f64) -> Duration {
        // A step of the histogram ends above what was recorded in it.
        Duration::from_nanos(self.histogram.value_at_quantile(part)).min(self.max)
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        let some = |latency: Duration| {
            // To a tenth of a microsecond.
            (self.count() > 0).then(|| (latency.as_secs_f64() * 1e7).round() / 10.0)
        };
        Percentiles {
            p50_us: some(self.quantile(0.5)),
            p90_us: some(self.quantile(0.9)),
            p99_us: some(self.quantile(0.99)),
            p99_9_us: some(self.quantile(0.999)),
            max_us: some(self.max),
        }
    }
}

#[cfg(test)]
impl Latencies {
    /// How many are in this range, to a part in a thousand.
    pub(super) fn between(&self, low: Duration, high: Duration) -> u64 {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
        self.histogram
            .count_between(nanoseconds(low), nanoseconds(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_part_in_a_thousand() {
        let mut latencies = Latencies::new().unwrap();
        for number in 1..=10_000 {
            latencies.record(Duration::from_micros(number));
        }
        let found = latencies.percentiles();
        let near = |found: Option<f64>, wanted: f64| {
            let found = found.unwrap();
            assert!(
                (found - wanted).abs() <= wanted / 1000.0,
                "{found} {wanted}"
            );
        };
        near(found.p50_us, 5000.0);
        near(found.p90_us, 9000.0);
        near(found.p99_us, 9900.0);
        near(found.p99_9_us, 9990.0);
        assert_eq!((found.max_us, latencies.count()), (Some(10_000.0), 10_000));
    }

    #[test]
    fn of_nothing_there_is_nothing_to_say_and_no_percentile_is_past_the_maximum() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.percentiles().max_us, None);
        latencies.record(Duration::from_nanos(123_456_700));
        let found = latencies.percentiles();
        assert_eq!(found.p50_us, Some(123_456.7));
        assert_eq!(found.max_us, Some(123_456.7));
        // Longer than the histogram reaches.
        latencies.record(Duration::from_secs(7200));
        assert_eq!(latencies.percentiles().max_us, Some(7.2e9));
    }
}
