//! The load generator: against real actors, and against nodes that refuse, are silent, or vanish.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Barrier;
use tokio::time::Instant;
use whirlwind_tests::guest;

use crate::app::App;
use crate::bed::{PATIENCE, Running, run};
use crate::fake_node::{FakeNode, json, lines_without_end, refused};

const ACCEPTED: &str = r#"{"id":"1","delivered":1}"#;

/// What `--json` printed.
fn results(out: &str) -> Value {
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// These fields, of which all are numbers.
fn numbers<const N: usize>(results: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        let number = results[name].as_u64();
        number.unwrap_or_else(|| panic!("{name} is no number: {results}"))
    })
}

/// The percentiles are there, and each is at least the one before it.
fn measured(latency: &Value) {
    let names = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];
    let found: Vec<f64> = names
        .iter()
        .map(|name| {
            latency[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{latency}"))
        })
        .collect();
    assert!(found[0] > 0.0 && found.is_sorted(), "{latency}");
}

/// Waits until it holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        std::thread::yield_now();
    }
}

#[test]
fn pingpong_is_measured_to_its_answers_which_are_matched_by_order() {
    let Some(app) = App::pingpong() else { return };
    let _up = app.up(&[]);
    let line = [
        "bench", "ping", "ping", "--count", "50", "--window", "4", "--reply", "pong",
    ];
    let said = app.run(&line);
    assert_eq!(said.status, 0, "{said:?}");
    let rows: Vec<&str> = said.out.lines().collect();
    let begin = |row: &str| row.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(
        rows.iter().map(|row| begin(row)).collect::<Vec<_>>(),
        [
            "EVENTS COUNT",
            "sent 50",
            "accepted 50",
            "answered, by",
            "refused 0",
            "lost 0",
            "unexpected 0"
        ],
        "{}",
        said.out
    );
    assert!(
        rows[3].starts_with("answered, by order     50"),
        "{}",
        said.out
    );
    assert!(
        said.err
            .contains("note: answers carry no number and were matched by order"),
        "{}",
        said.err
    );
    assert_eq!(app.pingpong_after(50)["handled"], 50);

    let said = app.run(&[&line[..], &["--json"]].concat());
    assert_eq!(said.status, 0, "{said:?}");
    let results = results(&said.out);
    let counts = numbers(
        &results,
        ["sent", "accepted", "refused", "unknown", "unrouted"],
    );
    assert_eq!(counts, [50, 50, 0, 0, 0]);
    assert_eq!(
        (&results["loop"], &results["asked"]),
        (&"closed".into(), &Value::Null)
    );
    assert_eq!(results["payload_bytes"], 4);
    measured(&results["acknowledged"]);
    let reply = &results["reply"];
    assert_eq!(reply["matched_by"], "order");
    assert_eq!(
        numbers(reply, ["answered", "lost", "missed", "unexpected"]),
        [50, 0, 0, 0]
    );
    measured(&reply["latency"]);
}

#[test]
fn answers_that_carry_the_number_find_their_events_at_a_rate_over_several_topics() {
    let Some(component) = guest("relay") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    fs::copy(component, folder.path().join("relay.wasm")).unwrap();
    let manifest = "manifest = 1\n[actor.relay]\ncomponent = \"relay.wasm\"\n\
        instances = 3\nsubscribe = [\"in/+\"]\npublish = [\"out\"]\n";
    fs::write(folder.path().join("whirlwind.toml"), manifest).unwrap();
    let mut up = Running::start(folder.path(), &["up", "--sub", "in/#", "--raw"]);
    up.err("; Ctrl-C stops it");
    let line = [
        "bench",
        "in",
        "--topics",
        "3",
        "--count",
        "60",
        "--rate",
        "500/s",
        "--payload",
        "64B",
        "--reply",
        "out",
        "--json",
    ];
    let said = run(folder.path(), &line);
    assert_eq!(said.status, 0, "{said:?}");
    let results = results(&said.out);
    let counts = numbers(
        &results,
        ["asked", "sent", "accepted", "payload_bytes", "topics"],
    );
    assert_eq!(counts, [60, 60, 60, 64, 3]);
    assert_eq!(results["loop"], "open");
    assert_eq!(results["asked_per_s"], 500.0);
    measured(&results["lateness"]);
    let reply = &results["reply"];
    assert_eq!(reply["matched_by"], "number");
    assert_eq!(
        numbers(reply, ["answered", "lost", "missed", "unexpected"]),
        [60, 0, 0, 0]
    );
    // Each carried a number of its own, in data of the size that was asked for.
    let mut data: Vec<String> = (0..60).map(|_| up.next_out().to_owned()).collect();
    assert!(data.iter().all(|data| data.len() == 64), "{data:?}");
    data.sort();
    data.dedup();
    assert_eq!(data.len(), 60);
}

/// Pingpong takes what is not `ping` and says nothing.
#[test]
fn accepted_events_without_an_answer_are_lost_and_end_it_with_6() {
    let Some(app) = App::pingpong() else { return };
    let _up = app.up(&[]);
    let line = [
        "bench", "ping", "--count", "5", "--reply", "pong", "--grace", "100ms", "--json",
    ];
    let said = app.run(&line);
    assert_eq!(said.status, 6, "{said:?}");
    let results = results(&said.out);
    assert_eq!(numbers(&results, ["sent", "accepted"]), [5, 5]);
    let reply = &results["reply"];
    assert_eq!(
        numbers(reply, ["answered", "lost", "unexpected"]),
        [0, 5, 0]
    );
    assert_eq!(
        (&reply["matched_by"], &reply["latency"]["p50_us"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        said.err.contains("error: 5 accepted events have no answer"),
        "{}",
        said.err
    );
}

#[test]
fn without_a_node_it_ends_with_7() {
    let folder = TempDir::new().unwrap();
    let said = run(folder.path(), &["bench", "ping", "--count", "1"]);
    assert_eq!((said.status, said.out.as_str()), (7, ""), "{}", said.err);
}

/// Each answer is held until four events are here: four requests have to be on their way at once.
#[test]
fn the_window_is_as_many_requests_at_once() {
    let barrier = Arc::new(Barrier::new(4));
    let node = FakeNode::start(move |_| {
        let barrier = Arc::clone(&barrier);
        let body = futures::stream::once(async move {
            barrier.wait().await;
            Ok::<_, std::io::Error>(Bytes::from(ACCEPTED))
        });
        (StatusCode::ACCEPTED, Body::from_stream(body)).into_response()
    });
    let said = run(
        node.folder(),
        &["bench", "t", "--count", "12", "--window", "4", "--json"],
    );
    assert_eq!(said.status, 0, "{said:?}");
    let mut asked: Vec<String> = node.asked().into_iter().map(|asked| asked.what).collect();
    asked.dedup();
    assert_eq!(asked, ["POST /v1/events?topic=t"]);
    assert_eq!(numbers(&results(&said.out), ["sent", "accepted"]), [12, 12]);
}

/// Answers with `of` the number of the request, from 1; other questions find nothing.
fn counting(of: impl Fn(u64) -> Response + Send + Sync + 'static) -> FakeNode {
    let number = AtomicU64::new(0);
    FakeNode::start(move |asked| match asked.what.as_str() {
        "POST /v1/events?topic=t" => of(number.fetch_add(1, Ordering::Relaxed) + 1),
        what if what.starts_with("GET /v1/events") => lines_without_end("{\"subscribed\":\"r\"}\n"),
        _ => refused(StatusCode::NOT_FOUND, "not here"),
    })
}

#[test]
fn refusals_are_counted_the_load_goes_on_and_the_status_is_1() {
    let node = counting(|number| match number % 5 {
        3 => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the mailbox of `a` stayed full\u{1b}[2J",
        ),
        _ => json(ACCEPTED),
    });
    let said = run(node.folder(), &["bench", "t", "--count", "20", "--json"]);
    assert_eq!(said.status, 1, "{said:?}");
    let results = results(&said.out);
    assert_eq!(
        numbers(&results, ["sent", "accepted", "refused", "unknown"]),
        [20, 16, 4, 0]
    );
    assert_eq!(results["error"], Value::Null);
    assert!(
        said.err.ends_with("error: 4 of 20 events were refused; the first: the mailbox of `a` stayed full\\u{1b}[2J\n"),
        "{}",
        said.err
    );
}

#[test]
fn what_can_never_be_accepted_ends_it_with_what_it_has() {
    let node = counting(|number| match number {
        1..=6 => json(ACCEPTED),
        _ => refused(StatusCode::PAYLOAD_TOO_LARGE, "the event is too large"),
    });
    let said = run(
        node.folder(),
        &["bench", "t", "--for", "60s", "--window", "2", "--json"],
    );
    assert_eq!(said.status, 1, "{said:?}");
    let results = results(&said.out);
    let [sent, accepted, unknown] = numbers(&results, ["sent", "accepted", "unknown"]);
    assert_eq!((accepted, sent - accepted), (6, unknown));
    assert!((1..=2).contains(&unknown), "{results}");
    assert_eq!(results["error"], "the event is too large");
    assert!(
        said.err.ends_with("error: the event is too large\n"),
        "{}",
        said.err
    );
}

#[test]
fn a_node_that_vanishes_ends_it_with_what_it_has() {
    let node = counting(|_| json(ACCEPTED));
    for reply in [&[][..], &["--reply", "r", "--grace", "50s"]] {
        let line = [
            &[
                "bench", "t", "--for", "50s", "--window", "2", "--rate", "200/s",
            ],
            reply,
        ]
        .concat();
        let node = counting(|_| json(ACCEPTED));
        let mut bench = Running::start(node.folder(), &line);
        until("the tenth event", || node.asked().len() >= 10);
        drop(node);
        assert_eq!(bench.end(), 1);
        let printed = bench.printed().join("\n");
        assert!(printed.contains("\naccepted "), "{bench}");
        let said = bench.complained().join("\n");
        let ended = [
            "error: the node ended before it answered",
            "error: the node has ended",
        ];
        assert!(ended.iter().any(|words| said.contains(words)), "{bench}");
    }
    drop(node);
}

#[test]
fn the_first_signal_ends_it_in_good_order_and_the_second_at_once() {
    let node = counting(|_| json(ACCEPTED));
    let line = ["bench", "t", "--for", "50s", "--rate", "200/s", "--json"];
    let mut bench = Running::start(node.folder(), &line);
    until("the tenth event", || node.asked().len() >= 10);
    bench.signal("INT");
    assert_eq!(bench.end(), 0, "{bench}");
    let found = results(&bench.printed().concat());
    assert_eq!(found["interrupted"], true);
    let [asked, sent, accepted] = numbers(&found, ["asked", "sent", "accepted"]);
    assert_eq!(sent, accepted);
    assert!((10..10_000).contains(&sent) && asked >= sent, "{found}");

    // The answers never come, and are waited for: the second signal ends that.
    let line = [&line[..], &["--reply", "r", "--grace", "50s"]].concat();
    let mut bench = Running::start(node.folder(), &line);
    let before = node.asked().len();
    until("the tenth event", || node.asked().len() >= before + 10);
    bench.signal("INT");
    bench.err("stopping: what is on its way is waited for");
    bench.signal("INT");
    assert_eq!(bench.end(), 130, "{bench}");
    let found = results(&bench.printed().concat());
    let [accepted] = numbers(&found, ["accepted"]);
    assert_eq!(numbers(&found["reply"], ["lost"]), [accepted]);
}

#[test]
fn nobody_subscribed_is_said_once() {
    let node = counting(|_| json(r#"{"id":"1","delivered":0}"#));
    let said = run(node.folder(), &["bench", "t", "--count", "3"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(
        said.err.matches("nobody subscribes to `t`").count(),
        1,
        "{}",
        said.err
    );
}
