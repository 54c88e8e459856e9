//! What is published: a number that is each event's own, or the same data for all.

use uuid::Uuid;
use whirlwind_event::{Topic, json};

use crate::args::Bench;
use crate::client::to;
use crate::exit::Failure;
use crate::verbs::publish::{message, new_id};

/// The `source` of what is published here.
const SOURCE: &str = "/whirlwind/bench";

/// How many bytes a stamp takes: eight hexadecimal digits for the run, twelve decimal ones for the event.
pub(crate) const STAMP: usize = RUN + NUMBER;
const RUN: usize = 8;
const NUMBER: usize = 12;

/// The first number that no longer has twelve digits: a million a second reach it in eleven days.
const NUMBERS: u64 = 1_000_000_000_000;

/// What the data of this run's events begin with, besides their number. A random one, so that answers to an earlier run are not
/// taken for this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run(pub(super) u32);

/// What the data of an answer begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// The number of an event of this run.
    Ours(u64),
    /// That of an event of another run.
    Foreign,
    /// No number.
    None,
}

impl Run {
    pub(super) fn random() -> Self {
        // The low half of a UUID v7 is random.
        Self(Uuid::now_v7().as_u128() as u32)
    }

    fn stamp(self, number: u64) -> String {
        format!("{:08x}{:012}", self.0, number % NUMBERS)
    }

    /// Reads what [`stamp`](Self::stamp) wrote.
    pub(super) fn read(self, data: &[u8]) -> Stamp {
        let Some((run, number)) = data
            .get(..STAMP)
            .and_then(|stamp| stamp.split_at_checked(RUN))
        else {
            return Stamp::None;
        };
        let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !run.iter().all(hexadecimal) || !number.iter().all(u8::is_ascii_digit) {
            return Stamp::None;
        }
        let text = |digits| std::str::from_utf8(digits).unwrap_or_default();
        match (u32::from_str_radix(text(run), 16), text(number).parse()) {
            (Ok(run), Ok(number)) if run == self.0 => Stamp::Ours(number),
            _ => Stamp::Foreign,
        }
    }
}

/// The data of events.
#[derive(Debug)]
enum Data {
    /// Its number, and dots up to this size in bytes.
    Numbered(Run, usize),
    Same(Vec<u8>),
}

/// Makes the events.
#[derive(Debug)]
pub(super) struct Events {
    data: Data,
    paths: Paths,
}

/// Where they are published.
#[derive(Debug)]
enum Paths {
    One(String),
    /// `TOPIC/0`, `TOPIC/1` and so on, each in its turn.
    Many {
        topic: String,
        topics: u64,
    },
}

/// An event on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

impl Events {
    pub(super) fn of(bench: &Bench, run: Run) -> Result<Self, Failure> {
        let topic = bench.topic.as_str();
        let paths = match bench.topics {
            1 => Paths::One(to(topic)),
            topics => {
                // The longest of them.
                Topic::parse(&format!("{topic}/{}", topics - 1))
                    .map_err(|error| Failure::usage(error.to_string()))?;
                Paths::Many {
                    topic: topic.to_owned(),
                    topics: topics.into(),
                }
            }
        };
        let data = match &bench.data {
            Some(data) => Data::Same(data.clone().into_bytes()),
            None => Data::Numbered(run, bench.payload),
        };
        Ok(Self { data, paths })
    }

    /// The size of an event's data, in bytes.
    pub(super) fn size(&self) -> usize {
        match &self.data {
            Data::Numbered(_, size) => *size,
            Data::Same(data) => data.len(),
        }
    }

    /// The event with this number, from 0.
    pub(super) fn make(&self, number: u64) -> Result<Outgoing, Failure> {
        let event = message()
            .source(SOURCE)
            .id(new_id())
            .data(self.data(number))
            .build()
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Outgoing {
            path: self.path(number),
            body: json::to_vec(&event),
        })
    }

    fn data(&self, number: u64) -> Vec<u8> {
        match &self.data {
            Data::Same(data) => data.clone(),
            Data::Numbered(run, size) => {
                let mut data = run.stamp(number).into_bytes();
                data.resize(*size, b'.');
                data
            }
        }
    }

    fn path(&self, number: u64) -> String {
        match &self.paths {
            Paths::One(path) => path.clone(),
            Paths::Many { topic, topics } => to(&format!("{topic}/{}", number % topics)),
        }
    }
}

#[cfg(test)]
impl Events {
    /// Of 100 bytes, on `t`.
    pub(super) fn numbered(run: Run) -> Self {
        Self {
            data: Data::Numbered(run, 100),
            paths: Paths::One(to("t")),
        }
    }
}

#[cfg(test)]
mod tests {
    use whirlwind_event::json::from_slice;

    use super::*;

    #[test]
    fn an_event_carries_its_number_in_data_of_the_size_that_was_asked_for() {
        let run = Run(0xab);
        let events = Events::numbered(run);
        for number in [0, 7, NUMBERS - 1] {
            let event = from_slice(&events.make(number).unwrap().body).unwrap();
            let data = event.data().unwrap();
            assert_eq!((data.len(), events.size()), (100, 100));
            assert_eq!(run.read(data), Stamp::Ours(number));
        }
        let event = from_slice(&events.make(7).unwrap().body).unwrap();
        let text = std::str::from_utf8(event.data().unwrap()).unwrap();
        assert_eq!(text, format!("000000ab000000000007{}", ".".repeat(80)));
    }

    #[test]
    fn a_number_of_another_run_and_no_number_are_told_apart() {
        let run = Run(0xab);
        assert_eq!(run.read(b"000000ab000000000007"), Stamp::Ours(7));
        assert_eq!(run.read(b"000000ac000000000007"), Stamp::Foreign);
        for none in [
            &b""[..],
            b"pong 1",
            b"000000ab00000000007",
            b"000000AB000000000007",
            b"000000ab+00000000007",
            b"+00000ab000000000007",
        ] {
            assert_eq!(run.read(none), Stamp::None, "{none:?}");
        }
    }

    #[test]
    fn several_topics_take_turns() {
        let events = Events {
            data: Data::Same(b"x".to_vec()),
            paths: Paths::Many {
                topic: "a/b".to_owned(),
                topics: 3,
            },
        };
        let paths: Vec<String> = (0..4).map(|number| events.path(number)).collect();
        let wanted = ["a/b/0", "a/b/1", "a/b/2", "a/b/0"].map(to);
        assert_eq!(paths, wanted);
    }
}
