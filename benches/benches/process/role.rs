//! What this benchmark does where it runs itself.

use std::fmt;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use whirlwind_benches::bare::Floor;
use whirlwind_benches::driver;
use whirlwind_benches::events::{IN, OUT, event};
use whirlwind_benches::node::{self, Through};

/// The first argument of a process that has a role.
const FLAG: &str = "--as";

/// What such a process says once it is there.
pub const UP: &str = "up";

/// What a process is for.
#[derive(Clone, Debug)]
pub enum Role {
    /// Calls a component once and prints what came of it: the least that a start could be.
    Call {
        relay: PathBuf,
        /// Where compiled code is kept.
        cache: PathBuf,
    },
    /// Has so many instances of a component, and nothing else.
    Instances {
        count: usize,
        relay: PathBuf,
        /// Where compiled code is kept.
        cache: PathBuf,
    },
    /// Is a node with a pair of actors, and so many that rest.
    Node {
        idle: usize,
        relay: PathBuf,
        /// Where its manifest lies, and what it keeps.
        folder: PathBuf,
    },
}

/// What a node of this benchmark is asked for, a line each. It answers with nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// So many events through the pair, one at a time: the median.
    OneInFlight(usize),
    /// So many, 64 at a time: the time of all.
    Saturated(usize),
}

impl Role {
    pub fn instances(count: usize, relay: &Path, folder: &Path) -> Self {
        Self::Instances {
            count,
            relay: relay.to_owned(),
            cache: folder.to_owned(),
        }
    }

    pub fn node(idle: usize, relay: &Path, folder: &Path) -> Self {
        Self::Node {
            idle,
            relay: relay.to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// The role that this process was given, if any.
    pub fn asked_for() -> Option<Self> {
        let mut args = std::env::args().skip(1);
        if args.next()? != FLAG {
            return None;
        }
        let mut next = || args.next().expect("an argument of a role");
        Some(match next().as_str() {
            "call" => Self::Call {
                relay: next().into(),
                cache: next().into(),
            },
            "instances" => Self::Instances {
                count: next().parse().unwrap(),
                relay: next().into(),
                cache: next().into(),
            },
            "node" => Self::Node {
                idle: next().parse().unwrap(),
                relay: next().into(),
                folder: next().into(),
            },
            other => panic!("no such role: {other}"),
        })
    }

    /// The arguments that give it to another process.
    pub fn args(&self) -> Vec<String> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let (name, args) = match self {
            Self::Call { relay, cache } => ("call", vec![path(relay), path(cache)]),
            Self::Instances {
                count,
                relay,
                cache,
            } => (
                "instances",
                vec![count.to_string(), path(relay), path(cache)],
            ),
            Self::Node {
                idle,
                relay,
                folder,
            } => ("node", vec![idle.to_string(), path(relay), path(folder)]),
        };
        let first = [FLAG, name].map(str::to_owned);
        first.into_iter().chain(args).collect()
    }

    pub fn play(&self) {
        match self {
            Self::Call { relay, cache } => alone(call(relay, cache)),
            Self::Instances {
                count,
                relay,
                cache,
            } => alone(instances(*count, relay, cache)),
            Self::Node {
                idle,
                relay,
                folder,
            } => whirlwind_benches::runtime().block_on(node(*idle, relay, folder)),
        }
    }
}

/// With the least of a runtime.
fn alone(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    { runtime }.build().unwrap().block_on(work);
}

async fn call(relay: &Path, cache: &Path) {
    let mut instance = Floor::cached(relay, cache).instantiate().await;
    let event = instance.relay(IN, &event()).await;
    say(format_args!(
        "{OUT}  {}",
        event.data().unwrap().escape_ascii()
    ));
}

async fn instances(count: usize, relay: &Path, cache: &Path) {
    let floor = Floor::copied(relay, cache);
    let mut instances = Vec::with_capacity(count);
    for _ in 0..count {
        instances.push(floor.instantiate().await);
    }
    say(UP);
    for _ in std::io::stdin().lock().lines() {}
}

async fn node(idle: usize, relay: &Path, folder: &Path) {
    let node = node::relays_beside(folder, relay, 1, idle).await;
    say(UP);
    for line in std::io::stdin().lock().lines() {
        let time = match Request::read(&line.unwrap()) {
            Request::OneInFlight(events) => {
                let mut times = driver::one_in_flight(Through::pair(&node), events).await;
                times.sort_unstable();
                times.get(times.len() / 2).copied().unwrap_or_default()
            }
            Request::Saturated(events) => driver::saturated(Through::pair(&node), 64, events).await,
        };
        say(time.as_nanos());
    }
    node.kill();
    node.ended().await;
}

fn say(words: impl fmt::Display) {
    let mut out = std::io::stdout();
    writeln!(out, "{words}").unwrap();
}

impl Request {
    fn read(line: &str) -> Self {
        let (what, events) = line.split_once(' ').expect("two words");
        let events = events.parse().unwrap();
        match what {
            "one-in-flight" => Self::OneInFlight(events),
            "saturated" => Self::Saturated(events),
            other => panic!("no such request: {other}"),
        }
    }

    /// What a line of its answer says.
    pub fn answer(line: &str) -> Duration {
        Duration::from_nanos(line.trim().parse().unwrap())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneInFlight(events) => write!(f, "one-in-flight {events}"),
            Self::Saturated(events) => write!(f, "saturated {events}"),
        }
    }
}
