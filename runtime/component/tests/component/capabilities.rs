//! What a component is given, and that it is given nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;

use whirlwind_component::{Links, Settings};
use whirlwind_provider_api::{Bucket, KeyValue, Linked, MemoryKeyValue};

use crate::common::{Actor, event};

/// One store with buckets `default`, `cache` and `other`, of which the first two are linked.
async fn settings() -> (Settings, Arc<dyn Bucket>) {
    let store = MemoryKeyValue::new();
    let bucket = async |name: &str| store.bucket(name).await.unwrap();
    let linked = async |name: &str| Linked::new(name, bucket(name).await);
    let links = Links {
        buckets: BTreeMap::from([
            ("default".to_owned(), linked("default").await),
            ("cache".to_owned(), linked("cache").await),
        ]),
        known: BTreeSet::from(["other".to_owned()]),
    };
    let settings = Settings {
        links,
        config: BTreeMap::from([("unit".to_owned(), "C".to_owned())]),
        env: BTreeMap::from([("GIVEN".to_owned(), "yes".to_owned())]),
        ..Settings::default()
    };
    (settings, bucket("default").await)
}

#[tokio::test]
async fn only_what_was_given_can_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let Some(mut actor) = Actor::guest("misbehave", settings().await.0).await else {
        return;
    };
    for (command, answer) in [
        ("config unit".to_owned(), "C"),
        ("config other".to_owned(), "none"),
        ("env GIVEN".to_owned(), "yes"),
        ("env PATH".to_owned(), "none"),
        ("env HOME".to_owned(), "none"),
        ("file /etc/passwd".to_owned(), "refused: "),
        ("file Cargo.toml".to_owned(), "refused: "),
        ("file ../../Cargo.toml".to_owned(), "refused: "),
        (format!("connect {address}"), "refused: "),
        ("connect localhost:80".to_owned(), "refused: "),
    ] {
        actor.tell(&command).await.ok();
        let text = actor.sent.text();
        let fits = match answer.strip_suffix(' ') {
            Some(_) => text.starts_with(answer),
            None => text == answer,
        };
        assert!(fits, "{command}: {text}");
    }
    assert!(listener.accept().is_err(), "nobody connected");
}

#[tokio::test]
async fn nothing_is_given_by_default() {
    let mut bare = settings().await.0;
    bare.config.clear();
    bare.env.clear();
    let Some(mut actor) = Actor::guest("misbehave", bare).await else {
        return;
    };
    for command in ["config unit", "env GIVEN"] {
        actor.tell(command).await.ok();
        assert_eq!(actor.sent.text(), "none", "{command}");
    }
}

/// Runs a script on a guest and compares its answers line by line. A `*` ends an answer of which only
/// the start matters.
async fn script(name: &str, settings: Settings, lines: &[(&str, &str)]) {
    let Some(mut actor) = Actor::guest(name, settings).await else {
        return;
    };
    let script: Vec<_> = lines.iter().map(|(line, _)| *line).collect();
    actor.handle(event(script.join("\n"))).await.ok();
    let answers = actor.sent.text();
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(answers.len(), lines.len(), "{answers:?}");
    for ((line, expected), answer) in lines.iter().zip(answers) {
        let fits = match expected.strip_suffix('*') {
            Some(start) => answer.starts_with(start),
            None => answer == *expected,
        };
        assert!(fits, "{name}: {line}: {answer} is not {expected}");
    }
}

/// What both drafts answer alike.
const BOTH: [(&str, &str); 27] = [
    ("get a", "none"),
    ("set a 1%00%FF", "ok"),
    ("get a", "some 1%00%FF"),
    ("exists a", "true"),
    ("exists b", "false"),
    ("delete a", "ok"),
    ("delete a", "ok"),
    ("get a", "none"),
    ("increment n 5", "5"),
    ("increment n 0", "5"),
    ("get n", "some 5"),
    ("set n x", "ok"),
    (
        "increment n 1",
        "other: the value of key \"n\" is not a whole number*",
    ),
    ("set-many a 1 b 2 c 3", "ok"),
    ("get-many b nothing a", "b=2 none a=1"),
    ("delete-many a nothing", "ok"),
    ("list", "end b c n"),
    ("open ", "ok"),
    ("get b", "some 2"),
    ("open default", "ok"),
    ("get b", "some 2"),
    ("open cache", "ok"),
    ("get b", "none"),
    ("open other", "access-denied"),
    ("open nothing", "no-such-store"),
    ("open ../default", "no-such-store"),
    ("open default%00", "no-such-store"),
];

#[tokio::test]
async fn both_drafts_of_keyvalue_are_served() {
    for name in ["buckets", "buckets-draft"] {
        script(name, settings().await.0, &BOTH).await;
    }
}

#[tokio::test]
async fn the_second_draft_has_signed_numbers_and_compares_and_swaps() {
    script(
        "buckets",
        settings().await.0,
        &[
            ("increment n -7", "-7"),
            ("increment n 9223372036854775807", "9223372036854775800"),
            ("increment n 9223372036854775807", "other: *"),
            ("get n", "some 9223372036854775800"),
            ("cas a 1", "ok"),
            ("get a", "some 1"),
            ("cas a 2 meanwhile", "cas-failed meanwhile"),
            ("get a", "some meanwhile"),
            ("cas a 2", "ok"),
            ("get a", "some 2"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_first_draft_has_no_negative_numbers() {
    let (settings, bucket) = settings().await;
    bucket.increment("negative", -3).await.unwrap();
    script(
        "buckets-draft",
        settings,
        &[
            ("increment n 9223372036854775807", "9223372036854775807"),
            ("increment n 1", "other: *"),
            (
                "increment m 9223372036854775808",
                "other: an increment by 9223372036854775808 is more than *",
            ),
            (
                "increment m 18446744073709551615",
                "other: an increment by*",
            ),
            ("exists m", "false"),
            ("increment negative 1", "other: the number is -2 now*"),
            ("increment negative 2", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn listings_of_many_pages_work_with_both_kinds_of_cursor() {
    for name in ["buckets", "buckets-draft"] {
        let (settings, bucket) = settings().await;
        let keys: Vec<_> = (0..2500).map(|n| format!("k{n:04}")).collect();
        for key in &keys {
            bucket.set(key, "x".into()).await.unwrap();
        }
        let Some(mut actor) = Actor::guest(name, settings).await else {
            return;
        };
        actor.tell("list-all").await.ok();
        assert_eq!(
            actor.sent.text(),
            format!("3 {}\n", keys.join(" ")),
            "{name}"
        );
    }
    // A number that was never a cursor is an error, not a page.
    script(
        "buckets-draft",
        settings().await.0,
        &[
            ("list 7", "other: cursor 7 is not one*"),
            ("list 0", "other: cursor 0*"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_a_provider_refuses_is_an_error_not_a_trap() {
    let store = MemoryKeyValue::with_capacity(1);
    let links = Links {
        buckets: BTreeMap::from([(
            "default".to_owned(),
            Linked::new("p/b", store.bucket("b").await.unwrap()),
        )]),
        ..Links::default()
    };
    let settings = Settings {
        links,
        ..Settings::default()
    };
    let get = format!("get {}", "k".repeat(5000));
    script(
        "buckets",
        settings.clone(),
        &[
            // It acts at once, where a `set` would wait for the end of the turn.
            (
                "increment n 1",
                "other: key-value provider `memory` is full*",
            ),
            (&get, "other: a key of 5000 bytes*"),
        ],
    )
    .await;
    store.close().await.unwrap();
    script(
        "buckets",
        settings,
        &[(
            "get a",
            "other: key-value provider `memory` is not available*",
        )],
    )
    .await;
}
