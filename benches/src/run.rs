//! Rounds: measures that are taken in turn, so that what disturbs one disturbs its floor as well.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::report::{Against, Row, Unit};

/// Rounds of a whole run: many short ones, so that a machine that changes its pace does so between a measure and its floor in few.
const ROUNDS: usize = 45;

/// Events of a measure in a smoke run, which only shows that everything still runs.
const SMOKE_EVENTS: usize = 64;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Run {
    /// Whether to print JSON.
    pub json: bool,
    /// The folder that curves are drawn into.
    pub svg: Option<PathBuf>,
    /// Whether cargo runs this as a benchmark; as a test, one round of few events is enough.
    smoke: bool,
    /// Only measures whose `group/name` contains this.
    filter: Option<String>,
}

impl Run {
    /// Reads `[--json] [--svg FOLDER] [--test] [FILTER]` and what cargo adds: `--bench` for `cargo bench`, which
    /// `cargo test` does not.
    ///
    /// # Errors
    /// A sentence, if a benchmark is given any other flag, or no folder after `--svg`. As a test it is given those of rustc's test
    /// harness, which mean nothing here.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut run = Self {
            json: false,
            svg: None,
            smoke: true,
            filter: None,
        };
        let mut test = false;
        let mut unknown = None;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => run.json = true,
                "--svg" => {
                    let folder = args.next().filter(|folder| !folder.starts_with("--"));
                    let folder = folder.ok_or("--svg needs the folder to draw into")?;
                    run.svg = Some(folder.into());
                }
                "--bench" => run.smoke = false,
                "--test" => test = true,
                flag if flag.starts_with("--") => unknown = Some(arg),
                _ => run.filter = Some(arg),
            }
        }
        run.smoke |= test;
        match unknown {
            Some(flag) if !run.smoke => Err(format!(
                "no such flag: {flag}; there are --json, --svg FOLDER, --test and a filter"
            )),
            _ => Ok(run),
        }
    }

    /// Whether this is a whole run, whose figures mean something.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.smoke
    }

    /// How many rounds there are.
    #[must_use]
    pub fn rounds(&self) -> usize {
        if self.smoke { 1 } else { ROUNDS }
    }

    /// How many events a measure takes in a round, where `whole` is right for a whole run.
    pub(crate) fn events(&self, whole: usize) -> usize {
        match self.smoke {
            true => whole.min(SMOKE_EVENTS),
            false => whole,
        }
    }

    /// Whether the measure `name` of what is titled `title` was asked for.
    pub(crate) fn wants(&self, title: &str, name: &str) -> bool {
        let full = format!("{title}/{name}");
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| full.contains(filter.as_str()))
    }

    /// A group of measures. `title` says what they have in common.
    #[must_use]
    pub fn group(&self, title: &'static str) -> Group {
        Group {
            run: self.clone(),
            title,
            rows: Vec::new(),
        }
    }
}

/// Measures that are taken in turn, round by round.
#[derive(Debug)]
pub struct Group {
    run: Run,
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Group {
    /// Which measures a row is compared with, and what is printed for it.
    #[must_use]
    pub fn row(mut self, name: &'static str, unit: Unit, against: Against) -> Self {
        self.rows.push(Row::new(name, unit, against));
        self
    }

    /// Whether any of its rows was asked for: else nothing has to be set up for them.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.rows.iter().any(|row| self.wants(row.name))
    }

    /// Whether this row was asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.run.wants(self.title, name)
    }

    /// Runs `one` for `events` events one after another, and takes the mean: for what is too short to
    /// time one by one.
    pub async fn mean(&mut self, name: &str, events: usize, mut one: impl AsyncFnMut()) {
        if !self.wants(name) {
            return;
        }
        let events = self.events(events);
        let start = Instant::now();
        for _ in 0..events {
            one().await;
        }
        self.add(name, nanos(start.elapsed()) / events as f64);
    }

    /// Runs `one` for `events` events one after another, times each, and takes the median.
    pub async fn median(&mut self, name: &str, events: usize, mut one: impl AsyncFnMut()) {
        if !self.wants(name) {
            return;
        }
        let mut times = Vec::with_capacity(self.events(events));
        for _ in 0..self.events(events) {
            let start = Instant::now();
            one().await;
            times.push(start.elapsed());
        }
        self.add_median(name, times);
    }

    /// Takes the median of times that were measured elsewhere.
    pub fn add_median(&mut self, name: &str, mut times: Vec<Duration>) {
        times.sort_unstable();
        if let Some(median) = times.get(times.len() / 2) {
            self.add(name, nanos(*median));
        }
    }

    /// Takes the time that `events` events took together.
    pub fn add_total(&mut self, name: &str, events: usize, total: Duration) {
        self.add(name, nanos(total) / events as f64);
    }

    /// Takes the bytes of one of many things, for a row of [`Unit::Bytes`].
    pub fn add_bytes(&mut self, name: &str, bytes: f64) {
        self.add(name, bytes);
    }

    /// How many events a measure takes in a round of this run, where `whole` is right for a whole one.
    #[must_use]
    pub fn events(&self, whole: usize) -> usize {
        self.run.events(whole)
    }

    fn add(&mut self, name: &str, sample: f64) {
        let row = self.rows.iter_mut().find(|row| row.name == name);
        debug_assert!(row.is_some(), "no row `{name}` in `{}`", self.title);
        if let Some(row) = row {
            row.samples.push(sample);
        }
    }
}

pub(crate) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Run, String> {
        Run::from_args(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn it_is_a_whole_run_only_if_cargo_bench_asks_for_one() {
        assert!(run(&["--bench"]).unwrap().is_whole());
        for smoke in [&[][..], &["--test"], &["--bench", "--test"], &["turn"]] {
            assert!(!run(smoke).unwrap().is_whole(), "{smoke:?}");
        }
    }

    #[test]
    fn a_flag_of_the_test_harness_is_an_error_only_for_a_benchmark() {
        assert!(run(&["--nocapture"]).is_ok());
        assert!(run(&["--nocapture", "--bench"]).is_err());
    }

    #[test]
    fn curves_are_drawn_into_the_folder_that_is_given() {
        let run = run(&["--svg", "pictures", "--bench", "actors"]).unwrap();
        assert_eq!(run.svg, Some("pictures".into()));
        assert_eq!(run.filter.as_deref(), Some("actors"));
    }

    #[test]
    fn a_picture_without_a_folder_is_an_error() {
        for args in [&["--bench", "--svg"][..], &["--svg", "--bench"]] {
            let error = run(args).unwrap_err();
            assert!(error.contains("needs the folder"), "{error}");
        }
    }

    #[test]
    fn a_filter_takes_a_group_or_a_row() {
        let wants = |filter: &str, row: &str| {
            let group = run(&[filter]).unwrap().group("a turn");
            group.wants(row)
        };
        assert!(wants("a turn", "bare"));
        assert!(wants("turn/bare", "bare"));
        assert!(!wants("turn/bare", "handle"));
    }

    #[test]
    fn a_group_is_wanted_if_one_of_its_rows_is() {
        let is_wanted = |filter: &str| {
            let group = run(&[filter]).unwrap().group("a turn");
            let group = group.row("bare", Unit::Time, &[]);
            group.row("handle", Unit::Time, &["bare"]).is_wanted()
        };
        assert!(is_wanted("a turn") && is_wanted("handle"));
        assert!(!is_wanted("trap"));
    }
}
