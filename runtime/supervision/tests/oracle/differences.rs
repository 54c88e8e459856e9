//! The comparison, and the list of differences that are meant.

use std::{collections::BTreeMap, fmt};

use crate::{
    erlang::{Erlang, GivesUpAs},
    ours,
    script::Script,
    trace::canonical,
};

/// A difference that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intended {
    /// F1: what is tolerated when nothing is said.
    DefaultIntensity,
    /// I8: of what reason a supervisor ends that gives up.
    ReasonOfGivingUp,
    /// I8: that a transient supervisor which gave up is restarted.
    RestartOfOneThatGaveUp,
}

impl Intended {
    pub const ALL: [Self; 3] = [
        Self::DefaultIntensity,
        Self::ReasonOfGivingUp,
        Self::RestartOfOneThatGaveUp,
    ];
}

impl fmt::Display for Intended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefaultIntensity => {
                "F1: 5 restarts in 10 s are tolerated by default, in OTP 1 in 5 s"
            }
            Self::ReasonOfGivingUp => {
                "I8: one that gives up ends of a reason of its own, in OTP of `shutdown`"
            }
            Self::RestartOfOneThatGaveUp => {
                "I8: a transient supervisor that gave up is restarted, in OTP it stays down"
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
    let ours = canonical(script, ours::run(script));
    let otp = canonical(script, erlang.run(script, GivesUpAs::Shutdown));
    let mut compared = Compared {
        equal: otp == ours,
        intended: Vec::new(),
        otp,
        ours,
    };
    if compared.equal || !compared.otp.iter().any(|line| line.starts_with("gave up ")) {
        return compared;
    }
    // The one line of the reason, and nothing else.
    if with_reasons(&compared.otp) == compared.ours {
        compared.equal = true;
        compared.intended.push(Intended::ReasonOfGivingUp);
        return compared;
    }
    // What follows from the reason: the same as OTP does of a supervisor that ends of that reason.
    let translated = canonical(script, erlang.run(script, GivesUpAs::ItsOwn));
    compared.otp = with_reasons(&translated);
    if compared.otp == compared.ours {
        compared.equal = true;
        compared.intended = vec![Intended::ReasonOfGivingUp, Intended::RestartOfOneThatGaveUp];
    }
    compared
}

/// A trace of OTP in which every supervisor that gave up says so in its reason.
fn with_reasons(trace: &[String]) -> Vec<String> {
    let mut gave_up = BTreeMap::new();
    let mut said = Vec::with_capacity(trace.len());
    for line in trace {
        let mut line = line.clone();
        if let Some(name) = line.strip_prefix("gave up ") {
            gave_up.insert(
                format!("end {name} shutdown"),
                format!("end {name} gave_up"),
            );
        } else if let Some(instead) = gave_up.remove(&line) {
            line = instead;
        }
        said.push(line);
    }
    said
}
