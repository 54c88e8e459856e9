//! What needs a process of its own: the start of the program, and what a node takes of the machine while most of it rests.
//!
//! - [`program`]: the program `whirlwind`, from its start to its first event
//! - [`role`]: what this benchmark does where it runs itself: the floors, and nodes to be looked at from outside
//! - [`child`]: such a process, from outside
//!
//! `cargo bench --workspace --bench process [-- [--json] [--test] [FILTER]]`; see `docs/benchmarks.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

mod child;
mod program;
mod role;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use whirlwind_benches::{Group, Report, Run, Unit};
use whirlwind_component::{Need, Room};
use whirlwind_tests::guest;
use whirlwind_tests::guests::actors;

use crate::child::Child;
use crate::program::Started;
use crate::role::Role;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(role) = Role::asked_for() {
        role.play();
        return ExitCode::SUCCESS;
    }
    let title = "processes of their own, release build with the binary's allocator";
    whirlwind_benches::main("process", title, async |run, report| {
        let (Some(relay), Some(_)) = (guest("relay"), guest("pingpong")) else {
            return; // left out, which was said
        };
        start(run, report, &relay);
        idle(run, report, &relay);
        beside(run, report, &relay);
    })
}

/// From the start of a process to the first event that it prints. Compiled code is in its cache.
fn start(run: &Run, report: &mut Report, relay: &Path) {
    const BARE: &str = "bare process: instantiate, call, print";
    const MEMORY: &str = "whirlwind up, with a memory provider";
    const PINGPONG: &str = "whirlwind up actors/pingpong, with sled";
    let mut group = run
        .group("a process from its start to its first event")
        .row(BARE, Unit::Time, &[])
        .row(MEMORY, Unit::Time, &[BARE])
        .row(PINGPONG, Unit::Time, &[BARE]);
    if ![BARE, MEMORY, PINGPONG].iter().any(|row| group.wants(row)) {
        return;
    }
    let whirlwind = program::whirlwind();
    let bare = Started::bare(relay);
    let memory = Started::relay(&whirlwind, relay);
    let pingpong = Started::pingpong(&whirlwind, &actors().join("pingpong"));
    let sides = [(BARE, bare), (MEMORY, memory), (PINGPONG, pingpong)];
    for (_, side) in &sides {
        side.first_event(); // compiles
    }
    let starts = if run.is_whole() { 2 } else { 1 };
    for _ in 0..run.rounds() {
        for (name, side) in &sides {
            if group.wants(name) {
                let times = (0..starts).map(|_| side.first_event()).collect();
                group.add_median(name, times);
            }
        }
    }
    report.add(group);
}

/// So many actors that rest, and the rows of that.
struct Crowd {
    actors: usize,
    /// In a smoke run, which only shows that everything still runs.
    few: usize,
    bare: &'static str,
    resident: &'static str,
    one: &'static str,
    many: &'static str,
}

static CROWDS: [Crowd; 2] = [
    Crowd {
        actors: 1_000,
        few: 8,
        bare: "1,000 bare instances",
        resident: "1,000 actors",
        one: "beside 1,000, one in flight",
        many: "beside 1,000, 64 in flight",
    },
    Crowd {
        actors: 10_000,
        few: 16,
        bare: "10,000 bare instances",
        resident: "10,000 actors",
        one: "beside 10,000, one in flight",
        many: "beside 10,000, 64 in flight",
    },
];

impl Crowd {
    fn size(&self, run: &Run) -> usize {
        if run.is_whole() {
            self.actors
        } else {
            self.few
        }
    }

    /// Whether this machine has room for so many; where it has not, says why.
    fn fits(&self, run: &Run) -> bool {
        let pair = 2;
        let room = Room::now().check([(Need::PLAIN, self.size(run) + pair)]);
        if let Err(why) = &room {
            eprintln!("{} are left out: {why}", self.resident);
        }
        room.is_ok()
    }
}

/// Rounds in which memory is looked at, which hardly differs from one process to the next.
const LOOKS: usize = 5;

/// After this long what a start needed is given back: tokio ends a thread for blocking work when it had none for ten seconds.
const SETTLED: Duration = Duration::from_secs(12);

/// What an actor takes of memory that nothing is said to. Compiled code is in its cache: what a compiler leaves to the allocator
/// would be taken for room of the instances.
fn idle(run: &Run, report: &mut Report, relay: &Path) {
    let mut group = run.group("memory of an idle actor");
    for crowd in &CROWDS {
        group = group.row(crowd.bare, Unit::Bytes, &[]).row(
            crowd.resident,
            Unit::Bytes,
            std::slice::from_ref(&crowd.bare),
        );
    }
    let wanted = |crowd: &&Crowd| {
        let rows = [crowd.bare, crowd.resident];
        rows.iter().any(|row| group.wants(row)) && crowd.fits(run)
    };
    let crowds: Vec<_> = CROWDS.iter().filter(wanted).collect();
    if crowds.is_empty() {
        return;
    }
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bare = |count| Child::start(&Role::instances(count, relay, cache.path()));
    let node = |idle| Child::start(&Role::node(idle, relay, folder.path()));
    drop((bare(0), node(0))); // compile
    for _ in 0..run.rounds().min(LOOKS) {
        let none = (bare(0), node(0));
        let all: Vec<_> = crowds
            .iter()
            .map(|crowd| (bare(crowd.size(run)), node(crowd.size(run))))
            .collect();
        if run.is_whole() {
            std::thread::sleep(SETTLED);
        }
        let none = (none.0.memory(), none.1.memory());
        for (crowd, (bare, node)) in crowds.iter().zip(&all) {
            let each = |all: u64, none: u64| (all as f64 - none as f64) / crowd.size(run) as f64;
            group.add_bytes(crowd.bare, each(bare.memory(), none.0));
            group.add_bytes(crowd.resident, each(node.memory(), none.1));
        }
    }
    report.add(group);
}

/// What two actors at work feel of those that rest.
fn beside(run: &Run, report: &mut Report, relay: &Path) {
    const ONE: &str = "alone, one in flight";
    const MANY: &str = "alone, 64 in flight";
    let mut group = run.group("a pair at work beside idle actors");
    group = group.row(ONE, Unit::Time, &[]);
    for crowd in &CROWDS {
        group = group.row(crowd.one, Unit::Time, &[ONE]);
    }
    group = group.row(MANY, Unit::Rate, &[]);
    for crowd in &CROWDS {
        group = group.row(crowd.many, Unit::Rate, &[MANY]);
    }
    let mut sides = vec![(0, [ONE, MANY])];
    for crowd in &CROWDS {
        let rows = [crowd.one, crowd.many];
        if rows.iter().any(|row| group.wants(row)) && crowd.fits(run) {
            sides.push((crowd.size(run), rows));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = Vec::new();
    for (idle, rows) in sides {
        if rows.iter().any(|row| group.wants(row)) {
            nodes.push((Child::start(&Role::node(idle, relay, folder.path())), rows));
        }
    }
    for _ in 0..run.rounds() {
        for (node, rows) in &mut nodes {
            take(&mut group, node, *rows);
        }
    }
    report.add(group);
}

fn take(group: &mut Group, node: &mut Child, [one, many]: [&'static str; 2]) {
    if group.wants(one) {
        let median = node.one_in_flight(group.events(8_000));
        group.add_median(one, vec![median]);
    }
    if group.wants(many) {
        let events = group.events(16_000);
        let total = node.saturated(events);
        group.add_total(many, events, total);
    }
}
