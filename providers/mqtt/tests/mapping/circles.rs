//! Mappings that feed each other for ever, against following every topic around.

use std::collections::BTreeSet;

use proptest::prelude::*;
use whirlwind_provider_mqtt::{Circle, Config, InMapping, OutMapping, circles};

use crate::common::{config, inward, outward};

/// Filter and target.
type Pair = (String, String);

fn found(ins: &[(&str, &str)], outs: &[(&str, &str)]) -> Vec<(usize, usize)> {
    let ins: Vec<_> = ins
        .iter()
        .map(|(filter, target)| InMapping::new(filter, target).unwrap())
        .collect();
    let outs: Vec<_> = outs
        .iter()
        .map(|(filter, target)| OutMapping::new(filter, target).unwrap())
        .collect();
    let all = circles(&ins, &outs).into_iter();
    all.map(|Circle { outward, inward }| (outward, inward))
        .collect()
}

#[test]
fn circles_are_found_with_both_their_mappings() {
    for (ins, outs, expected) in [
        (&[("#", "$#")][..], &[("#", "$#")][..], &[(0, 0)][..]),
        (&[("a/#", "a/$#")], &[("a/#", "a/$#")], &[(0, 0)]),
        (&[("x/+", "y/$1")], &[("y/+", "x/$1")], &[(0, 0)]),
        (&[("$share/g/x/+", "y/$1")], &[("y/+", "x/$1")], &[(0, 0)]),
        // Growing, and yet for ever.
        (&[("#", "a/$#")], &[("#", "b/$#")], &[(0, 0)]),
        // The parent belongs to the filter.
        (&[("x/#", "y")], &[("y/#", "x")], &[(0, 0)]),
        // By way of another.
        (
            &[("m", "b"), ("n", "a")],
            &[("a", "m"), ("b", "n")],
            &[(0, 0), (1, 1)],
        ),
        // Only these two of them.
        (
            &[("q", "z"), ("x", "y")],
            &[("z", "elsewhere"), ("y", "x"), ("y", "q")],
            &[(1, 1)],
        ),
        // Part of a level.
        (&[("x/pre-a", "y/a")], &[("y/+", "x/pre-$1")], &[(0, 0)]),
        (&[("x/abc", "y/a/c")], &[("y/+/+", "x/$1b$2")], &[(0, 0)]),
    ] {
        assert_eq!(found(ins, outs), expected, "{ins:?} {outs:?}");
    }
}

#[test]
fn a_bridge_whose_ways_differ_is_no_circle() {
    for (ins, outs) in [
        // What a person writes for a bridge of devices.
        (
            &[("zigbee2mqtt/+", "sensors/$1")][..],
            &[("commands/+", "zigbee2mqtt/$1/set")][..],
        ),
        (&[("up/#", "in/$#")], &[("out/#", "down/$#")]),
        (&[("up/#", "in/$#")], &[("in/#", "down/$#")]),
        (&[("up/#", "in/$#")], &[("out/#", "up/$#")]),
        // One level is not two.
        (&[("a/+", "x")], &[("x", "a/b/c")]),
        // Nor is it the wildcard's, if it begins with "$".
        (&[("+/x", "y")], &[("y", "z/$$a")]),
        // Known ends of a level.
        (&[("a/state", "x/lamp")], &[("x/+", "a/$1-set")]),
        (&[("a/state", "x/lamp")], &[("x/+", "a/set-$1")]),
        (&[("x/abc", "y/z")], &[("y/+", "x/ab$1bc")]),
        // What would begin with "$" is not sent.
        (&[("+/x", "y")], &[("y/#", "$#/$$a/x")]),
        (&[("a/+", "x")], &[]),
        (&[], &[("x", "a")]),
    ] {
        assert_eq!(found(ins, outs), [], "{ins:?} {outs:?}");
    }
}

fn any_filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(&["a", "b", "ab", "+", "+", ""][..]);
    let end = prop::sample::select(&["", "", "/#"][..]);
    let first = prop_oneof![5 => level.clone(), 1 => Just("$a")];
    let rest = prop::collection::vec(level, 0..2);
    let filter = (first, rest, end).prop_map(|(first, rest, end)| {
        let levels: Vec<&str> = std::iter::once(first).chain(rest).collect();
        format!("{}{end}", levels.join("/"))
    });
    prop_oneof![9 => filter, 1 => Just("#".to_owned())].prop_filter("not empty", |f| !f.is_empty())
}

fn any_target() -> impl Strategy<Value = String> {
    let levels = [
        "a", "b", "", "$1", "$1", "$2", "$#", "$#", "a$1", "$1b", "$1$2", "$1b$2", "$$a",
    ];
    let levels = prop::sample::select(levels.to_vec());
    prop::collection::vec(levels, 1..4).prop_map(|levels| levels.join("/"))
}

fn any_pair() -> impl Strategy<Value = Pair> {
    (any_filter(), any_target()).prop_filter("of a meaning", |(filter, target)| {
        InMapping::new(filter, target).is_ok()
    })
}

fn any_exact() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "c/d"][..])
}

/// Topics of up to three of these levels.
fn topics() -> Vec<String> {
    const LEVELS: [&str; 4] = ["", "a", "b", "ab"];
    let mut all: Vec<String> = ["$a", "a", "b", "ab", ""].map(str::to_owned).to_vec();
    let mut last = all.clone();
    for _ in 0..2 {
        let longer = last.iter();
        last = longer
            .flat_map(|topic| LEVELS.map(|level| format!("{topic}/{level}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|topic| !topic.is_empty());
    all
}

/// The circles that some topic goes round, each mapping being asked by itself.
fn followed(ins: &[Config], outs: &[Config]) -> BTreeSet<(usize, usize)> {
    let send = |index: usize, topic: &str| outward(&outs[index], topic).ok()?.into_iter().next();
    let take = |index: usize, topic: &str| inward(&ins[index], topic).ok();
    let mut circles = BTreeSet::new();
    for first in 0..outs.len() {
        for entry in 0..ins.len() {
            let mut open: Vec<String> = topics()
                .iter()
                .filter_map(|topic| take(entry, &send(first, topic)?))
                .collect();
            let mut seen = BTreeSet::new();
            while let Some(topic) = open.pop() {
                if topic.split('/').count() > 6 || topic.len() > 16 || !seen.insert(topic.clone()) {
                    continue;
                }
                if send(first, &topic).is_some() {
                    circles.insert((first, entry));
                    break;
                }
                let sent = (0..outs.len()).filter_map(|out| send(out, &topic));
                for mqtt in sent {
                    open.extend((0..ins.len()).filter_map(|index| take(index, &mqtt)));
                }
            }
        }
    }
    circles
}

/// Whether the two have, before anything of unknown length, a level written out otherwise.
fn differ(target: &str, filter: &str) -> bool {
    let written = |level: &&str| !level.contains(['$', '+', '#']);
    let levels = target.split('/').zip(filter.split('/'));
    levels
        .take_while(|(made, matched)| !made.contains('$') && *matched != "#")
        .any(|(made, matched)| written(&made) && written(&matched) && made != matched)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        // Most targets at random have places that their filters do not fill.
        max_local_rejects: 1_000_000,
        ..ProptestConfig::default()
    })]
    #[test]
    fn every_circle_that_a_topic_goes_round_is_found(
        ins in prop::collection::vec(any_pair(), 1..4),
        outs in prop::collection::vec(any_pair(), 1..4),
    ) {
        let ins: Vec<(&str, &str)> = ins.iter().map(|(f, t)| (&**f, &**t)).collect();
        let outs: Vec<(&str, &str)> = outs.iter().map(|(f, t)| (&**f, &**t)).collect();
        let found: BTreeSet<_> = found(&ins, &outs).into_iter().collect();

        let in_configs: Vec<Config> = ins.iter().map(|pair| config(&[*pair], &[])).collect();
        let out_configs: Vec<Config> = outs.iter().map(|pair| config(&[], &[*pair])).collect();
        let missed: Vec<_> = followed(&in_configs, &out_configs)
            .into_iter()
            .filter(|circle| !found.contains(circle))
            .collect();
        prop_assert!(missed.is_empty(), "{:?}", missed);
        for (outward, inward) in found {
            prop_assert!(!differ(outs[outward].1, ins[inward].0));
        }
    }

    #[test]
    fn of_topics_written_out_the_circles_are_exactly_those(
        ins in prop::collection::vec((any_exact(), any_exact()), 1..5),
        outs in prop::collection::vec((any_exact(), any_exact()), 1..5),
    ) {
        let mut followed = BTreeSet::new();
        for (first, out) in outs.iter().enumerate() {
            for (entry, taken) in ins.iter().enumerate() {
                let mut open = if out.1 == taken.0 { vec![taken.1] } else { vec![] };
                let mut seen = BTreeSet::new();
                while let Some(topic) = open.pop() {
                    if topic == out.0 {
                        followed.insert((first, entry));
                    }
                    if seen.insert(topic) {
                        let sent: Vec<&str> = outs.iter().filter(|o| o.0 == topic).map(|o| o.1).collect();
                        open.extend(ins.iter().filter(|i| sent.contains(&i.0)).map(|i| i.1));
                    }
                }
            }
        }
        let found: BTreeSet<_> = found(&ins, &outs).into_iter().collect();
        prop_assert_eq!(&found, &followed);
    }
}
