//! What guests say, and how much of it comes out.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;
use whirlwind_component::{Settings, TrapKind};

use crate::common::{Actor, EVENTS, core_module, event, on_receive, wat_guest};

/// What tracing wrote.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures what this thread logs.
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .without_time()
            .with_max_level(tracing::Level::TRACE)
            .with_env_filter("off,whirlwind=trace")
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A guest that writes this to standard output, or standard error, in writes of these sizes. The text
/// is as WAT writes strings.
fn writes(stream: &str, text: &str, sizes: &[u32], then: &str) -> Vec<u8> {
    let world = format!("{EVENTS} import wasi:cli/{stream}@0.2.0; import wasi:io/streams@0.2.0;");
    let imports = format!(
        r#"(import "wasi:cli/{stream}@0.2.0" "get-{stream}" (func $get (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#
    );
    let mut at = 1024;
    let mut body = String::from("(local $s i32) (local.set $s (call $get))");
    for size in sizes {
        body.push_str(&format!(
            "(call $write (local.get $s) (i32.const {at}) (i32.const {size}) (i32.const 640))"
        ));
        at += size;
    }
    body.push_str(then);
    let core = core_module(
        &imports,
        &format!("(data (i32.const 1024) \"{text}\") {}", on_receive(&body)),
    )
    .replace("(i32.const 4096)", "(i32.const 49152)");
    wat_guest(&world, &core)
}

#[tokio::test]
async fn lines_come_out_one_by_one_without_control_characters() {
    let (log, _guard) = Log::capture();
    let text = r"one\0atw\1b[31mo\07\0d\0a\ff\fe\0aopen";
    let size = 22;
    // Cut anywhere, the lines are the same.
    for sizes in [vec![size], vec![1; size as usize], vec![5, 10, 7]] {
        let mut actor = Actor::new(writes("stdout", text, &sizes, ""), Settings::default()).await;
        actor.handle(event("x")).await.ok();
        let lines = log.take();
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (line, text) in lines.iter().zip(["one", "tw[31mo ", "\u{fffd}\u{fffd}"]) {
            assert!(line.contains(&format!(": {text}")), "{line:?}");
            assert!(
                line.contains("whirlwind::guest") && line.contains("actor=\"actor\""),
                "{line}"
            );
            assert!(
                line.contains("INFO") && line.contains("stream=\"stdout\""),
                "{line}"
            );
        }
        drop(actor);
        assert!(log.take().contains(": open"));
    }
}

#[tokio::test]
async fn a_line_is_cut_at_its_limit() {
    let (log, _guard) = Log::capture();
    let text = format!("{}\\0ashort\\0a", "x".repeat(20_000));
    let sizes = [4000, 4000, 4000, 4000, 4000, 7];
    let mut actor = Actor::new(writes("stderr", &text, &sizes, ""), Settings::default()).await;
    actor.handle(event("x")).await.ok();
    let lines = log.take();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(&"x".repeat(8192)) && !lines[0].contains(&"x".repeat(8193)));
    assert!(
        lines[0].contains("11808 more bytes"),
        "{}",
        &lines[0][8192..]
    );
    assert!(lines[1].contains("short"));
}

#[tokio::test]
async fn the_last_line_of_a_guest_that_ended_is_told_even_if_it_was_open() {
    let (log, _guard) = Log::capture();
    let guest = writes("stderr", r"first\0alast words", &[16], "unreachable");
    let mut actor = Actor::new(guest, Settings::default()).await;
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(trap.kind, TrapKind::Unreachable);
    assert!(
        trap.text
            .ends_with("its last line on standard error: last words"),
        "{trap}"
    );
    assert!(log.take().contains("last words"));
}

#[tokio::test]
async fn an_open_line_is_told_when_its_instance_is_dropped() {
    let (log, _guard) = Log::capture();
    let mut actor = Actor::new(
        writes("stdout", "no end of line", &[14], ""),
        Settings::default(),
    )
    .await;
    actor.handle(event("x")).await.ok();
    assert_eq!(log.take(), "");
    drop(actor);
    assert!(log.take().contains("no end of line"));
}

#[tokio::test]
async fn what_was_said_in_an_earlier_turn_is_not_blamed_for_a_later_end() {
    // Speaks in its first turn, ends in the second.
    let guest = writes(
        "stderr",
        r"panicked at the disco\0a",
        &[22],
        "(if (i32.load (i32.const 800)) (then unreachable)) (i32.store (i32.const 800) (i32.const 1))",
    );
    // The words are written in both turns here, so the second has them: once without.
    let mut actor = Actor::new(guest, Settings::default()).await;
    actor.handle(event("x")).await.ok();
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(trap.text, "panicked at the disco");
    let silent = wat_guest(
        &format!("{EVENTS} import wasi:cli/stderr@0.2.0; import wasi:io/streams@0.2.0;"),
        &core_module(
            r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get (result i32)))
               (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#,
            &format!(
                r#"(data (i32.const 1024) "panicked at the disco\0a") {}"#,
                on_receive(
                    "(if (i32.load (i32.const 800)) (then unreachable))
                     (i32.store (i32.const 800) (i32.const 1))
                     (call $write (call $get) (i32.const 1024) (i32.const 22) (i32.const 640))"
                )
            ),
        ),
    );
    let mut actor = Actor::new(silent, Settings::default()).await;
    actor.handle(event("x")).await.ok();
    let trap = actor.handle(event("x")).await.trap();
    assert_eq!(trap.kind, TrapKind::Unreachable);
    assert!(!trap.text.contains("disco"), "{trap}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_held_to_its_rate_and_what_was_dropped_is_counted() {
    for (command, per_line) in [("flood", 4096), ("flood-err", 4096)] {
        let mut settings = Settings::default();
        settings.limits.deadline = Duration::from_secs(600);
        let Some(mut actor) = Actor::guest("misbehave", settings).await else {
            return;
        };
        let (log, _guard) = Log::capture();
        // The clock stands still: all of it falls into one second.
        actor.tell(command).await.ok();
        let said = log.take();
        let lines = said.lines().count();
        assert_eq!(lines, (1 << 20) / (per_line - 1) + 1, "a mebibyte of lines");
        // A second later, the next turn says how many were lost.
        tokio::time::advance(Duration::from_secs(1)).await;
        actor.tell("ok").await.ok();
        let said = log.take();
        let dropped = (1 << 30) / per_line - lines;
        assert!(
            said.contains(&format!("{dropped} lines were dropped")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1);
        // And then it may speak again.
        actor.tell("log again").await.ok();
        assert!(log.take().contains("again"));
    }
}

#[tokio::test]
async fn logging_has_levels_and_a_context() {
    let (log, _guard) = Log::capture();
    let Some(mut actor) = Actor::guest("misbehave", Settings::default()).await else {
        return;
    };
    actor.tell("log some words\nand \u{1b}[1mmore").await.ok();
    let said = log.take();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("INFO") && lines[0].contains("stream=\"misbehave\""),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].contains("some words") && lines[1].contains("and [1mmore"),
        "{lines:?}"
    );

    let guest = wat_guest(
        &format!("{EVENTS} import wasi:logging/logging@0.1.0-draft;"),
        &core_module(
            r#"(import "wasi:logging/logging@0.1.0-draft" "log" (func $log (param i32 i32 i32 i32 i32)))"#,
            &format!(
                r#"(data (i32.const 256) "words") {}"#,
                on_receive(
                    "(local $level i32)
                     (loop $next
                         (call $log (local.get $level) (i32.const 256) (i32.const 0) (i32.const 256) (i32.const 5))
                         (local.set $level (i32.add (local.get $level) (i32.const 1)))
                         (br_if $next (i32.lt_u (local.get $level) (i32.const 6))))"
                )
            ),
        ),
    );
    let mut actor = Actor::new(guest, Settings::default()).await;
    actor.handle(event("x")).await.ok();
    let said = log.take();
    let levels: Vec<_> = said
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(levels, ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "ERROR"]);
}
