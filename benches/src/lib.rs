//! What the benchmarks are run with: rounds of measures side by side, and the table of what came out.
//!
//! A time by itself says more of the machine than of the code. So every measure has a floor, the least
//! that could do the same work, and both are taken in turn in every round. What is reported is the
//! median of the rounds, and the median of each round's ratio to its floor: what slows a whole round
//! down slows both.
//!
//! - [`run`]: [`Run`], what the command line asks for, and [`Group`], measures that are taken in turn
//! - [`report`]: the table, and the same as JSON
//!
//! The measures themselves are in `benches/floors/`. This crate measures and judges nothing: a goal is for whoever reads the table.

pub mod report;
pub mod run;

pub use report::{Against, Report, Unit};
pub use run::{Group, Run};
