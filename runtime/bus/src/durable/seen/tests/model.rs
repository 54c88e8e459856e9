//! Random turns, sweeps, openings and time, compared with a list.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Turns that are under way at the same time: fewer than a sweep looks at, so that those that end late never hide the others.
const TURNS: usize = SWEPT - 1;
const SUBSCRIBERS: u32 = 2;
const WINDOW: SeenWindow = SeenWindow {
    count: 5,
    age: Duration::from_secs(10),
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A turn of a subscriber asks for an event.
    Check(usize, u32, u8),
    /// It is committed, or not.
    End(usize, bool),
    Pass(u64),
    /// What was committed is known to be durable.
    Durable,
    /// One batch; whether it is taken.
    Sweep(u32, bool),
    SweepAll,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let turn = 0..TURNS;
    let of = 0..SUBSCRIBERS;
    let taken = proptest::bool::weighted(0.8);
    prop_oneof![
        16 => (turn.clone(), of.clone(), 0..10_u8).prop_map(|(turn, of, id)| Step::Check(turn, of, id)),
        16 => (turn, taken).prop_map(|(turn, taken)| Step::End(turn, taken)),
        4 => (0..6_u64).prop_map(Step::Pass),
        4 => Just(Step::Durable),
        4 => (of, taken).prop_map(|(of, taken)| Step::Sweep(of, taken)),
        1 => Just(Step::SweepAll),
        1 => Just(Step::Reopen),
    ]
}

/// An event that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    subscriber: u32,
    number: u64,
    id: String,
    time: u64,
}

struct Turn {
    batch: Batch,
    fresh: Option<Fresh>,
    entry: Entry,
    /// What was remembered of its event when it asked.
    before: Option<Entry>,
}

struct Run {
    place: Place,
    now: u64,
    /// What is remembered, in the order of numbers.
    model: Vec<Entry>,
    turns: [Option<Turn>; TURNS],
    commits: Vec<(Commit, Fresh)>,
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Check(turn, subscriber, id) => self.check(turn, subscriber, &id.to_string()),
            Step::End(turn, taken) => {
                if let Some(turn) = self.turns[turn].take().filter(|_| taken) {
                    self.commit(turn);
                }
            }
            Step::Pass(seconds) => self.now += seconds,
            Step::Durable => self.durable(),
            Step::Sweep(subscriber, taken) => {
                self.sweep(subscriber, taken);
            }
            Step::SweepAll => {
                self.durable();
                for subscriber in 0..SUBSCRIBERS {
                    while self.sweep(subscriber, true) {}
                    let left = self.of(subscriber);
                    assert!(left.len() as u64 <= WINDOW.count);
                    assert!(!left.iter().any(|entry| self.is_old(entry)), "{left:?}");
                }
            }
            Step::Reopen => {
                self.turns = Default::default();
                self.durable();
                self.place.reopen();
                self.compare_counts();
            }
        }
        assert_eq!(self.stored(), self.model);
    }

    fn check(&mut self, turn: usize, subscriber: u32, id: &str) {
        let number = self.place.next;
        self.place.next += 1;
        let before = self.find(subscriber, id);
        let new = before.as_ref().is_none_or(|before| self.is_old(before));
        let mut batch = Batch::new();
        let (store, event, now) = (&self.place.store, event("/a", id), at(self.now));
        let fresh = WINDOW.check(&mut batch, store, subscriber, &event, number, now);
        let fresh = fresh.unwrap();
        assert_eq!(fresh.is_some(), new);
        let entry = Entry {
            subscriber,
            number,
            id: id.to_owned(),
            time: nanos(now),
        };
        self.turns[turn] = Some(Turn {
            batch,
            fresh,
            entry,
            before,
        });
    }

    fn commit(&mut self, turn: Turn) {
        let now = self.find(turn.entry.subscriber, &turn.entry.id);
        let commit = self.place.store.commit(turn.batch);
        if now != turn.before {
            assert_eq!(commit.unwrap_err(), CommitError::Conflict);
            return;
        }
        let commit = commit.unwrap();
        if let Some(fresh) = turn.fresh {
            self.commits.push((commit, fresh));
            self.model.retain(|entry| Some(entry) != now.as_ref());
            self.model.push(turn.entry);
            self.model.sort();
        }
    }

    fn durable(&mut self) {
        for (commit, fresh) in self.commits.drain(..) {
            commit.wait().unwrap();
            self.place.seen.remembered(fresh);
        }
        self.compare_counts();
    }

    /// Where no commit is under way, the counts are exact.
    fn compare_counts(&self) {
        for subscriber in 0..SUBSCRIBERS {
            let count = self.of(subscriber).len() as i64;
            assert_eq!(self.place.counted(subscriber), count);
        }
    }

    /// One sweep. Answers whether there was something to do.
    fn sweep(&mut self, subscriber: u32, taken: bool) -> bool {
        let Place { seen, store, .. } = &self.place;
        let sweep = seen.sweep(store, subscriber, at(self.now), &WINDOW);
        let Some(Sweep { batch, evicted }) = sweep.unwrap() else {
            return false;
        };
        if !taken {
            seen.kept(evicted);
            return true;
        }
        drop(store.commit(batch).unwrap());
        let (before, left) = (self.of(subscriber), self.stored());
        for (place, entry) in before.iter().enumerate() {
            let later = (before.len() - place - 1) as u64;
            let inside = later < WINDOW.count && !self.is_old(entry);
            assert!(!inside || left.contains(entry), "{entry:?} was inside");
        }
        let all = self.model.len();
        self.model
            .retain(|entry| entry.subscriber != subscriber || left.contains(entry));
        assert_eq!((all - self.model.len()) as i64, evicted.entries);
        true
    }

    fn is_old(&self, entry: &Entry) -> bool {
        Duration::from_nanos(nanos(at(self.now)) - entry.time) > WINDOW.age
    }

    fn find(&self, subscriber: u32, id: &str) -> Option<Entry> {
        let mut all = self.model.iter();
        all.find(|entry| entry.subscriber == subscriber && entry.id == id)
            .cloned()
    }

    fn of(&self, subscriber: u32) -> Vec<Entry> {
        let all = self.model.iter().cloned();
        all.filter(|entry| entry.subscriber == subscriber).collect()
    }

    /// What lies in the store, where both entries of each event say the same.
    fn stored(&self) -> Vec<Entry> {
        let store = &self.place.store;
        let (from, to) = ([BY_AGE], [END]);
        let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        let by_age = store.scan(Space::Seen, range, usize::MAX).unwrap();
        assert_eq!(self.place.entries(), 2 * by_age.len());
        let entries = by_age.iter().map(|(key, value)| {
            let (subscriber, number) = parse_by_age(key).unwrap();
            let (time, identity) = parse_aged(value).unwrap();
            let other = store.get(Space::Seen, &by_identity(subscriber, identity));
            assert_eq!(numbers(&other.unwrap().unwrap()), Ok((number, time)));
            let id = identity.strip_prefix(b"/a\0").unwrap();
            Entry {
                subscriber,
                number,
                id: String::from_utf8(id.to_vec()).unwrap(),
                time,
            }
        });
        entries.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_window_is_what_the_naive_model_has(steps in vec(step(), 1..150)) {
        let mut run = Run {
            place: Place::new(),
            now: 0,
            model: Vec::new(),
            turns: Default::default(),
            commits: Vec::new(),
        };
        for step in steps.into_iter().chain([Step::SweepAll, Step::Reopen]) {
            run.step(step);
        }
    }
}
