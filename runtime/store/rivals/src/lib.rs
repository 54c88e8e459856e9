//! Our store beside those that could have been in its place: what each of them has after a kill, a power cut and damage.
//!
//! - `rival`: [`Rival`], what is asked of a store, and [`Kind`]: ours, bare redb with and without its check, fjall
//! - `workload`: numbered turns, and what a store holds after so many of them
//! - `process`: the process that commits turns, and what one that reads them finds: [`Found`]
//! - `trace`: what a process did to its files, as strace saw it
//! - `disk`: what a disk has at any moment of a trace, and what is left of it in a power cut; `pages`: a file of mostly zeros
//! - `damage`: one file of a store, changed
//! - `random`: numbers that are the same each time
//!
//! The program `rival` is the process. The tests assert what is promised of ours, and print what the others did:
//! docs/adr/0009 has their figures. Without `WHIRLWIND_FULL` only ours is tried, and less often.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a harness reports by panicking

pub mod damage;
pub mod disk;
pub mod pages;
pub mod process;
pub mod random;
pub mod rival;
pub mod trace;
pub mod workload;

pub use process::Found;
pub use rival::{Kind, Rival};

use std::io::Write as _;

/// Whether the others are tried too: they are compared with, and what they do is no test of ours. Says so if not.
pub fn compares(name: &str) -> bool {
    let compares = std::env::var_os("WHIRLWIND_FULL").is_some();
    if !compares {
        say(format_args!(
            "{name}: left out, it is compared with where WHIRLWIND_FULL is set"
        ));
    }
    compares
}

/// How many of what a test does: few as a rule, `full` of them with `WHIRLWIND_FULL`.
#[must_use]
pub fn amount(few: usize, full: usize) -> usize {
    if std::env::var_os("WHIRLWIND_FULL").is_some() {
        full
    } else {
        few
    }
}

/// Written to the stream itself: `eprintln!` would be captured, and nobody would read it.
pub fn say(what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// A directory for stores that come and go: in memory, where the machine has such a place.
#[must_use]
pub fn fleeting() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Says that the running test is left out, and why. Under `CI` it fails instead.
pub fn leave_out(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} may not be left out in CI: {reason}"
    );
    say(format_args!("left out: {test}: {reason}"));
}
