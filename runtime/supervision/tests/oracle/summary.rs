//! What a run has compared, in numbers.

use std::{collections::BTreeMap, fmt};

use whirlwind_supervision::Strategy;

use crate::{
    differences::{Compared, Intended},
    script::{Auto, Event, Script},
};

#[derive(Default)]
pub struct Summary {
    version: String,
    scripts: usize,
    roots: BTreeMap<&'static str, usize>,
    trees: BTreeMap<&'static str, usize>,
    autos: BTreeMap<&'static str, usize>,
    events: BTreeMap<&'static str, usize>,
    /// Of those, how many found whom they were about.
    reached: BTreeMap<&'static str, usize>,
    lines: usize,
    starts_failed: usize,
    gave_up: usize,
    intended: BTreeMap<Intended, usize>,
    pub unintended: usize,
}

impl Summary {
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    pub fn add(&mut self, script: &Script, compared: &Compared) {
        self.scripts += 1;
        self.lines += compared.otp.len();
        *self.roots.entry(script.root.strategy.as_str()).or_default() += 1;
        for tree in script.trees() {
            *self.trees.entry(tree.strategy.as_str()).or_default() += 1;
            *self.autos.entry(tree.auto.as_str()).or_default() += 1;
        }
        // Only what was done: a script is over when its root is.
        let mut events = script.events.iter();
        let mut kind = "";
        for line in &compared.otp {
            if line.starts_with("step ") {
                kind = events.next().map_or("stop", Event::kind);
                *self.events.entry(kind).or_default() += 1;
                *self.reached.entry(kind).or_default() += 1;
            } else if line == "-> absent" {
                *self.reached.entry(kind).or_default() -= 1;
            }
        }
        self.starts_failed += usize::from(compared.otp.iter().any(|l| l.starts_with("refused ")));
        self.gave_up += usize::from(compared.otp.iter().any(|l| l.starts_with("gave up ")));
        for intended in &compared.intended {
            *self.intended.entry(*intended).or_default() += 1;
        }
        self.unintended += usize::from(!compared.equal);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |counts: &BTreeMap<&str, usize>, word: &str| counts.get(word).copied().unwrap_or(0);
        let Self {
            version,
            scripts,
            lines,
            starts_failed,
            gave_up,
            ..
        } = self;
        writeln!(
            f,
            "oracle: OTP {version}, {scripts} scripts, {lines} lines of trace"
        )?;
        writeln!(
            f,
            "  {starts_failed} did not start, in {gave_up} a supervisor gave up"
        )?;
        for strategy in [
            Strategy::OneForOne,
            Strategy::OneForAll,
            Strategy::RestForOne,
            Strategy::SimpleOneForOne,
        ] {
            let word = strategy.as_str();
            let (roots, trees) = (of(&self.roots, word), of(&self.trees, word));
            writeln!(f, "  {word}: {roots} scripts, {trees} supervisors")?;
        }
        for auto in [Auto::Never, Auto::Any, Auto::All] {
            let word = auto.as_str();
            writeln!(
                f,
                "  auto-shutdown {word}: {} supervisors",
                of(&self.autos, word)
            )?;
        }
        for kind in Event::KINDS {
            let (events, reached) = (of(&self.events, kind), of(&self.reached, kind));
            writeln!(
                f,
                "  event {kind}: {events}, {reached} of them to one that was up or known"
            )?;
        }
        for intended in Intended::ALL {
            let count = self.intended.get(&intended).copied().unwrap_or(0);
            writeln!(f, "  intended, {intended}: {count} scripts")?;
        }
        write!(f, "  other differences: {}", self.unintended)
    }
}
