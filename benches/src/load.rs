//! A load that goes on for long, window by window, and whether anything grows.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{bytes, spread, time};
use crate::run::nanos;

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Load {
    /// What was done, and how much of it.
    pub title: String,
    /// How long a window is.
    pub length: Duration,
    /// One after the other.
    pub windows: Vec<Window>,
}

/// What was seen of the events that were due in one window. Latencies count from when an event was due.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// What half of the events did not exceed.
    pub p50: Duration,
    /// What 99 of 100 did not exceed.
    pub p99: Duration,
    /// What 999 of 1000 did not exceed.
    pub p99_9: Duration,
    /// The longest.
    pub max: Duration,
    /// By how much events were published after they were due: what 99 of 100 did not exceed. It is part of their latency.
    pub late: Duration,
    /// Events that whoever looked on had no room for.
    pub missed: u64,
    /// Bytes of the process in memory at its end.
    pub resident: u64,
}

/// How a figure goes over the windows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trend {
    /// What it changes by from one window to the next: the line by least squares.
    slope: f64,
    /// The standard error of that.
    error: f64,
    /// Half of the way between the quartiles of the windows.
    spread: f64,
}

/// A slope of fewer standard errors than this says nothing: of ten windows in which nothing grows, one run in twelve shows more.
const NOISE: f64 = 2.0;

impl Trend {
    /// Of a figure in every window. Two windows always lie on a line, so that it takes three.
    fn of(figures: &[f64]) -> Option<Self> {
        let free = figures.len().checked_sub(2).filter(|free| *free > 0)?;
        let count = figures.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let mean = figures.iter().sum::<f64>() / count;
        let numbered = || {
            let figures = figures.iter().enumerate();
            figures.map(|(number, figure)| (number as f64 - middle, figure - mean))
        };
        let squares: f64 = numbered().map(|(x, _)| x * x).sum();
        let slope = numbered().map(|(x, y)| x * y).sum::<f64>() / squares;
        let residue: f64 = numbered().map(|(x, y)| (y - slope * x).powi(2)).sum();
        Some(Self {
            slope,
            error: (residue / free as f64 / squares).sqrt(),
            spread: spread(figures)?,
        })
    }

    fn verdict(&self) -> &'static str {
        match self.slope {
            slope if slope.abs() <= NOISE * self.error => "within noise",
            slope if slope > 0.0 => "rises",
            _ => "falls",
        }
    }
}

/// What is looked at for a trend: its name, how it is shown, and what it is of a window.
type Figure = (&'static str, fn(f64) -> String, fn(&Window) -> f64);

const FIGURES: [Figure; 4] = [
    ("p50", time, |window| nanos(window.p50)),
    ("p99", time, |window| nanos(window.p99)),
    ("p99.9", time, |window| nanos(window.p99_9)),
    ("memory", bytes, |window| window.resident as f64),
];

impl Load {
    /// How each figure goes over the windows, if there are enough of them.
    fn trends(&self) -> impl Iterator<Item = (&Figure, Trend)> {
        FIGURES.iter().filter_map(|figure| {
            let figures: Vec<_> = self.windows.iter().map(figure.2).collect();
            Some((figure, Trend::of(&figures)?))
        })
    }

    /// A table of the windows and one of the trends, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = format!(
            "| {}; windows of {:?} | p50 | p99 | p99.9 | max | published late, p99 | missed | memory |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            self.title, self.length
        );
        // Writing to a `String` cannot fail.
        for (number, window) in self.windows.iter().enumerate() {
            let times = [
                window.p50,
                window.p99,
                window.p99_9,
                window.max,
                window.late,
            ];
            let times = times.map(|figure| time(nanos(figure))).join(" | ");
            let memory = bytes(window.resident as f64);
            let _ = writeln!(
                out,
                "| {} | {times} | {} | {memory} |",
                number + 1,
                window.missed
            );
        }
        let _ = write!(
            out,
            "\n| over the windows | slope, a window | its standard error | spread of the windows | |\n|---|--:|--:|--:|---|\n"
        );
        for ((name, shown, _), trend) in self.trends() {
            let [slope, error, spread] = [trend.slope, trend.error, trend.spread].map(shown);
            let verdict = trend.verdict();
            let _ = writeln!(out, "| {name} | {slope} | {error} | {spread} | {verdict} |");
        }
        out
    }

    pub(crate) fn json(&self) -> Value {
        let windows: Vec<_> = self
            .windows
            .iter()
            .map(|window| {
                json!({
                    "p50_ns": nanos(window.p50),
                    "p99_ns": nanos(window.p99),
                    "p99.9_ns": nanos(window.p99_9),
                    "max_ns": nanos(window.max),
                    "late_p99_ns": nanos(window.late),
                    "missed": window.missed,
                    "resident_bytes": window.resident,
                })
            })
            .collect();
        let trends: Vec<_> = self
            .trends()
            .map(|((name, ..), trend)| {
                json!({
                    "of": name,
                    "slope": trend.slope,
                    "standard_error": trend.error,
                    "spread": trend.spread,
                    "verdict": trend.verdict(),
                })
            })
            .collect();
        json!({
            "title": self.title,
            "window_s": self.length.as_secs_f64(),
            "windows": windows,
            "trends": trends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_with_no_error() {
        let trend = Trend::of(&[1.0, 3.0, 5.0, 7.0]).unwrap();
        assert_eq!((trend.slope, trend.error), (2.0, 0.0));
        assert_eq!(trend.verdict(), "rises");
        let trend = Trend::of(&[7.0, 5.0, 3.0]).unwrap();
        assert_eq!(trend.verdict(), "falls");
    }

    #[test]
    fn what_goes_up_and_down_is_noise_and_what_stands_still_too() {
        let trend = Trend::of(&[5.0, 7.0, 4.0, 6.0, 5.0, 7.0]).unwrap();
        assert_eq!(trend.verdict(), "within noise");
        let trend = Trend::of(&[5.0; 10]).unwrap();
        assert_eq!((trend.slope, trend.verdict()), (0.0, "within noise"));
    }

    /// Against the formula's worked example: x = 0..5, y = 2, 4, 5, 4, 5. Slope 0.6, residual sum of squares 2.4.
    #[test]
    fn the_standard_error_is_that_of_the_slope() {
        let trend = Trend::of(&[2.0, 4.0, 5.0, 4.0, 5.0]).unwrap();
        assert!((trend.slope - 0.6).abs() < 1e-12);
        assert!((trend.error - (2.4_f64 / 3.0 / 10.0).sqrt()).abs() < 1e-12);
        assert_eq!(trend.verdict(), "rises");
        assert_eq!(Trend::of(&[1.0, 2.0]), None);
    }

    #[test]
    fn every_window_and_every_trend_has_its_row() {
        let window = |micros, mib: u64| Window {
            p50: Duration::from_micros(micros),
            p99: Duration::from_micros(micros * 2),
            p99_9: Duration::from_micros(micros * 3),
            max: Duration::from_millis(12),
            late: Duration::from_nanos(300),
            missed: 0,
            resident: mib << 20,
        };
        let load = Load {
            title: "half of it".to_owned(),
            length: Duration::from_secs(60),
            windows: vec![window(20, 40), window(22, 41), window(21, 42)],
        };
        let table = load.table();
        assert!(
            table.contains("| half of it; windows of 60s | p50 "),
            "{table}"
        );
        let row = "| 2 | 22.0 µs | 44.0 µs | 66.0 µs | 12.0 ms | 300 ns | 0 | 41.0 MiB |";
        assert!(table.contains(row), "{table}");
        let row = "| memory | 1024.0 KiB | 0.0 KiB | 1024.0 KiB | rises |";
        assert!(table.contains(row), "{table}");
        assert_eq!(load.json()["trends"][1]["verdict"], "within noise");
    }
}
