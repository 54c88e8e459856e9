//! The pure decision against naive models.

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*, sample::select};
use rstest::rstest;
use tokio::time::Instant;
use whirlwind_supervision::{
    AutoShutdown, Backoff, Charge, ExitReason, GaveUp, Intensity, Restart, Strategy as Way,
    decision::{Decision, Ended, History, Member, Restarting, Rules, decide},
};

fn rules(strategy: Way, max_restarts: u32, within: Duration) -> Rules {
    Rules {
        supervisor: "root".into(),
        strategy,
        intensity: Intensity {
            max_restarts,
            within,
        },
        backoff: Backoff::NONE,
        charge_excused: false,
        auto_shutdown: AutoShutdown::Never,
    }
}

/// A child that is down and not significant.
fn down(id: &str, restart: Restart) -> Member {
    Member {
        id: id.into(),
        restart,
        up: false,
        significant: false,
        lives: false,
    }
}

fn end(who: usize, reason: &ExitReason) -> Ended<'_> {
    Ended {
        who,
        reason,
        ran: Duration::ZERO,
        streak: 0,
        roll: 0.0,
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[rstest]
fn r1_to_r4_by_type_and_reason(
    #[values(Way::OneForOne, Way::OneForAll, Way::RestForOne, Way::SimpleOneForOne)] way: Way,
    #[values(Restart::Permanent, Restart::Transient, Restart::Temporary)] restart: Restart,
) {
    let gave_up = Arc::new(GaveUp {
        supervisor: "below".into(),
        intensity: Intensity::OTP,
        charges: Vec::new(),
    });
    // reason -> does permanent, transient restart?
    let table = [
        (ExitReason::Normal, true, false),
        (ExitReason::Shutdown, true, false),
        (ExitReason::Killed, true, true),
        (ExitReason::failed("boom"), true, true),
        (ExitReason::excused("trap"), true, true),
        (ExitReason::IntensityExceeded(gave_up), true, true),
    ];
    for (reason, permanent, transient) in table {
        let member = down("a", restart);
        let decision = decide(
            &rules(way, 5, MINUTE),
            &[member],
            &History::default(),
            Instant::now(),
            end(0, &reason),
        );
        let restarts = matches!(decision, Decision::Restart(_));
        match restart {
            Restart::Permanent => assert_eq!(restarts, permanent, "{reason}"),
            Restart::Transient => {
                assert_eq!(restarts, transient, "{reason}");
                if !restarts {
                    let simple = way == Way::SimpleOneForOne;
                    assert_eq!(decision == Decision::Forget, simple);
                    assert_eq!(decision == Decision::Keep, !simple);
                }
            }
            Restart::Temporary => assert_eq!(decision, Decision::Forget),
        }
    }
}

#[test]
fn an_end_of_nobody_is_nothing() {
    let decision = decide(
        &rules(Way::OneForAll, 5, MINUTE),
        &[],
        &History::default(),
        Instant::now(),
        end(7, &ExitReason::Killed),
    );
    assert_eq!(decision, Decision::Keep);
}

#[test]
fn an_excused_end_neither_waits_nor_counts_nor_touches_the_streak() {
    let mut rules = rules(Way::OneForOne, 0, MINUTE);
    rules.backoff = Backoff {
        min: MINUTE,
        max: MINUTE,
        jitter: 0.0,
    };
    let members = [down("a", Restart::Permanent)];
    let reason = ExitReason::excused("trap");
    let ended = Ended {
        streak: 3,
        ..end(0, &reason)
    };
    let now = Instant::now();
    let decision = decide(&rules, &members, &History::default(), now, ended);
    let expected = Restarting {
        stop: vec![],
        start: vec![0],
        after: Duration::ZERO,
        streak: 3,
        charged: false,
    };
    assert_eq!(decision, Decision::Restart(expected));
    rules.charge_excused = true;
    let decision = decide(&rules, &members, &History::default(), now, ended);
    assert!(matches!(decision, Decision::GiveUp(_)));
}

#[test]
fn a_run_as_long_as_the_window_ends_the_streak_and_a_shorter_one_does_not() {
    let mut rules = rules(Way::OneForOne, 5, MINUTE);
    rules.backoff = Backoff {
        min: Duration::from_secs(1),
        max: MINUTE,
        jitter: 0.0,
    };
    let members = [down("a", Restart::Permanent)];
    let reason = ExitReason::Killed;
    for (ran, after, streak) in [(MINUTE - Duration::from_nanos(1), 4, 4), (MINUTE, 0, 1)] {
        let ended = Ended {
            ran,
            streak: 3,
            ..end(0, &reason)
        };
        let Decision::Restart(restarting) =
            decide(&rules, &members, &History::default(), Instant::now(), ended)
        else {
            panic!("it restarts");
        };
        assert_eq!(
            (restarting.after.as_secs(), restarting.streak),
            (after, streak)
        );
    }
}

prop_compose! {
    /// Children of all kinds, one of which has ended.
    fn significant_family()(members in vec((
        select(vec![Restart::Permanent, Restart::Transient, Restart::Temporary]),
        any::<bool>(), any::<bool>(), any::<bool>(),
    ), 1..9))
        (who in 0..members.len(), members in Just(members)) -> (usize, Vec<Member>) {
        let mut members: Vec<Member> = members
            .into_iter()
            .enumerate()
            .map(|(at, (restart, significant, up, lives))| Member {
                up,
                lives,
                // A spec that says otherwise is refused.
                significant: significant && restart != Restart::Permanent,
                ..down(&format!("c{at}"), restart)
            })
            .collect();
        members[who].up = false;
        (who, members)
    }
}

prop_compose! {
    fn family()(members in vec((select(vec![Restart::Permanent, Restart::Transient, Restart::Temporary]), any::<bool>()), 1..9))
        (who in 0..members.len(), members in Just(members)) -> (usize, Vec<Member>) {
        let mut members: Vec<Member> = members
            .into_iter()
            .enumerate()
            .map(|(at, (restart, up))| Member { up, lives: up, ..down(&format!("c{at}"), restart) })
            .collect();
        // The one that ended is down, and of a kind that restarts.
        members[who].up = false;
        members[who].restart = Restart::Permanent;
        (who, members)
    }
}

proptest! {
    #[test]
    fn x1_to_x3_who_stops_and_who_starts_in_which_order(
        (who, members) in family(),
        way in select(vec![Way::OneForOne, Way::OneForAll, Way::RestForOne, Way::SimpleOneForOne]),
    ) {
        let decision = decide(
            &rules(way, 5, MINUTE),
            &members,
            &History::default(),
            Instant::now(),
            end(who, &ExitReason::Killed),
        );
        let Decision::Restart(Restarting { stop, start, .. }) = decision else {
            panic!("{decision:?}");
        };
        // The naive model: whom does it concern, one by one.
        let concerned = |at: usize| match way {
            Way::OneForOne | Way::SimpleOneForOne => at == who,
            Way::OneForAll => true,
            Way::RestForOne => at >= who,
        };
        for (at, member) in members.iter().enumerate() {
            prop_assert_eq!(stop.contains(&at), concerned(at) && member.up);
            let starts = concerned(at) && member.restart != Restart::Temporary;
            prop_assert_eq!(start.contains(&at), starts);
        }
        prop_assert!(stop.is_sorted_by(|a, b| a > b), "reverse, each once: {:?}", stop);
        prop_assert!(start.is_sorted_by(|a, b| a < b), "in order, each once: {:?}", start);
    }

    #[test]
    fn a1_to_a6_when_an_end_shuts_the_supervisor_down(
        (who, members) in significant_family(),
        way in select(vec![Way::OneForOne, Way::OneForAll, Way::RestForOne, Way::SimpleOneForOne]),
        auto_shutdown in select(vec![
            AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant,
        ]),
        (reason, abnormal) in select(vec![
            (ExitReason::Normal, false),
            (ExitReason::Shutdown, false),
            (ExitReason::Killed, true),
            (ExitReason::failed("boom"), true),
            (ExitReason::excused("trap"), true),
        ]),
        max in 0u32..2,
    ) {
        let with = |auto_shutdown| {
            let rules = Rules { auto_shutdown, ..rules(way, max, MINUTE) };
            decide(&rules, &members, &History::default(), Instant::now(), end(who, &reason))
        };
        // The naive model: does it stay down, does it matter, is anybody left that matters?
        let it = &members[who];
        let stays_down = match it.restart {
            Restart::Permanent => false,
            Restart::Transient => !abnormal,
            Restart::Temporary => true,
        };
        let mut left = 0;
        for (at, member) in members.iter().enumerate() {
            if at != who && member.significant && member.lives {
                left += 1;
            }
        }
        let enough = match auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => left == 0,
        };
        if stays_down && it.significant && enough {
            prop_assert_eq!(with(auto_shutdown), Decision::Shutdown);
        } else {
            // In every other case the rule changes nothing.
            let without = with(AutoShutdown::Never);
            prop_assert!(without != Decision::Shutdown);
            prop_assert_eq!(with(auto_shutdown), without);
        }
    }

    #[test]
    fn i1_to_i3_the_window_slides_as_a_naive_recount_says(
        gaps in vec(0u64..40, 1..80),
        max in 0u32..6,
        within in 1u64..60,
    ) {
        let within = Duration::from_secs(within);
        let rules = rules(Way::OneForOne, max, within);
        let members = [down("a", Restart::Permanent)];
        let mut history = History::default();
        let mut restarts: Vec<Instant> = Vec::new();
        let mut now = Instant::now();
        for gap in gaps {
            now += Duration::from_secs(gap);
            let reason = ExitReason::failed(restarts.len());
            // The recount: every restart there ever was, this one included.
            let recent = restarts.iter().filter(|at| now - **at <= within).count() + 1;
            match decide(&rules, &members, &history, now, end(0, &reason)) {
                Decision::Restart(restarting) => {
                    prop_assert!(recent <= max as usize);
                    prop_assert!(restarting.charged);
                    restarts.push(now);
                    history.record(now, within, Charge { child: "a".into(), reason });
                }
                Decision::GiveUp(gave_up) => {
                    prop_assert!(recent > max as usize);
                    prop_assert_eq!(gave_up.charges.len(), recent);
                    // The oldest first, and the last is this one.
                    let oldest = restarts.len() + 1 - recent;
                    for (at, charge) in gave_up.charges.iter().enumerate() {
                        prop_assert_eq!(&charge.reason, &ExitReason::failed(oldest + at));
                    }
                    return Ok(());
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
