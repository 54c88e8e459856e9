//! What the only reader of an inbox ended on durable topics, so that what comes after it does not take effect before it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Places in the store that have to be free for what lies behind them to take effect. Of commits that are undone, all that came
/// after them are undone too; so two are enough to see whether anything is: the last one, and the one that lies furthest behind,
/// which may not have been ended again yet.
#[derive(Default)]
pub(crate) struct Ended(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    last: Option<Bytes>,
    furthest: Option<Bytes>,
}

impl Ended {
    /// What lay at `key` is ended.
    pub(crate) fn add(&self, key: Bytes) {
        let mut state = self.state();
        if state.furthest.as_ref().is_none_or(|before| *before < key) {
            state.furthest = Some(key.clone());
        }
        state.last = Some(key);
    }

    /// What must be gone when that at `key` ends. What was undone comes again before all that was ended after it.
    pub(crate) fn before(&self, key: &[u8]) -> impl Iterator<Item = Bytes> + use<> {
        let State { last, furthest } = self.state().clone();
        let furthest = furthest.filter(|furthest| Some(furthest) != last.as_ref());
        let both = [last, furthest].map(|before| before.filter(|before| **before < *key));
        both.into_iter().flatten()
    }

    /// There are several readers: what they read has no order.
    pub(crate) fn forget(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn before(ended: &Ended, key: u8) -> Vec<u8> {
        let mut before: Vec<u8> = ended.before(&[key]).map(|key| key[0]).collect();
        before.sort_unstable();
        before
    }

    #[test]
    fn what_was_ended_behind_an_event_is_not_expected_to_be_gone_when_that_comes_again() {
        let ended = Ended::default();
        for key in [1, 2, 3] {
            ended.add(Bytes::copy_from_slice(&[key]));
        }
        assert_eq!(before(&ended, 4), [3]);
        assert_eq!((before(&ended, 3), before(&ended, 1)), (vec![], vec![]));
        // All three are undone, and the first is ended once more.
        ended.add(Bytes::from_static(&[1]));
        assert_eq!(
            (before(&ended, 2), before(&ended, 4)),
            (vec![1], vec![1, 3])
        );
        ended.forget();
        assert!(before(&ended, 4).is_empty());
    }
}
