//! What is there after a power cut: what was synced, and of what was not any part. With `WHIRLWIND_FULL` 2,000 images of each store,
//! else 50.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::Path;

use whirlwind_rivals::disk::{Disk, Names};
use whirlwind_rivals::process::{look, writing};
use whirlwind_rivals::random::Random;
use whirlwind_rivals::trace::{Call, Event, Recorder, refused};
use whirlwind_rivals::workload::Values;
use whirlwind_rivals::{Found, Kind, amount, compares, fleeting, say};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rival");

/// Images of one recording.
const OF_ONE: usize = 100;

/// How many of each were seen.
#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    more: u64,
    said: usize,
    lost: usize,
    other: usize,
    refused: usize,
    panicked: usize,
    hung: usize,
    stuck: usize,
}

impl Tally {
    fn add(
        &mut self,
        kind: Kind,
        rule: Names,
        image: &str,
        acknowledged: u64,
        look: &whirlwind_rivals::process::Look,
    ) {
        self.said += usize::from(look.said.is_some());
        let count = match &look.found {
            Found::Turns(there) if *there >= acknowledged && look.stuck.is_none() => {
                self.whole += 1;
                self.more += there - acknowledged;
                return;
            }
            Found::Turns(there) if *there >= acknowledged => &mut self.stuck,
            Found::Turns(_) => &mut self.lost,
            Found::Other(..) => &mut self.other,
            Found::Refused(_) => &mut self.refused,
            Found::Panicked(_) => &mut self.panicked,
            Found::Hung => &mut self.hung,
        };
        *count += 1;
        // Few of each tell enough.
        if *count <= 2 {
            say(format_args!(
                "{} ({rule:?}), {image}, {acknowledged} acknowledged: {look}",
                kind.name()
            ));
        }
    }
}

/// What a store does in several lives, some of which end abruptly.
fn recorded(kind: Kind, values: Values, lives: &[(u64, bool)]) -> Vec<Event> {
    let root = fleeting();
    let store = root.path().canonicalize().unwrap().join("store");
    let mut recorder = Recorder::new(root.path());
    for (turns, closes) in lives {
        let arguments = writing(kind, store.to_str().unwrap(), values, *turns, *closes);
        recorder.run(
            Path::new(PROGRAM),
            &arguments.each_ref().map(|word| &**word),
        );
    }
    recorder.events()
}

/// Cuts the power so often, at any call and as often at those that change names or lengths.
fn cuts(
    kind: Kind,
    rule: Names,
    values: Values,
    events: &[Event],
    images: usize,
    random: &mut Random,
    [unborn, born]: &mut [Tally; 2],
) {
    let special = |event: &Event| {
        !matches!(
            event.call,
            Call::Write(..) | Call::Sync(_) | Call::Acknowledge(_) | Call::Grow(..)
        )
    };
    let special: Vec<_> = (0..events.len())
        .filter(|at| special(&events[*at]))
        .collect();
    let mut cuts: Vec<_> = (0..images)
        .map(|nth| match nth % 2 {
            0 => random.below(events.len() + 1),
            _ => random.one(&special) + random.below(2),
        })
        .collect();
    cuts.sort_unstable();
    let mut cuts = cuts.into_iter().peekable();
    let mut disk = Disk::new(rule);
    for at in 0..=events.len() {
        while cuts.next_if_eq(&at).is_some() {
            let dir = fleeting();
            disk.cut(random).save(dir.path());
            let found = look(
                PROGRAM,
                kind,
                &dir.path().join("store"),
                values,
                disk.acknowledged + 1,
                true,
            );
            let tally = if disk.acknowledged == 0 {
                &mut *unborn
            } else {
                &mut *born
            };
            tally.add(
                kind,
                rule,
                &format!("cut at call {at} of {}", events.len()),
                disk.acknowledged,
                &found,
            );
        }
        if let Some(event) = events.get(at) {
            disk.take(event);
        }
    }
}

/// Says what was found, and answers how many images were not as they had to be.
fn power_cuts(kind: Kind, rules: &[Names]) -> usize {
    if let Some(reason) = refused() {
        whirlwind_rivals::leave_out(&reason);
        return 0;
    }
    let images = amount(50, 2000);
    let mut random = Random(41);
    // Of each rule, of images before the first acknowledgement and of those after it.
    let mut tallies: Vec<_> = rules.iter().map(|_| <[Tally; 2]>::default()).collect();
    let (mut recordings, mut calls) = (0, 0);
    for first in (0..images).step_by(OF_ONE) {
        let lives = |random: &mut Random, most: usize| -> Vec<_> {
            let ends = [random.below(2) == 0, false, true];
            ends.map(|closes| (20 + random.below(most) as u64, closes))
                .to_vec()
        };
        let (values, lives) = if first + OF_ONE == images && images > OF_ONE {
            // So much that journals change their files and trees are merged.
            (Values::Long, vec![(2700, false); 3])
        } else {
            let values = [Values::Long, Values::Short][first / OF_ONE % 2];
            (values, lives(&mut random, amount(30, 150)))
        };
        let events = recorded(kind, values, &lives);
        recordings += 1;
        calls += events.len();
        for (rule, tally) in rules.iter().zip(&mut tallies) {
            cuts(
                kind,
                *rule,
                values,
                &events,
                OF_ONE.min(images - first),
                &mut random,
                tally,
            );
        }
    }
    let mut bad = 0;
    for (rule, [unborn, born]) in rules.iter().zip(&tallies) {
        bad += images - unborn.whole - born.whole;
        say(format_args!(
            "{} ({rule:?}): {images} images of {calls} calls in {recordings} recordings; before anything was acknowledged: {unborn:?}; \
             afterwards: {born:?}",
            kind.name()
        ));
    }
    bad
}

#[test]
fn ours() {
    assert_eq!(power_cuts(Kind::Ours, &[Names::Promised]), 0);
}

#[test]
fn redb() {
    if compares("redb") {
        power_cuts(Kind::Redb, &[Names::Promised]);
    }
}

#[test]
fn fjall() {
    if compares("fjall") {
        power_cuts(Kind::Fjall, &[Names::Promised, Names::Journalled]);
    }
}
