//! Rows 7 to 9: turns that are cut off, storms of traps, poison.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use whirlwind::event::{Event, EventBuilder, Topic};
use whirlwind_component::{
    Component, Engine, EngineConfig, Instance, Limits, Outbox, Outcome, PublishError, Settings,
    Turn,
};
use whirlwind_tests::bed::event;
use whirlwind_tests::{Bed, Watch, full, guest};

use crate::meter::{self, Times};
use crate::rig;

#[test]
fn row_07_ten_thousand_turns_cut_off_in_a_call_to_the_host_leave_no_store_behind() {
    let Some(bad) = guest("misbehave") else {
        return;
    };
    let turns: usize = full(1000, 10_000);
    rig::alone_in_time(async {
        let panics = Panics::count();
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let settings = |deadline| Settings {
            limits: Limits {
                deadline,
                ..Limits::default()
            },
            ..Settings::default()
        };
        let load = async |deadline| {
            let loaded = Component::load(&engine, "sleepy", bad.clone(), settings(deadline));
            loaded.await.unwrap()
        };
        let patient = load(Duration::from_secs(60)).await;
        let hasty = load(Duration::from_secs(1)).await;
        let base = engine.instances();
        // The machine's clock: this row's own leaps from deadline to deadline.
        let (begun, mut most) = (SystemTime::now(), 0);
        for batch in 0..turns / 50 {
            let mut sleepers = Vec::new();
            for n in 0..50 {
                // Half of them are past their deadline, half are given up by whoever waits for them.
                let is_hasty = (batch + n) % 2 == 0;
                let component = if is_hasty { &hasty } else { &patient };
                let instance = component.instantiate().await.unwrap();
                let turn = sleeps();
                sleepers.push((is_hasty, tokio::spawn(instance.handle(turn))));
            }
            most = most.max(engine.instances());
            for (is_hasty, sleeper) in sleepers {
                if is_hasty {
                    match sleeper.await.unwrap() {
                        Outcome::Trapped(trap) => {
                            assert_eq!(trap.text, "ran past its deadline of 1 s");
                        }
                        done => panic!("{done:?}"),
                    }
                } else {
                    // It was polled before the clock could move.
                    sleeper.abort();
                    assert!(sleeper.await.unwrap_err().is_cancelled());
                }
            }
            assert_eq!(engine.instances(), base, "after batch {batch}");
        }
        println!(
            "row 7: {turns} turns cut off in a call to the host in {:.1?}: {} panics, live stores {base} before, {most} at most, {} after",
            begun.elapsed().unwrap_or_default(),
            panics.so_far(),
            engine.instances()
        );
        assert_eq!((panics.so_far(), most), (0, 50));
    });
}

#[test]
fn row_08_a_storm_of_traps_loses_and_reorders_nothing_of_anybody() {
    let (Some(bad), Some(good)) = (guest("misbehave"), guest("pingpong")) else {
        return;
    };
    let (traps, pings) = full((1000, 10_000), (10_000, 100_000));
    let manifest = format!(
        r#"
        manifest = 1
        [actor.stormy]
        component = {bad:?}
        subscribe = ["do"]
        publish   = ["answers"]
        retry     = {{ max_deliver = 1 }}
        [actor.good]
        component = {good:?}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        [provider.counters]
        type = "memory"
        [topic.do]
        dead_letter = "dead"
        "#
    );
    rig::alone(async {
        let bare = bare_replacements(&bad, full(200, 2000)).await;
        let bed = Bed::unlogged(&manifest).await;
        let (mut answers, mut dead) = (bed.watch("answers"), bed.watch("dead"));
        let mut pongs = bed.watch("pong");
        // The next event lies behind the one that traps, so that only the new instance is waited for.
        let mut storm = async |traps: u64| {
            let mut times = Vec::new();
            for n in 0..traps {
                let command = if n % 2 == 0 { "panic" } else { "exit 1" };
                bed.publish("do", command).await;
                bed.publish("do", n.to_string()).await;
                assert_eq!(dead.text().await, command);
                let trapped = Instant::now();
                assert_eq!(answers.text().await, n.to_string());
                times.push(trapped.elapsed());
            }
            times
        };
        let quiet = storm(traps / 10).await;
        let quiet = Times::new(quiet, Duration::ZERO);
        let before = meter::settled().await;
        let begun = Instant::now();
        let others = in_turn(&bed, &mut pongs, pings);
        let (times, ()) = tokio::join!(storm(traps), others);
        let took = begun.elapsed();
        let after = meter::settled().await;
        bed.node.stop().await;
        let (stormy, good) = (bed.part("stormy").await, bed.part("good").await);
        let all = traps + traps / 10;
        assert_eq!(
            (stormy.handled, stormy.dead, stormy.restarts),
            (Some(all), Some(all), Some(all)),
            "each trap is one instance and one letter"
        );
        assert_eq!((good.handled, good.restarts), (Some(pings), Some(0)));
        let letters = bed.node.dead_letters();
        let kept: usize = letters
            .iter()
            .map(|letter| letter.event.size() + letter.error.len())
            .sum();
        println!(
            "row 8: {traps} traps beside {pings} events in {took:.1?}: lost 0, reordered 0; host {before} before, {after} after, of which {} dead letters {}; from a trap to the next event handled: {}, on a quiet node {quiet}; bare new instance and call: {bare}",
            letters.len(),
            meter::Bytes(kept as u64),
            Times::new(times, took),
        );
        if full(false, true) {
            assert!(took < Duration::from_secs(30), "{took:?}");
        }
    });
}

#[test]
fn row_09_of_events_with_one_poison_in_a_hundred_all_others_are_handled_in_order() {
    let Some(component) = guest("pingpong-events") else {
        return;
    };
    let rounds: usize = full(50, 1000);
    let manifest = format!(
        r#"
        manifest = 1
        [actor.pingpong]
        component = {component:?}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        retry     = {{ backoff = {{ min = "0s", max = "0s" }} }}
        [provider.counters]
        type = "memory"
        "#
    );
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        let mut pongs = bed.watch("pong");
        let begun = Instant::now();
        for round in 0..rounds {
            for n in 0..100 {
                // Data that is not UTF-8: the guest unwraps it.
                let data: &[u8] = if n == 50 { b"p\xff" } else { b"ping" };
                bed.publish("ping", data).await;
            }
            for n in 1..=99 {
                let expected = format!("pong {}", round * 99 + n);
                assert_eq!(pongs.text().await, expected);
            }
        }
        let took = begun.elapsed();
        bed.node.stop().await;
        let letters = bed.node.dead_letters();
        assert_eq!(letters.len(), rounds);
        assert!(letters.iter().all(|letter| letter.attempts == 3));
        let part = bed.part("pingpong").await;
        let handled = 99 * rounds as u64;
        assert_eq!(
            (part.handled, part.dead),
            (Some(handled), Some(rounds as u64))
        );
        println!(
            "row 9: {} events, 1 % of them poison, in {took:.1?}: {handled} handled in order, {} dead letters",
            100 * rounds,
            letters.len()
        );
    });
}

/// Pings, a few at a time, each of which must be answered in its turn.
async fn in_turn(bed: &Bed, pongs: &mut Watch, count: u64) {
    let mut sent = 0;
    for n in 1..=count {
        while sent < count && sent < n + 16 {
            bed.publish("ping", "ping").await;
            sent += 1;
        }
        assert_eq!(pongs.text().await, format!("pong {n}"));
    }
}

/// An instance dropped, a new one made, and an event handled by it, with nothing around.
async fn bare_replacements(component: &std::path::Path, count: usize) -> Times {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let load = Component::load(&engine, "bare", component.to_owned(), Settings::default());
    let component = load.await.unwrap();
    let replaced = tokio::spawn(async move {
        let mut times = Vec::new();
        let mut last = component.instantiate().await.unwrap();
        let begun = Instant::now();
        for _ in 0..count {
            let trapped = Instant::now();
            drop(last);
            last = handled(component.instantiate().await.unwrap()).await;
            times.push(trapped.elapsed());
        }
        Times::new(times, begun.elapsed())
    });
    replaced.await.unwrap()
}

async fn handled(instance: Instance) -> Instance {
    match instance.handle(turn("1")).await {
        Outcome::Done(instance, _) => instance,
        Outcome::Trapped(trap) => panic!("{trap}"),
    }
}

fn sleeps() -> Turn {
    turn("sleep 60000")
}

fn turn(command: &str) -> Turn {
    Turn {
        topic: Topic::parse("do").unwrap(),
        event: Arc::new(event(command)),
        outbox: Box::new(Forgets),
        atomic: true,
    }
}

/// Takes what is published, and forgets it.
struct Forgets;

impl Outbox for Forgets {
    fn publish(&mut self, _: &str, event: EventBuilder) -> Result<String, PublishError> {
        let event: Event = event
            .id_or_else(|| "1".to_owned())
            .source_or_else(|| "/test".to_owned())
            .ty_or_else(|| "test".to_owned())
            .build()
            .map_err(|error| PublishError::Invalid(error.to_string()))?;
        Ok(event.id().to_owned())
    }
}

/// Counts the panics of this process, of all threads, from now on.
struct Panics(Arc<AtomicUsize>);

impl Panics {
    fn count() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, before) = (Arc::clone(&count), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            counted.fetch_add(1, Ordering::Relaxed);
            before(panic);
        }));
        Self(count)
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
