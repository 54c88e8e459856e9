//! What a killed process keeps: everything it acknowledged, and no part of a batch. With `WHIRLWIND_FULL` 200 kills of each, else 4.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use whirlwind_rivals::process::{killed, look};
use whirlwind_rivals::random::Random;
use whirlwind_rivals::workload::Values;
use whirlwind_rivals::{Found, Kind, amount, compares, fleeting, say};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rival");

/// Kills so often, and says how often what was there was not what had to be.
fn kills(kind: Kind) -> usize {
    let kills = amount(4, 200);
    // A kill takes nothing from the system, wherever that keeps it.
    let dir = fleeting();
    let dir = dir.path().join("store");
    let mut random = Random(31);
    let (mut there, mut turns, mut bad, mut more) = (0, 0, 0, 0);
    for kill in 0..kills {
        let end = there + 20 + random.below(amount(200, 4000)) as u64;
        let last = killed(PROGRAM, kind, &dir, end);
        let look = look(PROGRAM, kind, &dir, Values::Short, last + 1, true);
        turns += last - there;
        match look.found {
            // One more was on its way; and one was committed by who looked.
            Found::Turns(now) if now >= last && look.stuck.is_none() => {
                more += now - last;
                there = now + 1;
            }
            _ => {
                bad += 1;
                say(format_args!(
                    "{}: kill {kill} after turn {last}: {look}",
                    kind.name()
                ));
                break;
            }
        }
    }
    say(format_args!(
        "{}: {kills} kills, {turns} turns acknowledged, {more} more there, {bad} times not as it had to be",
        kind.name()
    ));
    bad
}

#[test]
fn ours() {
    assert_eq!(kills(Kind::Ours), 0);
}

#[test]
fn redb() {
    if compares("redb") {
        kills(Kind::Redb);
    }
}

#[test]
fn fjall() {
    if compares("fjall") {
        kills(Kind::Fjall);
    }
}
