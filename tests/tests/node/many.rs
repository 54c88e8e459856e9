//! Thousands of actors at rest beside two at work, and more than the machine has room for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use whirlwind::event::EventBuilder;
use whirlwind::{StartError, Variables, check};
use whirlwind_tests::alone::alone;
use whirlwind_tests::bed::topic_of;
use whirlwind_tests::{Bed, bed, full, guest};

/// Instances of one actor of the crowd; a manifest may ask for 1024.
const EACH: u32 = 1000;

/// Actors that rest, with so many instances together.
fn crowd(component: &Path, instances: u32) -> String {
    let mut text = String::new();
    let mut left = instances;
    for actor in 0.. {
        let these = left.min(EACH);
        if these == 0 {
            break;
        }
        let _ = writeln!(
            text,
            "[actor.rests-{actor}]\ncomponent = {component:?}\nsubscribe = [\"rest/{actor}\"]\npublish = [\"out\"]\ninstances = {these}"
        );
        left -= these;
    }
    text
}

/// Two at work: the first says what it hears on the topic that the event's subject names, the second where all hear it.
fn pair(component: &Path) -> String {
    format!(
        r#"
        [actor.first]
        component = {component:?}
        subscribe = ["in"]
        publish   = ["between"]
        [actor.second]
        component = {component:?}
        subscribe = ["between"]
        publish   = ["out"]
        "#
    )
}

/// Round trips through the pair, one at a time: the median and the 99th of a hundred.
async fn latency(bed: &Bed) -> [Duration; 2] {
    const TRIPS: usize = 2000;
    let mut out = bed.watch("out");
    let topic = topic_of("in");
    let mut took = Vec::with_capacity(TRIPS);
    for n in 0..TRIPS {
        let event = EventBuilder::new().id(n.to_string()).source("/test");
        let event = event.ty("test").subject("between").data(n.to_string());
        let began = Instant::now();
        bed.node
            .publish(&topic, event.build().unwrap())
            .await
            .unwrap();
        assert_eq!(out.text().await, n.to_string());
        took.push(began.elapsed());
    }
    took.sort();
    [took[TRIPS / 2], took[TRIPS * 99 / 100]]
}

/// Bytes of this process in memory, and its memory maps.
fn process() -> (u64, usize) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.unwrap().split_whitespace().next().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (
        kilobytes.parse::<u64>().unwrap() << 10,
        maps.lines().count(),
    )
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_instances_at_rest_fit_the_machine_and_two_at_work_do_not_feel_them() {
    const NAME: &str =
        "many::thousands_of_instances_at_rest_fit_the_machine_and_two_at_work_do_not_feel_them";
    let Some(relay) = guest("relay") else { return };
    if !alone(NAME, &[]) {
        return;
    }
    let instances = full(500, 10_000);
    let few = Bed::start(&format!("manifest = 1\n{}", pair(&relay))).await;
    let beside_none = latency(&few).await;
    few.stop().await;

    let (memory_before, maps_before) = process();
    let manifest = format!("manifest = 1\n{}{}", pair(&relay), crowd(&relay, instances));
    let began = Instant::now();
    let bed = Bed::start(&manifest).await;
    let started = began.elapsed();
    let beside_many = latency(&bed).await;
    let parts = bed.node.parts().await;
    let live: usize = parts.iter().filter_map(|part| part.instances).sum();
    assert_eq!(live, instances as usize + 2);
    // Each actor of the crowd answers, however long it rested; each of its instances once or more, as they share a mailbox.
    let mut out = bed.watch("out");
    for event in 0..instances {
        bed.publish(&format!("rest/{}", event / EACH), event.to_string())
            .await;
        assert_eq!(out.text().await, event.to_string());
    }
    let (memory, maps) = process();
    let grown = memory.saturating_sub(memory_before);
    println!(
        "{instances} instances: started in {started:.2?}, {} MiB ({} KiB each), {maps} maps ({:.2} each)",
        memory >> 20,
        (grown >> 10) / u64::from(instances),
        maps.saturating_sub(maps_before) as f64 / f64::from(instances),
    );
    println!(
        "a pair's round trip, median and p99: {beside_none:.1?} alone, {beside_many:.1?} beside them"
    );
    assert!(memory < 4 << 30, "{memory} bytes");
    let began = Instant::now();
    let folder = bed.stop().await;
    println!("stopped in {:.2?}", began.elapsed());
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_instances_are_refused_in_words_before_anything_is_compiled() {
    let folder = tempfile::TempDir::new().unwrap();
    // Nobody has built it: what is said first is that there is no room.
    let manifest = format!(
        "manifest = 1\n{}",
        crowd(Path::new("absent.wasm"), 1_000_000)
    );
    let app = bed::app(folder.path(), &manifest, &Variables::none());
    let checked = check(&app, None).await.map(|_| ());
    let started = Bed::start_app(folder, app).await.map(|_| ());
    for (door, result) in [("check", checked), ("start", started)] {
        let Err(StartError::NoRoom(error)) = result else {
            panic!("{door}: {result:?}")
        };
        assert_eq!(error.asked, 1_000_000, "{door}");
        let words = error.to_string();
        let start = "there is no room for 1000000 instances on this machine, only for ";
        assert!(words.starts_with(start), "{door}: {words}");
        assert!(words.contains("use fewer instances"), "{door}: {words}");
        assert!((1000..40_000).contains(&error.possible), "{door}: {words}");
    }
}
