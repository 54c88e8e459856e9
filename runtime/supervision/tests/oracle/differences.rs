//! The comparison, and the list of differences that are meant.

use std::{collections::HashSet, fmt};

use crate::{
    erlang::{Erlang, GivesUpAs},
    ours,
    script::{Event, Script},
    trace::{canonical, simple_supervisors},
};

/// A difference that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intended {
    /// I8: of what reason a supervisor ends that gives up.
    ReasonOfGivingUp,
    /// I8: that a transient supervisor which gave up is restarted.
    RestartOfOneThatGaveUp,
    /// Q1: how many specs a simple-one-for-one supervisor has.
    SpecsOfATemplate,
}

impl Intended {
    /// All that a script can show.
    pub const ALL: [Self; 3] = [
        Self::ReasonOfGivingUp,
        Self::RestartOfOneThatGaveUp,
        Self::SpecsOfATemplate,
    ];
}

impl fmt::Display for Intended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReasonOfGivingUp => {
                "I8: one that gives up ends of a reason of its own, in OTP of `shutdown`"
            }
            Self::RestartOfOneThatGaveUp => {
                "I8: a transient supervisor that gave up is restarted, in OTP it stays down"
            }
            Self::SpecsOfATemplate => {
                "Q1: each child of a template counts as a spec, in OTP the template alone does"
            }
        })
    }
}

/// What came of a script.
pub struct Compared {
    pub otp: Vec<String>,
    pub ours: Vec<String>,
    /// The differences that are meant. If these are all, the traces are equal but for them.
    pub intended: Vec<Intended>,
    pub equal: bool,
}

/// Runs a script on both.
pub fn compare(erlang: &mut Erlang, script: &Script) -> Compared {
    erlang.run(script, GivesUpAs::Shutdown);
    let ours = canonical(script, ours::run(script));
    let mut intended = Vec::new();
    let otp = canonical(script, erlang.answer());
    let mut otp = with_specs(script, otp, &mut intended);
    if otp != ours {
        let reasons = with_reasons(&otp);
        if reasons != otp {
            intended.push(Intended::ReasonOfGivingUp);
            otp = reasons;
        }
    }
    if otp != ours && intended.contains(&Intended::ReasonOfGivingUp) {
        // What follows from the reason: the same as OTP does of a supervisor that ends of that reason.
        erlang.run(script, GivesUpAs::ItsOwn);
        let translated = canonical(script, erlang.answer());
        otp = with_reasons(&with_specs(script, translated, &mut intended));
        intended.push(Intended::RestartOfOneThatGaveUp);
    }
    Compared {
        equal: otp == ours,
        intended,
        otp,
        ours,
    }
}

/// A trace of OTP in which the children of a template are counted as specs.
fn with_specs(script: &Script, trace: Vec<String>, intended: &mut Vec<Intended>) -> Vec<String> {
    let simple = simple_supervisors(script);
    let mut events = script.events.iter();
    let mut counted = false;
    let mut said = Vec::with_capacity(trace.len());
    for mut line in trace {
        if line.starts_with("step ") {
            counted = matches!(events.next(), Some(Event::Count(of)) if simple.has(of));
        } else if counted && let Some(numbers) = line.strip_prefix("-> ") {
            let numbers: Vec<usize> = numbers.split(' ').flat_map(str::parse).collect();
            if let [1, active, supervisors, workers] = numbers[..]
                && supervisors + workers != 1
            {
                let specs = supervisors + workers;
                line = format!("-> {specs} {active} {supervisors} {workers}");
                if !intended.contains(&Intended::SpecsOfATemplate) {
                    intended.push(Intended::SpecsOfATemplate);
                }
            }
        }
        said.push(line);
    }
    said
}

/// A trace of OTP in which every supervisor that gave up says so in its reason, as ours do.
fn with_reasons(trace: &[String]) -> Vec<String> {
    let mut gave_up = HashSet::new();
    let mut said = Vec::with_capacity(trace.len());
    for line in trace {
        let mut line = line.clone();
        if let Some(name) = line.strip_prefix("gave up ") {
            gave_up.insert(name.to_owned());
        } else if let Some((name, reason)) = end(&line)
            && gave_up.remove(name)
            && reason == "shutdown"
        {
            line = format!("end {name} gave_up");
        }
        said.push(line);
    }
    said
}

/// Who ends in this line, and of what reason.
fn end(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("end ")?.split_once(' ')
}
