//! Dead letters through the binary: a poison is shown, outlives its node, and is delivered again.

use axum::http::StatusCode;
use serde_json::{Value, json as value};

use crate::app::App;
use crate::bed::{Said, run};
use crate::fake_node::{FakeNode, json, refused};

/// Data that pingpong cannot take.
const POISON: &[u8] = b"p\xff";

fn poison(app: &App, seen: u64) {
    std::fs::write(app.path().join("poison"), POISON).unwrap();
    let said = app.run(&["pub", "ping", "--file", "poison"]);
    assert_eq!(said.status, 0, "{said:?}");
    // Behind it, in the same mailbox.
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    app.pingpong_after(seen);
}

fn listed(said: &Said) -> Vec<Value> {
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

#[test]
fn a_poison_outlives_its_node_and_is_delivered_again_by_the_next() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&[]);
    let said = app.run(&["dead", "list"]);
    assert_eq!(
        (said.status, said.out.as_str(), said.err.as_str()),
        (0, "", "there are no dead letters\n")
    );
    poison(&app, 1);
    let said = app.run(&["dead", "list"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let lines: Vec<&str> = said.out.lines().collect();
    let [head, letter] = lines[..] else {
        panic!("{said:?}")
    };
    let words = |line: &'_ str| -> Vec<String> {
        let words = line.split_whitespace();
        words.map(str::to_owned).collect()
    };
    assert_eq!(
        words(head),
        ["ID", "AT", "ACTOR", "TOPIC", "REASON", "ATTEMPTS", "ERROR"]
    );
    let letter = words(letter);
    assert_eq!(letter[0], "1");
    assert_eq!(
        letter[2..6],
        ["pingpong", "ping", "max-deliver", "3"].map(str::to_owned)
    );
    assert_eq!(letter[6], "panicked");
    let running = listed(&app.run(&["dead", "list", "--json"]));
    let mut fields: Vec<_> = running[0].as_object().unwrap().keys().collect();
    fields.sort();
    let expected = [
        "actor", "at", "attempts", "error", "event", "id", "reason", "topic",
    ];
    assert_eq!(fields, expected);
    assert_eq!(running[0]["event"]["data_base64"], "cP8=");
    let said = app.run(&["dead", "show", "1"]);
    for part in [
        "70 ff",
        "p.",
        "source           /whirlwind/pub",
        "Utf8Error",
        "pingpong.wasm!",
    ] {
        assert!(said.out.contains(part), "no {part} in {}", said.out);
    }
    let said = app.run(&["dead", "show", "7"]);
    let words = "error: there is no dead letter 7; there are 1\n";
    assert_eq!((said.status, said.err.as_str()), (1, words));

    assert_eq!(app.run(&["stop"]).status, 0);
    up.err("keeps 1 dead letter; see `whirlwind dead list`");
    assert_eq!(up.end(), 0);
    let said = app.run(&["dead", "list", "--json"]);
    assert_eq!(said.status, 0);
    assert!(said.err.contains("no node is running"), "{}", said.err);
    assert_eq!(listed(&said), running);
    let said = app.run(&["dead", "show", "1", "--json"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown, running[0]);
    assert_eq!(app.run(&["dead", "show", "7"]).status, 1);
    for verb in ["redeliver", "drop"] {
        let said = app.run(&["dead", verb, "1"]);
        assert_eq!(said.status, 7);
        assert!(said.err.contains("whirlwind up"), "{}", said.err);
    }

    let mut up = app.up(&[]);
    assert_eq!(listed(&app.run(&["dead", "list", "--json"])), running);
    let said = app.run(&["dead", "redeliver", "1"]);
    assert_eq!(
        (said.status, said.err.as_str()),
        (0, "dead letter 1 is in the mailbox of `pingpong` again\n")
    );
    // It is still a poison: a letter of its own now.
    assert_eq!(app.run(&["pub", "ping", "ping"]).status, 0);
    app.pingpong_after(1);
    let letters = listed(&app.run(&["dead", "list", "--json"]));
    let ids: Vec<_> = letters.iter().map(|letter| &letter["id"]).collect();
    assert_eq!(ids, [2]);
    let said = app.run(&["dead", "drop", "1"]);
    assert_eq!(said.status, 1, "it is gone");
    let said = app.run(&["dead", "drop", "--all"]);
    let words = "1 dead letter is forgotten\n";
    assert_eq!((said.status, said.err.as_str()), (0, words));
    assert_eq!(app.run(&["stop"]).status, 0);
    assert_eq!(up.end(), 0);
    // Nothing is left, so there is no file and nobody to ask.
    assert_eq!(app.run(&["dead", "list"]).status, 7);
}

#[test]
fn what_cannot_be_written_at_the_end_is_the_last_word() {
    let Some(app) = App::pingpong() else { return };
    let mut up = app.up(&[]);
    poison(&app, 1);
    let way = app.path().join(".whirlwind/dead-letters.jsonl.new");
    std::fs::create_dir(way).unwrap();
    assert_eq!(app.run(&["stop"]).status, 0);
    up.err("error: 1 dead letter lost, as the file could not be written: ");
    assert_eq!(up.end(), 1);
}

#[test]
fn redeliver_all_says_what_was_refused_and_ends_with_1() {
    let node = FakeNode::start(|asked| match asked.what.as_str() {
        "POST /v1/dead/redeliver" => json(
            value!({
                "redelivered": [
                    { "id": 1, "actor": "a", "topic": null, "delivered": 1 },
                    { "id": 2, "actor": null, "topic": "t", "delivered": 3 },
                ],
                "refused": [{ "id": 3, "error": "the mailbox of `b` is full\u{1b}" }],
            })
            .to_string(),
        ),
        "DELETE /v1/dead" => json(r#"{"dropped":12}"#),
        "GET /v1/node" => json(
            r#"{"app":"a","manifest":null,"version":"0","pid":1,"unrouted":0,
                "dead_letters":{"kept":0,"recorded":9,"pushed_out":9}}"#,
        ),
        "GET /v1/dead" => json("[]"),
        _ => refused(StatusCode::CONFLICT, "no actor `x` takes events here"),
    });
    let said = run(node.folder(), &["dead", "redeliver", "--all"]);
    assert_eq!(said.status, 1);
    let expected = "\
dead letter 1 is in the mailbox of `a` again
dead letter 2 is published on `t` again, with no turns behind it, and delivered to 3
note: dead letter 3 was not delivered: the mailbox of `b` is full\\u{1b}
error: 1 of 3 dead letters were not delivered, and are kept
";
    assert_eq!(said.err, expected);
    let said = run(node.folder(), &["dead", "redeliver", "9"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("no actor `x`"), "{}", said.err);
    let said = run(node.folder(), &["dead", "drop", "--all"]);
    assert_eq!(said.err, "12 dead letters are forgotten\n");
    // What a full box pushed out is said.
    let said = run(node.folder(), &["dead", "list", "--json"]);
    assert_eq!((said.status, said.out.as_str()), (0, "[]\n"));
    assert!(said.err.contains("9 older letters were pushed out"));
}

#[test]
fn an_id_or_all_and_not_both() {
    for args in [
        &["dead", "drop"][..],
        &["dead", "drop", "1", "--all"],
        &["dead", "redeliver"],
        &["dead", "show"],
        &["dead", "show", "x"],
        &["dead", "drop", "1", "--json"],
    ] {
        assert_eq!(run(std::path::Path::new("/"), args).status, 2, "{args:?}");
    }
}
