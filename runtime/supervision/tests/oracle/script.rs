//! A script: a tree, and what happens to it. Its text form is for people, its Erlang term for OTP.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use whirlwind_supervision::{AutoShutdown, Restart, Strategy};

/// The name of the supervisor at the top; those of its children are not prefixed with it.
pub const ROOT: &str = "root";

#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    pub root: Tree,
    /// Which workers fail how many of their first starts.
    pub fails: Vec<(String, u32)>,
    pub events: Vec<Event>,
}

/// A supervisor and what is under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub strategy: Strategy,
    pub max_restarts: u32,
    pub auto: Auto,
    /// Under simple-one-for-one: the one template.
    pub children: Vec<Child>,
}

/// When the ends of significant children end their supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auto {
    Never,
    Any,
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its name under its supervisor: `w` and a number for a worker, `v` and a number for a
    /// supervisor. A template has the letter alone, and its children the number of their slot.
    pub id: String,
    pub restart: Restart,
    pub shutdown: Shutdown,
    pub significant: bool,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Worker(OnStop),
    Supervisor(Tree),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    Brutal,
    /// In milliseconds.
    Timeout(u64),
    Infinity,
}

/// What a worker does when it is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStop {
    Obey,
    /// It ends of another reason.
    Fail,
    /// It goes on, without a word. It must have a short timeout, which is real on the Erlang side.
    Ignore,
}

/// Why a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Normal,
    Shutdown,
    Boom,
}

/// One step. Children and supervisors are named by their whole path.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Die(String, Reason),
    Kill(String),
    /// A nested supervisor is stopped from outside, so for its own supervisor it ends by itself.
    Halt(String),
    /// Under the root, and its strategy is of groups: a worker ends abnormally, and while the start of
    /// another holds up the restart of the group, more of them end.
    Meanwhile {
        first: String,
        held: String,
        deaths: Vec<(String, Reason)>,
    },
    /// The next starts of a worker fail.
    Fail(String, u32),
    Start(String, Child),
    StartSlot(String),
    Terminate(String, String),
    TerminateSlot(String, usize),
    Restart(String, String),
    Delete(String, String),
    Count(String),
}

/// The path of a child of a supervisor.
pub fn below(supervisor: &str, id: &str) -> String {
    if supervisor == ROOT {
        id.to_owned()
    } else {
        format!("{supervisor}/{id}")
    }
}

/// Whether a path is that of a supervisor.
pub fn is_supervisor(path: &str) -> bool {
    path == ROOT || path.rsplit('/').next().unwrap().starts_with('v')
}

impl Tree {
    /// It and all trees under it; those that events add are not among them.
    pub fn trees(&self) -> Vec<&Tree> {
        let below = self.children.iter().filter_map(Child::tree);
        std::iter::once(self)
            .chain(below.flat_map(Tree::trees))
            .collect()
    }

    pub fn is_simple(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }
}

impl Child {
    pub fn tree(&self) -> Option<&Tree> {
        match &self.kind {
            Kind::Supervisor(tree) => Some(tree),
            Kind::Worker(_) => None,
        }
    }
}

impl Script {
    /// All trees it has or may come to have.
    pub fn trees(&self) -> Vec<&Tree> {
        let added = self.events.iter().filter_map(|event| match event {
            Event::Start(_, child) => child.tree(),
            _ => None,
        });
        let added = added.flat_map(Tree::trees);
        self.root.trees().into_iter().chain(added).collect()
    }
}

impl Event {
    /// Every kind there is, by the word the trace has for it.
    pub const KINDS: [&str; 15] = [
        "die normal",
        "die shutdown",
        "die abnormal",
        "kill",
        "halt",
        "meanwhile",
        "fail",
        "start",
        "start_slot",
        "terminate",
        "terminate_slot",
        "restart",
        "delete",
        "count",
        "stop",
    ];

    /// Its kind, for the summary. The stop is no event: every script ends with it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Die(_, Reason::Normal) => "die normal",
            Self::Die(_, Reason::Shutdown) => "die shutdown",
            Self::Die(_, Reason::Boom) => "die abnormal",
            other => other.word(),
        }
    }

    /// What it is called, in the trace as well.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Die(..) => "die",
            Self::Kill(_) => "kill",
            Self::Halt(_) => "halt",
            Self::Meanwhile { .. } => "meanwhile",
            Self::Fail(..) => "fail",
            Self::Start(..) => "start",
            Self::StartSlot(_) => "start_slot",
            Self::Terminate(..) => "terminate",
            Self::TerminateSlot(..) => "terminate_slot",
            Self::Restart(..) => "restart",
            Self::Delete(..) => "delete",
            Self::Count(_) => "count",
        }
    }
}

impl Auto {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Any => "any_significant",
            Self::All => "all_significant",
        }
    }
}

impl From<Auto> for AutoShutdown {
    fn from(auto: Auto) -> Self {
        match auto {
            Auto::Never => Self::Never,
            Auto::Any => Self::AnySignificant,
            Auto::All => Self::AllSignificant,
        }
    }
}

impl From<Shutdown> for whirlwind_supervision::Shutdown {
    fn from(shutdown: Shutdown) -> Self {
        match shutdown {
            Shutdown::Brutal => Self::BrutalKill,
            Shutdown::Timeout(patience) => Self::Timeout(Duration::from_millis(patience)),
            Shutdown::Infinity => Self::Infinity,
        }
    }
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::Boom => "boom",
        }
    }
}

impl OnStop {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Obey => "obey",
            Self::Fail => "fail",
            Self::Ignore => "ignore",
        }
    }
}

impl Display for Shutdown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brutal => f.write_str("brutal_kill"),
            Self::Timeout(patience) => write!(f, "{patience}"),
            Self::Infinity => f.write_str("infinity"),
        }
    }
}

/// As a person reads it.
impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}: ")?;
        tree_text(&self.root, f, 1)?;
        for (name, times) in &self.fails {
            writeln!(f, "the first {times} starts of {name} fail")?;
        }
        for (at, event) in self.events.iter().enumerate() {
            write!(f, "{}. {}", at + 1, event.word())?;
            match event {
                Event::Die(name, reason) => writeln!(f, " {name} {}", reason.as_str()),
                Event::Meanwhile {
                    first,
                    held,
                    deaths,
                } => {
                    write!(f, " {first} dies boom, and while {held} starts:")?;
                    for (name, reason) in deaths {
                        write!(f, " {name} {}", reason.as_str())?;
                    }
                    writeln!(f)
                }
                Event::Fail(name, times) => writeln!(f, " {name}, its next {times} starts"),
                Event::Start(of, child) => {
                    write!(f, " under {of}: ")?;
                    child_text(child, f, 1)
                }
                Event::Kill(name)
                | Event::Halt(name)
                | Event::StartSlot(name)
                | Event::Count(name) => {
                    writeln!(f, " {name}")
                }
                Event::Terminate(of, id) | Event::Restart(of, id) | Event::Delete(of, id) => {
                    writeln!(f, " {id} under {of}")
                }
                Event::TerminateSlot(of, slot) => writeln!(f, " {slot} under {of}"),
            }?;
        }
        Ok(())
    }
}

fn tree_text(tree: &Tree, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    let Tree {
        strategy,
        max_restarts,
        auto,
        children,
    } = tree;
    let auto = auto.as_str();
    writeln!(
        f,
        "{strategy}, intensity {max_restarts}, auto-shutdown {auto}"
    )?;
    for child in children {
        f.write_str(&"  ".repeat(depth))?;
        child_text(child, f, depth + 1)?;
    }
    Ok(())
}

fn child_text(child: &Child, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    let Child {
        id,
        restart,
        shutdown,
        ..
    } = child;
    let significant = if child.significant {
        " significant"
    } else {
        ""
    };
    write!(f, "{id}: {restart}{significant}, shutdown {shutdown}, ")?;
    match &child.kind {
        Kind::Worker(on_stop) => writeln!(f, "worker, when stopped: {}", on_stop.as_str()),
        Kind::Supervisor(tree) => tree_text(tree, f, depth),
    }
}

/// The same as an Erlang term, in what Erlang takes for text.
pub struct Term<'a, T: ?Sized>(pub &'a T);

impl Display for Term<'_, Script> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Script {
            root,
            fails,
            events,
        } = self.0;
        write!(f, "{},[", Term(root))?;
        for (at, (name, times)) in fails.iter().enumerate() {
            write!(f, "{}{{{name:?},{times}}}", comma(at))?;
        }
        f.write_str("],[")?;
        for (at, event) in events.iter().enumerate() {
            write!(f, "{}{}", comma(at), Term(event))?;
        }
        f.write_str("]")
    }
}

fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

impl Display for Term<'_, Tree> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Tree {
            strategy,
            max_restarts,
            auto,
            children,
        } = self.0;
        let auto = auto.as_str();
        write!(f, "{{{},{max_restarts},{auto},[", atom(*strategy))?;
        for (at, child) in children.iter().enumerate() {
            write!(f, "{}{}", comma(at), Term(child))?;
        }
        f.write_str("]}")
    }
}

/// A strategy as OTP writes it.
pub fn atom(strategy: Strategy) -> String {
    strategy.as_str().replace('-', "_")
}

impl Display for Term<'_, Child> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Child {
            id,
            restart,
            shutdown,
            significant,
            kind,
        } = self.0;
        write!(f, "{{{id:?},{restart},{shutdown},{significant},")?;
        match kind {
            Kind::Worker(on_stop) => write!(f, "{{worker,{}}}}}", on_stop.as_str()),
            Kind::Supervisor(tree) => write!(f, "{{supervisor,{}}}}}", Term(tree)),
        }
    }
}

impl Display for Term<'_, Event> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{{{},", self.0.word())?;
        match self.0 {
            Event::Die(name, reason) => write!(f, "{name:?},{}", reason.as_str()),
            Event::Meanwhile {
                first,
                held,
                deaths,
            } => {
                write!(f, "{first:?},{held:?},[")?;
                for (at, (name, reason)) in deaths.iter().enumerate() {
                    write!(f, "{}{{{name:?},{}}}", comma(at), reason.as_str())?;
                }
                f.write_str("]")
            }
            Event::Fail(name, times) => write!(f, "{name:?},{times}"),
            Event::Start(of, child) => write!(f, "{of:?},{}", Term(child)),
            Event::Kill(name) | Event::Halt(name) | Event::StartSlot(name) | Event::Count(name) => {
                write!(f, "{name:?}")
            }
            Event::Terminate(of, id) | Event::Restart(of, id) | Event::Delete(of, id) => {
                write!(f, "{of:?},{:?}", below(of, id))
            }
            Event::TerminateSlot(of, slot) => write!(f, "{of:?},{slot}"),
        }?;
        f.write_str("}")
    }
}
