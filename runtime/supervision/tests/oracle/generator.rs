//! Scripts from numbers: the same number, the same script.

use std::collections::HashMap;

use whirlwind_supervision::{Restart, Strategy};

use crate::script::{
    Auto, Child, Event, Kind, OnStop, ROOT, Reason, Script, Shutdown, Tree, below, is_supervisor,
};

/// As many children as a supervisor has at its start, and as many events as a script has.
const MOST_CHILDREN: u64 = 8;
const MOST_EVENTS: u64 = 40;

/// SplitMix64: small, and good enough to choose.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to `most`, both included.
    fn upto(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }

    /// In so many of a hundred cases.
    fn percent(&mut self, chance: u64) -> bool {
        self.next() % 100 < chance
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.upto(choices.len() as u64 - 1) as usize].clone()
    }
}

/// The script of a seed.
pub fn script(seed: u64) -> Script {
    let random = &mut Random::new(seed);
    let root = tree(random, true);
    let mut names = Names::default();
    names.tree(ROOT, &root);
    if matches!(root.strategy, Strategy::OneForAll | Strategy::RestForOne) {
        let workers = root.children.iter().filter(|child| child.tree().is_none());
        names.groups = workers.map(|child| child.id.clone()).collect();
    }
    let fails = if random.percent(15) {
        vec![(random.one_of(&names.workers()), 1 + random.upto(1) as u32)]
    } else {
        Vec::new()
    };
    let events = random.upto(MOST_EVENTS);
    let events = (0..events).map(|_| event(random, &mut names)).collect();
    Script {
        root,
        fails,
        events,
    }
}

fn tree(random: &mut Random, may_nest: bool) -> Tree {
    let strategy = random.one_of(&[
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
        Strategy::SimpleOneForOne,
    ]);
    let auto = random.one_of(&[Auto::Never, Auto::Never, Auto::Any, Auto::All]);
    let max_restarts = random.upto(5) as u32;
    let children = if strategy == Strategy::SimpleOneForOne {
        let template = child(random, auto, may_nest, "");
        vec![template]
    } else {
        let most = if may_nest { MOST_CHILDREN } else { 3 };
        let count = random.upto(most);
        (0..count)
            .map(|number| child(random, auto, may_nest, &number.to_string()))
            .collect()
    };
    Tree {
        strategy,
        max_restarts,
        auto,
        children,
    }
}

/// A child whose name ends in `number`.
fn child(random: &mut Random, auto: Auto, may_nest: bool, number: &str) -> Child {
    let restart = if auto != Auto::Never && random.percent(50) {
        random.one_of(&[Restart::Transient, Restart::Temporary])
    } else {
        random.one_of(&[
            Restart::Permanent,
            Restart::Permanent,
            Restart::Transient,
            Restart::Temporary,
        ])
    };
    let significant = auto != Auto::Never && restart != Restart::Permanent && random.percent(50);
    if may_nest && random.percent(25) {
        return Child {
            id: format!("v{number}"),
            restart,
            // A supervisor with another timeout than infinity may be killed while it stops its own.
            shutdown: if random.percent(20) {
                Shutdown::Brutal
            } else {
                Shutdown::Infinity
            },
            significant,
            kind: Kind::Supervisor(tree(random, false)),
        };
    }
    let (shutdown, on_stop) = if random.percent(2) {
        (Shutdown::Timeout(2), OnStop::Ignore)
    } else {
        let shutdown = random.one_of(&[
            Shutdown::Brutal,
            Shutdown::Timeout(60_000),
            Shutdown::Timeout(60_000),
            Shutdown::Infinity,
        ]);
        let on_stop = if random.percent(10) {
            OnStop::Fail
        } else {
            OnStop::Obey
        };
        (shutdown, on_stop)
    };
    Child {
        id: format!("w{number}"),
        restart,
        shutdown,
        significant,
        kind: Kind::Worker(on_stop),
    }
}

/// Whom an event can be about, whether they are up or not: what is down answers too.
#[derive(Default)]
struct Names {
    /// Each supervisor, and its template if it has one.
    supervisors: Vec<(String, Option<Child>)>,
    autos: HashMap<String, Auto>,
    /// Each child: its supervisor's path and its own name there.
    children: Vec<(String, String)>,
    /// The workers of the root, if its restarts are of groups.
    groups: Vec<String>,
    added: u64,
}

/// More slots than this are not asked about.
const MOST_SLOTS: u64 = 4;

impl Names {
    fn tree(&mut self, path: &str, tree: &Tree) {
        let template = tree.children.first().filter(|_| tree.is_simple());
        self.supervisors.push((path.to_owned(), template.cloned()));
        self.autos.insert(path.to_owned(), tree.auto);
        match template {
            Some(template) => {
                for slot in 0..MOST_SLOTS {
                    let child = Child {
                        id: format!("{}{slot}", template.id),
                        ..template.clone()
                    };
                    self.child(path, &child);
                }
            }
            None => {
                for child in &tree.children {
                    self.child(path, child);
                }
            }
        }
    }

    fn child(&mut self, of: &str, child: &Child) {
        self.children.push((of.to_owned(), child.id.clone()));
        if let Some(tree) = child.tree() {
            self.tree(&below(of, &child.id), tree);
        }
    }

    fn auto_of(&self, of: &str) -> Auto {
        self.autos.get(of).copied().unwrap_or(Auto::Never)
    }

    /// The paths of all children, or a name that nobody has.
    fn all(&self) -> Vec<String> {
        let mut all: Vec<String> = self.children.iter().map(|(of, id)| below(of, id)).collect();
        if all.is_empty() {
            all.push("w9".to_owned());
        }
        all
    }

    fn workers(&self) -> Vec<String> {
        let mut workers = self.all();
        workers.retain(|path| !is_supervisor(path));
        if workers.is_empty() {
            workers.push("w9".to_owned());
        }
        workers
    }
}

fn event(random: &mut Random, names: &mut Names) -> Event {
    let (of, template) = random.one_of(&names.supervisors);
    // A supervisor with a template is empty until it is asked for children.
    if template.is_some() && random.percent(35) {
        return Event::StartSlot(of);
    }
    if names.groups.len() > 2 && random.percent(10) {
        return meanwhile(random, &names.groups);
    }
    match random.upto(99) {
        0..40 => {
            let name = random.one_of(&names.all());
            if is_supervisor(&name) {
                if random.percent(50) {
                    Event::Kill(name)
                } else {
                    Event::Halt(name)
                }
            } else if random.percent(20) {
                Event::Kill(name)
            } else {
                let reason = random.one_of(&[
                    Reason::Normal,
                    Reason::Shutdown,
                    Reason::Boom,
                    Reason::Boom,
                    Reason::Boom,
                ]);
                Event::Die(name, reason)
            }
        }
        40..52 => Event::Fail(random.one_of(&names.workers()), 1 + random.upto(2) as u32),
        52..62 => match template {
            Some(_) => Event::StartSlot(of),
            None => start(random, names, &of),
        },
        62..72 => match template {
            Some(_) => Event::TerminateSlot(of, random.upto(MOST_SLOTS) as usize),
            None => about(random, names, &of, Event::Terminate),
        },
        72..84 => about(random, names, &of, Event::Restart),
        84..93 => about(random, names, &of, Event::Delete),
        _ => Event::Count(of),
    }
}

/// Three or four of the root's workers: who ends, who holds up the restart, who ends meanwhile.
fn meanwhile(random: &mut Random, workers: &[String]) -> Event {
    let mut workers = workers.to_vec();
    let mut take = |random: &mut Random| {
        let at = random.upto(workers.len() as u64 - 1) as usize;
        workers.remove(at)
    };
    let (first, held) = (take(random), take(random));
    let mut deaths = vec![take(random)];
    if !workers.is_empty() && random.percent(40) {
        deaths.push(workers[0].clone());
    }
    let mut with_reason = |name| {
        let reasons = [Reason::Normal, Reason::Shutdown, Reason::Boom, Reason::Boom];
        (name, random.one_of(&reasons))
    };
    let deaths = deaths.into_iter().map(&mut with_reason).collect();
    Event::Meanwhile {
        first,
        held,
        deaths,
    }
}

/// About a child of this supervisor, or one it does not have.
fn about(
    random: &mut Random,
    names: &Names,
    of: &str,
    event: impl Fn(String, String) -> Event,
) -> Event {
    let mut ids: Vec<String> = names
        .children
        .iter()
        .filter(|(supervisor, _)| supervisor == of)
        .map(|(_, id)| id.clone())
        .collect();
    if ids.is_empty() || random.percent(5) {
        ids = vec!["w9".to_owned()];
    }
    event(of.to_owned(), random.one_of(&ids))
}

/// A new child, or one that is there already in some form.
fn start(random: &mut Random, names: &mut Names, of: &str) -> Event {
    let there: Vec<String> = names
        .children
        .iter()
        .filter(|(supervisor, id)| supervisor == of && id.starts_with('w'))
        .map(|(_, id)| id.clone())
        .collect();
    let may_nest = of == ROOT;
    let auto = names.auto_of(of);
    if !there.is_empty() && random.percent(30) {
        let mut child = child(random, auto, false, "");
        child.id = random.one_of(&there);
        return Event::Start(of.to_owned(), child);
    }
    names.added += 1;
    let child = child(
        random,
        Auto::Never,
        may_nest,
        &(9 + names.added).to_string(),
    );
    names.child(of, &child);
    Event::Start(of.to_owned(), child)
}
