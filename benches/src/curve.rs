//! What one event costs as something grows and all else stays as it is: the points of a picture, and its table.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{median, quartile, rate, relative_spread, time};
use crate::run::{Run, nanos};

/// Rounds of a whole run: fewer than of other measures, since each has many points.
const ROUNDS: usize = 5;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// A number of these, in the plural.
    Count(&'static str),
    /// Bytes of this.
    Bytes(&'static str),
}

/// How a sample, always nanoseconds for one event, is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// As the time of one event.
    Time,
    /// As events in a second.
    Rate,
    /// As bytes in a second, where bytes are what grows.
    Throughput,
}

/// One way to do the work, over all sizes.
#[derive(Debug)]
pub struct Line {
    name: &'static str,
    points: Vec<Point>,
}

/// One size on a line.
#[derive(Debug)]
pub struct Point {
    size: usize,
    samples: Vec<f64>,
}

/// Lines over the same sizes, measured in turn in every round.
#[derive(Debug)]
pub struct Curve {
    run: Run,
    title: &'static str,
    axis: Axis,
    shows: Shows,
    sizes: Vec<usize>,
    lines: Vec<Line>,
}

impl Axis {
    /// What stands at the axis.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Count(label) | Self::Bytes(label) => label,
        }
    }

    /// A size in words: `10,000` or `64 KiB`.
    #[must_use]
    pub fn words(self, size: usize) -> String {
        match self {
            Self::Count(_) => grouped(size),
            Self::Bytes(_) if size >= 1 << 20 && size.is_multiple_of(1 << 20) => {
                format!("{} MiB", size >> 20)
            }
            Self::Bytes(_) if size >= 1 << 10 && size.is_multiple_of(1 << 10) => {
                format!("{} KiB", size >> 10)
            }
            Self::Bytes(_) => format!("{size} B"),
        }
    }
}

impl Shows {
    /// The value at `size` of a sample: nanoseconds, events a second, bytes a second.
    #[must_use]
    pub fn value(self, size: usize, sample: f64) -> f64 {
        match self {
            Self::Time => sample,
            Self::Rate => 1e9 / sample,
            Self::Throughput => size as f64 * 1e9 / sample,
        }
    }

    /// What stands at the axis.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Time => "time of one event",
            Self::Rate => "events a second",
            Self::Throughput => "bytes a second",
        }
    }

    /// Such a value in words.
    #[must_use]
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Time => time(value),
            Self::Rate => rate(1e9 / value),
            Self::Throughput if value < 1e7 => format!("{:.1} MB/s", value / 1e6),
            Self::Throughput if value < 1e9 => format!("{:.0} MB/s", value / 1e6),
            Self::Throughput => format!("{:.1} GB/s", value / 1e9),
        }
    }
}

impl Run {
    /// A curve over `sizes`; in a smoke run only over those up to `smoke`. `title` says what its lines have in common.
    #[must_use]
    pub fn curve(
        &self,
        title: &'static str,
        axis: Axis,
        shows: Shows,
        sizes: &[usize],
        smoke: usize,
    ) -> Curve {
        let most = if self.is_whole() { usize::MAX } else { smoke };
        let sizes = sizes.iter().copied().filter(|size| *size <= most);
        Curve {
            run: self.clone(),
            title,
            axis,
            shows,
            sizes: sizes.collect(),
            lines: Vec::new(),
        }
    }
}

impl Curve {
    /// One line more.
    #[must_use]
    pub fn line(mut self, name: &'static str) -> Self {
        self.lines.push(Line {
            name,
            points: Vec::new(),
        });
        self
    }

    /// What its lines have in common.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What grows.
    #[must_use]
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// What is shown of it.
    #[must_use]
    pub fn shows(&self) -> Shows {
        self.shows
    }

    /// Its sizes, the smallest first.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.sizes.clone()
    }

    /// How many rounds there are.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.run.rounds().min(ROUNDS)
    }

    /// How many events a point takes in a round of this run, where `whole` is right for a whole one.
    #[must_use]
    pub fn events(&self, whole: usize) -> usize {
        self.run.events(whole)
    }

    /// Whether this line was asked for.
    #[must_use]
    pub fn wants(&self, line: &str) -> bool {
        self.run.wants(self.title, line)
    }

    /// Whether any line was asked for.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.lines.iter().any(|line| self.wants(line.name))
    }

    /// Takes the median of these times as the sample of a round at `size`.
    pub fn add_median(&mut self, line: &str, size: usize, times: &[Duration]) {
        if let Some(median) = median(times.iter().copied().map(nanos).collect()) {
            self.add(line, size, median);
        }
    }

    /// Takes the time that `events` events took together as the sample of a round at `size`.
    pub fn add_total(&mut self, line: &str, size: usize, events: usize, total: Duration) {
        self.add(line, size, nanos(total) / events as f64);
    }

    fn add(&mut self, line: &str, size: usize, sample: f64) {
        let found = self.lines.iter_mut().find(|known| known.name == line);
        debug_assert!(found.is_some(), "no line `{line}` in `{}`", self.title);
        let Some(line) = found else { return };
        match line.points.iter_mut().find(|point| point.size == size) {
            Some(point) => point.samples.push(sample),
            None => line.points.push(Point {
                size,
                samples: vec![sample],
            }),
        }
    }

    /// Its lines that were measured.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.points.is_empty())
    }

    /// The table, in Markdown; empty if nothing was measured.
    pub(crate) fn table(&self) -> String {
        let lines: Vec<_> = self.lines().collect();
        if lines.is_empty() {
            return String::new();
        }
        // Writing to a `String` cannot fail.
        let mut out = format!("\n{}\n\n| {} |", self.title, self.axis.label());
        for line in &lines {
            let _ = write!(out, " {} | spread | ratio |", line.name);
        }
        let _ = write!(out, "\n|--:|{}\n", "--:|--:|--:|".repeat(lines.len()));
        for size in &self.sizes {
            let cells: Vec<_> = lines.iter().map(|line| self.cells(line, *size)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cells| cells.unwrap_or_else(|| " | | |".to_owned()));
                let cells = cells.collect::<String>();
                let _ = writeln!(out, "| {} |{cells}", self.axis.words(*size));
            }
        }
        out
    }

    fn cells(&self, line: &Line, size: usize) -> Option<String> {
        let point = line.points.iter().find(|point| point.size == size)?;
        let value = self.shows.value(size, median(point.samples.clone())?);
        Some(format!(
            " {} | {:.0} % | {:.2}x |",
            self.shows.words(value),
            relative_spread(&point.samples)? * 100.0,
            self.ratio(line, point)?
        ))
    }

    /// How many times the value of the line's first point this one's is: the median over the rounds.
    fn ratio(&self, line: &Line, point: &Point) -> Option<f64> {
        let first = line.points.first()?;
        let rounds = point.samples.iter().zip(&first.samples);
        median(
            rounds
                .map(|(own, base)| {
                    self.shows.value(point.size, *own) / self.shows.value(first.size, *base)
                })
                .collect(),
        )
    }

    /// The same, with the samples of every round.
    pub(crate) fn json(&self) -> Value {
        let points = |line: &Line| -> Vec<Value> {
            let points = line.points.iter().map(|point| {
                json!({
                    "size": point.size,
                    "ns": median(point.samples.clone()),
                    "spread": relative_spread(&point.samples),
                    "ratio": self.ratio(line, point),
                    "rounds_ns": point.samples,
                })
            });
            points.collect()
        };
        let lines: Vec<_> = self
            .lines()
            .map(|line| json!({ "line": line.name, "points": points(line) }))
            .collect();
        json!({ "curve": self.title, "grows": self.axis.label(), "lines": lines })
    }
}

impl Line {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its points, by size.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

impl Point {
    /// Its size.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The lower quartile, the median and the upper quartile of its rounds, in nanoseconds for one event.
    #[must_use]
    pub fn quartiles(&self) -> Option<[f64; 3]> {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Some([
            quartile(&sorted, 1)?,
            quartile(&sorted, 2)?,
            quartile(&sorted, 3)?,
        ])
    }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Report;

    const SIZES: [usize; 3] = [16, 1024, 1 << 20];

    fn curve(args: &[&str], shows: Shows) -> Curve {
        let run = Run::from_args(args.iter().map(|arg| (*arg).to_owned())).unwrap();
        let axis = Axis::Bytes("data");
        run.curve("payload", axis, shows, &SIZES, 1024)
            .line("bare")
            .line("node")
            .line("never measured")
    }

    fn measured(shows: Shows) -> Curve {
        let mut curve = curve(&["--bench"], shows);
        for round in [1, 10, 2] {
            for size in curve.sizes() {
                let nanos = Duration::from_nanos(1000 * round);
                curve.add_total("bare", size, 1, nanos);
                curve.add_median("node", size, &[nanos, nanos * 4, nanos * 9]);
            }
        }
        curve
    }

    #[test]
    fn a_smoke_run_takes_one_round_of_the_small_sizes() {
        let smoke = curve(&[], Shows::Time);
        assert_eq!((smoke.rounds(), smoke.sizes()), (1, vec![16, 1024]));
        let whole = curve(&["--bench"], Shows::Time);
        assert_eq!((whole.rounds(), whole.sizes()), (5, SIZES.to_vec()));
    }

    #[test]
    fn a_filter_takes_a_curve_or_a_line() {
        assert!(curve(&["payload"], Shows::Time).is_wanted());
        let node = curve(&["payload/node"], Shows::Time);
        assert!(node.wants("node") && !node.wants("bare") && node.is_wanted());
        assert!(!curve(&["instances"], Shows::Time).is_wanted());
    }

    #[test]
    fn the_table_shows_each_point_beside_the_first_of_its_line() {
        let mut report = Report::new("title");
        report.add_curve(measured(Shows::Time));
        let table = report.table();
        let expected = "| data | bare | spread | ratio | node | spread | ratio |\n\
             |--:|--:|--:|--:|--:|--:|--:|\n\
             | 16 B | 2000 ns | 225 % | 1.00x | 8000 ns | 225 % | 1.00x |\n\
             | 1 KiB | 2000 ns |";
        assert!(table.contains(expected), "{table}");
        let json = report.json();
        let line = &json["curves"][0]["lines"][1];
        assert_eq!(line["points"][2]["size"], 1 << 20);
        assert_eq!(line["points"][2]["ns"], 8000.0);
    }

    #[test]
    fn bytes_a_second_grow_with_the_size_where_the_time_does_not() {
        let table = measured(Shows::Throughput).table();
        assert!(table.contains("| 1 MiB | 524.3 GB/s |"), "{table}");
        assert!(table.contains("| 65536.00x |"), "{table}");
        let rate = measured(Shows::Rate).table();
        assert!(rate.contains("| 16 B | 500 k/s |"), "{rate}");
    }

    #[test]
    fn sizes_are_told_in_words() {
        assert_eq!(Axis::Count("actors").words(10_000), "10,000");
        assert_eq!(Axis::Count("actors").words(1_234_567), "1,234,567");
        assert_eq!(Axis::Bytes("data").words(1000), "1000 B");
        assert_eq!(Axis::Bytes("data").words(65_536), "64 KiB");
    }
}
