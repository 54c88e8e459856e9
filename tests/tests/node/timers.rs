//! Timers of a running node. The clock stands still while anything runs, so a tick comes when its time has come and no later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use whirlwind::event::Event;
use whirlwind::{Node, Part, PartKind, PartState, Progress, TreeKind, Variables};
use whirlwind_tests::bed::{self, app};
use whirlwind_tests::{Bed, guest, log};

fn number(event: &Event, name: &str) -> u64 {
    event.extension(name).unwrap().to_string().parse().unwrap()
}

fn ticks(part: &Part) -> (u64, u64) {
    (part.handled.unwrap(), part.dropped.unwrap())
}

#[tokio::test(start_paused = true)]
async fn two_timers_tick_each_at_its_own_pace() {
    let (bed, mut watch) = Bed::start_watched(
        r#"
        manifest = 1
        [app]
        name = "clocks"
        [timer.fast]
        topic = "ticks/fast"
        every = "100ms"
        [timer.slow]
        topic = "ticks/slow"
        every = "1s"
        type = "org.example.slow"
        data = "slow"
        "#,
        "ticks/#",
    )
    .await;
    let (mut fast, mut slow) = (0, 0);
    let mut first = None;
    while fast < 1000 || slow < 100 {
        let (topic, event) = watch.seen().await;
        let first = *first.get_or_insert_with(Instant::now);
        let (count, every) = match topic.as_str() {
            "ticks/fast" => (&mut fast, 100),
            _ => (&mut slow, 1000),
        };
        *count += 1;
        assert_eq!(
            (number(&event, "sequence"), number(&event, "missed")),
            (*count, 0)
        );
        // The first that is seen is that of the fast one, 100 ms after the start.
        assert_eq!(
            first.elapsed(),
            Duration::from_millis(*count * every - 100),
            "{topic}"
        );
        if topic.as_str() == "ticks/slow" {
            assert_eq!(
                (event.source(), event.ty()),
                ("/clocks/slow", "org.example.slow")
            );
            assert_eq!(bed::text(&event), "slow");
        }
    }
    let stopping = Instant::now();
    bed.node.stop().await;
    assert_eq!(stopping.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_a_door_the_last_to_open() {
    log::keep();
    let folder = TempDir::new().unwrap();
    let manifest = r#"
        manifest = 1
        [timer.tick]
        topic = "ticks"
        every = "1h"
        [timer.daily]
        topic = "days"
        cron = "0 3 * * *"
        "#;
    let app = app(folder.path(), manifest, &Variables::none());
    let checked = whirlwind::check(&app, None).await.unwrap();
    let listed = checked
        .timers
        .iter()
        .map(|t| (&*t.name, &*t.when, &*t.topic));
    let listed: Vec<_> = listed.collect();
    let daily = ("daily", "0 3 * * * (UTC)", "days");
    assert_eq!(listed, [daily, ("tick", "every 1h", "ticks")]);
    assert!(checked.warnings[1].contains("`ticks`, which no actor subscribes to"));

    let up = Arc::new(Mutex::new(Vec::new()));
    let builder = Node::builder(app).control().on_progress({
        let up = Arc::clone(&up);
        move |progress| {
            if let Progress::Up { kind, name, .. } = progress {
                up.lock().unwrap().push((kind, name));
            }
        }
    });
    let node = builder.start().await.unwrap();
    let doors = ["control", "daily", "tick"];
    let wanted = doors.map(|name| (PartKind::Door, name.to_owned()));
    assert_eq!(*up.lock().unwrap(), wanted);
    let tree = node.tree().await;
    let children = &tree.children.last().unwrap().children;
    let drawn = children
        .iter()
        .map(|child| (child.kind, child.state, &*child.name));
    let drawn: Vec<_> = drawn.collect();
    assert_eq!(
        drawn,
        doors.map(|name| (TreeKind::Door, PartState::Running, name))
    );
    let parts = node.parts().await;
    assert_eq!((parts[0].handled, &*parts[0].name), (None, "control"));
    for part in &parts[1..] {
        assert_eq!(
            (part.kind, ticks(part), &part.detail),
            (PartKind::Door, (0, 0), &None)
        );
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ticks_that_a_full_mailbox_does_not_take_are_counted_and_not_heaped() {
    let Some(component) = guest("misbehave") else {
        return;
    };
    let bed = Bed::start(&format!(
        r#"
        manifest = 1
        [actor.ticked]
        component = {component:?}
        subscribe = ["ticks"]
        publish   = ["answers"]
        mailbox   = {{ capacity = 2 }}
        retry     = {{ max_deliver = 2, backoff = {{ min = "15s", max = "15s" }} }}
        [timer.tick]
        topic = "ticks"
        every = "1s"
        data  = "tick"
        "#
    ))
    .await;
    let (mut answers, mut seen) = (bed.watch("answers"), bed.watch("ticks"));
    // One that is tried again after 15 s holds the actor for as long.
    bed.publish("ticks", "retry").await;
    log::wait(|line| line.field("actor") == "ticked" && line.message.contains("again in 15s"))
        .await;
    let begun = Instant::now();
    assert_eq!(bed::text(&*seen.next().await), "retry");

    // Two have room. The third waits for ten seconds, and then the thirteenth until there is room.
    let mut told = Vec::new();
    for _ in 0..5 {
        let event = seen.next().await;
        told.push((number(&event, "sequence"), number(&event, "missed")));
    }
    assert_eq!(told[..4], [(1, 0), (2, 0), (3, 0), (13, 10)]);
    // Which was at 15 s: the next tick after it says what was missed while it waited.
    let (last, missed) = told[4];
    assert_eq!(last - 14, missed, "{told:?}");
    assert_eq!(answers.texts(4).await, ["tick"; 4]);
    assert_eq!(begun.elapsed(), Duration::from_secs(last));

    let part = bed.part("tick").await;
    assert_eq!(ticks(&part), (4, 10 + missed));
    let detail = part.detail.unwrap();
    assert!(detail.contains("ticks were missed"), "{detail}");
    // Nothing of it is made up for, and it goes on.
    assert_eq!(answers.text().await, "tick");
    assert_eq!(begun.elapsed(), Duration::from_secs(last + 1));
    bed.stop().await;
}
