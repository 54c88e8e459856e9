//! The ledger held against what took effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::app::Kind;
use crate::ledger::Fate;

/// What the apps left behind.
#[derive(Debug, Default)]
pub struct Traces {
    /// The keys of the tally.
    pub tally: Vec<String>,
    /// The counter of pingpong.
    pub counter: u64,
    /// The data of events that became dead letters.
    pub letters: Vec<String>,
}

/// How it ended.
#[derive(Debug, Default)]
pub struct Account {
    pub acknowledged: usize,
    pub refused: usize,
    /// In flight at a kill, and how many of them took effect.
    pub unknown: usize,
    pub unknown_effective: usize,
    pub letters: usize,
    pub lost: u64,
    pub doubled: u64,
    /// All that is not as it should be, in words.
    pub faults: Vec<String>,
}

impl Account {
    pub fn of(kind: Kind, fates: &[Fate], traces: &Traces) -> Self {
        let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count();
        let mut account = Self {
            acknowledged: count(Fate::Acknowledged),
            refused: count(Fate::Refused),
            unknown: count(Fate::Unknown),
            letters: traces.letters.len(),
            ..Self::default()
        };
        let mut effects = BTreeMap::new();
        match kind {
            Kind::Pingpong => account.pings(traces, &mut effects),
            Kind::Pipeline => account.arrivals(traces, &mut effects),
        }
        account.compare(fates, &effects);
        account
    }

    /// Nothing is lost, and nothing took effect twice. The first faults tell what the others are like.
    pub fn assert_whole(&self) {
        let first: Vec<_> = self.faults.iter().take(20).collect();
        assert!(first.is_empty(), "{self}: {first:#?}");
    }

    /// A ping that was accepted is in the tally, and was counted; each count was published once.
    fn pings(&mut self, traces: &Traces, effects: &mut BTreeMap<usize, u64>) {
        let mut pongs: BTreeMap<u64, u64> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for key in &traces.tally {
            match key.split(' ').collect::<Vec<_>>()[..] {
                ["ping", number] => *effects.entry(number.parse().unwrap()).or_default() += 1,
                ["pong", count, id] => {
                    *pongs.entry(count.parse().unwrap()).or_default() += 1;
                    if !ids.insert(id) {
                        self.doubled(format!("the pong of id {id} has different counts"));
                    }
                }
                _ => self.doubled(key.clone()),
            }
        }
        let pings = effects.len() as u64;
        let counter = traces.counter;
        if counter < pings {
            self.faults
                .push(format!("{pings} pings are counted as {counter}"));
            self.lost += pings - counter;
        }
        if counter > pings {
            self.faults
                .push(format!("{pings} pings are counted as {counter}"));
            self.doubled += counter - pings;
        }
        for number in 1..=counter {
            match pongs.remove(&number) {
                None => self.lost(format!("there is no pong {number}")),
                Some(1) => {}
                Some(times) => self.doubled(format!("{times} events are pong {number}")),
            }
        }
        for number in pongs.keys() {
            self.doubled(format!("pong {number} is past the counter, {counter}"));
        }
        for letter in &traces.letters {
            self.lost(format!("a dead letter: {letter}"));
        }
    }

    /// An event has come to the end of the pipeline, or is a dead letter. Its number is the last word of its data.
    fn arrivals(&mut self, traces: &Traces, effects: &mut BTreeMap<usize, u64>) {
        let mut arrived = |data: &str| {
            let number = data.rsplit(' ').next().and_then(|word| word.parse().ok());
            *effects.entry(number.unwrap()).or_default() += 1;
        };
        for key in &traces.tally {
            match key.rsplit_once(' ') {
                Some((data, _)) if !key.starts_with("again ") => arrived(data),
                _ => self.doubled(key.clone()),
            }
        }
        traces.letters.iter().for_each(|data| arrived(data));
    }

    /// Of each event, how often it took effect.
    fn compare(&mut self, fates: &[Fate], effects: &BTreeMap<usize, u64>) {
        for (number, fate) in fates.iter().enumerate() {
            let times = effects.get(&number).copied().unwrap_or(0);
            match (fate, times) {
                (Fate::Acknowledged, 1) | (Fate::Refused | Fate::Unknown, 0) => {}
                (Fate::Unknown, 1) => self.unknown_effective += 1,
                (Fate::Acknowledged, 0) => {
                    self.lost(format!("event {number} was acknowledged and is lost"));
                }
                _ => self.doubled(format!(
                    "event {number}, {fate:?}, took effect {times} times"
                )),
            }
        }
        for number in effects.keys().filter(|number| **number >= fates.len()) {
            self.doubled(format!("event {number} was never published"));
        }
    }

    fn lost(&mut self, why: String) {
        self.lost += 1;
        self.faults.push(why);
    }

    fn doubled(&mut self, why: String) {
        self.doubled += 1;
        self.faults.push(why);
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            refused,
            unknown,
            unknown_effective,
            letters,
            lost,
            doubled,
            ..
        } = self;
        write!(
            f,
            "{acknowledged} acknowledged, lost {lost}, doubled {doubled}, {letters} dead letters; {unknown} in flight at a kill, of \
             which {unknown_effective} took effect; {refused} refused"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(
        kind: Kind,
        fates: &[Fate],
        counter: u64,
        tally: &[&str],
        letters: &[&str],
    ) -> (u64, u64) {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let traces = Traces {
            tally: owned(tally),
            counter,
            letters: owned(letters),
        };
        let account = Account::of(kind, fates, &traces);
        assert_eq!(
            account.faults.is_empty(),
            (account.lost, account.doubled) == (0, 0)
        );
        (account.lost, account.doubled)
    }

    #[test]
    fn pings_are_lost_or_doubled_in_every_way_there_is() {
        use Fate::{Acknowledged, Refused, Unknown};
        let fates = [Acknowledged, Unknown, Refused, Acknowledged];
        let cases: [(u64, &[&str], &[&str], _); 9] = [
            (
                2,
                &["ping 0", "ping 3", "pong 1 a", "pong 2 b"],
                &[],
                (0, 0),
            ),
            // The unknown one took effect, wholly.
            (
                3,
                &[
                    "ping 0", "ping 1", "ping 3", "pong 1 a", "pong 2 b", "pong 3 c",
                ],
                &[],
                (0, 0),
            ),
            // It was counted, but an acknowledged one was not accepted.
            (
                2,
                &["ping 0", "ping 1", "pong 1 a", "pong 2 b"],
                &[],
                (1, 0),
            ),
            // An update was lost: two turns came to one count.
            (
                1,
                &["ping 0", "ping 3", "pong 1 a", "pong 1 b"],
                &[],
                (1, 1),
            ),
            // One counted twice.
            (
                3,
                &["ping 0", "ping 3", "pong 1 a", "pong 2 b", "pong 3 c"],
                &[],
                (0, 1),
            ),
            // One published twice, with different content.
            (
                3,
                &[
                    "ping 0", "ping 1", "ping 3", "pong 1 a", "pong 2 a", "pong 3 c",
                ],
                &[],
                (0, 1),
            ),
            // One that was handed out twice.
            (
                2,
                &["again pong 1 a", "ping 0", "ping 3", "pong 1 a", "pong 2 b"],
                &[],
                (0, 1),
            ),
            // The refused one took effect.
            (
                3,
                &[
                    "ping 0", "ping 2", "ping 3", "pong 1 a", "pong 2 b", "pong 3 c",
                ],
                &[],
                (0, 1),
            ),
            // A pong was lost, and something has become a dead letter.
            (2, &["ping 0", "ping 3", "pong 2 b"], &["pong 1"], (2, 0)),
        ];
        for (counter, tally, letters, wanted) in cases {
            let found = account(Kind::Pingpong, &fates, counter, tally, letters);
            assert_eq!(found, wanted, "{tally:?}");
        }
    }

    #[test]
    fn arrivals_are_lost_or_doubled_in_every_way_there_is() {
        use Fate::{Acknowledged, Refused, Unknown};
        let fates = [Acknowledged, Unknown, Refused, Acknowledged];
        let cases: [(&[&str], &[&str], _); 8] = [
            (&["plain 3 a"], &["panic 0"], (0, 0)),
            (&["1 b", "plain 3 a"], &["panic 0"], (0, 0)),
            (&["plain 3 a"], &[], (1, 0)),
            (&["plain 2 b", "plain 3 a"], &["panic 0"], (0, 1)),
            // Twice in the tally, twice as letters, and once in each.
            (&["plain 3 a", "plain 3 b"], &["panic 0"], (0, 1)),
            (&["again plain 3 a", "plain 3 a"], &["panic 0"], (0, 1)),
            (&["plain 3 a"], &["panic 0", "panic 0"], (0, 1)),
            (&["plain 3 a", "plain 4 b"], &["panic 0", "plain 3"], (0, 2)),
        ];
        for (tally, letters, wanted) in cases {
            let found = account(Kind::Pipeline, &fates, 0, tally, letters);
            assert_eq!(found, wanted, "{tally:?}, {letters:?}");
        }
    }
}
