//! Our supervisor against real Erlang/OTP: the same scripts on both, the same traces from both.
//!
//! `WHIRLWIND_ORACLE_SCRIPTS` says how many scripts, `WHIRLWIND_ORACLE_SEED` runs the one of that
//! seed and shows both traces. What is compared, and what is meant to differ: docs/supervision-oracle.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod defaults;
mod differences;
mod erlang;
mod generator;
mod matrix;
mod ours;
mod script;
mod shrinker;
mod summary;
mod trace;

use std::{
    fmt::Display,
    io::Write,
    sync::{Mutex, MutexGuard, OnceLock},
};

use differences::{Compared, compare};
use erlang::Erlang;
use generator::Random;
use script::Script;
use shrinker::shrink;
use summary::Summary;

/// How many scripts there are if nothing else is said, and the seed that their seeds come from.
const SCRIPTS: u64 = 500;
const SEED: u64 = 0x0510_1998;

/// Differences that are shown; more of them seldom say more.
const MOST_SHOWN: usize = 3;

#[test]
fn our_supervisor_does_what_otps_does() {
    let Some(mut erlang) = oracle() else {
        return;
    };
    let mut seeds = Random::new(SEED);
    let seeds: Vec<u64> = match setting("WHIRLWIND_ORACLE_SEED") {
        Some(seed) => vec![seed],
        None => {
            let scripts = setting("WHIRLWIND_ORACLE_SCRIPTS").unwrap_or(SCRIPTS);
            (0..scripts).map(|_| seeds.next()).collect()
        }
    };
    let mut summary = Summary::new(&erlang.version);
    for seed in &seeds {
        let script = generator::script(*seed);
        let compared = compare(&mut erlang, &script);
        if seeds.len() == 1 {
            say(shown(*seed, &script, &compared));
        }
        summary.add(&script, &compared);
        if !compared.equal && summary.unintended <= MOST_SHOWN {
            let small = shrink(script, |script| !compare(&mut erlang, script).equal);
            let compared = compare(&mut erlang, &small);
            say(shown(*seed, &small, &compared));
        }
    }
    say(&summary);
    assert_eq!(summary.unintended, 0, "scripts differ that may not");
}

/// The one Erlang of this process. Where it is not installed a test is left out; under `CI` it fails.
fn oracle() -> Option<MutexGuard<'static, Erlang>> {
    static ORACLE: OnceLock<Option<Mutex<Erlang>>> = OnceLock::new();
    match ORACLE.get_or_init(|| Erlang::start().map(Mutex::new)) {
        // A test that failed leaves it between two answers.
        Some(oracle) => Some(oracle.lock().unwrap_or_else(|failed| failed.into_inner())),
        None => {
            let remedy = "Erlang/OTP is not installed: apt-get install erlang-base";
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            assert!(
                std::env::var_os("CI").is_none(),
                "{test} may not be left out in CI: {remedy}"
            );
            say(format_args!("left out: {test}: {remedy}"));
            None
        }
    }
}

/// A number of the environment, in decimal or with 0x.
fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => value.parse(),
    };
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// Written to the stream itself: `eprintln!` would be captured, and nobody would read it.
fn say(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn shown(seed: u64, script: &Script, compared: &Compared) -> String {
    let Compared {
        otp, ours, equal, ..
    } = compared;
    let verdict = if *equal { "equal" } else { "different" };
    let same = otp.iter().zip(ours).take_while(|(otp, ours)| otp == ours);
    let same = same.count();
    let mut text = format!("seed {seed:#018x}: {verdict}\n{script}\nboth:\n");
    for line in &otp[..same] {
        text += &format!("    {line}\n");
    }
    if !equal {
        for (who, trace) in [("OTP", otp), ("ours", ours)] {
            text += &format!("then {who}:\n");
            for line in &trace[same..] {
                text += &format!("    {line}\n");
            }
        }
    }
    text
}
