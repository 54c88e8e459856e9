//! The door over a paused clock, with a function in the node's place.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Notify, mpsc};
use whirlwind_event::Topic;
use whirlwind_supervision::{Reporter, Strategy, Supervisor, SupervisorRef, SupervisorSpec};

use super::*;
use crate::app::{Cron, When};

fn timer(when: When) -> app::Timer {
    app::Timer {
        name: "tick".to_owned(),
        topic: Topic::parse("tick").unwrap(),
        when,
        ty: "dev.whirlwind.timer.tick".to_owned(),
        data: None,
    }
}

fn every(millis: u64) -> app::Timer {
    timer(When::Every(Duration::from_millis(millis)))
}

async fn start(child: ChildSpec) -> SupervisorRef {
    let spec = SupervisorSpec::new("doors", Strategy::OneForOne).child(child);
    Supervisor::start(spec, Reporter::new(|_| {}))
        .await
        .unwrap()
}

/// Sends each event on, with the time at which it came.
fn record() -> (
    impl Fn(Event) -> std::future::Ready<bool> + Clone + Send + Sync + 'static,
    mpsc::Receiver<(Instant, Event)>,
) {
    let (heard, events) = mpsc::channel(100_000);
    let publish = move |event| std::future::ready(heard.try_send((Instant::now(), event)).is_ok());
    (publish, events)
}

fn number(event: &Event, name: &str) -> u64 {
    event.extension(name).unwrap().to_string().parse().unwrap()
}

fn counts(timer: &Timer) -> (u64, u64) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    (count(&timer.published), count(&timer.missed))
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_ticks_stay_on_their_grid() {
    let timer = Timer::new("app", &every(37));
    let (publish, mut events) = record();
    let begun = Instant::now();
    let tree = start(timer.child_that(publish)).await;
    for n in 1..=10_000_u64 {
        let (at, event) = events.recv().await.unwrap();
        assert_eq!(at - begun, Duration::from_millis(37 * n), "{n}");
        assert_eq!(
            (number(&event, "sequence"), number(&event, "missed")),
            (n, 0)
        );
    }
    tree.stop().await;
    assert_eq!(counts(&timer), (10_000, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_it_is() {
    let mut of = every(1000);
    of.data = Some(("{\"on\":true}".to_owned(), "application/json".to_owned()));
    let noon: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
    let begun = Instant::now();
    let wall = move || noon + begun.elapsed();
    let timer = Arc::new(Timer::by("app", &of, Arc::new(wall)));
    let (publish, mut events) = record();
    let tree = start(timer.child_that(publish)).await;
    let (_, event) = events.recv().await.unwrap();
    assert_eq!(
        (event.source(), event.ty()),
        ("/app/tick", "dev.whirlwind.timer.tick")
    );
    assert_eq!(event.time(), Some(noon + TimeDelta::seconds(1)));
    assert_eq!(event.datacontenttype(), Some("application/json"));
    assert_eq!(event.data(), Some(&b"{\"on\":true}"[..]));
    assert_eq!(Uuid::parse_str(event.id()).unwrap().get_version_num(), 7);
    assert_eq!(
        event.extension("sequence").unwrap().to_string(),
        "000000000001"
    );
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ticks_that_come_while_one_waits_are_missed_and_the_next_tells_of_them() {
    let timer = Timer::new("app", &every(100));
    let (heard, mut events) = mpsc::channel(100);
    let room = Arc::new(Notify::new());
    let publish = {
        let room = Arc::clone(&room);
        move |event: Event| {
            let (heard, room) = (heard.clone(), Arc::clone(&room));
            async move {
                let waits = number(&event, "sequence") == 3;
                heard.try_send(event).unwrap();
                if waits {
                    room.notified().await;
                }
                true
            }
        }
    };
    let begun = Instant::now();
    let tree = start(timer.child_that(publish)).await;
    // The third waits from 300 ms to 1050 ms: the seven from 400 ms to 1000 ms are missed.
    sleep_until(begun + Duration::from_millis(1050)).await;
    assert_eq!(counts(&timer), (2, 7));
    room.notify_one();
    let mut told = Vec::new();
    for _ in 0..5 {
        let event = events.recv().await.unwrap();
        told.push((number(&event, "sequence"), number(&event, "missed")));
    }
    assert_eq!(told, [(1, 0), (2, 0), (3, 0), (11, 7), (12, 0)]);
    tree.stop().await;
    assert_eq!(counts(&timer), (5, 7));
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_finds_no_room_is_missed_itself() {
    let timer = Timer::new("app", &every(100));
    let (heard, mut events) = mpsc::channel(100);
    let publish = move |event: Event| {
        let taken = number(&event, "sequence") != 2;
        heard.try_send(event).unwrap();
        std::future::ready(taken)
    };
    let tree = start(timer.child_that(publish)).await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(number(&events.recv().await.unwrap(), "missed"));
    }
    assert_eq!(told, [0, 0, 1, 0]);
    tree.stop().await;
    assert_eq!(counts(&timer), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_crashes_goes_on_where_it_was() {
    let timer = Timer::new("app", &every(100));
    let (record, mut events) = record();
    let crashed = Arc::new(AtomicBool::new(false));
    let publish = move |event: Event| {
        let crash = number(&event, "sequence") == 2 && !crashed.swap(true, Ordering::Relaxed);
        assert!(!crash, "as it was told");
        record(event)
    };
    let begun = Instant::now();
    let tree = start(timer.child_that(publish)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let (at, event) = events.recv().await.unwrap();
        told.push((number(&event, "sequence"), number(&event, "missed")));
        assert_eq!((at - begun).as_millis() % 100, 0, "off the grid");
    }
    assert_eq!(told, [(1, 0), (3, 1), (4, 0)]);
    assert_eq!(tree.status().await.children[0].restarts, 1);
    tree.stop().await;
    assert_eq!(counts(&timer), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_at_once_between_ticks_and_while_one_waits() {
    for millis in [3_600_000, 10] {
        let timer = Timer::new("app", &every(millis));
        let begun = Instant::now();
        let tree = start(timer.child_that(|_| std::future::pending())).await;
        sleep_until(begun + Duration::from_millis(20)).await;
        tree.stop().await;
        assert_eq!(begun.elapsed(), Duration::from_millis(20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cron_timer_follows_a_wall_clock_that_is_set() {
    let noon: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
    let begun = Instant::now();
    let set = Arc::new(Mutex::new(TimeDelta::zero()));
    let wall = {
        let set = Arc::clone(&set);
        move || noon + begun.elapsed() + *set.lock().unwrap()
    };
    let cron = When::Cron(Cron::parse("*/5 * * * *").unwrap());
    let timer = Arc::new(Timer::by("app", &timer(cron), Arc::new(wall)));
    let (publish, mut events) = record();
    let tree = start(timer.child_that(publish)).await;
    let mut next = async || {
        let (at, event) = events.recv().await.unwrap();
        (
            (at - begun).as_secs(),
            event.time().unwrap(),
            number(&event, "missed"),
        )
    };
    let (minute, day) = (TimeDelta::minutes(1), TimeDelta::days(1));
    assert_eq!(next().await, (300, noon + minute * 5, 0));

    // Ahead by a day at 12:05: a day of ticks is missed, and none of them heaped.
    *set.lock().unwrap() = day + minute;
    assert_eq!(next().await, (540, noon + day + minute * 10, 288));

    // Back by a day: it does not wait until it is tomorrow again. Set at 9 minutes, so the wall says 12:09.
    *set.lock().unwrap() = TimeDelta::zero();
    assert_eq!(next().await, (600, noon + minute * 10, 0));
    assert_eq!(next().await, (900, noon + minute * 15, 0));
    tree.stop().await;
    assert_eq!(counts(&timer), (4, 288));
}
