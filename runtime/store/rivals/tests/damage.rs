//! One file of a store is changed. Whatever it is: the store says so, or holds what was written. With `WHIRLWIND_FULL` 1,000 damages
//! of each, else 40.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::process::Command;

use whirlwind_rivals::damage::Target;
use whirlwind_rivals::disk::Image;
use whirlwind_rivals::process::{look, writing};
use whirlwind_rivals::random::Random;
use whirlwind_rivals::workload::Values;
use whirlwind_rivals::{Found, Kind, amount, compares, fleeting, say};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rival");

const TURNS: u64 = 300;

/// How many of each were seen.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    said: usize,
    harmless: usize,
    /// Acknowledged turns are missing, and nobody is told.
    lost: usize,
    /// What is there was never so, and nobody is told.
    wrong: usize,
    panicked: usize,
    hung: usize,
}

/// A store with all turns: as an abrupt stop leaves it, or closed.
fn written(kind: Kind, closes: bool) -> Target {
    let root = fleeting();
    let store = root.path().join("store");
    let arguments = writing(kind, store.to_str().unwrap(), Values::Short, TURNS, closes);
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(output.status.success());
    Target::new(Image::load(root.path()), Values::Short, TURNS)
}

fn damages(kind: Kind) -> Tally {
    let targets = [false, true].map(|closes| written(kind, closes));
    let mut random = Random(51);
    let mut tally = Tally::default();
    for nth in 0..amount(40, 1000) {
        let (image, what) = targets[nth % 2].hit(&mut random);
        let dir = fleeting();
        image.save(dir.path());
        let look = look(
            PROGRAM,
            kind,
            &dir.path().join("store"),
            Values::Short,
            TURNS,
            false,
        );
        let count = match &look.found {
            Found::Turns(TURNS) if look.said.is_none() => &mut tally.harmless,
            Found::Turns(_) | Found::Other(_, true) if look.said.is_some() => &mut tally.said,
            Found::Turns(_) => &mut tally.lost,
            Found::Other(..) => &mut tally.wrong,
            Found::Refused(_) => &mut tally.refused,
            Found::Panicked(_) => &mut tally.panicked,
            Found::Hung => &mut tally.hung,
        };
        *count += 1;
        if *count == 1 {
            say(format_args!("{}: {what}: {look}", kind.name()));
        }
    }
    say(format_args!(
        "{}: {} damages: {tally:?}",
        kind.name(),
        amount(40, 1000)
    ));
    tally
}

#[test]
fn ours() {
    let tally = damages(Kind::Ours);
    assert_eq!(
        [
            tally.lost,
            tally.wrong,
            tally.refused,
            tally.panicked,
            tally.hung
        ],
        [0; 5]
    );
    assert!(tally.said > 0 && tally.harmless > 0);
}

#[test]
fn redb() {
    if compares("redb") {
        damages(Kind::Redb);
    }
}

#[test]
fn redb_without_its_check() {
    if compares("redb_without_its_check") {
        damages(Kind::Unchecked);
    }
}

#[test]
fn fjall() {
    if compares("fjall") {
        damages(Kind::Fjall);
    }
}
