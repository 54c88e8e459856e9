//! A ping on a durable topic, its counter and its pong, all of one commit, beside what the disk does and beside the same in memory.
//!
//! `cargo bench --workspace --bench durable [-- [--json] [--test] [FILTER]]`; see `docs/benchmarks.md`. The store lies in the
//! target folder: the system's folder for temporary files may be one in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark reports by panicking

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind::event::{Event, EventBuilder, Topic, TopicFilter};
use whirlwind::{Node, Seen, Subscription};
use whirlwind_benches::{Report, Run, Unit, node};
use whirlwind_tests::guest;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let title = "pingpong: one ping is a put and a get of its counter, and a pong; publishers that wait for their answer";
    whirlwind_benches::main("durable", title, async |run, report| {
        let Some(pingpong) = guest("pingpong") else {
            return; // left out, which was said
        };
        pings(run, report, &pingpong).await;
    })
}

/// How many publishers wait at a time, and the rows of that.
struct Rows {
    waiting: usize,
    memory: &'static str,
    durable: &'static str,
    /// What the durable ones are beside.
    against: [&'static str; 2],
    p99: &'static str,
}

const SYNC: &str = "fdatasync of 1 KiB";

static WAITING: [Rows; 3] = [
    Rows {
        waiting: 1,
        memory: "in memory, 1 waiting",
        durable: "durable, 1 waiting",
        against: [SYNC, "in memory, 1 waiting"],
        p99: "p99 of an answer, 1 waiting",
    },
    Rows {
        waiting: 64,
        memory: "in memory, 64 waiting",
        durable: "durable, 64 waiting",
        against: [SYNC, "in memory, 64 waiting"],
        p99: "p99 of an answer, 64 waiting",
    },
    Rows {
        waiting: 256,
        memory: "in memory, 256 waiting",
        durable: "durable, 256 waiting",
        against: [SYNC, "in memory, 256 waiting"],
        p99: "p99 of an answer, 256 waiting",
    },
];

async fn pings(run: &Run, report: &mut Report, pingpong: &Path) {
    let mut group = run
        .group("pings a second, handled")
        .row(SYNC, Unit::Rate, &[]);
    for rows in &WAITING {
        group = group
            .row(rows.memory, Unit::Rate, &[])
            .row(rows.durable, Unit::Rate, &rows.against)
            .row(rows.p99, Unit::Time, &[]);
    }
    let kept = Bed::start(pingpong, "store", "[topic.\"+\"]\ndurable = true").await;
    let lost = Bed::start(pingpong, "memory", "").await;
    let disk = folder();
    for _ in 0..run.rounds() {
        let syncs = group.events(700);
        group.add_total(SYNC, syncs, synced(disk.path(), syncs));
        for rows in &WAITING {
            let events = group.events(if rows.waiting == 1 { 1_500 } else { 15_000 });
            let (total, _) = lost.handled(events, rows.waiting).await;
            group.add_total(rows.memory, events, total);
            let (total, mut answers) = kept.handled(events, rows.waiting).await;
            group.add_total(rows.durable, events, total);
            answers.sort_unstable();
            let late = answers.get(answers.len() * 99 / 100).copied();
            group.add_median(rows.p99, late.into_iter().collect());
        }
    }
    kept.node.stop().await;
    lost.node.stop().await;
    report.add(group);
}

/// A folder on the disk that this was built on.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn synced(folder: &Path, syncs: usize) -> Duration {
    let mut file = File::create(folder.join("floor")).unwrap();
    // As the store's journal is, it has its length before.
    file.write_all(&vec![0; 1024 * syncs]).unwrap();
    file.sync_all().unwrap();
    let file = File::options().write(true).open(folder.join("floor"));
    let mut file = file.unwrap();
    let begun = Instant::now();
    for _ in 0..syncs {
        file.write_all(&[1; 1024]).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

struct Bed {
    node: Node,
    _folder: TempDir,
}

impl Bed {
    async fn start(pingpong: &Path, provider: &str, more: &str) -> Self {
        let sections = format!(
            r#"
            [actor.pingpong]
            component = {pingpong:?}
            subscribe = ["ping"]
            publish   = ["pong"]
            links     = {{ keyvalue = "counters" }}
            [provider.counters]
            type = "{provider}"
            {more}"#
        );
        let folder = folder();
        Self {
            node: node::start_in(folder.path(), &sections).await.unwrap(),
            _folder: folder,
        }
    }

    /// Publishes `events`, of which `waiting` wait for their answer at a time, until the last was handled and its pong seen.
    /// Answers the time of all, and of each answer.
    async fn handled(&self, events: usize, waiting: usize) -> (Duration, Vec<Duration>) {
        let pongs = self.node.subscribe(&TopicFilter::parse("pong").unwrap());
        let left = Arc::new(AtomicUsize::new(events));
        let begun = Instant::now();
        let publishers: Vec<_> = (0..waiting)
            .map(|_| tokio::spawn(publish(self.node.clone(), Arc::clone(&left))))
            .collect();
        seen(pongs, events).await;
        let total = begun.elapsed();
        let mut answers = Vec::with_capacity(events);
        for publisher in publishers {
            answers.extend(publisher.await.unwrap());
        }
        (total, answers)
    }
}

async fn publish(node: Node, left: Arc<AtomicUsize>) -> Vec<Duration> {
    let topic = Topic::parse("ping").unwrap();
    let mut answers = Vec::new();
    let one = |left: usize| left.checked_sub(1);
    while let Ok(id) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one) {
        let event = event(id);
        let begun = Instant::now();
        node.publish(&topic, event).await.unwrap();
        answers.push(begun.elapsed());
    }
    answers
}

fn event(id: usize) -> Event {
    let event = EventBuilder::new()
        .id(id.to_string())
        .source("/bench")
        .ty("dev.whirlwind.message")
        .data("ping");
    event.build().unwrap()
}

async fn seen(mut pongs: Subscription, events: usize) {
    let mut seen = 0;
    while seen < events {
        match pongs.next().await.expect("the node runs") {
            Seen::Event { .. } => seen += 1,
            Seen::Missed(missed) => seen += usize::try_from(missed).unwrap(),
        }
    }
}
