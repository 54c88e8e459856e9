//! How children are made to end, and what happens when they have.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use kameo::{
    actor::ActorId,
    error::{ActorStopReason, PanicReason},
};
use tokio::time::Instant;

use crate::{
    auto_shutdown::AutoShutdown,
    backoff::roll,
    decision::{Decision, Ended, Member, Restarting, decide},
    error::StartError,
    exit::{Charge, ExitReason},
    launch::End,
    report::ReportEvent,
    spec::{Shutdown, Strategy},
    status::Kind,
};

use super::{
    Event, KILL_GRACE, Supervisor,
    child::{Child, Phase},
    children::Key,
    plan::{Cause, Plan, send},
    timers::Timer,
};

/// The end of a child that the supervisor did not want, not yet decided about.
pub(super) struct SelfEnd {
    pub(super) key: Key,
    incarnation: u64,
    reason: ExitReason,
    ran: Duration,
}

impl Supervisor {
    pub(super) fn on_started(&mut self, key: Key, incarnation: u64, rest: BoxFuture<'static, End>) {
        self.events
            .push(async move { Event::Ended(key, incarnation, rest.await) }.boxed());
        self.mark_started(key);
    }

    /// A child has started, if that was not known yet.
    fn mark_started(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let Some(up) = child.up.as_mut().filter(|up| !up.started()) else {
            return;
        };
        up.started_at = Some(Instant::now());
        if up.phase == Phase::Starting {
            up.phase = Phase::Running;
        }
        self.ready.extend(child.plan);
        let id = Arc::clone(&child.spec.id);
        self.report(&id, ReportEvent::Started);
    }

    fn is_starting_supervisor(&self, key: Key) -> bool {
        self.children.get(key).is_some_and(|child| {
            child.spec.kind() == Kind::Supervisor
                && child.up.as_ref().is_some_and(|up| !up.started())
        })
    }

    /// Makes a child end in its own way, unless it is ending already. Its end is then the
    /// supervisor's will in any case.
    pub(super) fn stop_child(&mut self, key: Key) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let shutdown = child.spec.shutdown;
        let Some(up) = &mut child.up else {
            return;
        };
        up.asked = true;
        if matches!(up.phase, Phase::Ending | Phase::Killed) {
            return;
        }
        let patience = match shutdown {
            Shutdown::BrutalKill => {
                up.phase = Phase::Killed;
                up.control.kill(!up.started());
                Some(KILL_GRACE)
            }
            Shutdown::Timeout(patience) => Some(patience),
            Shutdown::Infinity => None,
        };
        if up.phase != Phase::Killed {
            up.phase = Phase::Ending;
            let asked = up.control.ask();
            self.events.push(asked.map(|()| Event::Asked).boxed());
        }
        self.give(key, patience);
    }

    /// Kills a child whose end is not the supervisor's will.
    pub(super) fn harm(&mut self, key: Key) {
        let Some(up) = self
            .children
            .get_mut(key)
            .and_then(|child| child.up.as_mut())
        else {
            return;
        };
        up.phase = Phase::Killed;
        up.control.kill(!up.started());
        self.give(key, Some(KILL_GRACE));
    }

    /// The loop of an actor is over: what it does after that has the time of a shutdown.
    pub(super) fn on_loop_over(&mut self, actor: ActorId, reason: &ActorStopReason) {
        let Some(key) = self.children.by_actor(actor) else {
            return;
        };
        match reason {
            // An actor that did not start has no loop.
            ActorStopReason::Panicked(error) if error.reason() == PanicReason::OnStart => return,
            // A supervisor has started when its children have, and says so itself.
            _ if self.is_starting_supervisor(key) => return,
            // Any other actor can end before kameo says that it has started.
            _ => self.mark_started(key),
        }
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        let patience = match child.spec.shutdown {
            Shutdown::BrutalKill => Some(KILL_GRACE),
            Shutdown::Timeout(patience) => Some(patience),
            Shutdown::Infinity => None,
        };
        match &mut child.up {
            Some(up) if up.phase == Phase::Running => {
                up.phase = Phase::Ending;
                up.said = Some(ExitReason::from_stop(reason));
            }
            _ => return,
        }
        self.give(key, patience);
    }

    /// Gives a child this long to end.
    fn give(&mut self, key: Key, patience: Option<Duration>) {
        let Some(up) = self
            .children
            .get_mut(key)
            .and_then(|child| child.up.as_mut())
        else {
            return;
        };
        if let Some(timer) = up.timer.take() {
            self.timers.disarm(timer);
        }
        // A time too long for the clock is no limit.
        let at = patience.and_then(|patience| Instant::now().checked_add(patience));
        up.timer = at.map(|at| self.timers.arm(at, Timer::Child(key)));
    }

    /// A child has not ended in its time: it is killed, and after that torn down.
    pub(super) fn out_of_time(&mut self, key: Key) {
        let Some(up) = self
            .children
            .get_mut(key)
            .and_then(|child| child.up.as_mut())
        else {
            return;
        };
        up.timer = None;
        if up.phase == Phase::Killed {
            up.control.abort();
        } else {
            up.phase = Phase::Killed;
            up.control.kill(!up.started());
            self.give(key, Some(KILL_GRACE));
        }
    }

    pub(super) fn on_ended(&mut self, key: Key, incarnation: u64, end: End) {
        let Some(child) = self.children.get_mut(key) else {
            return;
        };
        if child.incarnations != incarnation {
            return;
        }
        let Some(mut up) = child.up.take() else {
            return;
        };
        let id = Arc::clone(&child.spec.id);
        let brutal = child.spec.shutdown == Shutdown::BrutalKill;
        let goes = child.goes_when_down();
        let plan = child.plan;
        let waiting = std::mem::take(&mut child.waiting);
        self.children.went_down(up.actor);
        if let Some(timer) = up.timer.take() {
            self.timers.disarm(timer);
        }
        self.ready.extend(plan);
        for reply in waiting {
            send(reply, Ok(()));
        }

        let reason = match (end.reason, up.said.take()) {
            (ExitReason::Normal, _) if up.asked => ExitReason::Shutdown,
            // It had ended by itself, and was torn down for not coming to rest after that.
            (ExitReason::Killed, Some(said)) if !up.asked => said,
            (reason, _) => reason,
        };
        let wanted = up.asked || self.ending.is_some();
        let Some(started_at) = up.started_at else {
            let error = end.start.unwrap_or_else(|| StartError::failed(&reason));
            if wanted {
                self.report(&id, ReportEvent::Ended { reason });
                self.forget_if(goes, key);
            } else {
                let event = ReportEvent::StartFailed {
                    error: error.clone(),
                };
                self.report(&id, event);
                if self.start_failed(key, &error) {
                    // Not at once: whoever ended before it comes first, as OTP's own queue has it.
                    let reason = ExitReason::failed(&error);
                    self.decide_later(key, incarnation, reason, Duration::ZERO);
                }
            }
            return;
        };

        self.report(
            &id,
            ReportEvent::Ended {
                reason: reason.clone(),
            },
        );
        let meant = brutal && reason == ExitReason::Killed;
        let bystander = plan
            .and_then(|plan| self.plans.get(&plan))
            .is_some_and(|plan| plan.stops.contains(&key));
        if wanted || bystander {
            if reason.is_abnormal() && !meant {
                self.report(&id, ReportEvent::ShutdownError { reason });
            }
            self.forget_if(goes, key);
        } else {
            self.decide_later(key, incarnation, reason, started_at.elapsed());
        }
    }

    fn decide_later(&mut self, key: Key, incarnation: u64, reason: ExitReason, ran: Duration) {
        let end = SelfEnd {
            key,
            incarnation,
            reason,
            ran,
        };
        self.leave_undecided(key);
        self.self_ends.push_back(end);
    }

    fn leave_undecided(&mut self, key: Key) {
        if let Some(child) = self.children.get_mut(key) {
            child.undecided = true;
        }
    }

    fn forget_if(&mut self, goes: bool, key: Key) {
        // A template's child that is only stopped in passing does not occur: its strategy has no
        // bystanders.
        if goes {
            self.children.remove(key);
        }
    }

    /// Those of the group of `key` that have ended by themselves, and were not decided about yet, count
    /// as stopped with their group, as in OTP: their ends are charged to nobody and shut nothing down.
    fn take_along(&mut self, key: Key, keys: &[Key]) {
        let all = self.strategy() == Strategy::OneForAll;
        for other in keys.iter().filter(|other| all || **other > key) {
            let undecided = (self.children.get_mut(*other))
                .filter(|_| *other != key)
                .is_some_and(|child| {
                    std::mem::take(&mut child.undecided) && child.goes_when_down()
                });
            self.forget_if(undecided, *other);
        }
    }

    /// Takes up one thing that had to wait. Answers whether there was one.
    pub(super) fn take_deferred(&mut self) -> bool {
        let busy = self.busy();
        if busy == Busy::Stepping {
            return false;
        }
        if let Some(end) = self.self_ends.pop_front() {
            // One that was started again meanwhile, with its group, is not restarted a second time,
            // and one that was terminated meanwhile is not restarted at all.
            let current = self.children.get_mut(end.key).is_some_and(|child| {
                child.incarnations == end.incarnation && std::mem::take(&mut child.undecided)
            });
            if current {
                self.decide(end);
            }
            return true;
        }
        if busy == Busy::No
            && let Some(request) = self.deferred.pop_front()
        {
            self.on_request(request);
            return true;
        }
        false
    }

    /// Whether a group has a plan in hand.
    pub(super) fn busy(&self) -> Busy {
        if self.is_simple() {
            // Those of its children that have started are no concern of those that have yet to.
            return Busy::No;
        }
        if self.booting {
            return Busy::Stepping;
        }
        if !self.strategy().is_group() {
            return Busy::No;
        }
        match self.plans.values().next() {
            None => Busy::No,
            Some(plan) if plan.waiting => Busy::Waiting,
            Some(_) => Busy::Stepping,
        }
    }

    /// The children that the end of `key` can concern, in order of start.
    fn concerned(&mut self, key: Key) -> Vec<Key> {
        if self.strategy().is_group() {
            return self.children.iter().map(|(key, _)| key).collect();
        }
        // Under one-for-one another can only matter by being significant too, and then one is enough:
        // the work does not grow with the family.
        let significant = self.rules.auto_shutdown == AutoShutdown::AllSignificant
            && (self.children.get(key)).is_some_and(|child| child.spec.significant);
        let mut keys = vec![key];
        if significant {
            keys.extend(self.children.another_significant(key));
            keys.sort_unstable();
        }
        keys
    }

    fn decide(&mut self, end: SelfEnd) {
        let SelfEnd {
            key,
            ref reason,
            ran,
            ..
        } = end;
        let keys = self.concerned(key);
        let members: Vec<Member> = keys
            .iter()
            .filter_map(|key| self.children.get(*key))
            .map(|child| Member {
                id: Arc::clone(&child.spec.id),
                restart: child.spec.restart,
                up: child.up.is_some(),
                significant: child.spec.significant,
                lives: child.lives(),
            })
            .collect();
        let Some(child) = self.children.get(key) else {
            return;
        };
        let id = Arc::clone(&child.spec.id);
        let now = Instant::now();
        let ended = Ended {
            who: keys
                .iter()
                .position(|other| *other == key)
                .unwrap_or(usize::MAX),
            reason,
            ran,
            streak: child.streak,
            roll: roll(),
        };
        match decide(&self.rules, &members, &self.history, now, ended) {
            Decision::Keep => {}
            Decision::Forget => {
                self.children.remove(key);
            }
            Decision::Shutdown => {
                if self.children.get(key).is_some_and(Child::goes_when_down) {
                    self.children.remove(key);
                }
                self.begin_ending(ExitReason::Shutdown);
            }
            Decision::Restart(restarting) => {
                if restarting.charged {
                    let charge = Charge {
                        child: Arc::clone(&id),
                        reason: reason.clone(),
                    };
                    self.history
                        .record(now, self.rules.intensity.within, charge);
                }
                self.restart(key, &keys, restarting, now);
            }
            // A start does not fail of what others do meanwhile: it is decided again when all have started.
            Decision::GiveUp(_) if self.booting => {
                self.leave_undecided(key);
                self.after_boot.push(end);
            }
            Decision::GiveUp(gave_up) => {
                let gave_up = Arc::new(gave_up);
                self.report(&id, ReportEvent::GaveUp(Arc::clone(&gave_up)));
                self.begin_ending(ExitReason::IntensityExceeded(gave_up));
            }
        }
    }

    fn restart(&mut self, key: Key, keys: &[Key], restarting: Restarting, now: Instant) {
        let Restarting {
            stop,
            start,
            after,
            streak,
            ..
        } = restarting;
        if let Some(child) = self.children.get_mut(key) {
            child.streak = streak;
            let id = Arc::clone(&child.spec.id);
            self.report(&id, ReportEvent::Restarting { after });
        }
        if self.strategy().is_group() {
            // What is left is a restart that waits, of children that are all in this one too.
            self.plans.clear();
            self.take_along(key, keys);
        }
        // Keys are in order of start as the places are, so no more is kept of either order.
        let places = |places: Vec<usize>| -> BTreeSet<Key> {
            places
                .into_iter()
                .filter_map(|place| keys.get(place).copied())
                .collect()
        };
        self.begin_plan(Plan {
            cause: Cause::Restart,
            stops: places(stop),
            not_before: now.checked_add(after).filter(|_| !after.is_zero()),
            waiting: false,
            starts: places(start),
        });
    }
}

/// How far a group is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    No,
    /// A restart waits for its time: ends are decided about, requests wait.
    Waiting,
    /// Children are being stopped or started: all waits.
    Stepping,
}

impl Supervisor {
    /// Whether `request` waits until the group has nothing else to do.
    pub(super) fn must_wait(&self) -> bool {
        self.busy() != Busy::No
    }

    /// Whether children come from a template.
    pub(super) fn is_simple(&self) -> bool {
        self.strategy() == Strategy::SimpleOneForOne
    }
}
