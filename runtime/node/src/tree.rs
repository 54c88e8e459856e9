//! The supervision tree of a node.
//!
//! ```text
//! node                  rest-for-one; gives up with its first child that does
//! ├─ providers          one-for-one
//! ├─ egress             one-for-one; there where anything goes out
//! │  └─ PROVIDER/out
//! ├─ root               as [supervisor.root] says; one-for-one where there is none
//! │  └─ ACTOR           simple-one-for-one
//! │     └─ ACTOR/0 ...  its instances
//! └─ doors              one-for-one
//!    ├─ PROVIDER/in ...
//!    ├─ control
//!    └─ TIMER ...
//! ```
//!
//! Doors open last and close first, so nothing comes in that nobody can take.

use std::collections::BTreeMap;
use std::sync::Arc;

use whirlwind_supervision::{
    Backoff, ChildSpec, Report, ReportEvent, Restart, State, Status, Strategy, SupervisorSpec,
};

use crate::actor::{Actor, component_actor};
use crate::app::{self, Child};
use crate::manifest;
use crate::part::{PartState, TreeKind, TreeNode};

/// The name of the part that `[supervisor.root]` describes; the manifest cannot take the others, as they are not in it.
pub(crate) const ROOT: &str = "root";
pub(crate) const PROVIDERS: &str = "providers";
pub(crate) const DOORS: &str = "doors";
pub(crate) const EGRESS: &str = "egress";
pub(crate) const NODE: &str = "node";

/// The spec of a node's whole tree.
pub(crate) fn spec(
    root: &app::Supervisor,
    actors: &BTreeMap<String, Arc<Actor>>,
    providers: Vec<ChildSpec>,
    egress: Vec<ChildSpec>,
    doors: Vec<ChildSpec>,
) -> SupervisorSpec {
    let flat = |name, children: Vec<ChildSpec>| {
        let spec = SupervisorSpec::new(name, Strategy::OneForOne);
        let spec = children.into_iter().fold(spec, SupervisorSpec::child);
        ChildSpec::supervisor(name, spec)
    };
    // Each part has its own patience. When one gives up, so does the node.
    let mut spec = SupervisorSpec::new(NODE, Strategy::RestForOne)
        .intensity(0, whirlwind_supervision::Intensity::default().within)
        .child(flat(PROVIDERS, providers));
    if !egress.is_empty() {
        spec = spec.child(flat(EGRESS, egress));
    }
    spec.child(ChildSpec::supervisor(ROOT, part(root, actors)))
        .child(flat(DOORS, doors))
}

/// A supervisor of the manifest, and all below it.
fn part(of: &app::Supervisor, actors: &BTreeMap<String, Arc<Actor>>) -> SupervisorSpec {
    let mut spec = SupervisorSpec::new(of.name.as_str(), strategy(of.strategy))
        .intensity(of.intensity.max_restarts, of.intensity.within)
        .backoff(backoff(of.backoff));
    for child in &of.children {
        spec = match child {
            Child::Supervisor(below) => spec.child(
                ChildSpec::supervisor(below.name.as_str(), part(below, actors))
                    .restart(restart(below.restart)),
            ),
            // Every name in the tree of an App is one of its actors.
            Child::Actor(name) => match actors.get(name) {
                Some(actor) => spec.child(component_actor::child(actor)),
                None => spec,
            },
        };
    }
    spec
}

/// The supervisor that each actor, and each supervisor, stands under, by their own name.
pub(crate) fn parents(root: &app::Supervisor) -> BTreeMap<&str, &app::Supervisor> {
    let mut found = BTreeMap::new();
    let mut open = vec![root];
    while let Some(supervisor) = open.pop() {
        for child in &supervisor.children {
            match child {
                Child::Actor(name) => {
                    found.insert(name.as_str(), supervisor);
                }
                Child::Supervisor(below) => {
                    found.insert(below.name.as_str(), supervisor);
                    open.push(below);
                }
            }
        }
    }
    found
}

/// The supervisors from the root to `actor`, by name; none if it is no actor of this tree.
pub(crate) fn path<'a>(root: &'a app::Supervisor, actor: &str) -> Option<Vec<&'a str>> {
    for child in &root.children {
        let below = match child {
            Child::Actor(name) if name == actor => Some(Vec::new()),
            Child::Actor(_) => None,
            Child::Supervisor(below) => path(below, actor),
        };
        if let Some(mut below) = below {
            below.insert(0, root.name.as_str());
            return Some(below);
        }
    }
    None
}

pub(crate) fn strategy(strategy: manifest::Strategy) -> Strategy {
    match strategy {
        manifest::Strategy::OneForOne => Strategy::OneForOne,
        manifest::Strategy::OneForAll => Strategy::OneForAll,
        manifest::Strategy::RestForOne => Strategy::RestForOne,
    }
}

pub(crate) fn restart(restart: manifest::Restart) -> Restart {
    match restart {
        manifest::Restart::Permanent => Restart::Permanent,
        manifest::Restart::Transient => Restart::Transient,
        manifest::Restart::Temporary => Restart::Temporary,
    }
}

pub(crate) fn backoff(backoff: app::Backoff) -> Backoff {
    Backoff {
        min: backoff.min,
        max: backoff.max,
        jitter: backoff.jitter,
    }
}

/// The tree as it is, from what its supervisors answer. What a child is follows from where it stands.
pub(crate) fn node(status: Status) -> TreeNode {
    draw(status, TreeKind::Supervisor, |child| match child {
        PROVIDERS => TreeKind::Provider,
        DOORS | EGRESS => TreeKind::Door,
        _ => TreeKind::Actor,
    })
}

/// `below` tells from a top-level supervisor's name what its workers are.
fn draw(status: Status, kind: TreeKind, below: impl Fn(&str) -> TreeKind + Copy) -> TreeNode {
    use whirlwind_supervision::Kind;
    let leaf = match kind {
        TreeKind::Actor => TreeKind::Instance,
        _ => below(&status.id),
    };
    TreeNode {
        name: status.id.to_string(),
        kind,
        state: state(status.state),
        restarts: status.restarts,
        strategy: status.strategy.map(|strategy| strategy.to_string()),
        children: status
            .children
            .into_iter()
            .map(|child| {
                let kind = match child.kind {
                    // Only an actor makes its children from a template.
                    Kind::Supervisor if child.strategy == Some(Strategy::SimpleOneForOne) => {
                        TreeKind::Actor
                    }
                    Kind::Supervisor => TreeKind::Supervisor,
                    Kind::Worker | Kind::Actor => leaf,
                };
                draw(child, kind, below)
            })
            .collect(),
    }
}

pub(crate) fn state(state: State) -> PartState {
    match state {
        State::Starting => PartState::Starting,
        State::Running => PartState::Running,
        State::Restarting => PartState::Restarting,
        State::Stopping => PartState::Stopping,
        State::Stopped => PartState::Stopped,
    }
}

/// A report of the tree, in the log.
pub(crate) fn log(report: &Report) {
    match &report.event {
        ReportEvent::Started => tracing::debug!("{report}"),
        ReportEvent::Ended { reason } if !reason.is_abnormal() => tracing::debug!("{report}"),
        ReportEvent::GaveUp(_) => tracing::error!("{report}"),
        _ => tracing::warn!("{report}"),
    }
}
