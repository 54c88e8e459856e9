//! How a node ends, through the binary: killed, by a signal, by time, for want of a reader; and what is left of it then.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind_tests::guest;

use crate::app::App;
use crate::bed::{Running, whirlwind};

#[test]
fn a_killed_node_counts_on_and_replaces_the_socket_it_left() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&["--pub", "ping=ping", "--pub", "ping=ping", "--sub", "pong"]);
    up.out("pong  pong 2");
    assert_eq!(app.run(&["stop"]).status, 0);
    assert_eq!(up.end(), 0);

    let mut up = app.up(&["--pub", "ping=ping", "--pub", "ping=ping", "--sub", "pong"]);
    up.out("pong  pong 4");
    up.signal("KILL");
    up.died();
    assert!(app.socket().exists());
    assert_eq!(app.run(&["ps"]).status, 7);

    // A kill may cost what was written in the last 100 ms, which sled had not flushed, and nothing from before the stop.
    let mut up = app.up(&["--pub", "ping=ping", "--sub", "pong", "--count", "1"]);
    assert_eq!(up.end(), 0);
    let count = count(&up.printed()[0]);
    assert!((3..=5).contains(&count), "{count}");
}

/// What is flushed survives a kill, and sled flushes every 100 ms; on a busy machine the thread that does may come late.
#[test]
fn twenty_kills_take_back_no_count_that_sled_had_time_to_flush() {
    const FLUSHED: Duration = Duration::from_millis(800);
    let Some(app) = App::pingpong() else { return };
    // Counts that had time to be flushed before the last kill.
    let mut flushed = 0;
    for kill in 0..=20 {
        let mut up = app.up(&["--pub", "ping=ping", "--sub", "pong"]);
        let first = count(up.next_out());
        assert!(
            first > flushed,
            "after {kill} kills: {first}, but {flushed} had been flushed"
        );
        // Nobody reads what it prints, so nothing may hold it up. It ends with its node.
        let mut pings = whirlwind(app.path());
        pings.args(["pub", "ping", "ping", "--count", "10000000"]);
        let mut pings = pings
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = vec![(Instant::now(), first)];
        while seen[0].0.elapsed() < FLUSHED * 3 / 2 {
            let count = count(up.next_out());
            seen.push((Instant::now(), count));
        }
        up.signal("KILL");
        let killed = Instant::now();
        up.died();
        pings.wait().unwrap();
        let mut old = seen.iter().rev();
        let old = old.find(|(at, _)| killed.duration_since(*at) > FLUSHED);
        flushed = old.map_or(flushed, |(_, count)| *count);
    }
    assert!(flushed > 20, "hardly anything was counted: {flushed}");
}

fn count(line: &str) -> u32 {
    let count = line
        .strip_prefix("pong  pong ")
        .unwrap_or_else(|| panic!("{line}"));
    count.parse().unwrap()
}

#[test]
fn the_first_signal_drains() {
    let Some(app) = App::pingpong() else { return };
    for name in ["INT", "TERM"] {
        let mut up = app.up(&[]);
        up.signal(name);
        up.err("stopping: mailboxes are emptied first");
        up.err("stopped");
        assert_eq!(up.end(), 0);
    }
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::copy(component, folder.path().join("m.wasm")).unwrap();
    let manifest = "manifest = 1\n[actor.m]\ncomponent = \"m.wasm\"\nsubscribe = [\"m\"]\nlimits = { deadline = \"10m\" }\ndrain = \"10m\"\n";
    fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
    let mut up = Running::start(folder.path(), &["up", "--pub", "m=spin", "--sub", "m"]);
    up.out("m  spin");
    up.signal("INT");
    up.err("stopping: mailboxes are emptied first");
    up.signal("INT");
    assert_eq!(up.end(), 130);
}

#[test]
fn time_ends_it_with_0_and_with_124_where_a_count_was_wanted() {
    let Some(app) = App::pingpong() else { return };
    let said = app.run(&["up", "--for", "100ms"]);
    assert_eq!((said.status, said.out.as_str()), (0, ""), "{}", said.err);
    let said = app.run(&[
        "up",
        "--pub",
        "ping=ping",
        "--sub",
        "pong",
        "--count",
        "2",
        "--for",
        "3s",
    ]);
    assert_eq!(
        (said.status, said.out.as_str()),
        (124, "pong  pong 1\n"),
        "{}",
        said.err
    );
}

#[test]
fn a_reader_that_goes_away_stops_the_node_in_good_order() {
    let Some(app) = App::pingpong() else { return };
    let line = ["up", "--pub", "ping=ping", "--sub", "pong", "--raw"];
    let mut up = Running::start_for(app.path(), &line, 1);
    up.out("pong 1");
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    assert_eq!(up.end(), 0);
}
