//! Lanes by themselves, and against a naive model with several workers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn key(name: &str) -> Option<Key> {
    Some(Key::of(name))
}

fn parked<T>(lanes: &Lanes<T>) -> usize {
    lanes.busy.values().map(VecDeque::len).sum()
}

#[test]
fn items_of_one_key_wait_for_each_other_and_others_do_not() {
    let mut lanes = Lanes::new();
    assert_eq!(lanes.enter(key("a"), 1), Some(1));
    assert_eq!(lanes.enter(key("a"), 2), None);
    assert_eq!(lanes.enter(key("b"), 3), Some(3));
    assert_eq!(lanes.enter(key("a"), 4), None);
    assert_eq!(lanes.leave(key("b")), None);
    assert_eq!(lanes.leave(key("a")), Some(2));
    assert_eq!(lanes.leave(key("a")), Some(4));
    assert_eq!(lanes.leave(key("a")), None);
    assert_eq!(lanes.enter(key("a"), 5), Some(5));
}

#[test]
fn items_without_a_key_run_at_once() {
    let mut lanes = Lanes::new();
    assert_eq!(lanes.enter(None, 1), Some(1));
    assert_eq!(lanes.enter(None, 2), Some(2));
    assert_eq!(lanes.leave(None), None);
    assert!(lanes.busy.is_empty());
}

#[test]
fn what_is_drained_comes_in_the_order_of_entering_and_what_runs_keeps_its_lane() {
    let mut lanes = Lanes::new();
    for (number, name) in ["a", "b", "c", "b", "a", "c", "a"].into_iter().enumerate() {
        let runs = lanes.enter(key(name), number).is_some();
        assert_eq!(runs, number < 3);
    }
    assert_eq!(lanes.drain(), [3, 4, 5, 6]);
    assert_eq!(parked(&lanes), 0);
    assert_eq!(lanes.enter(key("a"), 7), None);
    assert_eq!(lanes.leave(key("a")), Some(7));
    assert_eq!(lanes.leave(key("b")), None);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next item, of one of a few keys or of none, if a worker is free and there is room.
    Feed(Option<u8>),
    /// What one of the workers runs ends.
    End(usize),
    Drain,
}

const WORKERS: usize = 4;
const BOUND: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => proptest::option::weighted(0.9, 0..5_u8).prop_map(Step::Feed),
        8 => (0..WORKERS).prop_map(Step::End),
        1 => Just(Step::Drain),
    ]
}

type Item = (Option<u8>, u32);

/// All that entered and did not end, in the order of entering, and whether it runs.
#[derive(Default)]
struct Model(Vec<(Item, bool)>);

impl Model {
    fn runs(&self, key: u8) -> bool {
        self.0
            .iter()
            .any(|((of, _), runs)| *runs && *of == Some(key))
    }

    /// The item enters; answers whether it runs.
    fn enter(&mut self, item: Item) -> bool {
        let runs = item.0.is_none_or(|key| !self.runs(key));
        self.0.push((item, runs));
        runs
    }

    /// The item ends; answers the first of its key that waits, which runs from now on.
    fn end(&mut self, item: Item) -> Option<Item> {
        self.0.retain(|(of, _)| *of != item);
        let of_key = |of: &Item| of.0.is_some() && of.0 == item.0;
        let (next, runs) = self.0.iter_mut().find(|(of, _)| of_key(of))?;
        assert!(!*runs, "two of one key ran");
        *runs = true;
        Some(*next)
    }

    fn drain(&mut self) -> Vec<Item> {
        let parked = self.0.extract_if(.., |(_, runs)| !*runs);
        parked.map(|(item, _)| item).collect()
    }

    fn parked(&self) -> usize {
        self.0.iter().filter(|(_, runs)| !runs).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn workers_run_what_the_naive_model_lets_them(steps in vec(step(), 1..200)) {
        let lane = |key: Option<u8>| key.map(|key| Key::of(&key.to_string()));
        let mut lanes = Lanes::new();
        let mut model = Model::default();
        let mut workers: [Option<Item>; WORKERS] = [None; WORKERS];
        let mut fed = 0;
        let mut ended = Vec::new();
        let mut drained = 0;
        // In the end everything ends.
        let ends = (0..WORKERS).cycle().map(Step::End).take(WORKERS * 400);
        for step in steps.into_iter().chain(ends) {
            match step {
                Step::Feed(key) => {
                    let Some(free) = workers.iter().position(Option::is_none) else { continue };
                    if model.parked() >= BOUND {
                        continue;
                    }
                    let item = (key, fed);
                    fed += 1;
                    let runs = lanes.enter(lane(key), item);
                    prop_assert_eq!(runs, model.enter(item).then_some(item));
                    workers[free] = runs;
                }
                Step::End(worker) => {
                    let Some(item) = workers[worker].take() else { continue };
                    let next = lanes.leave(lane(item.0));
                    prop_assert_eq!(next, model.end(item));
                    ended.push(item);
                    workers[worker] = next;
                }
                Step::Drain => {
                    let items = lanes.drain();
                    drained += items.len();
                    prop_assert_eq!(items, model.drain());
                }
            }
            prop_assert_eq!(parked(&lanes), model.parked());
            // Never two of one key at once.
            let mut keys: Vec<u8> = workers.iter().filter_map(|item| item.as_ref()?.0).collect();
            keys.sort_unstable();
            prop_assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
            // A lane is in memory while it is busy, and no longer.
            prop_assert_eq!(lanes.busy.len(), keys.len());
        }
        // None was lost or doubled, and those of one key ended in the order in which they entered.
        prop_assert_eq!(ended.len() + drained, fed as usize);
        for key in 0..5 {
            let of_key = ended.iter().filter(|(of, _)| *of == Some(key));
            prop_assert!(of_key.is_sorted_by(|(_, a), (_, b)| a < b));
        }
    }
}
