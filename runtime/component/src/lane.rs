//! The slow lane: a turn that has run past a few ticks goes on only on the one thread of it, so that
//! spinning guests together take at most one core and leave the others to short turns.
//!
//! A turn is there while it is polled, never across a wait: a guest that waits for a host call does not
//! keep others out. A poll lasts up to a tick, and whoever waits on the worker that the turn came from
//! does not wait for it. The thread yields to the others of the machine ([`thread`]).
//!
//! The few ticks outside are a credit, and a hundred turns at once must not draw it at once:
//!
//! | a turn goes to the lane | when |
//! |---|---|
//! | before it begins | the last turn of its component that ended had to go there, or as many as there are cores have run past a tick |
//! | after two ticks | more turns of the engine than there are cores have run past a tick |
//! | after [`QUICK_TICKS`] | always |

mod drive;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use drive::drive;
use thread::Thread;

/// Ticks after which a turn goes to the slow lane: a turn that computes for some milliseconds finishes
/// before, and a spinner has lost its pace to the others after 30 ms.
const QUICK_TICKS: u64 = 3;

/// The same where many turns are long: one that was cut by a tick as it began has still run for one.
const QUICK_TICKS_OF_MANY: u64 = 1;

/// The lane of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    thread: Thread,
    cores: usize,
    /// Turns that have run past a tick.
    long: AtomicUsize,
}

/// How long the turns of one component are.
#[derive(Debug)]
pub(crate) struct Pace {
    lane: Lane,
    /// Its turns that have run past a tick.
    long: AtomicUsize,
    /// Whether the last that ended was one for the lane.
    spun: AtomicBool,
}

/// What one instance has of the lane. Its flags are the instance's own, and guard no other memory.
#[derive(Debug)]
pub(crate) struct Ticket {
    pace: Arc<Pace>,
    /// Whether this turn goes on in the lane.
    slow: AtomicBool,
    /// Whether this turn is counted as long.
    long: AtomicBool,
    /// Whether this turn has used up its quick ticks.
    spun: AtomicBool,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn of(cores: usize) -> Self {
        Self(Arc::new(Inner {
            thread: Thread::default(),
            cores,
            long: AtomicUsize::new(0),
        }))
    }

    /// How long the turns of one more component are: not known yet.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        Arc::new(Pace {
            lane: self.clone(),
            long: AtomicUsize::new(0),
            spun: AtomicBool::new(false),
        })
    }
}

impl Pace {
    /// One instance's way into the lane.
    pub(crate) fn ticket(self: &Arc<Self>) -> Arc<Ticket> {
        Arc::new(Ticket {
            pace: Arc::clone(self),
            slow: AtomicBool::new(false),
            long: AtomicBool::new(false),
            spun: AtomicBool::new(false),
        })
    }

    fn is_slow(&self) -> bool {
        self.spun.load(Ordering::Relaxed) || self.long.load(Ordering::Relaxed) >= self.lane.0.cores
    }
}

impl Ticket {
    /// A turn begins.
    #[inline]
    pub(crate) fn begin(&self) {
        self.slow.store(self.pace.is_slow(), Ordering::Relaxed);
        self.spun.store(false, Ordering::Relaxed);
    }

    /// The turn has run into its `ticks`-th tick.
    pub(crate) fn tick(&self, ticks: u64) {
        if !self.long.swap(true, Ordering::Relaxed) {
            self.pace.long.fetch_add(1, Ordering::Relaxed);
            self.pace.lane.0.long.fetch_add(1, Ordering::Relaxed);
        }
        let Inner { cores, long, .. } = &*self.pace.lane.0;
        if ticks > QUICK_TICKS {
            self.spin();
            self.slow.store(true, Ordering::Relaxed);
        } else if ticks > QUICK_TICKS_OF_MANY && long.load(Ordering::Relaxed) > *cores {
            self.slow.store(true, Ordering::Relaxed);
        }
    }

    /// The turn has run past its quick ticks, or past its deadline.
    pub(crate) fn spin(&self) {
        self.spun.store(true, Ordering::Relaxed);
        self.pace.spun.store(true, Ordering::Relaxed);
    }

    /// The turn has come to its end by itself. A start says nothing of the turns that follow, so it only
    /// [shortens](Self::shorten).
    #[inline]
    pub(crate) fn end(&self) {
        self.shorten();
        if !self.spun.load(Ordering::Relaxed) && self.pace.spun.load(Ordering::Relaxed) {
            self.pace.spun.store(false, Ordering::Relaxed);
        }
    }

    /// Whether the turn goes on in the lane.
    #[inline]
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// The thread of the lane.
    fn thread(&self) -> &Thread {
        &self.pace.lane.0.thread
    }

    /// A turn, or a start, is over: it is counted as long no more.
    #[inline]
    pub(crate) fn shorten(&self) {
        if self.long.swap(false, Ordering::Relaxed) {
            self.pace.long.fetch_sub(1, Ordering::Relaxed);
            self.pace.lane.0.long.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shorten();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(ticket: &Ticket) -> bool {
        ticket.begin();
        ticket.is_slow()
    }

    #[test]
    fn a_turn_is_slow_when_its_quick_ticks_are_used_up() {
        let ticket = Lane::of(2).pace().ticket();
        assert!(!begun(&ticket));
        for tick in 1..=QUICK_TICKS {
            ticket.tick(tick);
            assert!(!ticket.is_slow(), "{tick}");
        }
        ticket.tick(QUICK_TICKS + 1);
        assert!(ticket.is_slow());
    }

    #[test]
    fn a_component_that_spun_begins_in_the_lane_until_one_of_its_turns_is_short() {
        let pace = Lane::of(2).pace();
        for spun in [
            |ticket: &Ticket| (1..=4).for_each(|tick| ticket.tick(tick)),
            |ticket: &Ticket| ticket.spin(),
        ] {
            let spinner = pace.ticket();
            spinner.begin();
            spun(&spinner);
            // Trapped, or answered in the end: it is all the same.
            spinner.end();
            drop(spinner);
            let next = pace.ticket();
            assert!(begun(&next));
            next.end();
            assert!(!begun(&next));
        }
    }

    #[test]
    fn with_a_long_turn_for_each_core_the_others_of_the_component_begin_in_the_lane() {
        let lane = Lane::of(2);
        let (pace, other) = (lane.pace(), lane.pace().ticket());
        let (first, second, third) = (pace.ticket(), pace.ticket(), pace.ticket());
        for ticket in [&first, &second] {
            assert!(!begun(ticket));
            ticket.tick(1);
        }
        assert!(begun(&third));
        assert!(
            !begun(&other),
            "another component has nothing to do with it"
        );
        // Also one that is cut off is long no more.
        drop(second);
        assert!(!begun(&third));
        first.end();
        assert_eq!(lane.0.long.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn where_many_turns_are_long_each_has_but_one_whole_tick() {
        let lane = Lane::of(2);
        let tickets: Vec<_> = (0..3).map(|_| lane.pace().ticket()).collect();
        for ticket in &tickets {
            assert!(!begun(ticket));
            ticket.tick(1);
            assert!(!ticket.is_slow());
        }
        tickets[0].tick(2);
        assert!(tickets[0].is_slow());
        tickets[0].end();
        tickets[1].tick(2);
        assert!(!tickets[1].is_slow(), "two are not many");
    }
}
