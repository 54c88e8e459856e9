//! What happens to the parts of a node, as events on `$sys`.

use std::path::Path;

use serde_json::json;
use tokio::time::Instant;
use whirlwind::{End, PartState};
use whirlwind_tests::{Bed, Watch, full, guest};

use crate::pingpong;
use crate::poison::{TRAPS, brittle, brittle_manifest};

fn actor(name: &str, component: &Path, settings: &str) -> String {
    format!(
        r#"
        [actor.{name}]
        component = {component:?}
        subscribe = ["{name}"]
        publish   = ["answers"]
        {settings}
        "#
    )
}

/// The topics of the next events, without `$sys/`.
async fn topics(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut topics = Vec::new();
    while topics.len() < count {
        let (topic, _) = watch.seen().await;
        topics.push(topic.as_str().trim_start_matches("$sys/").to_owned());
    }
    topics
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_and_a_stop_are_told_part_by_part_and_the_stop_in_reverse() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [app]
        name = "told"
        [supervisor.root]
        children = ["first", "group"]
        [supervisor.group]
        children = ["second"]
        {}{}
        [provider.state]
        type = "memory"
        "#,
        actor("first", &component, "instances = 2"),
        actor("second", &component, ""),
    );
    let (bed, mut watch) = Bed::start_watched(&manifest, "$sys/#").await;
    let (topic, event) = watch.seen().await;
    assert_eq!(topic.as_str(), "$sys/provider/state/up");
    assert_eq!(
        (event.source(), event.ty(), event.datacontenttype()),
        (
            "/told",
            "dev.whirlwind.provider.up",
            Some("application/json")
        )
    );
    assert!(event.time().is_some());
    let (topic, data) = watch.json().await;
    assert_eq!(topic.as_str(), "$sys/actor/first/started");
    assert_eq!(data, json!({ "actor": "first", "instances": 2 }));
    assert_eq!(topics(&mut watch, 1).await, ["actor/second/started"]);
    bed.node.stop().await;
    let (topic, data) = watch.json().await;
    assert_eq!(topic.as_str(), "$sys/actor/second/stopped");
    assert_eq!(data, json!({ "actor": "second", "reason": "shut down" }));
    let stopped = topics(&mut watch, 2).await;
    assert_eq!(stopped, ["actor/first/stopped", "provider/state/down"]);
    assert_eq!(watch.tally().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_hears_what_it_subscribes_to_and_news_holds_up_no_stop() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let audit = r#"
        [actor.audit]
        component = {component}
        subscribe = ["$sys/actor/+/started", "$sys/actor/+/stopped"]
        publish   = ["answers"]
        "#
    .replace("{component}", &format!("{component:?}"));
    let manifest = format!(
        "manifest = 1\n[supervisor.root]\nchildren = [\"audit\", \"other\"]\n{audit}{}",
        actor("other", &component, "")
    );
    let (bed, mut watch) = Bed::start_watched(&manifest, "answers").await;
    for name in ["audit", "other"] {
        let heard = watch.json().await.1;
        assert_eq!(heard, json!({ "actor": name, "instances": 1 }));
    }
    // The news of its own end lies in its mailbox when it is gone, and nobody counts it as lost.
    assert_eq!(bed.node.stop().await, End::Stopped { unfinished: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_is_told_crash_by_crash_to_its_dead_letter() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let retry = r#"retry = { backoff = { min = "0s", max = "0s" } }"#;
    let manifest = format!("manifest = 1\n{}", actor("sick", &component, retry));
    let bed = Bed::start(&manifest).await;
    let mut watch = bed.watch("$sys/#");
    let id = bed.publish("sick", "panic").await.id;
    for attempt in 1..=3 {
        let (topic, mut data) = watch.json().await;
        assert_eq!(topic.as_str(), "$sys/actor/sick/crashed");
        let reason = data["reason"].take();
        let reason = reason.as_str().unwrap();
        assert!(reason.contains("asked to panic"), "{reason}");
        let expected = json!({
            "actor": "sick", "instance": 0, "reason": null,
            "event": id, "topic": "sick", "attempt": attempt,
        });
        assert_eq!(data, expected);
        if attempt == 3 {
            let (topic, mut data) = watch.json().await;
            assert_eq!(topic.as_str(), "$sys/event/sick/dead-lettered");
            let error = data["error"].take();
            assert!(error.as_str().unwrap().contains("asked to panic"));
            let expected = json!({
                "actor": "sick", "id": 1, "topic": "sick", "event": id,
                "reason": "max-deliver", "attempts": 3, "error": null,
            });
            assert_eq!(data, expected);
        }
        let (topic, data) = watch.json().await;
        assert_eq!(topic.as_str(), "$sys/actor/sick/restarted");
        assert_eq!(data, json!({ "actor": "sick", "instance": 0 }));
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_who_gives_up_names_the_child_the_reasons_and_the_messages() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        "manifest = 1\n[supervisor.root]\nmax_restarts = 0\n{}",
        actor(
            "weak",
            &component,
            "max_restarts = 1\nretry = { backoff = { min = \"0s\", max = \"0s\" } }"
        ),
    );
    let bed = Bed::start(&manifest).await;
    let mut watch = bed.watch("$sys/#");
    let id = bed.publish("weak", "panic").await.id;
    let data = watch.json_on("$sys/actor/weak/gave-up").await;
    assert_eq!(data["child"], "weak/0");
    assert_eq!(
        (&data["ends"], &data["max_restarts"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(data["within_ms"], 10_000);
    assert_eq!(data["reasons"].as_array().unwrap().len(), 2);
    let message = json!([{ "actor": "weak", "event": id, "topic": "weak" }]);
    assert_eq!(data["messages"], message);
    assert_eq!(topics(&mut watch, 1).await, ["actor/weak/stopped"]);
    let data = watch.json_on("$sys/supervisor/root/gave-up").await;
    assert_eq!(
        (&data["supervisor"], &data["child"]),
        (&json!("root"), &json!("weak"))
    );
    assert_eq!(data["messages"], message);
    let End::GaveUp(words) = bed.node.ended().await else {
        panic!("{:?}", bed.node.ended().await)
    };
    for part in [
        "`weak/0`",
        "asked to panic",
        &format!("(event {id} on `weak`) (2 times)"),
    ] {
        assert!(words.contains(part), "no {part} in: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_started_again_says_so_and_one_that_left_for_good_leaves_stopped_actors()
 {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let once = "max_restarts = 0\nretry = { max_deliver = 1 }";
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        children = ["comes-again", "for-once"]
        [supervisor.comes-again]
        max_restarts = 0
        children = ["one"]
        [supervisor.for-once]
        restart = "temporary"
        max_restarts = 0
        children = ["two"]
        {}{}
        "#,
        actor("one", &component, once),
        actor("two", &component, once),
    );
    let bed = Bed::start(&manifest).await;
    let mut watch = bed.watch("$sys/supervisor/+/+");
    let mut actors = bed.watch("$sys/actor/+/restarted");
    bed.publish("one", "panic").await;
    let expected = [
        "supervisor/comes-again/gave-up",
        "supervisor/comes-again/restarted",
    ];
    assert_eq!(topics(&mut watch, 2).await, expected);
    let (_, data) = actors.json().await;
    assert_eq!(data, json!({ "actor": "one", "instance": null }));
    bed.publish("two", "panic").await;
    assert_eq!(topics(&mut watch, 1).await, ["supervisor/for-once/gave-up"]);
    let mut root = bed.place("root").await;
    while root.children.len() > 1 {
        tokio::task::yield_now().await;
        root = bed.place("root").await;
    }
    assert_eq!(bed.part("two").await.state, PartState::Stopped);
    assert_eq!(bed.part("one").await.state, PartState::Running);
    bed.stop().await;
}

// On a clock that stands still while anybody works, so that nothing comes too early.
#[tokio::test(start_paused = true)]
async fn what_a_full_mailbox_drops_is_told_with_its_policy() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    for policy in ["drop-newest", "drop-oldest"] {
        let settings =
            format!("mailbox = {{ capacity = 1, overflow = \"{policy}\" }}\ndrain = \"0s\"");
        let manifest = format!("manifest = 1\n{}", actor("slow", &component, &settings));
        let bed = Bed::start(&manifest).await;
        let mut watch = bed.watch("$sys/event/slow/dropped");
        let mut answers = bed.watch("answers");
        // In hand when the next come: it has answered, and goes on.
        bed.publish("slow", "publish 1 answers").await;
        answers.next().await;
        bed.publish("slow", "sleep 2000").await;
        while bed.part("slow").await.mailbox != Some(0) {
            tokio::task::yield_now().await;
        }
        let older = bed.publish("slow", "ok").await.id;
        let newer = bed.publish("slow", "ok").await.id;
        let gone = match policy {
            "drop-newest" => newer,
            _ => older,
        };
        let expected = json!({
            "actor": "slow", "policy": policy, "topic": "slow", "event": gone, "letter": null,
        });
        assert_eq!(watch.json().await.1, expected);
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_fails_at_the_news_of_its_failures_goes_round_in_no_circle() {
    let Some(_) = guest("pingpong") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), brittle(TRAPS)).unwrap();
    let manifest = brittle_manifest(file.path(), "retry.max_deliver = 1")
        .replace(r#"["in"]"#, r##"["in", "$sys/#"]"##)
        .replace("retry = {", "retry.backoff = {")
        .replace(
            "{ backoff = { min = \"0s\", max = \"0s\" } }",
            "{ min = \"0s\", max = \"0s\" }",
        );
    let (bed, mut crashes) = Bed::start_watched(&manifest, "$sys/actor/brittle/crashed").await;
    let letters = bed.watch("$sys/event/#");
    for _ in 0..10 {
        bed.publish("in", "trap").await;
    }
    // The start is told twice, of the provider and of the actor; each trap is told, and so are its dead letter and the new
    // instance. It fails at all that news, which is told to those who look on alone.
    for _ in 0..2 + 10 * 4 {
        crashes.next().await;
    }
    bed.node.stop().await;
    assert_eq!(crashes.tally().await, (0, 0));
    // Of the dead letters only those of events that somebody published.
    assert_eq!(letters.tally().await, (10, 0));
    assert_eq!(bed.node.dead_letters().len(), 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_traps_is_told_or_counted_as_missed_to_the_last() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let traps = full(2000, 10_000);
    let settings = "retry = { max_deliver = 1 }";
    let manifest = format!(
        "manifest = 1\n{}[topic.stormy]\ndead_letter = \"dead\"\n",
        actor("stormy", &component, settings)
    );
    let bed = Bed::start(&manifest).await;
    let mut dead = bed.watch("dead");
    // Nobody reads these two until the storm is over: their buffers hold 1024.
    let crashes = bed.watch("$sys/actor/stormy/crashed");
    let all = bed.watch("$sys/#");
    let began = Instant::now();
    for _ in 0..traps {
        bed.publish("stormy", "exit 1").await;
        dead.next().await;
    }
    println!("{traps} traps: {:.2?}", began.elapsed());
    // The last instance was replaced as well.
    let mut answers = bed.watch("answers");
    bed.publish("stormy", "hello").await;
    answers.next().await;
    bed.node.stop().await;
    let (seen, missed) = crashes.tally().await;
    assert_eq!(seen + missed, traps);
    assert!(seen >= 1000, "{seen}");
    // Crashed, dead-lettered, restarted; and the stop.
    let (seen, missed) = all.tally().await;
    assert_eq!(seen + missed, 3 * traps + 1);
}

// On a clock that stands still while anybody works, so that nothing comes too early.
#[tokio::test(start_paused = true)]
async fn b2_a_restart_of_the_group_raises_no_attempt_of_an_event_in_hand() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let retry = r#"retry = { backoff = { min = "10s", max = "10s" } }"#;
    let manifest = format!(
        "manifest = 1\n[supervisor.root]\nstrategy = \"one-for-all\"\n{}{}",
        actor("holder", &component, retry),
        actor(
            "weak",
            &component,
            "max_restarts = 0\nretry = { max_deliver = 1 }"
        ),
    );
    let bed = Bed::start(&manifest).await;
    let mut watch = bed.watch("$sys/actor/#");
    let id = bed.publish("holder", "panic").await.id;
    let mut attempts = Vec::new();
    let first = watch.json_on("$sys/actor/holder/crashed").await;
    attempts.push(first["attempt"].clone());
    // While it waits for its second delivery, all of the group start anew.
    bed.publish("weak", "panic").await;
    let whole = loop {
        let restarted = watch.json_on("$sys/actor/holder/restarted").await;
        if restarted["instance"].is_null() {
            break restarted;
        }
    };
    assert_eq!(whole, json!({ "actor": "holder", "instance": null }));
    for _ in 0..2 {
        let again = watch.json_on("$sys/actor/holder/crashed").await;
        assert_eq!(again["event"], id.as_str());
        attempts.push(again["attempt"].clone());
    }
    assert_eq!(attempts, [1, 2, 3]);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_open_is_told_down_with_its_reason() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let manifest = pingpong::manifest(&component, "sled", 1, "");
    let held = Bed::start(&manifest).await;
    let data = held.folder().join(".whirlwind");
    let other = tempfile::TempDir::new().unwrap();
    let app = whirlwind_tests::bed::app(other.path(), &manifest, &whirlwind::Variables::none());
    let builder = whirlwind::Node::builder(app).data_dir(data);
    let filter = whirlwind::event::TopicFilter::parse("$sys/provider/#").unwrap();
    let mut seen = builder.subscribe(&filter);
    let node = builder.start().await.unwrap();
    let Some(whirlwind::Seen::Event { topic, event }) = seen.next().await else {
        panic!("nothing was seen")
    };
    assert_eq!(topic.as_str(), "$sys/provider/counters/down");
    let data: serde_json::Value = serde_json::from_slice(event.data().unwrap()).unwrap();
    assert_eq!(data["provider"], "counters");
    let reason = data["reason"].as_str().unwrap();
    assert!(reason.contains("is in use by another process"), "{reason}");
    // The other node lets its store go: it is up with one of the next tries.
    let _folder = held.stop().await;
    let Some(whirlwind::Seen::Event { topic, .. }) = seen.next().await else {
        panic!("nothing was seen")
    };
    assert_eq!(topic.as_str(), "$sys/provider/counters/up");
    node.stop().await;
}
