//! Dead letters: what is in them, their way back, and how they outlive their node.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use whirlwind::dead::{DAMAGED, FILE};
use whirlwind::event::EventBuilder;
use whirlwind::{
    DATA_DIR, End, PartState, RedeliverError, Redelivered, RedeliveryError, StartError,
};
use whirlwind_tests::bed::{event, text, topic_of};
use whirlwind_tests::{Bed, guest, log};

/// An actor that tries everything once, and tells `answers`.
fn actor(name: &str, component: &Path, settings: &str) -> String {
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["{name}"]
        publish   = ["answers"]
        retry     = {{ max_deliver = 1 }}
        {settings}
        "#
    )
}

/// An app of one such actor, which tells `dead` of every letter.
fn one(name: &str, component: &Path, settings: &str) -> String {
    format!("manifest = 1\n{TOLD}{}", actor(name, component, settings))
}

const TOLD: &str = "[topic.\"#\"]\ndead_letter = \"dead\"";

/// The ids, topics' data and reasons of the letters in the box.
fn letters(bed: &Bed) -> Vec<(u64, String, &'static str)> {
    let letters = bed.node.dead_letters().into_iter();
    letters
        .map(|letter| (letter.id, text(&letter.event), letter.reason.as_str()))
        .collect()
}

/// The same of the file in a folder.
fn written(folder: &Path) -> Vec<(u64, String, String)> {
    let contents = whirlwind::dead::read(&folder.join(DATA_DIR).join(FILE)).unwrap();
    assert_eq!(contents.damage, []);
    let letters = contents.letters.into_iter();
    letters
        .map(|letter| (letter.id, text(&letter.event), letter.reason))
        .collect()
}

/// Publishes what the actor cannot handle, and waits until it is a letter.
async fn die(bed: &Bed, topic: &str, data: &str) {
    let mut dead = bed.watch("dead");
    bed.publish(topic, data).await;
    assert_eq!(dead.text().await, data);
}

/// Stops the node and starts another in its folder.
async fn again(bed: Bed, manifest: &str) -> Bed {
    let folder = bed.stop().await;
    Bed::start_in(folder, manifest).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_leaves_its_words_and_the_wasm_backtrace_in_the_letter() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&one("traps", &component, "")).await;
    die(&bed, "traps", "panic").await;
    let letter = bed.node.dead_letter(1).unwrap();
    assert!(letter.error.contains("asked to panic"), "{}", letter.error);
    assert!(letter.error.contains("misbehave"), "{}", letter.error);
    assert!(letter.error.contains("on-receive"), "{}", letter.error);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_back_to_the_actor_that_failed_and_to_nobody_else() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        "{}{}",
        one("refuses", &component, ""),
        actor("hears", &component, "").replace(r#"["hears"]"#, r#"["refuses"]"#)
    );
    let bed = Bed::start(&manifest).await;
    let (mut seen, mut dead) = (bed.watch("refuses"), bed.watch("dead"));
    bed.publish("refuses", "reject").await;
    dead.texts(2).await;
    let letter = bed.node.dead_letters();
    let letter = letter.iter().find(|l| *l.actor == *"refuses").unwrap();
    let (id, other) = (letter.id, 3 - letter.id);
    assert_eq!(
        bed.node.redeliver(id),
        Ok(Redelivered::To("refuses".into()))
    );
    // It is refused again: a letter of its own, and the first is gone.
    dead.next().await;
    assert_eq!(bed.node.dead_letter_ids(), [other, 3]);
    let unknown = RedeliveryError::Refused(RedeliverError::Unknown(id));
    assert_eq!(bed.node.redeliver(id), Err(unknown));
    assert!(bed.node.drop_dead_letter(3).is_some());
    assert!(bed.node.drop_dead_letter(3).is_none());
    assert_eq!(bed.node.drop_dead_letters(), 1);
    assert_eq!(seen.text().await, "reject");
    bed.node.stop().await;
    assert_eq!(seen.rest().await, [""; 0], "its topic saw it once");
    assert_eq!(bed.part("refuses").await.failed, Some(2));
    assert_eq!(bed.part("hears").await.failed, Some(1));
    let stopping = Err(RedeliveryError::Stopping);
    assert_eq!(bed.node.redeliver(id), stopping);
}

#[tokio::test]
async fn a_letter_that_went_too_far_travels_anew() {
    let Some(relay) = guest("relay") else { return };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.far-relay]
        component = {relay:?}
        subscribe = ["out"]
        publish   = ["out"]
        max_hops  = 2
        "#
    );
    let bed = Bed::start(&manifest).await;
    let mut out = bed.watch("out");
    let round = event("round").to_builder().subject("out").build().unwrap();
    bed.node.publish(&topic_of("out"), round).await.unwrap();
    assert_eq!(out.texts(3).await.len(), 3);
    log::wait(|line| line.message.contains("`max_hops` of actor `far-relay`")).await;
    let published = Redelivered::Published {
        topic: topic_of("out"),
        delivered: 1,
    };
    assert_eq!(bed.node.redeliver(1), Ok(published));
    // It itself, and two turns more.
    assert_eq!(out.texts(3).await.len(), 3);
    bed.node.stop().await;
    assert_eq!(bed.node.dead_letter(2).unwrap().reason.as_str(), "max-hops");
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_leaves_in_mailboxes_is_in_the_file_and_the_next_node_delivers_it() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = one("sleeper", &component, "drain = \"1500ms\"");
    let bed = Bed::start(&manifest).await;
    die(&bed, "sleeper", "reject").await;
    for data in ["sleep 1000", "sleep 1000", "hello", "hello again"] {
        bed.publish("sleeper", data).await;
    }
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 2 });
    let left = bed.node.left_behind().unwrap();
    assert_eq!((left.letters, left.unfinished, left.returned), (3, 2, 0));
    assert_eq!(left.error, None);
    let file = bed.folder().join(DATA_DIR).join(FILE);
    assert_eq!(left.file, file);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let expected = [
        (1, "reject", "rejected"),
        (2, "hello", "node-ended"),
        (3, "hello again", "node-ended"),
    ]
    .map(|(id, data, reason)| (id, data.to_owned(), reason.to_owned()));
    assert_eq!(written(bed.folder()), expected);

    let bed = again(bed, &manifest).await;
    let mut answers = bed.watch("answers");
    assert_eq!(bed.node.dead_letter_ids(), [1, 2, 3]);
    assert_eq!(bed.node.dead_letter_counts().recorded, 0);
    bed.node.redeliver(3).unwrap();
    assert_eq!(answers.text().await, "hello again");
    die(&bed, "sleeper", "reject").await;
    assert_eq!(bed.node.dead_letter_ids(), [1, 2, 4]);
    bed.node.drop_dead_letters();
    let folder = bed.stop().await;
    assert!(!folder.path().join(DATA_DIR).join(FILE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_to_be_tried_again_keeps_its_attempts_through_the_end() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = r#"drain = "0s""#;
    let retry = r#"retry = { max_deliver = 5, backoff = { min = "1h", max = "1h" } }"#;
    let manifest =
        one("waits", &component, settings).replace("retry     = { max_deliver = 1 }", retry);
    let bed = Bed::start(&manifest).await;
    bed.publish("waits", "retry").await;
    log::wait(|line| line.field("actor") == "waits" && line.message.contains("again in")).await;
    bed.node.stop().await;
    let letter = bed.node.dead_letter(1).unwrap();
    assert_eq!((letter.reason.as_str(), letter.attempts), ("node-ended", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_gives_up_leaves_the_mailboxes_in_the_file_and_a_kill_leaves_it_as_it_was() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let settings = "max_restarts = 0";
    let root = "[supervisor.root]\nmax_restarts = 0";
    let manifest = one("falls", &component, settings) + root;
    let retry = r#"retry = { max_deliver = 2, backoff = { min = "1h", max = "1h" } }"#;
    let manifest = manifest.replace("retry     = { max_deliver = 1 }", retry);
    let bed = Bed::start(&manifest).await;
    for data in ["sleep 1000", "panic", "hello"] {
        bed.publish("falls", data).await;
    }
    assert!(matches!(bed.node.ended().await, End::GaveUp(_)));
    let ended = "node-ended".to_owned();
    let expected = [
        (1, "panic".to_owned(), ended.clone()),
        (2, "hello".to_owned(), ended),
    ];
    assert_eq!(written(bed.folder()), expected);
    assert_eq!(bed.node.left_behind().unwrap().unfinished, 2);

    let bed = again(bed, &one("falls", &component, "")).await;
    bed.node.redeliver(2).unwrap();
    bed.node.kill();
    assert_eq!(bed.node.ended().await, End::Killed);
    assert_eq!(bed.node.left_behind(), None);
    assert_eq!(
        written(bed.folder()),
        expected,
        "the letter will come again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_line_is_named_set_aside_and_harms_nothing() {
    let folder = TempDir::new().unwrap();
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = one("reads", &component, "");
    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    die(&bed, "reads", "reject").await;
    let folder = bed.stop().await;
    let data = folder.path().join(DATA_DIR);
    let mut text = b"{\"id\":\xff}\n".to_vec();
    text.extend(fs::read(data.join(FILE)).unwrap());
    fs::write(data.join(FILE), text).unwrap();

    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    log::wait(|line| {
        let words = "line 1 of dead-letters.jsonl is no dead letter";
        line.message.starts_with(words)
    })
    .await;
    let there = [(1, "reject".to_owned(), "rejected")];
    assert_eq!(letters(&bed), there);
    let beside = fs::read(data.join(DAMAGED)).unwrap();
    assert_eq!(beside, b"{\"id\":\xff}\n");
    assert_eq!(written(bed.folder()).len(), 1);
    // Killed, and started again: it is set aside once.
    bed.node.kill();
    bed.node.ended().await;
    let bed = Bed::start_in(bed.leave(), &manifest).await.unwrap();
    assert_eq!(letters(&bed), there);
    assert_eq!(fs::read(data.join(DAMAGED)).unwrap(), beside);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_no_start_and_one_that_cannot_be_written_is_said() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = one("writes", &component, "");
    let folder = TempDir::new().unwrap();
    let data = folder.path().join(DATA_DIR);
    fs::create_dir_all(data.join(FILE)).unwrap();
    let path = folder.path().to_owned();
    let app = whirlwind_tests::bed::app(&path, &manifest, &whirlwind::Variables::none());
    let started = whirlwind::Node::builder(app).start().await;
    assert!(
        matches!(started, Err(StartError::DeadLetters { .. })),
        "{started:?}"
    );
    fs::remove_dir(data.join(FILE)).unwrap();

    let bed = Bed::start_in(folder, &manifest).await.unwrap();
    die(&bed, "writes", "reject").await;
    // In the way of the new file, for every user.
    fs::create_dir(data.join(format!("{FILE}.new"))).unwrap();
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
    let left = bed.node.left_behind().unwrap();
    assert_eq!(left.letters, 1);
    assert!(left.error.is_some(), "{left:?}");
    log::wait(|line| line.message.starts_with("1 dead letters are lost: ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_actor_that_ended_takes_its_mailbox_and_its_subscriptions_along() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let gone = "restart = \"temporary\"\nmax_restarts = 0";
    let retry = r#"retry = { max_deliver = 2, backoff = { min = "0s", max = "0s" } }"#;
    let below = format!(
        r#"
        manifest = 1
        {TOLD}
        [supervisor.root]
        children = ["lower", "stays"]
        [supervisor.lower]
        restart = "temporary"
        max_restarts = 0
        children = ["leaves"]
        {}{}
        "#,
        actor("leaves", &component, "max_restarts = 0"),
        actor("stays", &component, "")
    );
    let itself = one("leaves", &component, gone) + &actor("stays", &component, "");
    for manifest in [itself, below] {
        let manifest = manifest.replacen("retry     = { max_deliver = 1 }", retry, 1);
        let bed = Bed::start(&manifest).await;
        let mut dead = bed.watch("dead");
        for data in ["sleep 1000", "panic", "waiting", "waiting too"] {
            bed.publish("leaves", data).await;
        }
        dead.texts(3).await;
        let expected = ["panic", "waiting", "waiting too"];
        let found = letters(&bed);
        for ((_, data, reason), expected) in found.iter().zip(expected) {
            assert_eq!((&**data, *reason), (expected, "actor-gone"));
        }
        assert_eq!(bed.part("leaves").await.state, PartState::Stopped);
        let unrouted = bed.node.unrouted();
        for _ in 0..1100 {
            // More than any mailbox holds: nobody is refused for want of room.
            assert_eq!(bed.publish("leaves", "nobody hears").await.delivered, 0);
        }
        assert_eq!(bed.node.unrouted(), unrouted + 1100);
        let refused = RedeliverError::Gone("leaves".into());
        assert_eq!(bed.node.redeliver(2), Err(refused.into()));
        assert_eq!(bed.part("stays").await.state, PartState::Running);
        assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
        assert_eq!(written(bed.folder()).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_actor_whose_supervisor_starts_again_finds_its_mailbox_as_it_was() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        children = ["cellar"]
        backoff = {{ min = "300ms", max = "300ms", jitter = 0.0 }}
        [supervisor.cellar]
        max_restarts = 0
        children = ["waits", "weak"]
        {}{}
        "#,
        actor("waits", &component, "restart = \"temporary\""),
        actor("weak", &component, "max_restarts = 0")
    );
    let bed = Bed::start(&manifest).await;
    let mut answers = bed.watch("answers");
    bed.publish("waits", "hello").await;
    assert_eq!(answers.text().await, "hello");
    for restart in ["at once", "after 300ms"] {
        bed.publish("weak", "panic").await;
        let words = format!("`cellar` restarts {restart}");
        log::wait(|line| line.message.starts_with(&words)).await;
    }
    bed.publish("waits", "hello once more").await;
    assert_eq!(answers.text().await, "hello once more");
    let letters = bed.node.dead_letters();
    let reasons: Vec<_> = letters.iter().map(|l| l.reason.as_str()).collect();
    assert_eq!(reasons, ["max-deliver"; 2], "the panics themselves");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_survives_two_restarts_byte_for_byte() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    // The first event holds up the second, which is a letter only at the end.
    let retry = r#"retry = { max_deliver = 5, backoff = { min = "1h", max = "1h" } }"#;
    let manifest = one("keeps", &component, r#"drain = "0s""#);
    let manifest = manifest.replace("retry     = { max_deliver = 1 }", retry);
    let bed = Bed::start(&manifest).await;
    bed.publish("keeps", "retry").await;
    let built = EventBuilder::new()
        .id("a1")
        .source("/shop")
        .ty("com.example.order")
        .subject("17")
        .datacontenttype("application/json")
        .extension("partitionkey", "c5")
        .data("{\"big\": 12345678901234567890.50, \"word\": \"\\u00e9\"}")
        .build();
    let built = std::sync::Arc::new(built.unwrap());
    let topic = topic_of("keeps");
    let published = bed.node.publish(&topic, built.clone());
    published.await.unwrap();
    let bed = again(again(bed, &manifest).await, &manifest).await;
    assert_eq!(bed.node.dead_letter(2).unwrap().event, built);
    bed.stop().await;
}
