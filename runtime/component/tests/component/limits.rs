//! What an instance may take of the host, and what becomes of one that takes more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use whirlwind_component::{
    Component, Engine, EngineConfig, Limits, Links, Outcome, Settings, StartError, TrapKind,
};
use whirlwind_provider_api::{Bucket, Error, KeyValue, Keys, Linked, MemoryKeyValue};

use crate::common::{
    Actor, EVENTS, End, MESSAGES, Sent, core_module, event, handle_message, idle, on_receive, turn,
    wat_guest,
};

fn limits(limits: Limits) -> Settings {
    Settings {
        limits,
        ..Settings::default()
    }
}

/// Settings for what computes for long in a debug build: a deadline that no busy machine comes to.
fn patient() -> Settings {
    limits(Limits {
        deadline: Duration::from_secs(60),
        ..Limits::default()
    })
}

/// The limits of these tests: a deadline that is soon over.
fn soon() -> Settings {
    limits(Limits {
        deadline: Duration::from_millis(200),
        ..Limits::default()
    })
}

fn quick_engine() -> Engine {
    Engine::new(EngineConfig {
        tick: Duration::from_millis(1),
        ..EngineConfig::default()
    })
    .unwrap()
}

/// A guest whose handler, or whose start, never ends.
fn spins(at_start: bool) -> Vec<u8> {
    let body = "(loop $on (br $on))";
    let rest = if at_start {
        format!("(func (export \"_initialize\") {body}) {}", on_receive(""))
    } else {
        on_receive(body)
    };
    wat_guest(EVENTS, &core_module("", &rest))
}

#[tokio::test]
async fn a_spinning_guest_is_interrupted_at_its_deadline_and_lets_others_run_until_then() {
    let engine = quick_engine();
    let begun = Instant::now();
    // One thread, two spinners, and a third that has work to do.
    let spinner = || async {
        let mut actor = Actor::load(&engine, spins(false), soon()).await.unwrap();
        actor.handle(event("x")).await.trap()
    };
    let handled = AtomicUsize::new(0);
    let healthy = async {
        let mut actor = Actor::load(&engine, idle(), Settings::default())
            .await
            .unwrap();
        loop {
            actor.handle(event("x")).await.ok();
            handled.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    };
    let (first, second) = tokio::select! {
        traps = async { tokio::join!(spinner(), spinner()) } => traps,
        () = healthy => unreachable!(),
    };
    for trap in [first, second] {
        assert_eq!(trap.kind, TrapKind::Deadline);
        assert_eq!(trap.text, "ran past its deadline of 200 ms");
    }
    assert!(handled.load(Ordering::Relaxed) > 10, "{handled:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(engine.instances(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_spinning_guest_is_interrupted_also_where_time_stands_still() {
    let mut actor = Actor::load(&quick_engine(), spins(false), soon())
        .await
        .unwrap();
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(trap.text, "ran past its deadline of 200 ms");
}

#[tokio::test]
async fn a_start_that_never_ends_is_interrupted() {
    let engine = quick_engine();
    let component = Component::load(&engine, "actor", spins(true), soon())
        .await
        .unwrap();
    match component.instantiate().await.unwrap_err() {
        StartError::Trapped(trap) => assert_eq!(trap.kind, TrapKind::Deadline),
        other => panic!("{other}"),
    }
    assert_eq!(engine.instances(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_waits_in_the_host_is_dropped_at_its_deadline() {
    let Some(mut actor) = Actor::guest("misbehave", with_bucket(Arc::new(Silent))).await else {
        return;
    };
    let begun = Instant::now();
    actor.tell("sleep 4000").await.ok();
    assert!(begun.elapsed() >= Duration::from_secs(4));
    let begun = Instant::now();
    let trap = actor.tell("sleep 60000").await.trap();
    assert_eq!(trap.text, "ran past its deadline of 5 s");
    // tokio's wheel turns once a millisecond.
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= Duration::from_secs(5) && elapsed < Duration::from_millis(5010),
        "{elapsed:?}"
    );
    assert!(!actor.has_instance());
}

fn with_bucket(bucket: Arc<dyn Bucket>) -> Settings {
    Settings {
        links: Links {
            buckets: BTreeMap::from([("default".to_owned(), Linked::new("p/b", bucket))]),
            ..Links::default()
        },
        ..Settings::default()
    }
}

/// A bucket that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Bucket for Silent {
    async fn ready(&self) -> Result<(), Error> {
        std::future::pending().await
    }

    async fn get(&self, _: &str) -> Result<Option<Bytes>, Error> {
        std::future::pending().await
    }
    async fn set(&self, _: &str, _: Bytes) -> Result<(), Error> {
        std::future::pending().await
    }
    async fn delete(&self, _: &str) -> Result<(), Error> {
        std::future::pending().await
    }
    async fn exists(&self, _: &str) -> Result<bool, Error> {
        std::future::pending().await
    }
    async fn list_keys(&self, _: Option<&str>) -> Result<Keys, Error> {
        std::future::pending().await
    }
    async fn increment(&self, _: &str, _: i64) -> Result<i64, Error> {
        std::future::pending().await
    }
    async fn compare_and_swap(&self, _: &str, _: Option<&[u8]>, _: Bytes) -> Result<bool, Error> {
        std::future::pending().await
    }
    async fn get_many(&self, _: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        std::future::pending().await
    }
    async fn set_many(&self, _: Vec<(String, Bytes)>) -> Result<(), Error> {
        std::future::pending().await
    }
    async fn delete_many(&self, _: &[String]) -> Result<(), Error> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_never_answers_costs_the_instance_not_the_host() {
    for name in ["buckets", "buckets-draft"] {
        for call in [
            "get a",
            "set a b",
            "list",
            "increment a 1",
            "get-many a",
            "set-many a b",
            "delete-many a",
        ] {
            let Some(mut actor) = Actor::guest(name, with_bucket(Arc::new(Silent))).await else {
                return;
            };
            let trap = actor.tell(call).await.trap();
            assert_eq!(trap.kind, TrapKind::Deadline, "{name}: {call}");
        }
    }
}

#[tokio::test]
async fn calls_dropped_in_the_middle_leave_nothing_behind() {
    let Some(path) = crate::common::guest("buckets") else {
        return;
    };
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let settings = with_bucket(Arc::new(Silent));
    let component = Component::load(&engine, "actor", path, settings)
        .await
        .unwrap();
    let sent = Sent::default();
    for _ in 0..500 {
        let instance = component.instantiate().await.unwrap();
        assert_eq!(engine.instances(), 1);
        tokio::select! {
            biased;
            outcome = instance.handle(turn(event("get a"), sent.outbox())) => panic!("{outcome:?}"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(engine.instances(), 0);
    }
    assert!(sent.take().is_empty());
}

#[tokio::test]
async fn a_memory_bomb_meets_its_limit() {
    let settings = limits(Limits {
        memory: 16 << 20,
        ..Limits::default()
    });
    let Some(mut actor) = Actor::guest("misbehave", linked(settings).await).await else {
        return;
    };
    for _ in 0..3 {
        let trap = actor.tell("eat").await.trap();
        assert_eq!(trap.kind, TrapKind::Memory, "{trap}");
        assert_eq!(trap.text, "ran out of memory: its limit is 16 MiB");
    }
    actor.tell("ok").await.ok();
}

async fn linked(settings: Settings) -> Settings {
    Settings {
        links: Links {
            buckets: BTreeMap::from([(
                "default".to_owned(),
                Linked::new("p/b", MemoryKeyValue::new().bucket("b").await.unwrap()),
            )]),
            ..Links::default()
        },
        ..settings
    }
}

#[tokio::test]
async fn growing_past_the_limit_answers_minus_one_and_the_guest_may_go_on() {
    // All memories of an instance count together: this one has one page and may have eight.
    let settings = limits(Limits {
        memory: 8 << 16,
        ..Limits::default()
    });
    let guest = core_module(
        "",
        &on_receive(
            "(if (i32.ne (memory.grow (i32.const 6)) (i32.const 1)) (then unreachable))
             (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))
             (if (i32.ne (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))
             (if (i32.ne (memory.grow (i32.const 1)) (i32.const 7)) (then unreachable))
             (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))",
        ),
    );
    let mut actor = Actor::new(wat_guest(EVENTS, &guest), settings).await;
    actor.handle(event("x")).await.ok();
}

#[tokio::test]
async fn a_component_that_starts_with_more_than_its_limit_does_not_start() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let guest = core_module("", &on_receive("")).replace(
        "(memory (export \"memory\") 1)",
        "(memory (export \"memory\") 17)",
    );
    let settings = limits(Limits {
        memory: 1 << 20,
        ..Limits::default()
    });
    let component = Component::load(&engine, "actor", wat_guest(EVENTS, &guest), settings)
        .await
        .unwrap();
    let error = component.instantiate().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "needs more memory to start than its limit of 1 MiB"
    );
    assert_eq!(engine.instances(), 0);
}

#[tokio::test]
async fn a_start_that_traps_is_told() {
    let Some(path) = crate::common::guest("broken-start") else {
        return;
    };
    let component = Component::load(&crate::common::engine(), "actor", path, Settings::default())
        .await
        .unwrap();
    match component.instantiate().await.unwrap_err() {
        StartError::Trapped(trap) => {
            assert_eq!(trap.kind, TrapKind::Unreachable);
            assert!(trap.text.starts_with("aborted"), "{trap}");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn endless_recursion_meets_the_end_of_the_stack() {
    let Some(mut actor) = Actor::guest("misbehave", Settings::default()).await else {
        return;
    };
    let trap = actor.tell("recurse").await.trap();
    assert_eq!(trap.kind, TrapKind::Stack);
    assert_eq!(trap.text, "used up its stack of 512 KiB");
    assert_eq!(trap.backtrace.lines().count(), 20, "{}", trap.backtrace);
}

#[tokio::test]
async fn the_host_keeps_no_more_for_a_guest_than_its_limits() {
    let Some(mut actor) = Actor::guest("misbehave", Settings::default()).await else {
        return;
    };
    for (command, kind, text) in [
        (
            "handles",
            TrapKind::Memory,
            "held more than 4096 handles of the host at once",
        ),
        (
            "hostcall",
            TrapKind::Memory,
            "passed more than 24 MiB to the host in one call",
        ),
        ("publish 40000 t", TrapKind::Memory, ""),
        ("random", TrapKind::Host, "was stopped by its host"),
    ] {
        let end = actor.tell(command).await;
        if command.starts_with("publish") {
            // 40,000 small events are within the limit.
            end.ok();
            assert_eq!(actor.sent.take().len(), 40_000);
            continue;
        }
        let trap = end.trap();
        assert_eq!(trap.kind, kind, "{command}: {trap}");
        assert!(trap.text.starts_with(text), "{command}: {trap}");
    }
    let trap = actor.tell("publish 1000000 t").await.trap();
    assert_eq!(trap.kind, TrapKind::Memory);
    assert_eq!(
        trap.text,
        "held more than 32 MiB of messages, publishes and key-value entries on the host"
    );
    assert!(actor.sent.take().is_empty());
    // What a turn published counts against that turn alone.
    for _ in 0..3 {
        actor.tell("publish 40000 t").await.ok();
        actor.sent.take();
    }
}

#[tokio::test]
async fn messages_that_a_guest_keeps_are_counted_with_their_contents() {
    let hoards = |bytes: u32, drops: bool| {
        let drop = if drops {
            "(call $drop (local.get $h))"
        } else {
            ""
        };
        let imports = r#"
            (import "wasi:messaging/types@0.2.0-draft" "[constructor]message" (func $new (param i32 i32) (result i32)))
            (import "wasi:messaging/types@0.2.0-draft" "[resource-drop]message" (func $drop (param i32)))
            (import "wasi:messaging/types@0.2.0-draft" "[method]message.set-data" (func $set (param i32 i32 i32)))"#;
        let body = format!(
            "(local $h i32) (local $n i32)
             (local.set $n (i32.const 100))
             (loop $more
                 (local.set $h (call $new (i32.const 0) (i32.const 0)))
                 (call $set (local.get $h) (i32.const 0) (i32.const {bytes}))
                 {drop}
                 (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                 (br_if $more (local.get $n)))"
        );
        let core = core_module(imports, &handle_message(&body)).replace(
            "(memory (export \"memory\") 1)",
            "(memory (export \"memory\") 17)",
        );
        wat_guest(
            &format!("{MESSAGES} import wasi:messaging/types@0.2.0-draft;"),
            &core,
        )
    };
    let mut actor = Actor::new(hoards(1 << 20, false), patient()).await;
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(
        trap.text,
        "held more than 32 MiB of messages, publishes and key-value entries on the host"
    );
    // Dropped, or small: 100 of them are nothing.
    for (bytes, drops) in [(1 << 20, true), (1 << 10, false)] {
        let mut actor = Actor::new(hoards(bytes, drops), patient()).await;
        for _ in 0..3 {
            actor.handle(event("x")).await.ok();
        }
    }
    // A guest that keeps them from turn to turn comes to the end of its handles.
    let mut actor = Actor::new(hoards(0, false), patient()).await;
    for _ in 0..40 {
        actor.handle(event("x")).await.ok();
    }
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(trap.kind, TrapKind::Memory);
}

#[tokio::test]
async fn the_clock_of_guests_rests_while_none_runs_and_wakes_with_the_first() {
    let engine = quick_engine();
    assert!(engine.is_idle(), "nothing ran yet");
    let mut actor = Actor::load(&engine, idle(), soon()).await.unwrap();
    let mut spinner = Actor::load(&engine, spins(false), soon()).await.unwrap();
    for _ in 0..2 {
        actor.handle(event("x")).await.ok();
        assert!(!engine.is_idle());
        let rest = async {
            while !engine.is_idle() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), rest)
            .await
            .expect("the ticker rests");
        let ticks = engine.ticks();
        // It wakes in time for a guest that needs it: without a tick, this would never end.
        spinner.handle(event("x")).await.trap();
        assert!(engine.ticks() > ticks);
    }
}

#[tokio::test]
async fn an_instance_is_counted_as_long_as_it_lives() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    assert!(engine.capacity() > 1000, "{}", engine.capacity());
    let component = Component::load(&engine, "actor", idle(), Settings::default())
        .await
        .unwrap();
    let first = component.instantiate().await.unwrap();
    let second = component.instantiate().await.unwrap();
    assert_eq!(engine.instances(), 2);
    let sent = Sent::default();
    match first.handle(turn(event("x"), sent.outbox())).await {
        Outcome::Done(first, _) => drop(first),
        Outcome::Trapped(trap) => panic!("{trap}"),
    }
    assert_eq!(engine.instances(), 1);
    drop(second);
    assert_eq!(engine.instances(), 0);
}

#[tokio::test]
async fn instances_can_be_called_from_any_thread() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let mut actor = Actor::new(idle(), Settings::default()).await;
    let end = tokio::spawn(sendable(async move { actor.handle(event("x")).await }))
        .await
        .unwrap();
    assert!(matches!(end, End::Ok));
}
