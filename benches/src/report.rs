//! What came out: a table for people, JSON for programs.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::curve::Curve;
use crate::run::Group;

/// How a row is shown. Samples are always nanoseconds for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As the time of one event; a ratio is how many times the floor's time it takes.
    Time,
    /// As events in a second; a ratio is how many times the floor's rate it reaches.
    Rate,
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
                    Unit::Time => own / floor,
                    Unit::Rate => floor / own,
                })
                .collect(),
        )
    }

    fn shown(&self) -> Option<String> {
        Some(shown(median(self.samples.clone())?, self.unit))
    }

    fn spread(&self) -> Option<f64> {
        spread(&self.samples)
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
        out
    }

    /// The same, with the samples of every round.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows = |group: &Group| -> Vec<Value> {
            let rows = group.rows.iter().filter(|row| !row.samples.is_empty());
            rows.map(|row| {
                let ratios = ratios(group, row).map(|(floor, ratio)| (floor.to_owned(), ratio));
                json!({
                    "name": row.name,
                    "ns": median(row.samples.clone()),
                    "spread": row.spread(),
                    "ratios": ratios.collect::<std::collections::BTreeMap<_, _>>(),
                    "rounds_ns": row.samples,
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
        json!({ "title": self.title, "machine": machine(), "groups": groups, "curves": curves })
    }
}

fn line(group: &Group, row: &Row) -> String {
    let ratios: Vec<_> = ratios(group, row)
        .map(|(floor, ratio)| match row.unit {
            Unit::Time => format!("{ratio:.2}x {floor}"),
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

/// A sample, nanoseconds for one event, in words.
pub(crate) fn shown(nanos: f64, unit: Unit) -> String {
    match unit {
        Unit::Time if nanos < 10_000.0 => format!("{nanos:.0} ns"),
        Unit::Time => format!("{:.1} µs", nanos / 1e3),
        Unit::Rate => format!("{:.0} k/s", 1e6 / nanos),
    }
}

pub(crate) fn median(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    quartile(&samples, 2)
}

/// Half of the way between the quartiles, as a part of the median.
pub(crate) fn spread(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_owned();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |quarter| quartile(&sorted, quarter);
    Some((at(3)? - at(1)?) / 2.0 / at(2)?)
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
    fn the_version_of_wasmtime_is_the_locked_one() {
        assert!(locked("wasmtime").starts_with("48."));
        assert_eq!(locked("no such package"), "unknown");
    }
}
