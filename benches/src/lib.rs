//! What the benchmarks are run with: rounds of measures side by side, and the table of what came out.
//!
//! A time by itself says more of the machine than of the code. So every measure has a floor, the least
//! that could do the same work, and both are taken in turn in every round. What is reported is the
//! median of the rounds, and the median of each round's ratio to its floor: what slows a whole round
//! down slows both.
//!
//! - [`run`]: [`Run`], what the command line asks for, and [`Group`], measures that are taken in turn
//! - [`report`]: the table, and the same as JSON
//! - [`curve`]: [`Curve`], measures over the sizes of something that grows
//! - [`load`]: a load that goes on for long, window by window, and whether anything grows
//! - [`memory`]: what a process has in memory
//!
//! What several of them measure:
//!
//! - [`events`]: the event that goes round
//! - [`bare`]: a component called through wasmtime's bindings with nothing around it: the floor
//! - [`node`]: components as actors of a whole node
//! - [`driver`]: who puts events into one end of a way through actors and waits at the other
//!
//! The measures themselves are in `benches/`. This crate judges nothing: a goal is for whoever reads the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

pub mod bare;
pub mod curve;
pub mod driver;
pub mod events;
pub mod load;
pub mod memory;
pub mod node;
pub mod report;
pub mod run;

use std::io::Write as _;
use std::process::ExitCode;

pub use curve::{Axis, Curve, Shows};
pub use load::{Load, Window};
pub use report::{Against, Report, Unit};
pub use run::{Group, Run};

/// The main function of the benchmark `name`: reads the command line, runs `measures` as the binary runs a node, and prints what
/// they added to the report.
pub fn main(
    name: &str,
    title: &'static str,
    measures: impl AsyncFnOnce(&Run, &mut Report),
) -> ExitCode {
    let run = match Run::from_args(std::env::args().skip(1)) {
        Ok(run) => run,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new(title);
    runtime().block_on(measures(&run, &mut report));
    if run.svg.is_some() && report.curves().is_empty() {
        eprintln!("nothing was drawn: `{name}` measured no curve");
        return ExitCode::from(2);
    }
    let result = if run.json {
        format!("{:#}", report.json())
    } else if run.is_whole() {
        report.table()
    } else {
        format!("every measure ran; figures come from `cargo bench --workspace --bench {name}`")
    };
    match writeln!(std::io::stdout(), "{result}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // whoever reads it went away
    }
}

/// A runtime as the binary makes its own.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .event_interval(8)
        .enable_all()
        .build()
        .expect("a runtime")
}
