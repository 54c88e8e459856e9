//! What came out: a table for people, JSON for programs.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::curve::Curve;
use crate::load::Load;
use crate::run::Group;

/// How a row is shown. Samples are nanoseconds for one event, but for those of [`Bytes`](Unit::Bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As the time of one event; a ratio is how many times the floor's time it takes.
    Time,
    /// As events in a second; a ratio is how many times the floor's rate it reaches.
    Rate,
    /// As memory: samples are bytes of one thing of many. A ratio is how many times the floor's bytes it takes.
    Bytes,
}

/// The rows of the same group that a row is compared with, its floor first. A floor has none.
pub type Against = &'static [&'static str];

/// One measure.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<f64>,
    unit: Unit,
    against: Against,
}

/// All groups, and where they were measured.
#[derive(Debug)]
pub struct Report {
    title: &'static str,
    groups: Vec<Group>,
    curves: Vec<Curve>,
    loads: Vec<Load>,
}

impl Unit {
    /// What its samples are called in JSON.
    fn key(self) -> &'static str {
        match self {
            Self::Time | Self::Rate => "ns",
            Self::Bytes => "bytes",
        }
    }
}

impl Row {
    pub(crate) fn new(name: &'static str, unit: Unit, against: Against) -> Self {
        Self {
            name,
            samples: Vec::new(),
            unit,
            against,
        }
    }

    /// The median of the ratios of the rounds.
    fn ratio(&self, floor: &Self) -> Option<f64> {
        let pairs = self.samples.iter().zip(&floor.samples);
        median(
            pairs
                .map(|(own, floor)| match self.unit {
                    Unit::Time | Unit::Bytes => own / floor,
                    Unit::Rate => floor / own,
                })
                .collect(),
        )
    }

    fn shown(&self) -> Option<String> {
        let median = median(self.samples.clone())?;
        Some(match self.unit {
            Unit::Time => time(median),
            Unit::Rate => rate(median),
            Unit::Bytes => bytes(median),
        })
    }

    fn spread(&self) -> Option<f64> {
        relative_spread(&self.samples)
    }
}

impl Report {
    /// An empty report. `title` says what is the same for all its groups.
    #[must_use]
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            groups: Vec::new(),
            curves: Vec::new(),
            loads: Vec::new(),
        }
    }

    /// Adds a group whose rounds are over.
    pub fn add(&mut self, group: Group) {
        self.groups.push(group);
    }

    /// Adds a curve whose rounds are over.
    pub fn add_curve(&mut self, curve: Curve) {
        self.curves.push(curve);
    }

    /// The curves, in the order they were added.
    #[must_use]
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// Adds a load that is over.
    pub fn add_load(&mut self, load: Load) {
        self.loads.push(load);
    }

    /// The table, in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!("{}\n{}\n", self.title, machine());
        for group in &self.groups {
            let measured = group.rows.iter().filter(|row| !row.samples.is_empty());
            let lines: Vec<_> = measured.map(|row| line(group, row)).collect();
            if !lines.is_empty() {
                // Writing to a `String` cannot fail.
                let _ = write!(
                    out,
                    "\n| {} | median | spread | ratio |\n|---|--:|--:|---|\n{}",
                    group.title,
                    lines.concat()
                );
            }
        }
        out.extend(self.curves.iter().map(Curve::table));
        for load in &self.loads {
            out = format!("{out}\n{}", load.table());
        }
        out
    }

    /// The same, with the samples of every round.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows = |group: &Group| -> Vec<Value> {
            let rows = group.rows.iter().filter(|row| !row.samples.is_empty());
            rows.map(|row| {
                let ratios = ratios(group, row).map(|(floor, ratio)| (floor.to_owned(), ratio));
                let key = row.unit.key();
                json!({
                    "name": row.name,
                    key: median(row.samples.clone()),
                    "spread": row.spread(),
                    "ratios": ratios.collect::<std::collections::BTreeMap<_, _>>(),
                    format!("rounds_{key}"): row.samples,
                })
            })
            .collect()
        };
        let groups: Vec<_> = self
            .groups
            .iter()
            .map(|group| json!({ "group": group.title, "measures": rows(group) }))
            .collect();
        let curves: Vec<_> = self.curves.iter().map(Curve::json).collect();
        let loads: Vec<_> = self.loads.iter().map(Load::json).collect();
        json!({
            "title": self.title,
            "machine": machine(),
            "groups": groups,
            "curves": curves,
            "loads": loads,
        })
    }
}

fn line(group: &Group, row: &Row) -> String {
    let ratios: Vec<_> = ratios(group, row)
        .map(|(floor, ratio)| match row.unit {
            Unit::Time | Unit::Bytes => format!("{ratio:.2}x {floor}"),
            Unit::Rate => format!("{ratio:.2}x the rate of {floor}"),
        })
        .collect();
    format!(
        "| {} | {} | {:.0} % | {} |\n",
        row.name,
        row.shown().unwrap_or_default(),
        row.spread().unwrap_or_default() * 100.0,
        ratios.join(", ")
    )
}

/// What a row is compared with, as far as that was measured, and its ratio to each.
fn ratios<'a>(group: &'a Group, row: &'a Row) -> impl Iterator<Item = (&'static str, f64)> + 'a {
    row.against.iter().filter_map(|name| {
        let floor = group.rows.iter().find(|floor| floor.name == *name)?;
        Some((*name, row.ratio(floor)?))
    })
}

/// A time, of nanoseconds.
pub(crate) fn time(nanos: f64) -> String {
    match nanos.abs() {
        short if short < 10_000.0 => format!("{nanos:.0} ns"),
        long if long < 10_000_000.0 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

/// A rate, of nanoseconds for one event.
pub(crate) fn rate(nanos: f64) -> String {
    format!("{:.0} k/s", 1e6 / nanos)
}

/// Memory, of bytes.
pub(crate) fn bytes(bytes: f64) -> String {
    let kib = bytes / 1024.0;
    match kib.abs() {
        little if little < 10_240.0 => format!("{kib:.1} KiB"),
        _ => format!("{:.1} MiB", kib / 1024.0),
    }
}

pub(crate) fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    quartile(&samples, 2)
}

/// Half of the way between the quartiles.
pub(crate) fn spread(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_owned();
    sorted.sort_unstable_by(f64::total_cmp);
    Some((quartile(&sorted, 3)? - quartile(&sorted, 1)?) / 2.0)
}

/// The same, as a part of the median.
pub(crate) fn relative_spread(samples: &[f64]) -> Option<f64> {
    Some(spread(samples)? / median(samples.to_owned())?)
}

/// The sample that so many quarters of them are below.
pub(crate) fn quartile(sorted: &[f64], quarter: usize) -> Option<f64> {
    sorted.get(sorted.len() * quarter / 4).copied()
}

/// Processor, system and versions: what a figure means nothing without.
#[must_use]
pub fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_or_else(
        |_| "rustc unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!(
        "{cpu}, {cores} cores; {} {}; {rustc}; whirlwind {}, wasmtime {}",
        std::env::consts::OS,
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
        locked("wasmtime")
    )
}

/// The version of a dependency that this was built with.
fn locked(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    lines
        .next()
        .and_then(|line| line.split('"').nth(1))
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;

    fn group() -> Group {
        let run = Run::from_args([]).unwrap();
        let mut group = run
            .group("calls")
            .row("floor", Unit::Time, &[])
            .row("ours", Unit::Time, &["floor"])
            .row("rate", Unit::Rate, &["floor"])
            .row("not asked for", Unit::Time, &["floor"]);
        for (floor, ours) in [(100, 160), (1000, 1500), (120, 204)] {
            let nanos = std::time::Duration::from_nanos;
            group.add_total("floor", 1, nanos(floor));
            group.add_total("ours", 2, nanos(ours * 2));
            group.add_median("rate", vec![nanos(1), nanos(floor / 2), nanos(floor)]);
        }
        group
    }

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        let mut report = Report::new("title");
        report.add(group());
        let table = report.table();
        // The ratios of the rounds are 1.6, 1.5 and 1.7; that of the medians would be 1.7.
        assert!(table.contains("| ours | 204 ns | "), "{table}");
        assert!(table.contains("| 1.60x floor |"), "{table}");
        assert!(table.contains("| 2.00x the rate of floor |"), "{table}");
        assert!(!table.contains("not asked for"), "{table}");
        assert_eq!(report.json()["groups"][0]["measures"][1]["ns"], 204.0);
    }

    #[test]
    fn memory_is_bytes_in_the_table_and_in_json() {
        let run = Run::from_args([]).unwrap();
        let group = run.group("memory").row("floor", Unit::Bytes, &[]);
        let mut group = group.row("ours", Unit::Bytes, &["floor"]);
        group.add_bytes("floor", 4096.0);
        group.add_bytes("ours", 5120.0);
        let mut report = Report::new("title");
        report.add(group);
        let table = report.table();
        assert!(
            table.contains("| ours | 5.0 KiB | 0 % | 1.25x floor |"),
            "{table}"
        );
        let ours = &report.json()["groups"][0]["measures"][1];
        assert_eq!(
            (&ours["bytes"], &ours["rounds_bytes"][0]),
            (&json!(5120.0), &json!(5120.0))
        );
    }

    #[test]
    fn a_figure_has_the_unit_that_fits_it() {
        assert_eq!(time(9_999.0), "9999 ns");
        assert_eq!(time(10_000.0), "10.0 µs");
        assert_eq!(time(-24_000_000.0), "-24.0 ms");
        assert_eq!(bytes(10_239.0 * 1024.0), "10239.0 KiB");
        assert_eq!(bytes(10_240.0 * 1024.0), "10.0 MiB");
    }

    #[test]
    fn the_version_of_wasmtime_is_the_locked_one() {
        assert!(locked("wasmtime").starts_with("48."));
        assert_eq!(locked("no such package"), "unknown");
    }
}
