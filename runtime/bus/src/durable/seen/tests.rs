//! The window over a real store, by itself and against a naive model, with a clock of the tests' own.

use tempfile::TempDir;
use whirlwind_event::EventBuilder;
use whirlwind_store::{Commit, CommitError};

use super::*;

mod model;

/// A store, and what is remembered in it.
struct Place {
    dir: TempDir,
    store: Store,
    seen: Seen,
    /// Numbers of events.
    next: u64,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap().store;
        let (seen, _) = Seen::open(&store).unwrap();
        Self {
            dir,
            store,
            seen,
            next: 1,
        }
    }

    fn reopen(&mut self) {
        self.store.close();
        self.store = Store::open(self.dir.path()).unwrap().store;
        self.seen = Seen::open(&self.store).unwrap().0;
    }

    /// A turn of subscriber 1 up to its commit.
    fn turn(&mut self, id: &str, now: SystemTime, window: &SeenWindow) -> (Batch, Option<Fresh>) {
        let mut batch = Batch::new();
        let number = self.next;
        self.next += 1;
        let fresh = window.check(&mut batch, &self.store, 1, &event("/a", id), number, now);
        (batch, fresh.unwrap())
    }

    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.store.commit(batch).and_then(Commit::wait)
    }

    /// A whole turn. Answers whether its event was new.
    fn handle(&mut self, id: &str, now: SystemTime, window: &SeenWindow) -> bool {
        let (batch, fresh) = self.turn(id, now, window);
        self.commit(batch).unwrap();
        fresh.map(|fresh| self.seen.remembered(fresh)).is_some()
    }

    fn sweep(&self, subscriber: u32, now: SystemTime, window: &SeenWindow) -> u64 {
        let mut evicted = 0;
        while let Some(sweep) = self
            .seen
            .sweep(&self.store, subscriber, now, window)
            .unwrap()
        {
            assert!(sweep.evicted.entries <= SWEPT as i64);
            self.commit(sweep.batch).unwrap();
            evicted += sweep.evicted.entries as u64;
        }
        evicted
    }

    /// How many entries the store has in all.
    fn entries(&self) -> usize {
        let all = (Bound::Unbounded, Bound::Unbounded);
        let keys = self.store.scan_keys(Space::Seen, all, usize::MAX);
        keys.unwrap().len()
    }

    /// How many events are counted for a subscriber.
    fn counted(&self, subscriber: u32) -> i64 {
        let held = self.seen.held();
        held.get(&subscriber).map_or(0, |held| held.entries)
    }
}

fn event(source: &str, id: &str) -> Event {
    let event = EventBuilder::new().id(id).source(source).ty("test");
    event.build().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
}

/// So many events, for so many seconds.
fn window(count: u64, seconds: u64) -> SeenWindow {
    let age = Duration::from_secs(seconds);
    SeenWindow { count, age }
}

const WIDE: SeenWindow = SeenWindow {
    count: 1000,
    age: Duration::from_secs(1000),
};

#[test]
fn an_event_that_comes_again_is_known_also_after_closing_and_opening() {
    let mut place = Place::new();
    assert!(place.handle("1", at(0), &WIDE));
    assert!(!place.handle("1", at(1), &WIDE));
    place.reopen();
    assert!(!place.handle("1", at(2), &WIDE));
    assert!(place.handle("2", at(2), &WIDE));
    assert_eq!(place.counted(1), 2);
}

#[test]
fn another_source_or_subscriber_makes_it_another_event() {
    let place = Place::new();
    let mut batch = Batch::new();
    let mut check = |subscriber, source: &str, id: &str, number| {
        let event = event(source, id);
        let fresh = WIDE.check(
            &mut batch,
            &place.store,
            subscriber,
            &event,
            number,
            at(number),
        );
        fresh.unwrap().is_some()
    };
    assert!(check(1, "/a", "b", 1));
    assert!(check(1, "/", "ab", 2));
    assert!(check(1, "/ab", "c", 3));
    assert!(check(2, "/a", "b", 4));
    assert!(!check(1, "/a", "b", 5));
}

#[test]
fn an_event_older_than_the_window_is_new_before_it_is_swept_and_after() {
    let window = window(10, 100);
    let mut place = Place::new();
    assert!(place.handle("1", at(0), &window));
    assert!(!place.handle("1", at(100), &window));
    assert!(place.handle("1", at(101), &window));
    // It is remembered anew, and in place of the old one.
    assert_eq!((place.entries(), place.counted(1)), (2, 1));
    assert!(!place.handle("1", at(200), &window));
    assert_eq!(place.sweep(1, at(201), &window), 0);
    assert_eq!(place.sweep(1, at(202), &window), 1);
    assert_eq!((place.entries(), place.counted(1)), (0, 0));
    assert!(place.handle("1", at(202), &window));
}

#[test]
fn an_event_that_enough_others_came_after_is_new_once_it_is_swept() {
    let window = window(3, 100);
    let mut place = Place::new();
    for id in ["1", "2", "3", "4", "5"] {
        assert!(place.handle(id, at(0), &window));
    }
    assert_eq!(place.sweep(1, at(0), &window), 2);
    for (id, new) in [("3", false), ("4", false), ("5", false), ("2", true)] {
        assert_eq!(place.handle(id, at(0), &window), new, "{id}");
    }
}

#[test]
fn of_two_turns_with_copies_of_one_event_one_is_a_conflict_and_then_knows_it() {
    let mut place = Place::new();
    let (first, fresh) = place.turn("1", at(0), &WIDE);
    let (second, also) = place.turn("1", at(0), &WIDE);
    assert!(fresh.is_some() && also.is_some());
    place.commit(first).unwrap();
    assert_eq!(place.commit(second), Err(CommitError::Conflict));
    assert!(!place.handle("1", at(0), &WIDE));
}

#[test]
fn two_turns_with_different_events_do_not_conflict() {
    let mut place = Place::new();
    let (first, _) = place.turn("1", at(0), &WIDE);
    let (second, _) = place.turn("2", at(0), &WIDE);
    place.commit(second).unwrap();
    place.commit(first).unwrap();
    assert_eq!(place.entries(), 4);
}

#[test]
fn a_turn_that_is_not_committed_leaves_no_memory() {
    let mut place = Place::new();
    let (batch, fresh) = place.turn("1", at(0), &WIDE);
    drop((batch, fresh));
    assert_eq!((place.entries(), place.counted(1)), (0, 0));
    assert!(place.handle("1", at(0), &WIDE));
}

#[test]
fn a_turn_with_two_copies_in_one_batch_handles_one() {
    let place = Place::new();
    let mut batch = Batch::new();
    let event = event("/a", "1");
    let first = WIDE.check(&mut batch, &place.store, 1, &event, 1, at(0));
    let second = WIDE.check(&mut batch, &place.store, 1, &event, 2, at(0));
    assert!(first.unwrap().is_some());
    assert!(second.unwrap().is_none());
}

#[test]
fn a_sweep_and_a_turn_that_remembers_the_same_event_anew_conflict() {
    let window = window(10, 100);
    let mut place = Place::new();
    assert!(place.handle("1", at(0), &window));
    // The turn comes first.
    let sweep = place
        .seen
        .sweep(&place.store, 1, at(101), &window)
        .unwrap()
        .unwrap();
    assert!(place.handle("1", at(101), &window));
    assert_eq!(place.commit(sweep.batch), Err(CommitError::Conflict));
    place.seen.kept(sweep.evicted);
    assert_eq!(place.sweep(1, at(101), &window), 0);
    assert_eq!((place.entries(), place.counted(1)), (2, 1));
    // The sweep does.
    let (batch, fresh) = place.turn("1", at(202), &window);
    assert!(fresh.is_some());
    assert_eq!(place.sweep(1, at(202), &window), 1);
    assert_eq!(place.commit(batch), Err(CommitError::Conflict));
    assert!(place.handle("1", at(202), &window));
    assert_eq!((place.entries(), place.counted(1)), (2, 1));
}

#[test]
fn a_sweep_that_was_not_taken_is_done_again() {
    let mut place = Place::new();
    assert!(place.handle("1", at(0), &WIDE));
    let none = window(0, 100);
    let sweep = place.seen.sweep(&place.store, 1, at(0), &none).unwrap();
    place.seen.kept(sweep.unwrap().evicted);
    assert_eq!(place.sweep(1, at(0), &none), 1);
}

#[test]
fn space_comes_back_and_only_one_out_of_the_window_goes() {
    let window = window(10, 1000);
    let mut place = Place::new();
    for number in 0..100 {
        assert!(place.handle(&number.to_string(), at(number), &window));
        place.sweep(1, at(number), &window);
        let kept = (number + 1).min(10);
        assert_eq!(place.entries() as u64, 2 * kept);
    }
    assert_eq!(place.sweep(1, at(100), &window), 0);
}

#[test]
fn what_one_remembers_that_does_not_subscribe_any_more_can_be_swept_whole() {
    let mut place = Place::new();
    for id in 0..10 {
        assert!(place.handle(&id.to_string(), at(0), &WIDE));
    }
    place.reopen();
    assert_eq!(place.seen.subscribers(), [1]);
    assert_eq!(place.sweep(1, at(0), &window(0, 1000)), 10);
    assert_eq!(place.entries(), 0);
    assert!(place.seen.subscribers().is_empty());
}

#[test]
fn an_event_that_was_swept_before_it_is_known_to_be_durable_counts_for_nothing() {
    let window = window(10, 100);
    let mut place = Place::new();
    assert!(place.handle("0", at(50), &window));
    let (batch, fresh) = place.turn("1", at(0), &window);
    let commit = place.store.commit(batch).unwrap();
    assert_eq!(place.sweep(1, at(151), &window), 2);
    commit.wait().unwrap();
    place.seen.remembered(fresh.unwrap());
    assert_eq!((place.entries(), place.counted(1)), (0, 0));
}

#[test]
fn a_clock_that_steps_back_makes_no_event_new() {
    let window = window(2, 100);
    let mut place = Place::new();
    assert!(place.handle("1", at(86_400), &window));
    assert!(!place.handle("1", at(0), &window));
    assert_eq!(place.sweep(1, at(0), &window), 0);
    // The latest by their numbers stay.
    assert!(place.handle("2", at(0), &window));
    assert!(place.handle("3", at(1), &window));
    assert_eq!(place.sweep(1, at(1), &window), 1);
    assert!(!place.handle("2", at(1), &window));
    assert!(!place.handle("3", at(1), &window));
}

#[test]
fn one_that_was_handled_late_does_not_keep_those_after_it_from_being_swept() {
    let window = window(10, 100);
    let mut place = Place::new();
    let late = place.next;
    place.next += 1;
    assert!(place.handle("2", at(0), &window));
    place.next = late;
    assert!(place.handle("1", at(90), &window));
    assert_eq!(place.sweep(1, at(101), &window), 1);
    place.next = 3;
    assert!(!place.handle("1", at(101), &window));
    assert!(place.handle("2", at(101), &window));
}

#[test]
fn keys_and_values_that_nobody_wrote_are_damage() {
    let place = Place::new();
    let mut batch = Batch::new();
    batch.put(
        Space::Seen,
        by_identity(1, &identity(&event("/a", "1"))),
        "?",
    );
    batch.put(Space::Seen, by_age(1, 1), "?");
    place.commit(batch).unwrap();
    let check = WIDE.check(
        &mut Batch::new(),
        &place.store,
        1,
        &event("/a", "1"),
        2,
        at(0),
    );
    assert_eq!(check.unwrap_err(), DAMAGED);
    let (seen, _) = Seen::open(&place.store).unwrap();
    let none = window(0, 0);
    let sweep = seen.sweep(&place.store, 1, at(0), &none);
    assert_eq!(sweep.unwrap_err(), DAMAGED);
    let mut batch = Batch::new();
    batch.put(Space::Seen, vec![BY_AGE, 7], "");
    place.commit(batch).unwrap();
    assert_eq!(Seen::open(&place.store).unwrap_err(), DAMAGED);
}
