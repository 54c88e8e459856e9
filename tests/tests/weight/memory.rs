//! Rows 4 and 5: what a guest takes of the host's memory.

use whirlwind_tests::{Bed, full, guest};

use crate::meter::{self, Bytes};
use crate::rig;

#[test]
fn row_04_memory_bombs_leave_the_host_as_large_as_it_was() {
    let Some(bad) = guest("misbehave") else {
        return;
    };
    // A letter is kept, and counts as memory of the host: so each event is many bombs, and its letter is dropped once read.
    let (tries, rounds) = full((3, 1), (10, 10));
    // Until the allocator has all it will keep for so many threads and instances.
    let warm_up = full(1, 10);
    let manifest = format!(
        r#"
        manifest = 1
        [actor.bomber]
        component = {bad:?}
        instances = 100
        subscribe = ["do"]
        limits    = {{ memory = "8MiB", deadline = "1m" }}
        retry     = {{ max_deliver = {tries}, backoff = {{ min = "0s", max = "0s" }} }}
        [topic.do]
        dead_letter = "dead"
        "#
    );
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        let mut dead = bed.watch("dead");
        let mut round = async || {
            for _ in 0..100 {
                bed.publish("do", "eat").await;
            }
            dead.texts(100).await;
            let letters = bed.node.dead_letters();
            assert_eq!(letters.len(), 100);
            let words = "ran out of memory: its limit is 8 MiB";
            assert!(letters.iter().all(|letter| letter.error.starts_with(words)));
            bed.node.drop_dead_letters();
            meter::settled().await
        };
        let mut before = Vec::new();
        for _ in 0..warm_up {
            before.push(round().await);
        }
        meter::begin_peak();
        let mut after = Vec::new();
        for _ in 0..rounds {
            after.push(round().await);
        }
        let (before, after, peak) = (level(before), level(after), meter::peak());
        let bombs = rounds * tries * 100;
        bed.node.stop().await;
        let part = bed.part("bomber").await;
        let all = bombs + warm_up * tries * 100;
        assert_eq!(part.failed, Some(all as u64));
        let growth = after.over(before);
        println!(
            "row 4: {bombs} bombs of 8 MiB over 100 instances: host {before} before, {peak} at most, {after} after, growth {:.1} %",
            growth.share_of(before)
        );
        // The small run's own noise is larger than its share.
        let most = full(Bytes(32 << 20), Bytes(before.0 / 20));
        assert!(growth <= most, "{growth} of {before}");
    });
}

/// Where the memory stands after rounds that are all alike: the middle of the last five. What the allocator keeps of one of them
/// is by chance.
fn level(mut rounds: Vec<Bytes>) -> Bytes {
    let last = rounds.len().saturating_sub(5);
    let last = &mut rounds[last..];
    last.sort_unstable();
    last[last.len() / 2]
}

/// A command, how many bytes of its own memory the guest has it use, and what becomes of it: words of its dead letter, or of its
/// answer. The largest of each kind that is let through takes more of the host than those that are not.
const CALLS: [(&str, u64, &str); 9] = [
    (
        "elements 1000000",
        40_000_000,
        "passed more than 24 MiB to the host in one call",
    ),
    ("elements 490000", 19_600_000, "elements"),
    (
        "hostcall 1000",
        64 << 10,
        "passed more than 24 MiB to the host in one call",
    ),
    ("hostcall 380", 64 << 10, "refused: "),
    (
        "handles",
        0,
        "held more than 4096 handles of the host at once",
    ),
    ("random", 0, "was stopped by its host: "),
    (
        "publish 1000000",
        0,
        "held more than 32 MiB of messages, publishes and key-value entries on the host",
    ),
    ("huge 20000000", 20_000_000, "refused: "),
    (
        "huge 30000000",
        30_000_000,
        "passed more than 24 MiB to the host in one call",
    ),
];

#[test]
fn row_05_no_call_to_the_host_makes_it_grow_by_64_mib() {
    const MOST: Bytes = Bytes(64 << 20);
    let Some(bad) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.greedy]
        component = {bad:?}
        subscribe = ["do"]
        publish   = ["answers"]
        retry     = {{ max_deliver = 1 }}
        limits    = {{ deadline = "1m" }}
        [topic.do]
        dead_letter = "dead"
        "#
    );
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        let (mut answers, mut dead) = (bed.watch("answers"), bed.watch("dead"));
        bed.publish("do", "hello").await;
        assert_eq!(answers.text().await, "hello");
        let base = meter::resident();
        let (mut worst, mut highest) = ((Bytes(0), ""), Bytes(0));
        for _ in 0..full(1, 20) {
            for (command, own, words) in CALLS {
                // A memory never shrinks: what the last call had the guest use goes with its instance.
                bed.publish("do", "panic").await;
                assert_eq!(dead.text().await, "panic");
                bed.publish("do", "hello").await;
                assert_eq!(answers.text().await, "hello");
                meter::settled().await;
                let before = meter::begin_peak();
                bed.publish("do", command).await;
                let said = tokio::select! {
                    answer = answers.text() => answer,
                    _ = dead.text() => bed.node.dead_letters().pop().unwrap().error,
                };
                let peak = meter::peak().over(Bytes(own));
                let grown = peak.over(before);
                highest = highest.max(peak.over(base));
                assert!(said.starts_with(words), "{command}: {said}");
                assert!(grown < MOST, "{command}: {grown}");
                if grown > worst.0 {
                    worst = (grown, command);
                }
            }
        }
        bed.node.stop().await;
        println!(
            "row 5: {} kinds of calls: host peak +{} at most (`{}`), its limit +{MOST}; with what the allocator keeps of all of them +{highest}",
            CALLS.len(),
            worst.0,
            worst.1
        );
    });
}
