//! Rows 10 and 11: more than can be handled, and what never ends.

use std::time::Duration;

use tokio::time::{Instant, interval};
use whirlwind::End;
use whirlwind_tests::bed::{event, topic_of};
use whirlwind_tests::{Bed, full, guest};

use crate::meter::{self, Bytes};
use crate::rig;

const POLICIES: [&str; 4] = ["reject", "drop-newest", "drop-oldest", "dead-letter"];

/// Of each event of the flood.
const DATA: usize = 1024;

#[test]
fn row_10_a_flood_is_bounded_and_every_loss_is_counted_by_each_policy() {
    let (Some(slow), Some(relay)) = (guest("misbehave"), guest("relay")) else {
        return;
    };
    // Each takes a millisecond and more for an event, and is sent ten in that time.
    let actors = POLICIES.map(|policy| {
        format!(
            r#"
            [actor.slow-{policy}]
            component = {slow:?}
            subscribe = ["slow/{policy}"]
            publish   = ["answers"]
            mailbox   = {{ capacity = 256, overflow = "{policy}" }}
            [actor.to-{policy}]
            component = {relay:?}
            subscribe = ["in/{policy}"]
            publish   = ["slow/{policy}"]
            retry     = {{ max_deliver = 1 }}
            "#
        )
    });
    let manifest = format!("manifest = 1\n{}", actors.concat());
    const A_TICK: u64 = 100; // events of each in 10 ms
    let ticks: u64 = full(50, 6000);
    let row = async {
        let bed = Bed::unlogged(&manifest).await;
        let answers = bed.watch("answers");
        let counting = tokio::spawn(count_answers(answers));
        let before = meter::begin_peak();
        let mut clock = interval(Duration::from_millis(10));
        let begun = Instant::now();
        let mut tick = 0;
        // A build that is too slow for so many sends fewer, and is still faster than what it floods.
        while tick < ticks && begun.elapsed() < Duration::from_secs(60) {
            clock.tick().await;
            for n in 0..A_TICK {
                for policy in POLICIES {
                    let mut data =
                        format!("doze 1 {policy} {:08} ", tick * A_TICK + n).into_bytes();
                    data.resize(DATA, b'.');
                    let sent = event(data).to_builder().subject(format!("slow/{policy}"));
                    let sent = sent.build().unwrap();
                    let topic = topic_of(&format!("in/{policy}"));
                    bed.node.publish(&topic, sent).await.unwrap();
                }
            }
            tick += 1;
        }
        let took = begun.elapsed();
        let peak = meter::peak();
        bed.node.stop().await;
        let answered = counting.await.unwrap();
        let sent = tick * A_TICK;
        let mut words = Vec::new();
        for (n, policy) in POLICIES.into_iter().enumerate() {
            let slow = bed.part(&format!("slow-{policy}")).await;
            let relay = bed.part(&format!("to-{policy}")).await;
            let lost = sent - answered[n];
            let counted = match policy {
                "reject" => relay.dead,
                "dead-letter" => slow.dead,
                _ => slow.dropped,
            };
            assert!(lost > 0, "{policy}: it was no flood");
            assert_eq!(counted, Some(lost), "{policy}: {slow:?} {relay:?}");
            assert_eq!(slow.handled, Some(answered[n]), "{policy}");
            words.push(format!(
                "{policy} {} handled, {lost} lost and counted",
                answered[n]
            ));
        }
        println!(
            "row 10: {sent} events of {DATA} B to each of four in {took:.1?}: host {before} before, {peak} at most; {}",
            words.join("; ")
        );
        // Eight mailboxes, the dead letters' 64 MiB, and the test's own watch.
        let most = Bytes(96 << 20);
        assert!(peak.over(before) < most, "{before}, then {peak}");
    };
    // In the small run the flood is ten times as fast by the tests' own clock, however busy the machine.
    match full(false, true) {
        true => rig::alone(row),
        false => rig::alone_in_time(row),
    }
}

/// Counts what came through for each policy, until the node has ended. What comes, comes in order, and once.
async fn count_answers(answers: whirlwind_tests::Watch) -> [u64; POLICIES.len()] {
    let mut count = [0; POLICIES.len()];
    let mut last = [None; POLICIES.len()];
    answers
        .each(|text| {
            let mut words = text.split(' ');
            let (policy, number) = (words.next().unwrap(), words.next().unwrap());
            let n = POLICIES.iter().position(|known| *known == policy).unwrap();
            let number: u64 = number.parse().unwrap();
            assert!(
                last[n] < Some(number),
                "{policy}: {number} after {:?}",
                last[n]
            );
            last[n] = Some(number);
            count[n] += 1;
        })
        .await;
    count
}

#[test]
fn row_11_a_loop_without_limit_keeps_the_memory_flat_and_leaves_others_their_turn() {
    let (Some(relay), Some(good)) = (guest("relay"), guest("pingpong")) else {
        return;
    };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.loop]
        component = {relay:?}
        subscribe = ["out"]
        publish   = ["out"]
        max_hops  = 0
        [actor.good]
        component = {good:?}
        subscribe = ["ping"]
        publish   = ["pong"]
        links     = {{ keyvalue = "counters" }}
        [provider.counters]
        type = "memory"
        "#
    );
    let span = full(Duration::from_secs(3), Duration::from_secs(600));
    rig::alone(async {
        let bed = Bed::unlogged(&manifest).await;
        let mut pongs = bed.watch("pong");
        bed.publish("out", "round").await;
        let mut clock = interval(span / 10);
        clock.tick().await;
        let (mut samples, mut turns) = (Vec::new(), 0);
        for n in 1..=11 {
            clock.tick().await;
            bed.publish("ping", "ping").await;
            assert_eq!(pongs.text().await, format!("pong {n}"));
            let part = bed.part("loop").await;
            assert!(part.mailbox <= Some(1), "{part:?}");
            assert!(part.handled > Some(turns), "it goes on");
            turns = part.handled.unwrap();
            samples.push(meter::settled().await);
        }
        bed.node.kill();
        assert_eq!(bed.node.ended().await, End::Killed);
        // The first is the warm-up.
        let samples = &samples[1..];
        let (least, most) = (samples.iter().min().unwrap(), samples.iter().max().unwrap());
        println!(
            "row 11: {turns} hops in {:.1?}: host {least} to {most} in {} samples, slope {:+.2} MiB from the first to the last",
            span + span / 10,
            samples.len(),
            slope(samples)
        );
        // The allocator takes memory and gives it back in steps of some MiB, of which a run of seconds sees one or none: it finds
        // what grows by 130 bytes a hop and more.
        let steps = full(8.0, 0.0);
        let noise = (most.0 as f64 * 0.02).max(4.0 * 1048576.0) / 1048576.0 + steps;
        assert!(slope(samples) < noise, "{samples:?}");
    });
}

/// How much the line of least squares through these rises from the first to the last, in MiB.
fn slope(samples: &[Bytes]) -> f64 {
    let count = samples.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = samples.iter().map(|bytes| bytes.0 as f64).sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (n, bytes) in samples.iter().enumerate() {
        let from_middle = n as f64 - middle;
        over += from_middle * (bytes.0 as f64 - mean);
        under += from_middle * from_middle;
    }
    over / under * (count - 1.0) / f64::from(1 << 20)
}
