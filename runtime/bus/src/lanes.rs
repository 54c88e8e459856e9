//! Order by key over several workers: which item may run now, and which waits for another.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::mem;

use crate::partition::Key;

/// Lets items of one key run one at a time, in the order in which they entered, and those of different keys side by side.
///
/// An item without a key has a lane of its own: it runs at once, in no order with any other.
///
/// Whoever runs what [`enter`](Self::enter) or [`leave`](Self::leave) gave says [`leave`](Self::leave) once, when the item
/// has come to its end. Until then its lane is busy, also while the item waits for another attempt or another worker. An item
/// is parked here only while its lane is busy: each end of an item starts the next, and nobody else has to look.
///
/// There is a lane in memory for each key that runs, and none for others. No locks, tasks or clock are in here.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    /// The lanes that are busy, and what waits behind what runs in each, with its number.
    busy: HashMap<Key, VecDeque<(u64, T)>>,
    /// Numbers the parked, for [`drain`](Self::drain).
    next: u64,
}

impl<T> Lanes<T> {
    /// Lanes that are all free.
    pub(crate) fn new() -> Self {
        Self {
            busy: HashMap::new(),
            next: 0,
        }
    }

    /// An item enters its lane. It comes back if the lane was free, which is busy from now on: it is to be run. Else it is
    /// parked. How many may be is for whoever feeds to say.
    #[must_use = "an item that comes back is to be run"]
    pub(crate) fn enter(&mut self, key: Option<Key>, item: T) -> Option<T> {
        let Some(key) = key else {
            return Some(item);
        };
        match self.busy.entry(key) {
            Entry::Vacant(free) => {
                free.insert(VecDeque::new());
                Some(item)
            }
            Entry::Occupied(mut busy) => {
                busy.get_mut().push_back((self.next, item));
                self.next += 1;
                None
            }
        }
    }

    /// What ran in the lane has come to its end. Answers the next item of the lane, which is to be run; without one the lane
    /// is free, and gone.
    #[must_use = "an item that was parked is to be run"]
    pub(crate) fn leave(&mut self, key: Option<Key>) -> Option<T> {
        let Entry::Occupied(mut lane) = self.busy.entry(key?) else {
            debug_assert!(false, "a lane was left that nothing ran in");
            return None;
        };
        match lane.get_mut().pop_front() {
            Some((_, next)) => Some(next),
            None => {
                lane.remove();
                None
            }
        }
    }

    /// Takes everything that is parked, in the order in which it entered. What runs goes on running, and its lanes stay busy.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let lanes = self.busy.values_mut().flat_map(mem::take);
        let mut all: Vec<(u64, T)> = lanes.collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests;
