//! A wall clock that steps by a day, back and forth, at every look at it: nothing that waits or counts goes by it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use whirlwind::PartState;
use whirlwind_tests::alone::alone;
use whirlwind_tests::leave_out;
use whirlwind_tests::{Bed, guest};

/// Stands before the C library's clocks. What is not the wall's is the kernel's as it is.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long step(void) {
    static const long days[] = { 0, 1, -1, 0, -1, 1 };
    static unsigned looks;
    return days[__atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED) % 6] * 86400;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += step();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    long failed = syscall(SYS_gettimeofday, now, zone);
    if (!failed && now) now->tv_sec += step();
    return failed;
}

time_t time(time_t *now) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    if (now) *now = wall.tv_sec;
    return wall.tv_sec;
}
"#;

const NAME: &str =
    "clock::a_wall_clock_that_steps_by_a_day_moves_no_window_no_deadline_and_no_timer";

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_steps_by_a_day_moves_no_window_no_deadline_and_no_timer() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let shim = folder.path().join("shim.so");
    if std::env::var_os("LD_PRELOAD").is_none() {
        std::fs::write(folder.path().join("shim.c"), SHIM).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&shim)
            .arg(folder.path().join("shim.c"))
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return leave_out("there is no C compiler (`cc`) to make a clock that steps");
        }
        assert!(!alone(NAME, &[("LD_PRELOAD", &shim.to_string_lossy())]));
        return;
    }

    // The clock does step, and for Rust as for others.
    let looks: Vec<_> = (0..12).map(|_| SystemTime::now()).collect();
    let hours = |by: Duration| by.as_secs() / 3600;
    let ahead = looks
        .windows(2)
        .filter(|two| two[1].duration_since(two[0]).is_ok_and(|by| hours(by) > 12));
    let back = looks
        .windows(2)
        .filter(|two| two[0].duration_since(two[1]).is_ok_and(|by| hours(by) > 12));
    assert!(ahead.count() > 2 && back.count() > 2, "{looks:?}");

    deadlines_and_pauses(&component).await;
    restarts_are_counted_in_their_window(&component).await;
}

/// A deadline ends a turn that computes and one that waits; a retry waits its pause and not a day, nor not at all.
async fn deadlines_and_pauses(component: &Path) {
    let bed = Bed::start(&format!(
        r#"
        manifest = 1
        [actor.timed]
        component = {component:?}
        subscribe = ["do"]
        publish   = ["answers"]
        limits    = {{ deadline = "200ms" }}
        retry     = {{ max_deliver = 3, backoff = {{ min = "100ms", max = "100ms" }} }}
        [topic.do]
        dead_letter = "dead"
        "#
    ))
    .await;
    let (mut answers, mut dead) = (bed.watch("answers"), bed.watch("dead"));
    for command in ["spin", "sleep 60000", "retry"] {
        let began = Instant::now();
        bed.publish("do", command).await;
        assert_eq!(dead.text().await, command);
        // Three attempts with two pauses between them.
        assert!(began.elapsed() >= Duration::from_millis(200), "{command}");
        let letter = bed.node.dead_letters().pop().unwrap();
        assert_eq!(letter.attempts, 3, "{command}");
        if command != "retry" {
            let words = "ran past its deadline of 200 ms";
            assert!(letter.error.contains(words), "{}", letter.error);
        }
    }
    // The guest's own monotonic clock as well.
    bed.publish("do", "sleep 50").await;
    bed.publish("do", "awake").await;
    assert_eq!(answers.text().await, "awake");
    bed.stop().await;
}

/// Four ends within an hour are more than three allowed, however often the wall says that days lie between them; and three are
/// not.
async fn restarts_are_counted_in_their_window(component: &Path) {
    let bed = Bed::start(&format!(
        r#"
        manifest = 1
        [supervisor.root]
        max_restarts = 0
        within       = "1h"
        [actor.counted]
        component    = {component:?}
        subscribe    = ["do"]
        publish      = ["answers"]
        max_restarts = 3
        within       = "1h"
        retry        = {{ max_deliver = 1 }}
        "#
    ))
    .await;
    let mut answers = bed.watch("answers");
    for _ in 0..3 {
        bed.publish("do", "panic").await;
        bed.publish("do", "there").await;
        assert_eq!(answers.text().await, "there");
    }
    let part = bed.part("counted").await;
    assert_eq!((part.state, part.restarts), (PartState::Running, Some(3)));
    bed.publish("do", "panic").await;
    let end = format!("{:?}", bed.node.ended().await);
    assert!(end.contains("4 ends within 3600s, 3 allowed"), "{end}");
}
