//! Real programs that tests speak to, where they are installed. This crate knows nothing of Whirlwind.
#![allow(clippy::panic)] // a harness reports by panicking

mod mosquitto;

use std::io::Write as _;

pub use mosquitto::Mosquitto;

/// Says that the running test is left out, and why. Under `CI` it fails instead.
pub fn leave_out(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os("CI").is_none(),
        "{test} may not be left out in CI: {reason}"
    );
    // Written to the stream itself: `eprintln!` would be captured, and nobody would read it.
    let _ = writeln!(std::io::stderr(), "left out: {test}: {reason}");
}
