//! What an idle instance takes of the machine, measured against what is reckoned with.

use std::fs;

use whirlwind_component::{
    Component, Engine, EngineConfig, Isolation, Need, Outcome, Room, Settings,
};

use crate::alone::alone;
use crate::common::{EVENTS, Sent, core_module, event, guest, idle, on_receive, turn, wat_guest};

fn count(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_instance_takes_the_maps_that_are_reckoned_with_and_no_file_and_no_thread() {
    const NAME: &str =
        "room::an_instance_takes_the_maps_that_are_reckoned_with_and_no_file_and_no_thread";
    if !alone(NAME, &[]) {
        return;
    }
    const INSTANCES: usize = 200;
    /// What a heap may take of its own meanwhile.
    const HEAP: usize = 20;
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let several = "(memory 1) (memory 1)";
    let two = wat_guest(
        EVENTS,
        &core_module("", &format!("{}{several}", on_receive(""))),
    );
    let mut measured = vec![("of no contents", idle(), 1), ("of three memories", two, 3)];
    for name in ["relay", "misbehave"] {
        let Some(path) = guest(name) else { return };
        measured.push((name, fs::read(path).unwrap(), 1));
    }
    for (name, bytes, memories) in measured {
        let component = Component::load(&engine, name, bytes, Settings::default());
        let component = component.await.unwrap();
        assert_eq!(
            component.need(),
            Need::of(Isolation::Resident, memories),
            "{name}"
        );
        // The first brings what all share.
        let first = component.instantiate().await.unwrap();
        let (before, files, threads) = (
            Room::now(),
            count("/proc/self/fd"),
            count("/proc/self/task"),
        );
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            let instance = component.instantiate().await.unwrap();
            let sent = Sent::default();
            // An instance that has worked is the one that idles.
            let outcome = instance.handle(turn(event("x"), sent.outbox())).await;
            let Outcome::Done(instance, _) = outcome else {
                panic!("{name}: {outcome:?}")
            };
            instances.push(instance);
        }
        let after = Room::now();
        let maps = after.maps - before.maps;
        println!(
            "{name}: {:.2} maps and {} MiB of address space an instance",
            maps as f64 / INSTANCES as f64,
            ((after.space - before.space) / INSTANCES as u64) >> 20
        );
        let reckoned = component.need().maps() * INSTANCES;
        assert!(maps <= reckoned + HEAP, "{name}: {maps}, not {reckoned}");
        // Nor is it far below, or fewer would be let in than there is room for.
        assert!(maps >= reckoned * 3 / 4, "{name}: {maps}, not {reckoned}");
        assert_eq!(count("/proc/self/fd"), files, "{name}");
        // Those of the compiler may have gone meanwhile.
        assert!(count("/proc/self/task") <= threads, "{name}");
        drop((first, instances));
    }
}

#[tokio::test]
async fn more_than_there_is_room_for_is_refused_before_one_is_made() {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let component = Component::load(&engine, "actor", idle(), Settings::default());
    let component = component.await.unwrap();
    engine.room_for([(&component, 100)]).unwrap();
    let error = engine.room_for([(&component, 1_000_000)]).unwrap_err();
    assert_eq!(error.asked, 1_000_000);
    assert!((100..1_000_000).contains(&error.possible), "{error}");
    assert_eq!(engine.instances(), 0);
}
