//! The process that commits turns, and what one that reads them finds.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::rival::Kind;
use crate::workload::Values;

/// How long one may take to read a store of some megabytes: so long that one which only waits for a busy machine is not
/// taken for one that hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of so many turns, and nothing else.
    Turns(u64),
    /// Something else; and whether all of it was once written.
    Other(String, bool),
    /// The store says that it cannot be opened, or not be read.
    Refused(String),
    /// The process ended by itself: it panicked, or worse.
    Panicked(String),
    /// It never ended.
    Hung,
}

/// What one that reads a store finds.
#[derive(Clone, Debug)]
pub struct Look {
    /// What is in it.
    pub found: Found,
    /// What the store said when it was opened.
    pub said: Option<String>,
    /// Why it takes no turn more, if it takes none.
    pub stuck: Option<String>,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.found)?;
        if let Some(said) = &self.said {
            write!(f, "; it said: {said}")?;
        }
        if let Some(stuck) = &self.stuck {
            write!(f, "; it does not go on: {stuck}")?;
        }
        Ok(())
    }
}

/// The arguments of a process that commits turns after those that are there, `count` of them, and then closes the store or not.
#[must_use]
pub fn writing(kind: Kind, dir: &str, values: Values, count: u64, closes: bool) -> [String; 6] {
    let end = if closes { "close" } else { "stop" };
    let values = word(values);
    ["write", kind.name(), dir, values, &count.to_string(), end].map(str::to_owned)
}

fn word(values: Values) -> &'static str {
    match values {
        Values::Short => "short",
        Values::Long => "long",
    }
}

/// Runs a process that commits turns, and kills it once `end` was acknowledged. Returns the last turn of which it said so.
#[must_use]
pub fn killed(program: &str, kind: Kind, dir: &Path, end: u64) -> u64 {
    let mut child = Command::new(program)
        .args(writing(
            kind,
            dir.to_str().unwrap(),
            Values::Short,
            u64::MAX,
            false,
        ))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut last, mut killed) = (0, false);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The last one may be cut.
        let Ok(n) = line
            .unwrap()
            .strip_prefix("acknowledged ")
            .unwrap_or_default()
            .parse()
        else {
            continue;
        };
        last = n;
        if !killed && n >= end {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "it ended by itself after turn {last}");
    last
}

/// Looks into a store with a process of its own, which has at most `last` turns; and commits one more, if that is wanted.
#[must_use]
pub fn look(
    program: &str,
    kind: Kind,
    dir: &Path,
    values: Values,
    last: u64,
    goes_on: bool,
) -> Look {
    let goes_on = if goes_on { "on" } else { "only" };
    let mut child = Command::new(program)
        .args([
            "read",
            kind.name(),
            dir.to_str().unwrap(),
            word(values),
            &last.to_string(),
            goes_on,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut out, mut error) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, ended) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        error.read_to_end(&mut bytes).unwrap();
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        let _ = done.send((text, String::from_utf8_lossy(&bytes).into_owned()));
    });
    let Ok((text, error)) = ended.recv_timeout(PATIENCE) else {
        child.kill().unwrap();
        child.wait().unwrap();
        return Look {
            found: Found::Hung,
            said: None,
            stuck: None,
        };
    };
    let status = child.wait().unwrap();
    let line = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .map(str::to_owned)
    };
    let panicked = || {
        let mut lines = error.lines();
        let panic = lines
            .find(|line| line.contains("panicked at"))
            .unwrap_or("no panic");
        let why = lines.next().unwrap_or_default();
        format!("{status}: {panic} {why}")
    };
    let found = if let Some(turns) = line("turns ") {
        Found::Turns(turns.parse().unwrap())
    } else if let Some(why) = line("refused ") {
        Found::Refused(why)
    } else if let Some(why) = line("written ") {
        Found::Other(why, true)
    } else if let Some(why) = line("made up ") {
        Found::Other(why, false)
    } else {
        Found::Panicked(panicked())
    };
    Look {
        found,
        said: line("said "),
        stuck: if status.success() {
            line("stuck ")
        } else {
            Some(panicked())
        },
    }
}

/// What the program does: `write` or `read`, then the store, its directory, the length of values, how many turns, and how it
/// ends.
pub fn run(arguments: &[String]) {
    let [verb, kind, dir, values, turns, end] = arguments else {
        panic!("six arguments are wanted: see the source");
    };
    let kind: Kind = kind.parse().unwrap();
    let values = match &**values {
        "short" => Values::Short,
        _ => Values::Long,
    };
    let turns: u64 = turns.parse().unwrap();
    match &**verb {
        "write" => write(kind, Path::new(dir), values, turns, end == "close"),
        _ => read(kind, Path::new(dir), values, turns, end == "on"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.replace('\n', " ")).unwrap();
}

fn write(kind: Kind, dir: &Path, values: Values, count: u64, closes: bool) {
    let (store, said) = kind.open(dir).unwrap();
    assert_eq!(said.filter(|said| said != "the end was torn"), None);
    let there = values.turns(&store.contents().unwrap()).unwrap();
    for n in there + 1..=there.saturating_add(count) {
        store.commit(&values.turn(n)).unwrap();
        say(&format!("acknowledged {n}"));
    }
    if closes {
        store.close();
    } else {
        // As it is, with all that its threads are in the middle of.
        std::process::exit(0);
    }
}

fn read(kind: Kind, dir: &Path, values: Values, last: u64, goes_on: bool) {
    let read = kind.open(dir).and_then(|(store, said)| {
        let contents = store.contents()?;
        Ok((store, said, contents))
    });
    let (store, said, contents) = match read {
        Ok(read) => read,
        Err(why) => {
            say(&format!("refused {why}"));
            return;
        }
    };
    if let Some(said) = said {
        say(&format!("said {said}"));
    }
    let there = match values.turns(&contents) {
        Ok(there) => there,
        Err(why) if values.all_written(&contents, last) => return say(&format!("written {why}")),
        Err(why) => return say(&format!("made up {why}")),
    };
    say(&format!("turns {there}"));
    if goes_on && let Err(why) = go_on(kind, dir, values, store, there + 1) {
        say(&format!("stuck {why}"));
    }
}

/// One turn more, which is there when the store is opened again.
fn go_on(
    kind: Kind,
    dir: &Path,
    values: Values,
    store: Box<dyn crate::Rival>,
    next: u64,
) -> Result<(), String> {
    store.commit(&values.turn(next))?;
    store.close();
    let (store, said) = kind.open(dir)?;
    let there = values.turns(&store.contents()?)?;
    store.close();
    match said {
        None if there == next => Ok(()),
        said => Err(format!("{there} turns of {next}; it said: {said:?}")),
    }
}
