//! The verbs that ask a node, against one that answers what the test wants.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json as value};

use crate::bed::{run, run_with, whirlwind};
use crate::fake_node::{Asked, FakeNode, json, lines, lines_without_end, refused};

fn accepts() -> FakeNode {
    FakeNode::start(accept)
}

fn accept(asked: &Asked) -> axum::response::Response {
    let event: Value = serde_json::from_slice(&asked.body).unwrap();
    (
        StatusCode::ACCEPTED,
        axum::Json(value!({ "id": event["id"], "delivered": 1 })),
    )
        .into_response()
}

/// The events that were published, each with its request.
fn published(node: &FakeNode) -> Vec<(String, Value)> {
    let asked = node
        .asked()
        .into_iter()
        .filter(|asked| asked.what.starts_with("POST /v1/events"));
    asked
        .map(|asked| (asked.what, serde_json::from_slice(&asked.body).unwrap()))
        .collect()
}

#[test]
fn pub_sends_a_structured_event_and_prints_its_id() {
    let node = accepts();
    let said = run(node.folder(), &["pub", "sensors/kitchen raw", "21.5"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let asked = node.asked();
    assert_eq!(
        asked[0].what,
        "POST /v1/events?topic=sensors%2Fkitchen%20raw"
    );
    assert_eq!(
        asked[0].content_type.as_deref(),
        Some("application/cloudevents+json")
    );
    let (_, event) = &published(&node)[0];
    assert_eq!(said.out, format!("{}\n", event["id"].as_str().unwrap()));
    assert_eq!(
        uuid::Uuid::parse_str(event["id"].as_str().unwrap())
            .unwrap()
            .get_version_num(),
        7
    );
    assert_eq!(event["source"], "/whirlwind/pub");
    assert_eq!(event["type"], "dev.whirlwind.message");
    assert_eq!(
        event["data_base64"], "MjEuNQ==",
        "data whose type is not said is bytes"
    );
    assert_eq!(event.get("datacontenttype"), None);
}

#[test]
fn pub_takes_every_attribute() {
    let node = accepts();
    let line = [
        "pub",
        "orders",
        r#"{"n":1}"#,
        "--type",
        "com.example.order",
        "--subject",
        "17",
        "--id",
        "a1",
        "--source",
        "/shop",
        "--content-type",
        "application/json",
        "--ext",
        "partitionkey=c5",
        "--ext",
        "empty=a=b",
    ];
    let said = run(node.folder(), &line);
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "a1\n"),
        "{}",
        said.err
    );
    let wanted = value!({
        "specversion": "1.0", "id": "a1", "source": "/shop", "type": "com.example.order", "subject": "17",
        "datacontenttype": "application/json", "empty": "a=b", "partitionkey": "c5", "data": { "n": 1 },
    });
    assert_eq!(published(&node)[0].1, wanted);
}

#[test]
fn pub_without_data_publishes_none_and_a_file_as_it_is() {
    let node = accepts();
    assert_eq!(run(node.folder(), &["pub", "tick"]).status, 0);
    fs::write(node.folder().join("raw"), b"\xff\n").unwrap();
    assert_eq!(
        run(node.folder(), &["pub", "tick", "--file", "raw"]).status,
        0
    );
    assert_eq!(
        run_with(
            node.folder(),
            &["pub", "tick", "--file", "-"],
            b"one\ntwo\n"
        )
        .status,
        0
    );
    let events: Vec<Value> = published(&node)
        .into_iter()
        .map(|(_, event)| event["data_base64"].clone())
        .collect();
    assert_eq!(events, [Value::Null, "/wo=".into(), "b25lCnR3bwo=".into()]);
}

#[test]
fn pub_reads_lines_and_each_is_an_event() {
    let node = accepts();
    let said = run_with(
        node.folder(),
        &["pub", "lines", "-", "--content-type", "text/plain"],
        b"one\n\nthree",
    );
    assert_eq!(said.status, 0, "{}", said.err);
    let events = published(&node);
    let data: Vec<&str> = events
        .iter()
        .map(|(_, event)| event["data"].as_str().unwrap())
        .collect();
    assert_eq!(data, ["one", "", "three"]);
    let ids: Vec<&str> = events
        .iter()
        .map(|(_, event)| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(said.out.lines().collect::<Vec<_>>(), ids);
}

#[test]
fn pub_counts_and_every_event_has_an_id_of_its_own() {
    let node = accepts();
    let said = run(
        node.folder(),
        &[
            "pub", "ping", "ping", "--count", "20", "--rate", "10000/s", "--json",
        ],
    );
    assert_eq!(said.status, 0, "{}", said.err);
    let mut ids: Vec<String> = said
        .out
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["delivered"], 1);
            line["id"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert_eq!(published(&node).len(), 20);
}

#[test]
fn pub_says_once_that_nobody_subscribes_and_what_was_probably_meant() {
    let node = FakeNode::start(|asked| {
        if asked.what == "GET /v1/node" {
            let manifest =
                std::env::temp_dir().join(format!("whirlwind-hint-{}.toml", std::process::id()));
            return json(value!({ "app": "a", "manifest": manifest, "version": "0", "pid": 1, "unrouted": 0 }).to_string());
        }
        json(r#"{"id":"1","delivered":0}"#)
    });
    let manifest = std::env::temp_dir().join(format!("whirlwind-hint-{}.toml", std::process::id()));
    fs::write(
        &manifest,
        "manifest = 1\n[actor.a]\ncomponent = \"a.wasm\"\nsubscribe = [\"ping\"]\n",
    )
    .unwrap();
    let said = run(node.folder(), &["pub", "pign", "x", "--count", "3"]);
    fs::remove_file(&manifest).unwrap();
    assert_eq!((said.status, said.out.as_str()), (0, "1\n1\n1\n"));
    assert_eq!(
        said.err,
        "note: nobody subscribes to `pign`; did you mean `ping`?\n"
    );
}

#[test]
fn pub_ends_with_1_when_an_event_is_not_accepted_and_tries_no_second_time() {
    let node = FakeNode::start(|_| {
        refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the mailbox of `a` stayed full\u{1b}[2J",
        )
    });
    let said = run(node.folder(), &["pub", "ping", "ping", "--count", "5"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert_eq!(
        said.err,
        "error: the mailbox of `a` stayed full\\u{1b}[2J\n"
    );
    assert_eq!(node.asked().len(), 1);
}

const PONG: &str = r#"{"specversion":"1.0","id":"1","source":"/p/p","type":"t","datacontenttype":"text/plain","topic":"pong","data":"pong 1"}"#;
const BYTES: &str = r#"{"specversion":"1.0","id":"2","source":"/p/p","type":"t","topic":"raw/x","data_base64":"//4K"}"#;
const BARE: &str = r#"{"specversion":"1.0","id":"3","source":"/p/p","type":"t","topic":"tick"}"#;
const JSON: &str =
    r#"{"specversion":"1.0","id":"4","source":"/p/p","type":"t","topic":"j","data":{"n": 1}}"#;

fn stream() -> String {
    format!("{{\"subscribed\":\"#\"}}\n{PONG}\n{BYTES}\n{{\"missed\":3}}\n{BARE}\n{JSON}\n")
}

#[test]
fn sub_prints_topic_and_data_and_says_what_was_missed() {
    let node = FakeNode::start(|_| lines(stream()));
    let said = run(node.folder(), &["sub", "#"]);
    assert_eq!(node.asked()[0].what, "GET /v1/events?filter=%23");
    assert_eq!(said.status, 0);
    assert_eq!(
        said.out,
        "pong  pong 1\nraw/x  ff fe 0a (3 bytes, not UTF-8)\ntick  (no data)\nj  {\"n\": 1}\n"
    );
    assert_eq!(
        said.err,
        "subscribed #\nnote: 3 events missed: this reader is too slow for what is published\nnote: the node has ended\n"
    );
}

#[test]
fn sub_prints_raw_data_and_json_as_the_node_sent_it() {
    let node = FakeNode::start(|_| lines(stream().replace(BYTES, PONG)));
    assert_eq!(
        run(node.folder(), &["sub", "#", "--raw"]).out,
        "pong 1\npong 1\n\n{\"n\": 1}\n"
    );
    assert_eq!(
        run(node.folder(), &["sub", "#", "--json"]).out,
        format!("{PONG}\n{PONG}\n{BARE}\n{JSON}\n")
    );
    assert_eq!(
        run(node.folder(), &["--json", "sub", "#"]).out,
        format!("{PONG}\n{PONG}\n{BARE}\n{JSON}\n")
    );
}

#[test]
fn sub_ends_at_its_count_in_the_middle_of_what_came() {
    let node = FakeNode::start(|_| lines_without_end(stream().replace(BYTES, PONG)));
    let said = run(
        node.folder(),
        &["sub", "#", "--count", "2", "--raw", "--timeout", "60s"],
    );
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "pong 1\npong 1\n"),
        "{}",
        said.err
    );
    assert_eq!(
        run(node.folder(), &["sub", "#", "--count", "1"]).out,
        "pong  pong 1\n"
    );
}

#[test]
fn sub_ends_with_124_when_its_time_is_over() {
    let node = FakeNode::start(|_| lines_without_end(stream()));
    let said = run(
        node.folder(),
        &["sub", "#", "--count", "9", "--timeout", "2s"],
    );
    assert_eq!((said.status, said.out.lines().count()), (124, 4));
}

#[test]
fn sub_fails_when_the_node_ends_before_the_count() {
    let node = FakeNode::start(|_| lines(stream()));
    let said = run(node.folder(), &["sub", "#", "--count", "9"]);
    assert_eq!(said.status, 1);
    assert!(
        said.err
            .ends_with("error: the node ended after 4 of 9 events\n"),
        "{}",
        said.err
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let node = FakeNode::start(|asked| {
        if asked.what.starts_with("GET /v1/kv") {
            return json(
                value!({ "keys": vec!["k".repeat(100); 10_000], "cursor": null }).to_string(),
            );
        }
        lines(format!("{PONG}\n").repeat(100_000))
    });
    for args in [&["sub", "#"][..], &["kv", "list", "counters"]] {
        let mut child = whirlwind(node.folder())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(
            (
                ended.status.code(),
                String::from_utf8_lossy(&ended.stderr).as_ref()
            ),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn ps_aligns_its_columns_and_shows_what_was_said_of_a_part() {
    let parts = value!([
        { "name": "counters", "kind": "provider", "state": "down", "instances": null, "mailbox": null, "handled": null,
          "failed": null, "retried": null, "restarts": null, "dead": null, "dropped": null, "guarantee": null,
          "detail": "locked by\u{7} another" },
        { "name": "pingpong", "kind": "actor", "state": "running", "instances": 2, "mailbox": 7, "handled": 12,
          "failed": 3, "retried": 2, "restarts": 3, "dead": 1, "dropped": 0, "guarantee": "at-least-once" },
    ]);
    let sent = parts.to_string();
    let node = FakeNode::start(move |_| json(sent.clone()));
    let said = run(node.folder(), &["ps"]);
    insta::assert_snapshot!("ps", said.out);
    let said = run(node.folder(), &["ps", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), parts);
    assert_eq!(said.out.lines().count(), 1);
}

#[test]
fn tree_is_drawn() {
    fn place(
        name: &str,
        kind: &str,
        restarts: u64,
        strategy: Option<&str>,
        children: Vec<Value>,
    ) -> Value {
        value!({ "name": name, "kind": kind, "state": "running", "restarts": restarts, "strategy": strategy, "children": children })
    }
    let instance = place("pingpong/0", "instance", 3, None, vec![]);
    let actor = place(
        "pingpong",
        "actor",
        0,
        Some("simple-one-for-one"),
        vec![instance],
    );
    let other = place("audit", "actor", 1, Some("simple-one-for-one"), vec![]);
    let root = place(
        "root",
        "supervisor",
        0,
        Some("one-for-one"),
        vec![actor, other],
    );
    let tree = value!([place(
        "node",
        "supervisor",
        0,
        Some("rest-for-one"),
        vec![root]
    )]);
    let sent = tree.to_string();
    let node = FakeNode::start(move |_| json(sent.clone()));
    insta::assert_snapshot!("tree", run(node.folder(), &["tree"]).out);
    assert_eq!(
        serde_json::from_str::<Value>(&run(node.folder(), &["tree", "--json"]).out).unwrap(),
        tree
    );
}

#[test]
fn colour_is_only_for_terminals() {
    let node = FakeNode::start(|_| json("[]"));
    assert_eq!(run(node.folder(), &["ps"]).out.matches('\u{1b}').count(), 0);
    let forced = whirlwind(node.folder())
        .env("CLICOLOR_FORCE", "1")
        .arg("ps")
        .output()
        .unwrap();
    assert!(String::from_utf8(forced.stdout).unwrap().contains('\u{1b}'));
}

#[test]
fn kv_asks_for_the_bucket_that_is_meant() {
    let node = FakeNode::start(|asked| match asked.what.split(' ').next().unwrap() {
        "GET" => b"\xff\x00value".into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    });
    fs::write(node.folder().join("value"), b"\xff").unwrap();
    let lines: [&[&str]; 5] = [
        &["kv", "set", "counters", "a b", "-5"],
        &["kv", "set", "counters/x", "k", "--file", "value"],
        &["kv", "set", "counters", "k", "--file", "-"],
        &["kv", "delete", "counters/x/y", "k"],
        &["kv", "set", "counters", "k", "--", "--v"],
    ];
    for line in lines {
        let said = run_with(node.folder(), line, b"in\n");
        assert_eq!(
            (said.status, said.out.as_str(), said.err.as_str()),
            (0, "", ""),
            "{line:?}"
        );
    }
    let asked: Vec<(String, Vec<u8>)> = node
        .asked()
        .into_iter()
        .map(|asked| (asked.what, asked.body.to_vec()))
        .collect();
    let wanted: [(&str, &[u8]); 5] = [
        ("PUT /v1/kv/counters/default/value?key=a%20b", b"-5"),
        ("PUT /v1/kv/counters/x/value?key=k", b"\xff"),
        ("PUT /v1/kv/counters/default/value?key=k", b"in\n"),
        ("DELETE /v1/kv/counters/x%2Fy/value?key=k", b""),
        ("PUT /v1/kv/counters/default/value?key=k", b"--v"),
    ];
    assert_eq!(
        asked,
        wanted.map(|(what, body)| (what.to_owned(), body.to_vec()))
    );
    let got = whirlwind(node.folder())
        .args(["kv", "get", "counters", "k"])
        .output()
        .unwrap();
    assert_eq!(
        got.stdout, b"\xff\x00value",
        "a value goes to a program as it is"
    );
}

#[test]
fn kv_list_goes_through_all_pages() {
    let node = FakeNode::start(|asked| match asked.what.as_str() {
        "GET /v1/kv/counters/default" => json(r#"{"keys":["a","b\nc"],"cursor":"b\nc"}"#),
        "GET /v1/kv/counters/default?cursor=b%0Ac" => json(r#"{"keys":["d"],"cursor":null}"#),
        other => panic!("{other}"),
    });
    assert_eq!(
        run(node.folder(), &["kv", "list", "counters"]).out,
        "a\nb\\nc\nd\n"
    );
    assert_eq!(
        run(node.folder(), &["kv", "list", "counters", "--json"]).out,
        "[\"a\",\"b\\nc\",\"d\"]\n"
    );
}

#[test]
fn stop_waits_for_the_end_of_the_node() {
    let node = FakeNode::start(|asked| match asked.what.as_str() {
        "GET /v1/node" => {
            json(r#"{"app":"pingpong","manifest":null,"version":"0","pid":1,"unrouted":0}"#)
        }
        "POST /v1/stop" => lines(""),
        other => panic!("{other}"),
    });
    let said = run(node.folder(), &["stop"]);
    assert_eq!((said.status, said.out.as_str()), (0, ""));
    assert_eq!(
        said.err,
        "stopping pingpong: it empties its mailboxes first\npingpong stopped\n"
    );
}

#[test]
fn an_answer_that_is_none_is_said_in_words() {
    for (answer, words) in [
        ("", "cannot be read"),
        ("{}", "cannot be read"),
        ("[{\"name\":1}]", "cannot be read"),
    ] {
        let node = FakeNode::start(move |_| json(answer));
        let said = run(node.folder(), &["ps"]);
        assert_eq!(said.status, 1, "{answer}");
        assert!(
            said.err.contains(words) && said.err.contains("help:"),
            "{answer}: {}",
            said.err
        );
    }
    let node = FakeNode::start(|_| (StatusCode::INTERNAL_SERVER_ERROR, "oh").into_response());
    assert_eq!(
        run(node.folder(), &["ps"]).err,
        "error: the node answered 500 Internal Server Error\n"
    );
}
