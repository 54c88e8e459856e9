//! How many compile at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A number of places. Waiting for one is by the machine's clock, like the work that is waited for.
#[derive(Debug)]
pub(crate) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            free: Mutex::new(number),
            freed: Condvar::new(),
        }
    }

    /// Blocks until a place is free, for so long at most.
    pub(crate) fn take(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let (mut free, _) = self
            .freed
            .wait_timeout_while(self.lock(), patience, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Place(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Arc::new(Places::new(2));
        let first = places.take(Duration::ZERO).unwrap();
        let _second = places.take(Duration::ZERO).unwrap();
        assert!(places.take(Duration::from_millis(1)).is_none());
        drop(first);
        assert!(places.take(Duration::ZERO).is_some());
    }
}
