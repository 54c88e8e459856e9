//! The whole story, through the binary: pingpong is built, answers, counts, is harmed, heals.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use whirlwind_tests::guest;

use crate::app::App;
use crate::bed::{Running, run, run_with};

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
fn a_root_that_gives_up_is_seen_from_its_start_and_says_which_child_why_and_at_which_event() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::copy(component, folder.path().join("weak.wasm")).unwrap();
    fs::write(
        folder.path().join("whirlwind.toml"),
        "manifest = 1\n[supervisor.root]\nmax_restarts = 0\n[actor.weak]\ncomponent = \"weak.wasm\"\n\
         subscribe = [\"weak\"]\nmax_restarts = 0\n",
    )
    .unwrap();
    let line = ["up", "--pub", "weak=panic", "--sub", "$sys/#", "--json"];
    let said = run(folder.path(), &line);
    assert_eq!(said.status, 5, "{}", said.err);
    let events = said.out.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let topic = event["topic"].as_str().unwrap().to_owned();
        (topic, event["data"].clone())
    });
    let events: Vec<_> = events.collect();
    let topics: Vec<_> = events.iter().map(|(topic, _)| topic.as_str()).collect();
    let expected = [
        "$sys/actor/weak/started",
        "$sys/actor/weak/crashed",
        "$sys/actor/weak/gave-up",
        "$sys/actor/weak/stopped",
        "$sys/supervisor/root/gave-up",
        "$sys/supervisor/node/gave-up",
        // What the last instance had in hand goes to the dead-letter file.
        "$sys/event/weak/dead-lettered",
    ];
    assert_eq!(topics, expected);
    assert_eq!(events[6].1["reason"], "node-ended");
    let id = events[1].1["event"].as_str().unwrap();
    let at = format!("(event {id} on `weak`)");
    for words in [
        "error: the root supervisor gave up",
        "`weak/0`",
        "asked to panic",
        &at,
    ] {
        assert!(said.err.contains(words), "no {words}: {}", said.err);
    }
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
