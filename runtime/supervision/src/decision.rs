//! What a supervisor does about an exit.
//!
//! [`decide`] is a pure function of the rules, the children, the history, the time, and who ended
//! and why. It looks at no clock and rolls no dice: both are given to it. What follows from its
//! answer is the supervisor's doing. It corresponds to `do_restart/3`, `do_auto_shutdown/2`,
//! `restart/3` and `add_restart/1` of OTP's `supervisor.erl`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    auto_shutdown::AutoShutdown,
    backoff::Backoff,
    exit::{Charge, ExitReason, GaveUp},
    spec::{Intensity, Restart, Strategy},
};

/// By what a supervisor decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The supervisor, for the words of giving up.
    pub supervisor: Arc<str>,
    /// Whom the end of a child concerns.
    pub strategy: Strategy,
    /// How many restarts are tolerated.
    pub intensity: Intensity,
    /// How long to wait before a restart.
    pub backoff: Backoff,
    /// Whether excused ends count.
    pub charge_excused: bool,
    /// Whether the ends of significant children end the supervisor.
    pub auto_shutdown: AutoShutdown,
}

/// A child, as far as the decision looks at it. Children are given in order of start; those that
/// cannot be concerned may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: Arc<str>,
    /// After which ends it is started again.
    pub restart: Restart,
    /// Whether it is up, and so has to be stopped before it can be started.
    pub up: bool,
    /// Whether its end counts for an auto-shutdown.
    pub significant: bool,
    /// Whether it has not ended for good: it is up, or it will be started again, or its end has not
    /// been decided about. One that is up and told to end, not to start again, is not.
    pub lives: bool,
}

/// The end, or failed start, of a child.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended<'a> {
    /// Which: its place among the members.
    pub who: usize,
    /// Why.
    pub reason: &'a ExitReason,
    /// How long it had run; zero if it did not start.
    pub ran: Duration,
    /// How often it had been restarted in a row, without a stable run between.
    pub streak: u32,
    /// A random number in `0.0..1.0`, for the jitter.
    pub roll: f64,
}

/// What to do about an end.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Leave it down; its spec stays.
    Keep,
    /// Leave it down; its spec goes.
    Forget,
    /// It was the significant child whose end the supervisor waited for: end all others, then the
    /// supervisor, in good order.
    Shutdown,
    /// Start it again, and perhaps others with it.
    Restart(Restarting),
    /// That was one too many: end all children, then the supervisor, of this reason.
    GiveUp(GaveUp),
}

/// A restart, by places among the members.
#[derive(Clone, Debug, PartialEq)]
pub struct Restarting {
    /// Those to stop, in this order: the last started first.
    pub stop: Vec<usize>,
    /// Those to start then, in this order. Temporary ones are never among them.
    pub start: Vec<usize>,
    /// How long to wait before the first of them is started.
    pub after: Duration,
    /// How often the one that ended will then have been restarted in a row.
    pub streak: u32,
    /// Whether it goes into the history.
    pub charged: bool,
}

/// What to do about `ended`, at `now`.
#[must_use]
pub fn decide(
    rules: &Rules,
    members: &[Member],
    history: &History,
    now: Instant,
    ended: Ended<'_>,
) -> Decision {
    let Some(who) = members.get(ended.who) else {
        return Decision::Keep;
    };
    let stays_down = match who.restart {
        Restart::Temporary => Some(Decision::Forget),
        Restart::Transient if !ended.reason.is_abnormal() => Some(match rules.strategy {
            // There is nothing to keep: the spec is the template's.
            Strategy::SimpleOneForOne => Decision::Forget,
            _ => Decision::Keep,
        }),
        Restart::Permanent | Restart::Transient => None,
    };
    if let Some(decision) = stays_down {
        return if shuts_down(rules.auto_shutdown, members, ended.who) {
            Decision::Shutdown
        } else {
            decision
        };
    }

    let excused = matches!(ended.reason, ExitReason::Excused(_));
    let charged = !excused || rules.charge_excused;
    if charged {
        let within = rules.intensity.within;
        if history.within(now, within).len() >= rules.intensity.max_restarts as usize {
            let mut charges: Vec<Charge> = history.within(now, within).cloned().collect();
            charges.push(Charge {
                child: Arc::clone(&who.id),
                reason: ended.reason.clone(),
            });
            return Decision::GiveUp(GaveUp {
                supervisor: Arc::clone(&rules.supervisor),
                intensity: rules.intensity,
                charges,
            });
        }
    }

    let group = match rules.strategy {
        Strategy::OneForOne | Strategy::SimpleOneForOne => ended.who..ended.who + 1,
        Strategy::OneForAll => 0..members.len(),
        Strategy::RestForOne => ended.who..members.len(),
    };
    let (mut stop, mut start) = (Vec::new(), Vec::new());
    for (place, member) in members.iter().enumerate().take(group.end).skip(group.start) {
        if member.up && place != ended.who {
            stop.push(place);
        }
        if member.restart != Restart::Temporary {
            start.push(place);
        }
    }
    stop.reverse();

    let streak = if ended.ran >= rules.intensity.within {
        0
    } else {
        ended.streak
    };
    let (after, streak) = if excused {
        (Duration::ZERO, streak)
    } else {
        (
            rules.backoff.delay(streak, ended.roll),
            streak.saturating_add(1),
        )
    };
    Decision::Restart(Restarting {
        stop,
        start,
        after,
        streak,
        charged,
    })
}

/// Whether the supervisor shuts down now that the child at `who` has ended for good.
fn shuts_down(auto_shutdown: AutoShutdown, members: &[Member], who: usize) -> bool {
    let significant = |place: usize| members.get(place).is_some_and(|member| member.significant);
    let another_lives = || {
        let mut others = members.iter().enumerate();
        others.any(|(place, member)| place != who && member.significant && member.lives)
    };
    match auto_shutdown {
        AutoShutdown::Never => false,
        AutoShutdown::AnySignificant => significant(who),
        AutoShutdown::AllSignificant => significant(who) && !another_lives(),
    }
}

/// The restarts that were charged, as far back as they can matter.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<(Instant, Charge)>);

impl History {
    /// Remembers a restart charged at `now`, and forgets those that left the window.
    pub fn record(&mut self, now: Instant, within: Duration, charge: Charge) {
        let old = self.0.len() - self.within(now, within).len();
        self.0.drain(..old);
        self.0.push_back((now, charge));
    }

    /// The restarts that count at `now`, oldest first.
    pub fn within(&self, now: Instant, within: Duration) -> impl ExactSizeIterator<Item = &Charge> {
        // They are in order of time, so those that count are the last ones.
        let old = self.0.partition_point(|(at, _)| !counts(*at, now, within));
        self.0.range(old..).map(|(_, charge)| charge)
    }
}

/// A restart counts to the very end of the window, as in OTP's `in_period/3`.
fn counts(at: Instant, now: Instant, within: Duration) -> bool {
    now.duration_since(at) <= within
}
