//! The whole story, through the binary: pingpong is built, answers, counts, is killed, heals, is stopped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind_tests::guest;

use crate::bed::{PATIENCE, Running, Said, run, run_with, whirlwind};

/// Pingpong in a folder of its own.
struct App(TempDir);

impl App {
    /// None where guests cannot be built.
    fn pingpong() -> Option<Self> {
        let component = guest("pingpong")?;
        let folder = TempDir::new().unwrap();
        fs::copy(component, folder.path().join("pingpong.wasm")).unwrap();
        let manifest = "manifest = 1\n\
            [app]\nname = \"pingpong\"\n\
            [actor.pingpong]\ncomponent = \"pingpong.wasm\"\nsubscribe = [\"ping\"]\npublish = [\"pong\"]\n\
            links = { keyvalue = \"counters\" }\nretry = { backoff = { min = \"1ms\", max = \"1ms\" } }\n\
            [provider.counters]\ntype = \"sled\"\n";
        fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
        Some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join(".whirlwind/control.sock")
    }

    /// Starts it and waits until it is up.
    fn up(&self, args: &[&str]) -> Running {
        let mut line = vec!["up"];
        line.extend(args);
        let mut up = Running::start(self.path(), &line);
        up.err("; Ctrl-C stops it");
        up
    }

    fn run(&self, args: &[&str]) -> Said {
        run(self.path(), args)
    }

    /// What `ps` says of pingpong once it has handled so many events: an answer is out a moment before its turn is counted.
    fn pingpong_after(&self, handled: u64) -> Value {
        let begun = Instant::now();
        loop {
            let said = self.run(&["ps", "--json"]);
            let parts: Vec<Value> =
                serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
            let part = parts
                .into_iter()
                .find(|part| part["name"] == "pingpong")
                .unwrap();
            if part["handled"] == handled {
                return part;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{handled} are not handled: {part}"
            );
        }
    }
}

#[test]
fn one_command_builds_pingpong_and_shows_its_first_answer() {
    if guest("pingpong").is_none() {
        return;
    }
    let data = TempDir::new().unwrap();
    let actors = whirlwind_tests::guests::actors();
    let data_dir = data.path().to_str().unwrap();
    let line = "up pingpong --build --pub ping=ping --sub pong --count 1 --for 60s --data-dir";
    let args: Vec<&str> = line.split(' ').chain([data_dir]).collect();
    let said = run(&actors, &args);
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "pong  pong 1\n"),
        "{}",
        said.err
    );
    let order = [
        "building pingpong: cargo build",
        "built pingpong in",
        "provider  counters",
        "actor     pingpong",
        "topic     ping",
        "control",
        "up in",
        "stopped",
    ];
    let mut rest = said.err.as_str();
    for words in order {
        rest = rest
            .split_once(words)
            .unwrap_or_else(|| panic!("{words:?} is not where it should be: {}", said.err))
            .1;
    }
    assert!(
        !data.path().join("control.sock").exists(),
        "the socket goes with its node"
    );
}

#[test]
fn a_second_terminal_publishes_looks_and_stops() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&["--pub", "ping=ping", "--sub", "pong"]);
    up.out("pong  pong 1");
    let mode = fs::metadata(app.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut looker = Running::start(app.path(), &["sub", "pong", "--count", "1", "--json"]);
    looker.err("subscribed pong");
    let said = app.run(&["pub", "ping", "ping"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    up.out("pong  pong 2");
    assert_eq!(looker.end(), 0);
    let event: Value = serde_json::from_str(&looker.printed()[0]).unwrap();
    assert_eq!(
        (&event["topic"], &event["data"], &event["source"]),
        (
            &"pong".into(),
            &"pong 2".into(),
            &"/pingpong/pingpong".into()
        )
    );

    assert_eq!(app.run(&["kv", "get", "counters", "counter"]).out, "2");
    assert_eq!(
        app.run(&["kv", "list", "counters", "--json"]).out,
        "[\"counter\"]\n"
    );
    assert_eq!(
        app.run(&["kv", "set", "counters", "counter", "41"]).status,
        0
    );
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    up.out("pong  pong 42");
    let said = app.run(&["kv", "get", "counters", "conter"]);
    assert!(
        said.status == 1 && said.err.contains("did you mean `counter`?"),
        "{said:?}"
    );
    let said = app.run(&["pub", "pign", "ping"]);
    assert_eq!(
        (said.status, said.err.as_str()),
        (
            0,
            "note: nobody subscribes to `pign`; did you mean `ping`?\n"
        )
    );

    let part = app.pingpong_after(3);
    let fields: Vec<&str> = part
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for field in [
        "name",
        "kind",
        "state",
        "instances",
        "mailbox",
        "handled",
        "failed",
        "retried",
        "restarts",
        "dead",
        "dropped",
        "guarantee",
    ] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert_eq!(
        (
            &part["kind"],
            &part["state"],
            &part["instances"],
            &part["handled"]
        ),
        (&"actor".into(), &"running".into(), &1.into(), &3.into())
    );
    let tree: Value = serde_json::from_str(&app.run(&["tree", "--json"]).out).unwrap();
    for field in ["name", "kind", "state", "restarts", "strategy", "children"] {
        assert!(tree[0].get(field).is_some(), "{field}");
    }
    assert!(app.run(&["tree"]).out.contains("pingpong"));

    let said = app.run(&["stop"]);
    assert_eq!(
        (said.status, said.err.as_str()),
        (
            0,
            "stopping pingpong: it empties its mailboxes first\npingpong stopped\n"
        )
    );
    assert_eq!(up.end(), 0);
    assert_eq!(
        up.printed(),
        ["pong  pong 1", "pong  pong 2", "pong  pong 42"]
    );
    assert_eq!(app.run(&["ps"]).status, 7);
}

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
fn a_second_node_in_the_same_folder_is_refused() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&["--sub", "pong"]);
    let said = app.run(&["up"]);
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("already running here") && said.err.contains("whirlwind stop"),
        "{}",
        said.err
    );
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    up.out("pong  pong 1");
}

#[test]
fn poison_is_retried_kept_and_costs_nobody_else() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&["--sub", "pong"]);
    assert_eq!(
        run_with(app.path(), &["pub", "ping", "--file", "-"], b"\xff\xfe").status,
        0
    );
    for count in 1..=3 {
        assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
        up.out(&format!("pong  pong {count}"));
    }
    let part = app.pingpong_after(3);
    for (field, wanted) in [
        ("handled", 3),
        ("failed", 3),
        ("retried", 2),
        ("restarts", 3),
        ("dead", 1),
    ] {
        assert_eq!(part[field], wanted, "{field} of {part}");
    }
    assert_eq!(part["state"], "running");
}

#[test]
fn data_that_is_json_of_several_lines_is_one_line_of_the_stream() {
    let Some(app) = App::pingpong() else { return };
    let _up = app.up(&[]);
    for format in [&["--json"][..], &[]] {
        let mut looker = Running::start(
            app.path(),
            &[&["sub", "#", "--count", "1"][..], format].concat(),
        );
        looker.err("subscribed #");
        let said = run_with(
            app.path(),
            &[
                "pub",
                "json",
                "--content-type",
                "application/json",
                "--file",
                "-",
            ],
            b"{\n\"a\": 1\n}",
        );
        assert_eq!(said.status, 0, "{}", said.err);
        assert_eq!(looker.end(), 0, "{:?}", looker.printed());
        assert_eq!(looker.printed().len(), 1);
    }
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
fn up_prints_raw_and_json_as_sub_does() {
    let Some(app) = App::pingpong() else { return };
    let line = [
        "up",
        "--pub",
        "ping=ping",
        "--sub",
        "pong",
        "--count",
        "1",
        "--raw",
    ];
    assert_eq!(app.run(&line).out, "pong 1\n");
    let line = [
        "up",
        "--pub",
        "ping=ping",
        "--sub",
        "p#ng",
        "--count",
        "1",
        "--json",
    ];
    assert_eq!(app.run(&line).status, 2);
    let line = [
        "up",
        "--pub",
        "ping=ping",
        "--sub",
        "pong",
        "--count",
        "1",
        "--json",
    ];
    let event: Value = serde_json::from_str(&app.run(&line).out).unwrap();
    assert_eq!(
        (&event["topic"], &event["data"], &event["specversion"]),
        (&"pong".into(), &"pong 2".into(), &"1.0".into())
    );
}

#[test]
fn a_component_that_cannot_start_makes_the_root_give_up() {
    let Some(component) = guest("broken-start") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::copy(component, folder.path().join("b.wasm")).unwrap();
    fs::write(
        folder.path().join("whirlwind.toml"),
        "manifest = 1\n[actor.b]\ncomponent = \"b.wasm\"\nsubscribe = [\"b\"]\n",
    )
    .unwrap();
    let said = run(folder.path(), &["up"]);
    assert_eq!(said.status, 5, "{}", said.err);
    assert!(
        said.err.contains("error: the root supervisor gave up"),
        "{}",
        said.err
    );
}

#[test]
fn check_says_what_an_actor_gets_and_a_misfit_ends_with_4() {
    let Some(app) = App::pingpong() else { return };
    let said = app.run(&["check"]);
    assert_eq!(said.status, 0, "{}", said.err);
    for words in [
        "pingpong",
        "wasi:messaging/incoming-handler",
        "default = counters/default",
        "at-least-once",
        "ok: 1 actor would start",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let actors: Value = serde_json::from_str(&app.run(&["check", "--json"]).out).unwrap();
    assert_eq!(actors[0]["guarantee"], "at-least-once");
    for misfit in ["no-handler", "wants-http"] {
        let component = guest(misfit).unwrap();
        fs::copy(component, app.path().join("pingpong.wasm")).unwrap();
        let said = app.run(&["check"]);
        assert_eq!(said.status, 4, "{}", said.err);
    }
}

#[test]
fn build_runs_a_command_once_in_the_folder_and_shows_what_failed() {
    let folder = TempDir::new().unwrap();
    let manifest = |build: &str| {
        let actor =
            |name: &str| format!("[actor.{name}]\ncomponent = \"a.wasm\"\nbuild = {build:?}\n");
        fs::write(
            folder.path().join("whirlwind.toml"),
            format!("manifest = 1\n{}{}", actor("a"), actor("b")),
        )
        .unwrap();
    };
    manifest("echo here >> ran; env > seen");
    let mut command = crate::bed::whirlwind(Path::new("/"));
    command.envs([
        ("CARGO_TARGET_DIR", "/elsewhere"),
        ("CARGO_HOME", "/home"),
        ("RUSTUP_TOOLCHAIN", "other"),
        ("RUSTFLAGS", "-x"),
    ]);
    let output = command.arg("build").arg(folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    assert!(
        error.contains("building a, b: echo here") && error.contains("built a, b in"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("ran")).unwrap(),
        "here\n"
    );
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap();
    assert!(seen.contains("CARGO_HOME=/home"));
    for gone in [
        "CARGO_TARGET_DIR",
        "CARGO_MANIFEST_DIR",
        "RUSTUP_TOOLCHAIN",
        "RUSTFLAGS",
    ] {
        assert!(!seen.contains(&format!("{gone}=")), "{gone}");
    }

    manifest("echo one; echo two >&2; exit 3");
    let said = run(folder.path(), &["build"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    for words in [
        "one\n",
        "two\n",
        "error: the build of a, b failed: it ended with status 3",
        "help: ",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert_eq!(run(folder.path(), &["up", "--build"]).status, 1);
    fs::remove_file(folder.path().join("ran")).unwrap();
    manifest("touch ran");
    assert_eq!(
        run(folder.path(), &["up"]).status,
        4,
        "up alone never builds"
    );
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_missing_target_is_added_or_the_remedy_said() {
    let folder = TempDir::new().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let manifest = "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nbuild = \"echo --target wasm32-wasip2\"\n";
    fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
    let build = |rustup: &str| {
        let file = bin.join("rustup");
        fs::write(&file, format!("#!/bin/sh\n{rustup}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = crate::bed::whirlwind(folder.path())
            .env("PATH", path)
            .arg("build")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, error) =
        build("case \"$2\" in list) echo x86_64;; add) echo \"$@\" > added;; esac");
    assert_eq!(status, Some(0), "{error}");
    assert!(
        error.contains("adding the target wasm32-wasip2: rustup target add wasm32-wasip2"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("added")).unwrap(),
        "target add wasm32-wasip2\n"
    );

    let (status, error) =
        build("case \"$2\" in list) ;; add) echo 'error: no network' >&2; exit 1;; esac");
    assert_eq!(status, Some(1));
    assert!(
        error.contains("could not be added: error: no network"),
        "{error}"
    );
    assert!(
        error.contains("help: add it, with a network: rustup target add wasm32-wasip2"),
        "{error}"
    );

    let (status, error) = build("echo wasm32-wasip2");
    assert_eq!(status, Some(0));
    assert!(!error.contains("adding"), "{error}");
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
