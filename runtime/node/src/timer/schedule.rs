//! When ticks are due: a function of what the clocks say, that waits for nothing.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::app::{Cron, When};

/// How long a wall clock is trusted: it may be set at any moment, and nobody tells.
const TRUSTED: Duration = Duration::from_secs(60);

/// A time of the wall clock that is seen later than this has been missed: the machine slept, or the clock was set. As long as
/// the clock is trusted, as a sleeper may not notice it any sooner.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// How far the wall clock may go back without a tick coming twice. More is a clock that was set, and its new times count.
const BACK: TimeDelta = TimeDelta::minutes(1);

/// The most times that one look counts as missed: two days of minutes, so that a clock set by years costs nothing.
const COUNTED: u64 = 2 * 24 * 60;

/// What the clocks say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Since the schedule began, by the clock that nobody sets.
    pub(super) passed: Duration,
    pub(super) wall: DateTime<Utc>,
}

/// What a look at the clocks comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The time of the tick that is due: one at most.
    pub(super) due: Option<DateTime<Utc>>,
    /// Those before it whose time has passed.
    pub(super) missed: u64,
    /// When to look again.
    pub(super) wait: Duration,
}

/// The ticks of a timer, and how far they have come.
#[derive(Debug)]
pub(super) enum Schedule {
    /// The whole multiples of a time, from the first on.
    Grid { every: Duration, last: u64 },
    /// The times of a calendar.
    Calendar {
        cron: Cron,
        next: Option<DateTime<Utc>>,
        /// The latest that the clock has been.
        latest: DateTime<Utc>,
        /// The last look, by the clock that nobody sets.
        looked: Duration,
    },
}

impl Schedule {
    /// One that begins now; its first tick lies ahead.
    pub(super) fn new(when: &When, wall: DateTime<Utc>) -> Self {
        match when {
            When::Every(every) => Self::Grid {
                every: *every,
                last: 0,
            },
            When::Cron(cron) => Self::Calendar {
                next: cron.after(wall),
                cron: cron.clone(),
                latest: wall,
                looked: Duration::ZERO,
            },
        }
    }

    /// What is due now; each tick once.
    pub(super) fn look(&mut self, now: Now) -> Look {
        match self {
            Self::Grid { every, last } => grid(*every, last, now),
            Self::Calendar {
                cron,
                next,
                latest,
                looked,
            } => {
                let since = now.passed.saturating_sub(*looked);
                *looked = now.passed;
                if *latest - now.wall > BACK {
                    // It may have been set just after the last look: what came since then counts.
                    let since = TimeDelta::from_std(since).unwrap_or_default();
                    (*latest, *next) = (now.wall, cron.after(now.wall - since));
                }
                *latest = now.wall.max(*latest);
                calendar(cron, next, now.wall)
            }
        }
    }
}

/// Ticks stay where they are, however late each was seen: nothing adds up.
fn grid(every: Duration, last: &mut u64, now: Now) -> Look {
    let (every, passed) = (every.as_nanos().max(1), now.passed.as_nanos());
    let tick = u64::try_from(passed / every).unwrap_or(u64::MAX);
    let late = nanos(passed % every);
    let new = tick.saturating_sub(*last);
    *last = tick.max(*last);
    Look {
        due: (new > 0).then(|| now.wall - TimeDelta::from_std(late).unwrap_or_default()),
        missed: new.saturating_sub(1),
        wait: nanos(every) - late,
    }
}

fn calendar(cron: &Cron, next: &mut Option<DateTime<Utc>>, wall: DateTime<Utc>) -> Look {
    let (mut passed, mut newest) = (0_u64, None);
    while let Some(time) = next.filter(|time| *time <= wall) {
        if passed == COUNTED {
            (*next, newest) = (cron.after(wall), None);
            break;
        }
        passed += 1;
        newest = Some(time);
        *next = cron.after(time);
    }
    let due = newest.filter(|time| wall - *time < LATE);
    let ahead = next.and_then(|next| (next - wall).to_std().ok());
    Look {
        due,
        missed: passed - u64::from(due.is_some()),
        wait: ahead.map_or(TRUSTED, |ahead| ahead.min(TRUSTED)),
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn now(millis: u64) -> Now {
        let passed = Duration::from_millis(millis);
        Now {
            passed,
            wall: at("12:00:00") + passed,
        }
    }

    proptest! {
        /// Against a list of all ticks.
        #[test]
        fn a_grid_gives_each_tick_once_and_the_newest_of_those_that_are_due(
            every in 10_u64..5000, steps in prop::collection::vec(0_u64..20_000, 1..100),
        ) {
            let mut schedule = Schedule::new(&When::Every(Duration::from_millis(every)), at("12:00:00"));
            let (mut time, mut seen) = (0, 0);
            for step in steps {
                let before = time;
                time += step;
                let ticks: Vec<_> = (before + 1..=time).filter(|t| t.is_multiple_of(every)).collect();
                let look = schedule.look(now(time));
                prop_assert_eq!(look.due, ticks.last().map(|tick| now(*tick).wall));
                prop_assert_eq!(look.missed, (ticks.len() as u64).saturating_sub(1));
                let next = (time + 1..).find(|t| t.is_multiple_of(every)).unwrap();
                prop_assert_eq!(look.wait, Duration::from_millis(next - time));
                seen += look.missed + u64::from(look.due.is_some());
            }
            prop_assert_eq!(seen, time / every);
        }

        /// Whatever the wall clock does, a look is short, gives one tick at most, and is never far from the next.
        #[test]
        fn a_clock_that_is_set_neither_heaps_ticks_nor_stops_them(
            steps in prop::collection::vec(-200_000_i64..200_000, 1..50),
        ) {
            let mut schedule = Schedule::new(&When::Cron(Cron::parse("*/5 * * * *").unwrap()), at("12:00:00"));
            let mut wall = at("12:00:00");
            for step in steps {
                wall += TimeDelta::seconds(step);
                let look = schedule.look(Now { passed: Duration::ZERO, wall });
                prop_assert!(look.wait > Duration::ZERO && look.wait <= TRUSTED, "{:?}", look);
                prop_assert!(look.missed <= COUNTED);
                if let Some(due) = look.due {
                    prop_assert!(due <= wall && wall - due < LATE, "{:?} at {}", look, wall);
                }
            }
            // Then it runs on, and the next five minutes have their tick.
            let ticks = (0..=360).filter(|second| {
                let wall = wall + TimeDelta::seconds(*second);
                schedule.look(Now { passed: Duration::ZERO, wall }).due.is_some()
            });
            let ticks = ticks.count();
            prop_assert!((1..=2).contains(&ticks), "{}", ticks);
        }
    }

    #[test]
    fn a_calendar_over_a_step_of_the_clock_goes_by_the_new_time() {
        let hourly = When::Cron(Cron::parse("0 * * * *").unwrap());
        let mut schedule = Schedule::new(&hourly, at("12:00:00"));
        let mut look = |wall| {
            let Look { due, missed, .. } = schedule.look(Now {
                passed: Duration::ZERO,
                wall,
            });
            (due, missed)
        };
        let day = TimeDelta::days(1);
        assert_eq!(look(at("12:59:59")), (None, 0));
        assert_eq!(look(at("13:00:00")), (Some(at("13:00:00")), 0));
        // Back by seconds: it does not come twice.
        assert_eq!(look(at("12:59:30")), (None, 0));
        assert_eq!(look(at("13:00:05")), (None, 0));
        // Ahead by a day: what lay between was missed, the old as well.
        assert_eq!(look(at("13:30:00") + day), (None, 24));
        assert_eq!(look(at("14:00:01") + day), (Some(at("14:00:00") + day), 0));
        // Back by a day: its hours come again.
        assert_eq!(look(at("14:30:00")), (None, 0));
        assert_eq!(look(at("15:00:00")), (Some(at("15:00:00")), 0));
        // Ahead by years: counted up to a bound, and on it goes.
        assert_eq!(look(at("15:30:00") + day * 4000), (None, COUNTED));
        let next = at("16:00:00") + day * 4000;
        assert_eq!(look(next), (Some(next), 0));
    }
}
