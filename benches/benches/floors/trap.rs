//! From an event that its instance traps at to the end of the next event, on a new instance.
//!
//! The guest panics: it writes a message to standard error, and aborts. wasmtime takes the backtrace in both; ours also puts it into
//! words and keeps it, with the message, for the dead letter.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use whirlwind_benches::bare::Floor;
use whirlwind_benches::driver::Way;
use whirlwind_benches::events::{IN, event_with, topic};
use whirlwind_benches::node::{Through, start};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_component::Settings;

use crate::hosted::{Hosted, KeepNothing, component};
use crate::slot::Commit;

const BARE: &str = "bare: trap, instantiate, call";
const TOLD: &str = "bare: trap, its backtrace in words, instantiate, call";
const HANDLE: &str = "handle: trap, instantiate, handle";
const NODE: &str = "node: trap, dead letter, restart, next event handled";

/// What the guest does with each.
const TRAPS: &str = "panic";
const ANSWERS: &str = "ping";
/// Where its answer goes.
const ANSWER: &str = "answers";

pub async fn measure(run: &Run, report: &mut Report, misbehave: &Path) {
    let mut group = run
        .group("trap")
        .row(BARE, Unit::Time, &[])
        .row(TOLD, Unit::Time, &[BARE])
        .row(HANDLE, Unit::Time, &[BARE, TOLD])
        .row(NODE, Unit::Time, &[BARE, TOLD, HANDLE]);
    if !group.is_wanted() {
        return;
    }
    let floor = Floor::resident(misbehave);
    let mut bare = Some(floor.instantiate().await);
    let component = component(misbehave, Settings::default()).await;
    let mut hosted = Some(Hosted::new(&component).await);
    // An event that its instance trapped at is charged to the event alone: no supervisor counts it, and none waits.
    let (_folder, node) = start(&format!(
        r#"
        [actor.misbehave]
        component = {misbehave:?}
        subscribe = ["{IN}"]
        publish   = ["{ANSWER}"]
        retry     = {{ max_deliver = 1 }}
        "#
    ))
    .await;
    let (input, mut trapped) = (topic(IN), 0);
    for _ in 0..run.rounds() {
        for name in [BARE, TOLD] {
            group
                .median(name, 70, async || {
                    let trapping = bare.take().unwrap();
                    let trap = trapping.trap(IN, &event_with(TRAPS)).await;
                    if name == TOLD {
                        let frames = trap.downcast_ref::<wasmtime::WasmBacktrace>();
                        std::hint::black_box(frames.unwrap().to_string());
                    }
                    let next = bare.insert(floor.instantiate().await);
                    next.call(IN, &event_with(ANSWERS)).await;
                })
                .await;
        }
        group
            .median(HANDLE, 70, async || {
                let (trapping, event) = (hosted.take().unwrap(), Arc::new(event_with(TRAPS)));
                let trap = trapping.trap(&input, &event, Box::new(KeepNothing)).await;
                std::hint::black_box(trap);
                let event = Arc::new(event_with(ANSWERS));
                let next = hosted.insert(Hosted::new(&component).await);
                let outbox = next.call(&input, &event, Box::new(KeepNothing)).await;
                outbox.commit();
            })
            .await;
        if group.wants(NODE) {
            let through = Through::new(&node, IN, ANSWER);
            let times = two_at_a_time(through, group.events(70)).await;
            trapped += times.len() as u64;
            group.add_median(NODE, times);
        }
    }
    let letters = node.dead_letter_counts().recorded;
    assert_eq!(letters, trapped, "each that trapped is a dead letter");
    node.stop().await;
    report.add(group);
}

/// Puts in an event that traps and one that is answered, and waits for the answer. Answers how long each two took.
async fn two_at_a_time(mut through: Through, times: usize) -> Vec<Duration> {
    let driver = tokio::spawn(async move {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            through.publish(event_with(TRAPS)).await;
            through.publish(event_with(ANSWERS)).await;
            through.take().await;
            took.push(start.elapsed());
        }
        took
    });
    driver.await.unwrap()
}
