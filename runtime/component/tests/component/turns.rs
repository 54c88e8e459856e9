//! Turns: what a handler sees, what it answers, and what leaves it.

use std::collections::BTreeMap;

use crate::common::{
    Actor, EVENTS, End, MESSAGES, core_module, event, handle_message, on_receive, wat_guest,
};
use whirlwind_component::{Handler, Links, PublishError, Settings, TrapKind};
use whirlwind_event::{Event, EventBuilder, json};
use whirlwind_provider_api::{KeyValue, Linked, MemoryKeyValue};

async fn linked() -> Settings {
    let store = MemoryKeyValue::new();
    Settings {
        links: Links {
            buckets: BTreeMap::from([(
                "default".to_owned(),
                Linked::new("p/b", store.bucket("b").await.unwrap()),
            )]),
            ..Links::default()
        },
        ..Settings::default()
    }
}

/// An event with every attribute, extensions of every type among them.
fn full(data: &[u8]) -> Event {
    let mut event = EventBuilder::new()
        .id("id-7")
        .source("/there/it/is?a=b")
        .ty("com.example.full")
        .subject("über all")
        .datacontenttype("application/x-example; a=b")
        .dataschema("https://example.com/schema")
        .extension("aname", "a value")
        .extension("flag", true)
        .extension("number", -5_i64)
        .data(data);
    event.attribute("time", "2026-01-31T12:00:00.25Z").unwrap();
    event.build().unwrap()
}

#[tokio::test]
async fn both_pingpongs_count_their_pongs() {
    for (name, handler) in [
        ("pingpong", Handler::Messages),
        ("pingpong-events", Handler::Events),
    ] {
        let Some(mut actor) = Actor::guest(name, linked().await).await else {
            return;
        };
        assert_eq!(actor.component.handler(), handler);
        for pong in ["pong 1", "pong 2", "pong 3"] {
            actor.tell("ping").await.ok();
            assert_eq!(actor.sent.text(), pong, "{name}");
        }
    }
}

#[tokio::test]
async fn a_poison_event_costs_the_instance_and_its_panic_is_told() {
    for name in ["pingpong", "pingpong-events"] {
        let Some(mut actor) = Actor::guest(name, linked().await).await else {
            return;
        };
        let trap = actor.handle(event(vec![0xff, 0xfe])).await.trap();
        assert_eq!(trap.kind, TrapKind::Panic);
        assert!(
            trap.text
                .starts_with(&format!("panicked at {name}/src/lib.rs:"))
                && trap
                    .text
                    .contains("called `Result::unwrap()` on an `Err` value: FromUtf8Error")
                && !trap.text.contains("RUST_BACKTRACE"),
            "{trap}"
        );
        assert!(trap.backtrace.lines().count() > 3, "{}", trap.backtrace);
        assert!(!actor.has_instance());
        actor.tell("ping").await.ok();
        assert_eq!(actor.sent.text(), "pong 1");
    }
}

#[tokio::test]
async fn a_panic_of_another_turn_is_not_blamed() {
    let Some(mut actor) = Actor::guest("misbehave", linked().await).await else {
        return;
    };
    // On one instance: words on standard error, then an end of another kind.
    actor.tell("publish 1 x").await.ok();
    let trap = actor.tell("panic").await.trap();
    assert_eq!(
        (trap.kind, trap.text.contains("asked to panic")),
        (TrapKind::Panic, true)
    );
    let trap = actor.tell("exit 3").await.trap();
    assert_eq!(trap.kind, TrapKind::Exit);
    assert_eq!(trap.text, "exited with status 1 instead of answering");
    let trap = actor.tell("exit 0").await.trap();
    assert_eq!(trap.text, "exited with status 0 instead of answering");
}

#[tokio::test]
async fn an_answer_of_messaging_is_a_verdict() {
    let Some(mut actor) = Actor::guest("answers-wasi", Settings::default()).await else {
        return;
    };
    actor.tell("ok").await.ok();
    for (word, retry, text) in [
        ("timeout", true, "timeout"),
        ("connection", true, "asked for connection"),
        ("permission-denied", false, "asked for permission-denied"),
        ("other", false, "asked for other"),
    ] {
        match actor.tell(word).await {
            End::Retry(why) => assert!(retry && why == text, "{word}: retry {why}"),
            End::Reject(why) => assert!(!retry && why == text, "{word}: reject {why}"),
            other => panic!("{word}: {other:?}"),
        }
        assert!(actor.has_instance(), "{word}");
    }
}

#[tokio::test]
async fn a_failure_of_ours_is_a_verdict() {
    let Some(mut actor) = Actor::guest("misbehave", linked().await).await else {
        return;
    };
    actor.tell("ok").await.ok();
    let end = actor.tell("retry").await;
    assert!(
        matches!(&end, End::Retry(why) if why == "asked to retry"),
        "{end:?}"
    );
    let end = actor.tell("reject").await;
    assert!(
        matches!(&end, End::Reject(why) if why == "asked to reject"),
        "{end:?}"
    );
    assert!(actor.has_instance());
}

#[tokio::test]
async fn nothing_leaves_a_turn_that_failed() {
    let Some(mut actor) = Actor::guest("misbehave", linked().await).await else {
        return;
    };
    let end = actor.tell("publish-then-fail t").await;
    assert!(matches!(end, End::Retry(_)), "{end:?}");
    actor.tell("publish-then-panic t").await.trap();
    assert!(actor.sent.take().is_empty());
    actor.tell("publish 3 t").await.ok();
    let sent = actor.sent.take();
    let data: Vec<_> = sent
        .iter()
        .map(|(_, event)| event.data().unwrap())
        .collect();
    assert_eq!(data, [b"1", b"2", b"3"]);
    assert!(sent.iter().all(|(topic, _)| topic == "t"));
}

#[tokio::test]
async fn a_refused_publish_is_an_error_in_the_words_of_each_interface() {
    for (refusal, ours, wasi) in [
        (
            PublishError::NotAllowed("not here".to_owned()),
            "NotAllowed",
            Err("not here"),
        ),
        (
            PublishError::Invalid("not so".to_owned()),
            "Invalid",
            Err("not so"),
        ),
        (
            PublishError::MailboxFull("no room".to_owned()),
            "MailboxFull",
            Ok("no room"),
        ),
        (
            PublishError::TooLarge,
            "TooLarge",
            Err("the event is larger than its topic allows"),
        ),
    ] {
        let Some(mut actor) = Actor::guest("misbehave", linked().await).await else {
            return;
        };
        let mut outbox = actor.sent.outbox();
        outbox.refuse = Some(refusal.clone());
        match actor.handle_with(event("publish 1 t"), outbox).await {
            End::Retry(why) => assert!(why.contains(ours), "{ours}: {why}"),
            other => panic!("{ours}: {other:?}"),
        }
        let Some(mut actor) = Actor::guest("answers-wasi", Settings::default()).await else {
            return;
        };
        let mut outbox = actor.sent.outbox();
        outbox.refuse = Some(refusal);
        // The guest passes the error on: `connection` is a retry, all else a reject.
        let end = match actor.handle_with(event("echo this"), outbox).await {
            End::Retry(why) => Ok(why),
            End::Reject(why) => Err(why),
            other => panic!("{ours}: {other:?}"),
        };
        let end = end.as_ref().map(String::as_str).map_err(String::as_str);
        assert_eq!(end, wasi, "{ours}");
    }
}

#[tokio::test]
async fn an_event_goes_through_metadata_and_back_unchanged() {
    let Some(mut actor) = Actor::guest("answers-wasi", Settings::default()).await else {
        return;
    };
    for data in [&b"some \0 bytes \xff"[..], b""] {
        let sent_in = full(data);
        let expected = full(data);
        actor.handle(sent_in).await.ok();
        let [(topic, event)] = &actor.sent.take()[..] else {
            panic!("not one event")
        };
        assert_eq!(topic, "echo");
        // All but the types of the extensions, which metadata cannot carry.
        assert!(event.attributes().eq(expected.attributes()), "{event:?}");
        assert_eq!(event.datacontenttype(), expected.datacontenttype());
        assert_eq!(event.data(), Some(data));
    }
}

/// Publishes what it received, on the topic it received it on, attribute by attribute.
fn echo_ours() -> Vec<u8> {
    // The record `event` begins with id, source, type and topic (8 bytes each), then four options of a
    // string (12 each), the extensions at 80 and the data at 88. `publish` takes the topic (8) and the
    // record `event-param` at 512: three options of a string (12 each), the same four, the extensions
    // at 84 and the data at 96 of it.
    let copy = |to: u32, from: u32| {
        format!(
            "(i32.store (i32.const {to}) (i32.load offset={from} (local.get $e)))
             (i32.store (i32.const {}) (i32.load offset={} (local.get $e)))",
            to + 4,
            from + 4
        )
    };
    let some = |at: u32, from: u32| {
        format!(
            "(i32.store (i32.const {at}) (i32.const 1)){}",
            copy(at + 4, from)
        )
    };
    let body = [
        copy(512, 24),
        some(520, 0),
        some(532, 8),
        some(544, 16),
        "(memory.copy (i32.const 556) (i32.add (local.get $e) (i32.const 32)) (i32.const 48))"
            .to_owned(),
        some(604, 80),
        copy(616, 92),
        "(call $publish (i32.const 512) (i32.const 640))
         (if (i32.load8_u (i32.const 640)) (then unreachable))"
            .to_owned(),
    ]
    .concat();
    wat_guest(
        &format!("{EVENTS} import whirlwind:actor/producer@0.1.0;"),
        &core_module(
            r#"(import "whirlwind:actor/producer@0.1.0" "publish" (func $publish (param i32 i32)))"#,
            &on_receive(&body),
        ),
    )
}

#[tokio::test]
async fn an_event_goes_through_our_record_and_back_unchanged() {
    let mut actor = Actor::new(echo_ours(), Settings::default()).await;
    for data in [&b"some \0 bytes \xff"[..], b"", &vec![7; 300_000]] {
        actor.handle(full(data)).await.ok();
        let [(topic, event)] = &actor.sent.take()[..] else {
            panic!("not one event")
        };
        assert_eq!(topic, "in");
        let expected = full(data);
        assert!(event.attributes().eq(expected.attributes()), "{event:?}");
        assert_eq!(event.datacontenttype(), expected.datacontenttype());
        assert_eq!(event.data(), Some(data));
    }
    // And one with nothing but what it must have.
    actor.handle(event("x")).await.ok();
    let [(_, event)] = &actor.sent.take()[..] else {
        panic!("not one event")
    };
    assert_eq!(*event, crate::common::event("x"));
}

/// Sends the message that it received, as it is.
fn pass_on() -> Vec<u8> {
    sends(
        "",
        "",
        r#"(call $send (call $client) (i32.const 256) (i32.const 3) (local.get $m) (i32.const 640))"#,
    )
}

/// A guest on `wasi:messaging` whose handler calls `$client`, which connects, and `$send`.
fn sends(imports: &str, fields: &str, body: &str) -> Vec<u8> {
    let imports = format!(
        r#"(import "wasi:messaging/types@0.2.0-draft" "[static]client.connect" (func $connect (param i32 i32 i32)))
           (import "wasi:messaging/producer@0.2.0-draft" "send" (func $send (param i32 i32 i32 i32 i32)))
           {imports}"#
    );
    let rest = format!(
        r#"{fields}
           (data (i32.const 256) "out")
           (func $client (result i32)
               (call $connect (i32.const 256) (i32.const 3) (i32.const 600))
               (if (i32.load8_u (i32.const 600)) (then unreachable))
               (i32.load (i32.const 604)))
           (func (export "wasi:messaging/incoming-handler@0.2.0-draft#handle") (param $m i32) (result i32)
               {body}
               ;; What `send` answered is the answer: both are `result<_, error>`.
               (i32.const 640))"#
    );
    wat_guest(
        &format!("{MESSAGES} import wasi:messaging/producer@0.2.0-draft;"),
        &core_module(&imports, &rest),
    )
}

#[tokio::test]
async fn a_message_passed_on_is_the_same_event() {
    let mut actor = Actor::new(pass_on(), Settings::default()).await;
    let without_data = || {
        EventBuilder::new()
            .id("1")
            .source("/s")
            .ty("t")
            .build()
            .unwrap()
    };
    for make in [|| full(b"data"), || full(b""), without_data] {
        actor.handle(make()).await.ok();
        let [(topic, event)] = &actor.sent.take()[..] else {
            panic!("not one event")
        };
        assert_eq!(topic, "out");
        assert!(event.attributes().eq(make().attributes()), "{event:?}");
        assert_eq!(event.data(), make().data());
    }
}

#[tokio::test]
async fn a_message_in_structured_mode_is_sent_as_the_event_in_its_data() {
    let mut actor = Actor::new(pass_on(), Settings::default()).await;
    let outer = |content_type: &str, data: Vec<u8>| {
        EventBuilder::new()
            .id("outer")
            .source("/outer")
            .ty("outer")
            .datacontenttype(content_type)
            .data(data)
            .build()
            .unwrap()
    };
    let inner = full(b"\xff inner");
    for content_type in [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON; charset=utf-8",
    ] {
        actor
            .handle(outer(content_type, json::to_vec(&inner)))
            .await
            .ok();
        let [(_, event)] = &actor.sent.take()[..] else {
            panic!("not one event")
        };
        assert_eq!(event.id(), "id-7");
        assert_eq!(event.data(), inner.data());
    }
    match actor
        .handle(outer("application/cloudevents+json", b"{}".to_vec()))
        .await
    {
        End::Reject(why) => assert!(why.contains("application/cloudevents+json"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn metadata_that_is_no_attribute_is_an_error_that_names_it() {
    let add = r#"(import "wasi:messaging/types@0.2.0-draft" "[method]message.add-metadata" (func $add (param i32 i32 i32 i32 i32)))"#;
    for (key, word) in [
        ("Not A Name", "Not A Name"),
        ("data", "data"),
        ("time", "time"),
    ] {
        let guest = sends(
            add,
            &format!(r#"(data (i32.const 700) "{key}")"#),
            &format!(
                r#"(call $add (local.get $m) (i32.const 700) (i32.const {len}) (i32.const 256) (i32.const 3))
                   (call $send (call $client) (i32.const 256) (i32.const 3) (local.get $m) (i32.const 640))"#,
                len = key.len()
            ),
        );
        let mut actor = Actor::new(guest, Settings::default()).await;
        match actor.handle(event("x")).await {
            End::Reject(why) => assert!(why.contains(word), "{why}"),
            other => panic!("{key}: {other:?}"),
        }
        assert!(actor.sent.take().is_empty());
    }
}

#[tokio::test]
async fn a_client_that_was_disconnected_sends_no_more() {
    let guest = sends(
        r#"(import "wasi:messaging/types@0.2.0-draft" "[method]client.disconnect" (func $disconnect (param i32 i32)))"#,
        "",
        r#"(local $c i32)
           (local.set $c (call $client))
           (call $disconnect (local.get $c) (i32.const 800))
           (call $send (local.get $c) (i32.const 256) (i32.const 3) (local.get $m) (i32.const 640))"#,
    );
    let mut actor = Actor::new(guest, Settings::default()).await;
    let end = actor.handle(event("x")).await;
    assert!(
        matches!(&end, End::Retry(why) if why.contains("disconnected")),
        "{end:?}"
    );
}

#[tokio::test]
async fn nothing_is_published_while_no_turn_runs() {
    // Publishes while it starts, keeps whether that was refused, and fails each turn if it was not.
    let guest = wat_guest(
        &format!("{EVENTS} import whirlwind:actor/producer@0.1.0;"),
        &core_module(
            r#"(import "whirlwind:actor/producer@0.1.0" "publish" (func $publish (param i32 i32)))"#,
            &format!(
                r#"(func (export "_initialize") (call $publish (i32.const 512) (i32.const 640)))
                   {}"#,
                on_receive(
                    "(if (i32.ne (i32.load8_u (i32.const 640)) (i32.const 1)) (then unreachable))
                     ;; the first of the errors: not-allowed
                     (if (i32.load8_u (i32.const 644)) (then unreachable))"
                )
            ),
        ),
    );
    let mut actor = Actor::new(guest, Settings::default()).await;
    actor.handle(event("x")).await.ok();
    assert!(actor.sent.take().is_empty());
}

#[tokio::test]
async fn a_handle_that_is_none_is_a_trap() {
    let guest = wat_guest(
        &format!("{MESSAGES} import wasi:messaging/types@0.2.0-draft;"),
        &core_module(
            r#"(import "wasi:messaging/types@0.2.0-draft" "[method]message.topic" (func $topic (param i32 i32)))"#,
            &handle_message("(call $topic (i32.const 12345) (i32.const 640))"),
        ),
    );
    let mut actor = Actor::new(guest, Settings::default()).await;
    let trap = actor.handle(event("x")).await.trap();
    assert!(
        matches!(trap.kind, TrapKind::Fault | TrapKind::Host),
        "{trap:?}"
    );
    assert!(!actor.has_instance());
}
