//! What cannot be handled, and what cannot live: the first costs a dead letter, the second the tree.

use whirlwind::{End, Part, PartState, Reason, StartError};
use whirlwind_tests::bed::event;
use whirlwind_tests::{Bed, guest};

use crate::pingpong::manifest;

/// Data that is not UTF-8: pingpong unwraps it.
const POISON: &[u8] = &[b'p', 0xff];

const AT_ONCE: &str = r#"retry = { backoff = { min = "0s", max = "0s" } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_costs_three_instances_and_is_one_dead_letter() {
    for name in ["pingpong", "pingpong-events"] {
        let Some(component) = guest(name) else { return };
        let bed = Bed::start(&manifest(&component, "memory", 1, "")).await;
        let mut pongs = bed.watch("pong");
        let poison = std::sync::Arc::new(event(POISON));
        bed.publish("ping", "ping").await;
        let topic = whirlwind_tests::bed::topic_of("ping");
        bed.node.publish(&topic, poison.clone()).await.unwrap();
        bed.publish("ping", "ping").await;
        bed.publish("ping", "ping").await;
        assert_eq!(pongs.texts(3).await, ["pong 1", "pong 2", "pong 3"]);

        let letters = bed.node.dead_letters();
        let [letter] = &letters[..] else {
            panic!("{letters:?}")
        };
        assert_eq!((letter.id, &letter.topic), (1, &topic));
        assert_eq!((&*letter.actor, letter.attempts), ("pingpong", 3));
        assert_eq!(letter.reason.as_str(), "max-deliver");
        assert!(letter.error.starts_with("panicked at "), "{}", letter.error);
        assert!(letter.error.contains("Utf8Error"), "{}", letter.error);
        assert_eq!(*letter.event, *poison);

        bed.node.stop().await;
        let Part {
            handled,
            failed,
            retried,
            restarts,
            dead,
            dropped,
            ..
        } = bed.part("pingpong").await;
        let counted = [handled, failed, retried, restarts, dead, dropped];
        assert_eq!(counted, [3, 3, 2, 3, 1, 0].map(Some), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_a_thousand_poisons_leave_the_tree_standing_and_every_ping_answered_in_order() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let poisons = 1000;
    let bed = Bed::start(&manifest(&component, "memory", 1, AT_ONCE)).await;
    let mut pongs = bed.watch("pong");
    for n in 1..=poisons {
        bed.publish("ping", POISON).await;
        bed.publish("ping", "ping").await;
        assert_eq!(pongs.text().await, format!("pong {n}"));
    }
    let letters = bed.node.dead_letters();
    assert_eq!(letters.len(), poisons);
    assert!(letters.iter().all(|letter| letter.attempts == 3));
    let part = bed.part("pingpong").await;
    assert_eq!(part.state, PartState::Running);
    assert_eq!(part.restarts, Some(3 * poisons as u64));
    assert_eq!(part.dead, Some(poisons as u64));
    // The actor itself, and all above it, never ended.
    for place in ["pingpong", "root", "node"] {
        assert_eq!(bed.place(place).await.restarts, 0, "{place}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_cannot_start_fails_the_start_with_its_words_and_leaves_nothing() {
    let (Some(broken), Some(pingpong)) = (guest("broken-start"), guest("pingpong")) else {
        return;
    };
    let sound = manifest(&pingpong, "sled", 1, "");
    let broken = format!("{sound}\n[actor.zombie]\ncomponent = {broken:?}\n");
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let app = whirlwind_tests::bed::app(&path, &broken, &whirlwind::Variables::none());
    let started = whirlwind::Node::builder(app).start().await;
    let Err(StartError::Tree(words)) = started else {
        panic!("{started:?}")
    };
    for part in ["`zombie`", "`root`", "no instance could be made", "aborted"] {
        assert!(words.contains(part), "no {part} in: {words}");
    }
    // Its store was closed again: a node without the broken one finds it free.
    let bed = Bed::start_in(folder, &sound).await.unwrap();
    assert_eq!(bed.part("counters").await.state, PartState::Running);
    assert_eq!(bed.part("counters").await.detail, None);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_can_start_no_more_brings_the_tree_down_in_words() {
    let Some(_) = guest("pingpong") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), brittle(TRAPS)).unwrap();
    let manifest = format!(
        r#"
        manifest = 1
        [supervisor.root]
        max_restarts = 1
        backoff = {{ min = "0s", max = "0s" }}
        [actor.brittle]
        component = {:?}
        subscribe = ["in"]
        links     = {{ keyvalue = "state" }}
        {AT_ONCE}
        [topic.in]
        dead_letter = "dead"
        [provider.state]
        type = "memory"
        "#,
        file.path()
    );
    let bed = Bed::start(&manifest).await;
    // While it can start, no number of traps does any harm.
    let mut dead = bed.watch("dead");
    for n in 0..20 {
        bed.publish("in", format!("trap {n}")).await;
        assert_eq!(dead.text().await, format!("trap {n}"));
    }
    let store = bed.node.store("state").unwrap().unwrap();
    let bucket = store.bucket("default").await.unwrap();
    bucket.set("broken", "yes".into()).await.unwrap();
    bed.publish("in", "trap").await;
    let End::GaveUp(words) = bed.node.ended().await else {
        panic!("{:?}", bed.node.ended().await)
    };
    for part in [
        "supervisor `root` gave up: 2 ends within 10s, 1 allowed",
        "`brittle`",
        "`brittle/0`",
        "no instance could be made",
        "aborted (reached an `unreachable` instruction)",
    ] {
        assert!(words.contains(part), "no {part} in: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_an_actor_with_max_restarts_of_its_own_escalates_its_failed_deliveries() {
    let Some(component) = guest("pingpong") else {
        return;
    };
    let more = format!("max_restarts = 2\n{AT_ONCE}");
    let manifest = format!(
        "{}\n[supervisor.root]\nmax_restarts = 1\n",
        manifest(&component, "memory", 1, &more)
    );
    let bed = Bed::start(&manifest).await;
    let mut pongs = bed.watch("pong");
    // One poison is three ends: one more than the actor tolerates. The root starts it anew, and its mailbox is still there.
    bed.publish("ping", POISON).await;
    bed.publish("ping", "ping").await;
    assert_eq!(pongs.text().await, "pong 1");
    assert_eq!(bed.place("pingpong").await.restarts, 1);
    // With the second, it is the root that has seen too much.
    bed.publish("ping", POISON).await;
    let End::GaveUp(words) = bed.node.ended().await else {
        panic!("{:?}", bed.node.ended().await)
    };
    for part in [
        "supervisor `root` gave up: 2 ends within 10s, 1 allowed",
        "supervisor `pingpong` gave up: 3 ends within 10s, 2 allowed",
        "Utf8Error",
    ] {
        assert!(words.contains(part), "no {part} in: {words}");
    }
}

/// What a [`brittle`] component does with an event: it traps, or answers that all is well.
pub const TRAPS: &str = "(unreachable)";
pub const OK: &str = "(i32.const 2048)";

/// A component that does this with every event, and cannot start where its bucket has the key `broken`.
pub fn brittle(handle: &str) -> Vec<u8> {
    let wit = whirlwind_tests::guests::actors().join("../wit");
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_path(wit).unwrap();
    let text = "package test:brittle; world brittle {
        import wasi:keyvalue/store@0.2.0-draft2;
        export whirlwind:actor/handler@0.1.0;
    }";
    let package = resolve.push_str("brittle.wit", text).unwrap();
    let world = resolve.select_world(&[package], Some("brittle")).unwrap();
    let mut module = wat::parse_str(format!(
        r#"(module
            (import "wasi:keyvalue/store@0.2.0-draft2" "open" (func $open (param i32 i32 i32)))
            (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.exists"
                (func $exists (param i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "defaultbroken")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "_initialize")
                (call $open (i32.const 0) (i32.const 7) (i32.const 64))
                (if (i32.load8_u (i32.const 64)) (then (unreachable)))
                (call $exists (i32.load (i32.const 68)) (i32.const 7) (i32.const 6) (i32.const 96))
                (if (i32.load8_u (i32.const 96)) (then (unreachable)))
                (if (i32.load8_u (i32.const 100)) (then (unreachable))))
            (func (export "whirlwind:actor/handler@0.1.0#on-receive") (param i32) (result i32)
                {handle}))"#,
    ))
    .unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    let mut encoder = wit_component::ComponentEncoder::default().validate(true);
    encoder = encoder.module(&module).unwrap();
    encoder.encode().unwrap()
}

/// A manifest of one `brittle` actor with default intensities and no pauses between deliveries.
pub fn brittle_manifest(component: &std::path::Path, settings: &str) -> String {
    format!(
        r#"
        manifest = 1
        [actor.brittle]
        component = {component:?}
        subscribe = ["in"]
        links     = {{ keyvalue = "state" }}
        {AT_ONCE}
        {settings}
        [provider.state]
        type = "memory"
        "#
    )
}

/// From now on no instance of the brittle component can be made.
async fn break_it(bed: &Bed) {
    let store = bed.node.store("state").unwrap().unwrap();
    let bucket = store.bucket("default").await.unwrap();
    bucket.set("broken", "yes".into()).await.unwrap();
}

async fn words_of_the_end(bed: &Bed) -> String {
    match bed.node.ended().await {
        End::GaveUp(words) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_failed_starts_are_charged_to_the_tree_with_the_default_intensities() {
    let Some(_) = guest("pingpong") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), brittle(TRAPS)).unwrap();
    let bed = Bed::start(&brittle_manifest(file.path(), "")).await;
    break_it(&bed).await;
    bed.publish("in", "last").await;
    let words = words_of_the_end(&bed).await;
    for part in [
        "supervisor `root` gave up: 6 ends within 10s, 5 allowed",
        "supervisor `brittle` gave up: 6 ends within 10s, 5 allowed",
        "no instance could be made",
    ] {
        assert!(words.contains(part), "no {part} in: {words}");
    }
    // The trap before them was charged to the event, which waits for its second delivery; the words name it.
    assert!(words.contains("in hand: event "), "{words}");
    // It did not die of its failures: it was there when the node ended.
    let letters = bed.node.dead_letters();
    let letters: Vec<_> = letters.iter().map(|l| (l.reason, l.attempts)).collect();
    assert_eq!(letters, [(Reason::NodeEnded, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_an_exit_outside_a_delivery_is_charged_to_the_tree() {
    let Some(_) = guest("pingpong") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), brittle(OK)).unwrap();
    // A new instance for each event: the one for the next is made when an event has ended.
    let settings = "isolation = \"per-message\"\nmax_restarts = 0";
    let bed = Bed::start(&brittle_manifest(file.path(), settings)).await;
    break_it(&bed).await;
    bed.publish("in", "handled").await;
    let words = words_of_the_end(&bed).await;
    let part = "supervisor `brittle` gave up: 1 end within 10s, 0 allowed: `brittle/0` no instance";
    assert!(words.contains(part), "{words}");
    let brittle = bed.part("brittle").await;
    assert_eq!((brittle.handled, brittle.failed), (Some(1), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_an_actor_with_max_restarts_of_its_own_is_charged_for_traps_and_for_failed_starts() {
    let Some(_) = guest("pingpong") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), brittle(TRAPS)).unwrap();
    let bed = Bed::start(&brittle_manifest(file.path(), "max_restarts = 2")).await;
    break_it(&bed).await;
    bed.publish("in", "last").await;
    let words = words_of_the_end(&bed).await;
    // One trap and two starts: neither alone would have been too many.
    let part = "supervisor `brittle` gave up: 3 ends within 10s, 2 allowed";
    assert!(words.contains(part), "{words}");
    assert!(words.contains("instruction) (event "), "{words}");
    assert!(words.contains("no instance could be made"), "{words}");
}
