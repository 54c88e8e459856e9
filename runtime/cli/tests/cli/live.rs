//! Changing a running app, through the binary.

use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use serde_json::Value;
use whirlwind_tests::guest;

use crate::app::App;
use crate::bed::{Said, run};
use crate::fake_node::{FakeNode, json, refused};

/// Done, with these words for a person.
fn done(said: &Said, words: &str) {
    let of = (said.status, said.out.as_str(), said.err.as_str());
    assert_eq!(of, (0, "", words));
}

/// The field of pingpong in `ps --json`.
fn field(app: &App, name: &str) -> Value {
    let said = app.run(&["ps", "--json"]);
    let parts: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let pingpong = parts.iter().find(|part| part["name"] == "pingpong");
    pingpong.unwrap()[name].clone()
}

#[test]
fn an_actor_is_scaled_restarted_killed_and_reloaded_and_counts_on() {
    let (Some(app), Some(events)) = (App::pingpong(), guest("pingpong-events")) else {
        return;
    };
    let mut up = app.up(&["--sub", "pong"]);
    let ping = || assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    ping();
    up.out("pong  pong 1");

    done(
        &app.run(&["scale", "pingpong=3"]),
        "pingpong has 3 instances\n",
    );
    assert_eq!(field(&app, "instances"), 3);
    done(
        &app.run(&["scale", "pingpong=1"]),
        "pingpong has 1 instance\n",
    );
    assert_eq!(field(&app, "instances"), 1);
    done(&app.run(&["restart", "pingpong"]), "pingpong restarted\n");
    ping();
    up.out("pong  pong 2");

    done(
        &app.run(&["kill", "pingpong"]),
        "pingpong killed, with 1 instance; what follows is its supervisor's to decide\n",
    );
    ping();
    up.out("pong  pong 3");

    // The file is looked for where the command stands, not where the node does.
    let elsewhere = tempfile::TempDir::new().unwrap();
    fs::copy(events, elsewhere.path().join("other.wasm")).unwrap();
    let node = app.path().to_str().unwrap();
    let line = ["--node", node, "reload", "pingpong", "other.wasm"];
    done(
        &run(elsewhere.path(), &line),
        "pingpong reloaded, 1 instance replaced\n",
    );
    ping();
    up.out("pong  pong 4");
    done(
        &app.run(&["reload", "pingpong"]),
        "pingpong reloaded, 1 instance replaced\n",
    );
    ping();
    up.out("pong  pong 5");
    assert_eq!(field(&app, "failed"), 0);
    assert_eq!(app.run(&["stop"]).status, 0);
    assert_eq!(up.end(), 0);
}

#[test]
fn what_cannot_be_done_ends_with_its_status_and_the_actor_goes_on() {
    let (Some(app), Some(unfit), Some(broken)) =
        (App::pingpong(), guest("no-handler"), guest("broken-start"))
    else {
        return;
    };
    let mut up = app.up(&["--sub", "pong"]);
    fs::write(app.path().join("text.wasm"), "no component").unwrap();
    let (unfit, broken) = (unfit.to_str().unwrap(), broken.to_str().unwrap());
    let rows: &[(&[&str], i32, &str)] = &[
        (&["scale", "pingpnog=2"], 1, "did you mean `pingpong`?"),
        (&["scale", "pingpong=1025"], 1, "from 1 to 1024"),
        (&["restart", "nobody"], 1, "the actors are: `pingpong`"),
        (&["kill", "counters"], 1, "there is no actor `counters`"),
        (&["reload", "pingpong", unfit], 4, "exports no handler"),
        (
            &["reload", "pingpong", broken],
            4,
            "no instance could be made",
        ),
        (&["reload", "pingpong", "text.wasm"], 4, "text.wasm"),
        (
            &["reload", "pingpong", "nowhere.wasm"],
            4,
            "there is no such file",
        ),
    ];
    for (line, status, words) in rows {
        let said = app.run(line);
        assert_eq!(said.status, *status, "{line:?}: {}", said.err);
        assert!(said.err.contains(words), "{line:?}: {}", said.err);
    }
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    up.out("pong  pong 1");
    assert_eq!(field(&app, "restarts"), 0);
}

#[test]
fn a_node_is_asked_for_a_change_by_its_names_whatever_they_are() {
    let node = FakeNode::start(|_| json(r#"{"actor":"a b/c","instances":2}"#));
    let at = node.folder();
    done(&run(at, &["scale", "a b/c=2"]), "a b/c has 2 instances\n");
    done(&run(at, &["restart", "a b/c"]), "a b/c restarted\n");
    assert_eq!(run(at, &["reload", "a", "/x y.wasm"]).status, 0);
    let asked: Vec<_> = node.asked().into_iter().map(|asked| asked.what).collect();
    let wanted = [
        "POST /v1/actors/a%20b%2Fc/scale?instances=2",
        "POST /v1/actors/a%20b%2Fc/restart",
        "POST /v1/actors/a/reload?file=%2Fx%20y.wasm",
    ];
    assert_eq!(asked, wanted);
}

#[test]
fn what_a_node_says_of_a_component_is_escaped_line_by_line() {
    let words = "a.wasm: imports\n  x\u{1b}[2J";
    let node = FakeNode::start(move |_| refused(StatusCode::UNPROCESSABLE_ENTITY, words));
    let said = run(node.folder(), &["reload", "a"]);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("imports\n  x\\u{1b}[2J"), "{}", said.err);
    assert_eq!(run(Path::new("/"), &["kill", "a"]).status, 7);
}
