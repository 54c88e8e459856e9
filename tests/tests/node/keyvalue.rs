//! Key-value stores as components see them: two drafts of one interface, two stores behind it, and nobody sees what is not his.

use std::path::Path;

use whirlwind::PartState;
use whirlwind_provider_sled::SledKeyValue;
use whirlwind_tests::bed::PATIENCE;
use whirlwind_tests::{Bed, full, guest, log};

use crate::pingpong;

/// The fixtures that run scripts: each on a draft of `wasi:keyvalue` of its own.
const DRAFTS: [&str; 2] = ["buckets", "buckets-draft"];
const PROVIDERS: [&str; 3] = ["memory", "sled", "store"];

/// An actor `NAME` that runs the scripts that come on the topic `NAME`.
fn actor(name: &str, component: &Path, links: &str) -> String {
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["{name}"]
        publish   = ["answers"]
        links     = {{ keyvalue = {links} }}
        "#
    )
}

fn manifest(provider: &str, actors: &[String]) -> String {
    let actors = actors.concat();
    format!("manifest = 1\n{actors}\n[provider.store]\ntype = \"{provider}\"\n")
}

/// Lines of a script, and what each answers.
const SCRIPT: [(&str, &str); 45] = [
    ("get a", "none"),
    ("exists a", "false"),
    ("set a 1", "ok"),
    ("get a", "some 1"),
    ("exists a", "true"),
    ("set a ", "ok"),
    ("get a", "some "),
    ("increment n 5", "5"),
    ("increment n 37", "42"),
    ("get n", "some 42"),
    ("increment n 0", "42"),
    ("set seven 7", "ok"),
    ("increment seven 1", "8"),
    ("set word seven", "ok"),
    (
        "increment word 1",
        "other: the value of key \"word\" is not a whole number in decimal digits, so it cannot be incremented",
    ),
    ("get word", "some seven"),
    ("set max 9223372036854775807", "ok"),
    (
        "increment max 1",
        "other: the number of key \"max\" is, or would be, outside the range of a signed 64-bit integer",
    ),
    ("set %00 %FF%00", "ok"),
    ("get %00", "some %FF%00"),
    ("set ../../a up", "ok"),
    ("set %C3%A9 composed", "ok"),
    ("set e%CC%81 decomposed", "ok"),
    ("get %C3%A9", "some composed"),
    ("get ../../a", "some up"),
    ("set  empty", "ok"),
    ("get ", "some empty"),
    ("list", "end  %00 ../../a a e%CC%81 max n seven word %C3%A9"),
    (
        "list-all",
        "1  %00 ../../a a e%CC%81 max n seven word %C3%A9",
    ),
    ("delete a", "ok"),
    ("delete a", "ok"),
    ("get a", "none"),
    ("set-many x 1 y 2 x 3", "ok"),
    ("get-many x nope y", "x=3 none y=2"),
    ("delete-many x nope", "ok"),
    ("get-many x y", "none y=2"),
    ("open secrets", "access-denied"),
    ("get y", "access-denied"),
    ("open store", "access-denied"),
    ("open nothing", "no-such-store"),
    ("set y 3", "no-such-store"),
    ("open ", "ok"),
    ("get y", "some 2"),
    ("open default", "ok"),
    ("get y", "some 2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn one_script_has_the_same_answers_over_both_drafts_and_both_stores() {
    for draft in DRAFTS {
        for provider in PROVIDERS {
            let Some(component) = guest(draft) else {
                return;
            };
            let actors = [
                actor("script", &component, "\"store\""),
                // Somebody else has `secrets`: here it is there, and denied.
                actor("other", &component, r#"{ secrets = "store/secrets" }"#),
            ];
            let bed = Bed::start(&manifest(provider, &actors)).await;
            for (n, line) in run(&bed, "script", &SCRIPT.map(|(line, _)| line))
                .await
                .iter()
                .enumerate()
            {
                let (command, expected) = SCRIPT[n];
                assert_eq!(line, expected, "{draft} over {provider}: {command}");
            }
            let too_long = format!("set {} 1", "k".repeat(1025));
            let large = format!("set large {}", "v".repeat(1_000_000));
            let lines = [&*too_long, &large, "delete large", "get large", "dance"];
            let answers = run(&bed, "script", &lines).await;
            let expected = [
                "other: a key of 1025 bytes is longer than the limit of 1024",
                "ok",
                "ok",
                "none",
                "other: not understood: dance",
            ];
            assert_eq!(answers, expected, "{draft} over {provider}");
            bed.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_fails_when_somebody_came_between_and_says_what_is_there() {
    let Some(component) = guest("buckets") else {
        return;
    };
    for provider in PROVIDERS {
        let actors = [actor("script", &component, "\"store\"")];
        let bed = Bed::start(&manifest(provider, &actors)).await;
        let script = [
            ("cas c 1", "ok"),
            ("get c", "some 1"),
            ("cas c 2 9", "cas-failed 9"),
            ("get c", "some 9"),
            ("cas c 3", "ok"),
            ("get c", "some 3"),
            ("increment down -5", "-5"),
        ];
        let answers = run(&bed, "script", &script.map(|(line, _)| line)).await;
        assert_eq!(answers, script.map(|(_, answer)| answer), "{provider}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_listing_comes_in_pages_and_whole() {
    for draft in DRAFTS {
        for provider in PROVIDERS {
            let Some(component) = guest(draft) else {
                return;
            };
            let actors = [actor("script", &component, "\"store\"")];
            let bed = Bed::start(&manifest(provider, &actors)).await;
            let keys: Vec<_> = (0..2500).map(|n| format!("key-{n:04}")).collect();
            let sets: Vec<_> = keys.iter().map(|key| format!("set {key} 1")).collect();
            let sets: Vec<_> = sets.iter().map(String::as_str).collect();
            run(&bed, "script", &sets).await;
            let all = run(&bed, "script", &["list-all"]).await;
            assert_eq!(
                all,
                [format!("3 {}", keys.join(" "))],
                "{draft}, {provider}"
            );
            bed.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_shared_by_those_linked_to_them_and_by_nobody_else() {
    let (Some(new), Some(old)) = (guest("buckets"), guest("buckets-draft")) else {
        return;
    };
    for provider in PROVIDERS {
        let actors = [
            actor("one", &new, r#"{ default = "store/b" }"#),
            actor("two", &new, r#"{ default = "store/b-c" }"#),
            actor(
                "both",
                &old,
                r#"{ default = "store/b", more = "store/b-c" }"#,
            ),
        ];
        let bed = Bed::start(&manifest(provider, &actors)).await;
        let operations = full(20_000, 100_000);
        let mut keys = hostile_keys();
        let mut done = 0;
        while done < operations {
            let batch: Vec<_> = keys.by_ref().take(250).collect();
            let lines = |value: &str| -> Vec<String> {
                let key = batch.iter();
                key.map(|key| format!("set {key} {value}")).collect()
            };
            let gets: Vec<_> = batch.iter().map(|key| format!("get {key}")).collect();
            for (name, value) in [("one", "one's"), ("two", "two's")] {
                let sets = lines(value);
                let sets: Vec<_> = sets.iter().map(String::as_str).collect();
                let set = run(&bed, name, &sets).await;
                assert!(set.iter().all(|answer| answer == "ok"));
            }
            let gets: Vec<_> = gets.iter().map(String::as_str).collect();
            for (name, value) in [("one", "some one's"), ("two", "some two's")] {
                let got = run(&bed, name, &gets).await;
                assert!(got.iter().all(|answer| answer == value), "{provider}");
            }
            done += 4 * batch.len();
        }
        // Who is linked to both sees both, over the other draft.
        let first = hostile_keys().next().unwrap();
        let get = format!("get {first}");
        let seen = run(&bed, "both", &[&get, "open more", &get]).await;
        assert_eq!(seen, ["some one's", "ok", "some two's"], "{provider}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_opens_a_bucket_that_is_not_linked() {
    let (Some(new), Some(old)) = (guest("buckets"), guest("buckets-draft")) else {
        return;
    };
    /// Names of buckets and of providers, whole or in pieces, and their twins in other letters.
    const NAMES: [&str; 16] = [
        "b",
        "b-c",
        "store",
        "secrets",
        "default",
        "%EF%BD%82",
        "%D0%B2",
        "b%CC%81",
        "%C3%9F",
        "B",
        "..",
        ".",
        "*",
        "%00",
        "__sled__default",
        "mine",
    ];
    const BETWEEN: [&str; 6] = ["/", "%00", "../", "..%5C", "%20", "%EF%BC%8F"];
    for provider in PROVIDERS {
        let actors = [
            actor("one", &new, r#"{ mine = "store/b" }"#),
            actor("two", &old, r#"{ mine = "store/b" }"#),
            actor(
                "owner",
                &new,
                r#"{ default = "store/b-c", secrets = "store/secrets" }"#,
            ),
        ];
        let bed = Bed::start(&manifest(provider, &actors)).await;
        let kept = run(
            &bed,
            "owner",
            &["set k treasure", "open secrets", "set k treasure"],
        )
        .await;
        assert_eq!(kept, ["ok"; 3]);
        let mut names = vec![
            "x".repeat(64 << 10),
            format!("{}b-c", "../".repeat(20_000)),
            String::new(),
        ];
        for before in NAMES {
            names.push(before.to_owned());
            for between in BETWEEN {
                names.extend(NAMES.map(|after| format!("{before}{between}{after}")));
            }
        }
        names.retain(|name| name != "mine");
        let repeats = full(1, 8);
        let mut tried = 0;
        for names in names
            .chunks(200)
            .cycle()
            .take(names.len().div_ceil(200) * repeats)
        {
            let script: Vec<_> = names
                .iter()
                .flat_map(|name| {
                    [
                        format!("open {name}"),
                        "get k".to_owned(),
                        "set k mine".to_owned(),
                    ]
                })
                .collect();
            let script: Vec<_> = script.iter().map(String::as_str).collect();
            for name in ["one", "two"] {
                for (line, answer) in script.iter().zip(run(&bed, name, &script).await) {
                    assert!(
                        ["no-such-store", "access-denied"].contains(&&*answer),
                        "{provider}: {line}: {answer}"
                    );
                    tried += 1;
                }
            }
        }
        let seen = run(&bed, "owner", &["get k", "open secrets", "get k"]).await;
        assert_eq!(seen, ["some treasure", "ok", "some treasure"], "{provider}");
        // A key of 64 KiB is refused as any above the limit, whatever it is made of.
        let long = format!(
            "open mine\nget {}\nset {} 1",
            "../".repeat(22_000),
            "%00".repeat(65_536)
        );
        let lines: Vec<_> = long.lines().collect();
        for name in ["one", "two"] {
            let answers = run(&bed, name, &lines).await;
            assert!(
                answers[1..]
                    .iter()
                    .all(|answer| answer.contains("longer than the limit of 1024")),
                "{answers:?}"
            );
        }
        println!("{provider}: {tried} operations by names that are not linked: 0 let in");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_store_is_down_in_words_others_work_and_it_comes_up_when_the_lock_goes() {
    let (Some(pingpong), Some(relay)) = (guest("pingpong"), guest("relay")) else {
        return;
    };
    let Some(buckets) = guest("buckets") else {
        return;
    };
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().join(".whirlwind");
    std::fs::create_dir(&data).unwrap();
    let held = SledKeyValue::open(data.join("counters")).await.unwrap();

    // Patient enough to wait for the store, which is tried again after half a second.
    let patient = r#"retry = { max_deliver = 1000, backoff = { min = "10ms", max = "100ms" } }"#;
    let manifest = format!(
        r#"{}
        [actor.relay]
        component = {relay:?}
        subscribe = ["in"]
        publish   = ["out"]
        {}"#,
        pingpong::manifest(&pingpong, "sled", 1, patient),
        actor("script", &buckets, "\"counters\""),
    );
    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    let part = bed.part("counters").await;
    assert_eq!(part.state, PartState::Down);
    let words = part.detail.unwrap();
    assert!(words.contains("is in use by another process"), "{words}");
    let error = bed.node.store("counters").unwrap().unwrap_err();
    assert!(error.to_string().contains("not available"), "{error}");

    let (mut pongs, mut out) = (bed.watch("pong"), bed.watch("out"));
    bed.publish("ping", "ping").await;
    bed.publish("in", "hello").await;
    assert_eq!(out.text().await, "hello");
    // The guest is told, and no path of the host with it.
    let told = run(&bed, "script", &["get a"]).await.pop().unwrap();
    let start = "other: key-value provider `counters` is not available: ";
    assert!(told.starts_with(start), "{told}");
    assert!(!told.contains(&*bed.folder().to_string_lossy()), "{told}");

    whirlwind::provider_api::KeyValue::close(&held.store)
        .await
        .unwrap();
    drop(held);
    assert_eq!(pongs.text().await, "pong 1");
    let part = bed.part("counters").await;
    assert_eq!((part.state, part.detail), (PartState::Running, None));
    assert_eq!(run(&bed, "script", &["get counter"]).await, ["some 1"]);
    assert_eq!(bed.node.dead_letters().len(), 0);
    assert!(
        log::lines()
            .iter()
            .any(|line| line.says("counters", "down: "))
    );
    bed.stop().await;
}

/// Runs a script on the actor `name`, and gives its answers.
async fn run(bed: &Bed, name: &str, lines: &[&str]) -> Vec<String> {
    let mut answers = bed.watch("answers");
    bed.publish(name, lines.join("\n")).await;
    let answer = tokio::time::timeout(PATIENCE, answers.text()).await;
    let answers: Vec<_> = answer.unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), lines.len(), "{answers:?}");
    answers
}

/// Keys that try to be somewhere else: paths, separators of stores, names of the buckets, bytes that end strings, twins of
/// letters. All different, in the order of a counter whose digits are the pieces.
fn hostile_keys() -> impl Iterator<Item = String> {
    const PIECES: [&str; 16] = [
        "../",
        "b",
        "b-c",
        "/",
        "%00",
        "bucket/",
        "%C3%A9",
        "e%CC%81",
        "..%5C",
        "-c",
        "%2525",
        "store/b-c/",
        "%0A",
        "B",
        "__sled__default",
        "%EF%BB%BF",
    ];
    (1_usize..).map(|n| {
        let mut key = String::new();
        let mut rest = n;
        while rest > 0 {
            key.push_str(PIECES[rest % PIECES.len()]);
            rest /= PIECES.len();
        }
        // Pieces can run together to the same key: the number keeps them apart.
        format!("{key}{n}")
    })
}
