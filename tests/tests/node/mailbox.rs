//! What happens where more comes in than goes out. The clock stands still while anything runs, so a pause of an actor is a gate
//! that stays shut until everybody waits for it.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use whirlwind::event::EventBuilder;
use whirlwind::{End, PublishError};
use whirlwind_tests::bed::{event, topic_of};
use whirlwind_tests::{Bed, Watch, guest, log};

/// A slow actor: one that got `retry` holds it for 15 s and meanwhile takes nothing else. And one that publishes to it from inside.
fn manifest(slow: &Path, relay: &Path, name: &str, mailbox: &str) -> String {
    format!(
        r#"
        manifest = 1
        [actor.{name}]
        component = {slow:?}
        subscribe = ["slow"]
        publish   = ["answers"]
        mailbox   = {mailbox}
        retry     = {{ max_deliver = 2, backoff = {{ min = "15s", max = "15s" }} }}
        [actor.relay]
        component = {relay:?}
        subscribe = ["in"]
        publish   = ["slow", "done"]
        retry     = {{ max_deliver = 1 }}
        "#
    )
}

/// Shuts the gate of the slow actor, and answers when that was.
async fn shut(bed: &Bed, name: &str) -> Instant {
    bed.publish("slow", "retry").await;
    log::wait(|line| line.field("actor") == name && line.message.contains("again in 15s")).await;
    Instant::now()
}

/// Lets the relay publish `count` events, 1 to `count`, to the slow actor, and waits until it has tried them all.
async fn from_inside(bed: &Bed, done: &mut Watch, count: usize) {
    for n in 1..=count {
        // Two digits: all of one size.
        let inside = event(format!("{n:02}")).to_builder().subject("slow");
        let inside = inside.build().unwrap();
        bed.node.publish(&topic_of("in"), inside).await.unwrap();
    }
    let last = event("done").to_builder().subject("done");
    let last = last.build().unwrap();
    bed.node.publish(&topic_of("in"), last).await.unwrap();
    assert_eq!(done.text().await, "done");
}

fn numbers(range: impl Iterator<Item = usize>) -> Vec<String> {
    range.map(|n| format!("{n:02}")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_overflow_keeps_and_loses_exactly_what_it_says() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    for (policy, kept) in [
        ("reject", 1..=8),
        ("drop-newest", 1..=8),
        ("drop-oldest", 13..=20),
        ("dead-letter", 1..=8),
    ] {
        let name = format!("slow-{policy}");
        let mailbox = format!("{{ capacity = 8, overflow = \"{policy}\" }}");
        let bed = Bed::start(&manifest(&slow, &relay, &name, &mailbox)).await;
        let (mut answers, mut done) = (bed.watch("answers"), bed.watch("done"));
        let gate = shut(&bed, &name).await;
        from_inside(&bed, &mut done, 20).await;
        // Nobody waited for room.
        assert_eq!(gate.elapsed(), Duration::ZERO, "{policy}");

        let part = bed.part(&name).await;
        let dropped = if policy.starts_with("drop") { 12 } else { 0 };
        let dead = if policy == "dead-letter" { 12 } else { 0 };
        assert_eq!(part.mailbox, Some(8), "{policy}");
        assert_eq!(
            (part.dropped, part.dead),
            (Some(dropped), Some(dead)),
            "{policy}"
        );
        let letters = bed.node.dead_letters();
        let (who, reason) = match policy {
            // The publisher was told, and its own event could not be handled.
            "reject" => ("relay", "max-deliver"),
            "dead-letter" => (&*name, "mailbox-full"),
            _ => ("", ""),
        };
        assert_eq!(
            letters.len(),
            if who.is_empty() { 0 } else { 12 },
            "{policy}"
        );
        for (letter, n) in letters.iter().zip(9..) {
            assert_eq!((&*letter.actor, letter.reason.as_str()), (who, reason));
            let full = format!("the mailbox of `{name}` is full (8 events");
            assert!(letter.error.contains(&full), "{policy}: {}", letter.error);
            assert_eq!(letter.event.data(), Some(format!("{n:02}").as_bytes()));
        }

        assert_eq!(answers.texts(8).await, numbers(kept), "{policy}");
        assert!(gate.elapsed() >= Duration::from_secs(15));
        bed.node.stop().await;
        assert_eq!(answers.rest().await, [""; 0], "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_full_by_bytes_as_well() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let mailbox = r#"{ bytes = "1KiB", overflow = "drop-newest" }"#;
    let bed = Bed::start(&manifest(&slow, &relay, "slow-bytes", mailbox)).await;
    let (mut done, mut seen) = (bed.watch("done"), bed.watch("slow"));
    shut(&bed, "slow-bytes").await;
    assert_eq!(seen.text().await, "retry");
    from_inside(&bed, &mut done, 20).await;
    let fit = 1024 / seen.next().await.size();
    assert!((2..20).contains(&fit), "{fit}");
    let part = bed.part("slow-bytes").await;
    assert_eq!(part.mailbox, Some(fit));
    assert_eq!(part.dropped, Some(20 - fit as u64));
    bed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_door_waits_for_room_and_leaves_the_inside_a_quarter() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let mailbox = "{ capacity = 8 }";
    let bed = Bed::start(&manifest(&slow, &relay, "slow-door", mailbox)).await;
    let (mut answers, mut done) = (bed.watch("answers"), bed.watch("done"));
    let gate = shut(&bed, "slow-door").await;
    for n in 1..=6 {
        bed.publish("slow", format!("door {n}")).await;
    }
    let refused = bed.node.publish(&topic_of("slow"), event("too many")).await;
    let Err(refused @ PublishError::MailboxFull { .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(gate.elapsed().as_secs(), 10, "the patience of a door");
    let words = "the mailbox of `slow-door` stayed full for 10 s";
    assert!(refused.to_string().starts_with(words), "{refused}");
    // The inside still has two places.
    from_inside(&bed, &mut done, 3).await;
    assert_eq!(bed.part("slow-door").await.mailbox, Some(8));
    let letter = bed.node.dead_letters().pop().unwrap();
    assert_eq!(letter.event.data(), Some(&b"03"[..]));
    // One that waits at the door is let in as soon as there is room.
    bed.publish("slow", "in the end").await;
    let mut expected: Vec<_> = (1..=6).map(|n| format!("door {n}")).collect();
    expected.extend(numbers(1..=2));
    expected.push("in the end".to_owned());
    assert_eq!(answers.texts(9).await, expected);
    bed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_could_never_fit_is_a_dead_letter_and_waits_for_nothing() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let bed = Bed::start(&manifest(&slow, &relay, "tiny", r#"{ bytes = "1KiB" }"#)).await;
    let began = Instant::now();
    bed.publish("slow", vec![b'x'; 2000]).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    let letter = bed.node.dead_letters().pop().unwrap();
    assert_eq!(
        (&*letter.actor, letter.reason.as_str()),
        ("tiny", "mailbox-full")
    );
    assert!(letter.error.contains("can never fit"), "{}", letter.error);
    bed.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_refused_room_runs_again_and_sends_all_of_its_events_once() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    let base = manifest(&slow, &relay, "slow-again", "{ capacity = 4 }");
    let manifest = format!(
        r#"{base}
        [actor.eager]
        component = {slow:?}
        subscribe = ["eager"]
        publish   = ["slow"]
        retry     = {{ max_deliver = 5, backoff = {{ min = "12s", max = "12s" }} }}
        "#
    );
    let bed = Bed::start(&manifest).await;
    let (mut answers, mut seen) = (bed.watch("answers"), bed.watch("slow"));
    shut(&bed, "slow-again").await;
    bed.publish("slow", "before 1").await;
    bed.publish("slow", "before 2").await;
    assert_eq!(seen.texts(3).await, ["retry", "before 1", "before 2"]);
    // Three do not fit beside two in four places: none of the three goes, now and after 12 s. After 24 s all do.
    let publish = event("publish 3 slow");
    let once = std::sync::Arc::new(publish);
    let topic = topic_of("eager");
    bed.node.publish(&topic, once.clone()).await.unwrap();
    let mut ids = Vec::new();
    for n in ["1", "2", "3"] {
        let event = seen.next().await;
        assert_eq!(event.data(), Some(n.as_bytes()));
        ids.push(event.id().to_owned());
    }
    assert_eq!(
        answers.texts(5).await,
        ["before 1", "before 2", "1", "2", "3"]
    );
    assert_eq!(bed.part("eager").await.failed, Some(2));
    // The same event once more, without any failure: the same ids, so whoever saw the first can tell.
    bed.node.publish(&topic, once).await.unwrap();
    for id in ids {
        assert_eq!(seen.next().await.id(), id);
    }
    bed.stop().await;
}

#[tokio::test]
async fn a_loop_ends_as_a_dead_letter_after_max_hops() {
    let Some(relay) = guest("relay") else { return };
    for (setting, max_hops) in [("", 64), ("max_hops = 5", 5), ("max_hops = 1", 1)] {
        let bed = Bed::start(&looping(&relay, &["relay"], setting)).await;
        let mut out = bed.watch("out");
        bed.publish("out", "round").await;
        // The one that came in, and one for each hop.
        assert_eq!(out.texts(max_hops + 1).await.len(), max_hops + 1);
        bed.node.stop().await;
        assert_eq!(out.rest().await, [""; 0], "max_hops {max_hops}");
        let letters = bed.node.dead_letters();
        let [letter] = &letters[..] else {
            panic!("{letters:?}")
        };
        assert_eq!(
            (&*letter.actor, letter.reason.as_str()),
            ("relay", "max-hops")
        );
        assert_eq!(letter.topic.as_str(), "out");
        let words = format!("{max_hops} turns lie behind this event");
        assert!(letter.error.starts_with(&words), "{}", letter.error);
        assert!(letter.error.contains("`max_hops`"), "{}", letter.error);
        let part = bed.part("relay").await;
        assert_eq!(
            (part.handled, part.failed, part.dead),
            (Some(max_hops as u64 + 1), Some(0), Some(1))
        );
    }
}

#[tokio::test]
async fn a_fan_out_bomb_ends_at_max_hops_and_every_piece_of_it_is_accounted_for() {
    let Some(relay) = guest("relay") else { return };
    let bed = Bed::start(&looping(&relay, &["left", "right"], "max_hops = 6")).await;
    let mut out = bed.watch("out");
    bed.publish("out", "boom").await;
    // Each event makes two: 1 + 2 + 4 + ... + 64.
    assert_eq!(out.texts(127).await.len(), 127);
    bed.node.stop().await;
    assert_eq!(out.rest().await, [""; 0]);
    let letters = bed.node.dead_letters();
    assert_eq!(letters.len(), 128);
    assert!(
        letters
            .iter()
            .all(|letter| letter.reason.as_str() == "max-hops")
    );
    for name in ["left", "right"] {
        let part = bed.part(name).await;
        assert_eq!((part.handled, part.dead), (Some(127), Some(64)));
    }
}

#[tokio::test]
async fn a_loop_without_limit_runs_until_it_is_killed_and_keeps_one_event() {
    let Some(relay) = guest("relay") else { return };
    let bed = Bed::start(&looping(&relay, &["relay"], "max_hops = 0")).await;
    bed.publish("out", "round").await;
    for _ in 0..20 {
        // Nobody looks on while the parts are asked: the loop would run past the watch's buffer.
        let mut out = bed.watch("out");
        out.texts(1000).await;
        drop(out);
        assert!(bed.part("relay").await.mailbox <= Some(1));
    }
    bed.node.kill();
    assert_eq!(bed.node.ended().await, End::Killed);
}

fn looping(relay: &Path, names: &[&str], setting: &str) -> String {
    let actors = names.iter().map(|name| {
        format!(
            r#"
            [actor.{name}]
            component = {relay:?}
            subscribe = ["out"]
            publish   = ["out"]
            {setting}
            "#
        )
    });
    format!("manifest = 1\n{}", actors.collect::<String>())
}

#[tokio::test]
async fn an_event_larger_than_its_topic_takes_is_refused_at_the_door_and_to_the_guest() {
    let Some(misbehave) = guest("misbehave") else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.large]
        component = {misbehave:?}
        subscribe = ["do", "small/+"]
        publish   = ["answers"]
        [topic."small/#"]
        max_event = "1KiB"
        [topic."small/large"]
        max_event = "4KiB"
        [topic.answers]
        max_event = "1KiB"
        "#
    );
    let bed = Bed::start(&manifest).await;
    let mut answers = bed.watch("answers");
    let sized = |size: usize| {
        let of = |data: usize| event(vec![b'!'; data]).to_builder().id("fixed");
        let empty = of(0).build().unwrap().size();
        of(size - empty).build().unwrap()
    };
    for (topic, max) in [("small/one", 1024), ("small/large", 4096), ("do", 1 << 20)] {
        let topic = topic_of(topic);
        assert!(
            bed.node.publish(&topic, sized(max)).await.is_ok(),
            "{topic}"
        );
        let refused = bed.node.publish(&topic, sized(max + 1)).await.unwrap_err();
        let size = max + 1;
        let expected = PublishError::TooLarge { topic, size, max };
        assert_eq!(refused, expected);
        assert!(
            refused.to_string().contains("raise `max_event`"),
            "{refused}"
        );
    }
    bed.publish("do", "huge 2000").await;
    let refused = answers.text().await;
    assert!(refused.contains("TooLarge"), "{refused}");
    bed.publish("do", "huge 500").await;
    assert_eq!(answers.next().await.data().unwrap().len(), 500);
    bed.stop().await;
}

#[tokio::test]
async fn a_dead_letter_goes_to_its_topic_as_it_was_and_never_round_in_a_circle() {
    let (Some(misbehave), Some(echo)) = (guest("misbehave"), guest("answers-wasi")) else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.rejects]
        component = {misbehave:?}
        subscribe = ["do/+"]
        [actor.undertaker]
        component = {echo:?}
        subscribe = ["dead/#"]
        publish   = ["echo"]
        [topic."do/#"]
        dead_letter = "dead/all"
        [topic."do/special"]
        dead_letter = "dead/special"
        [topic."dead/#"]
        dead_letter = "dead/all"
        "#
    );
    let bed = Bed::start(&manifest).await;
    let (mut dead, mut echo) = (bed.watch("dead/#"), bed.watch("echo"));
    for (topic, to) in [("do/one", "dead/all"), ("do/special", "dead/special")] {
        let sent = EventBuilder::new()
            .id("7")
            .source("/here")
            .ty("t")
            .extension("key", "value")
            .data("reject");
        let sent = std::sync::Arc::new(sent.build().unwrap());
        bed.node
            .publish(&topic_of(topic), sent.clone())
            .await
            .unwrap();
        let (on, event) = dead.seen().await;
        assert_eq!((on.as_str(), &event), (to, &sent));
        // An actor can bury it.
        assert_eq!(*echo.next().await, *sent);
    }
    // A letter that dies on the dead-letter topic is kept there, and not sent again.
    bed.publish("dead/all", "other").await;
    assert_eq!(dead.text().await, "other");
    bed.node.stop().await;
    assert_eq!(dead.rest().await, [""; 0]);
    assert_eq!(bed.node.dead_letters().len(), 3);
}
