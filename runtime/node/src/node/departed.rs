//! Actors that have left the tree for good while the node runs on.
//!
//! A temporary actor that ends is not started again, nor is one below a temporary supervisor that gave up. What lies in its mailbox
//! would lie there for ever, and refuse every publish once it is full. So its subscriptions end with it, and its events are dead letters.
//! An actor whose spec is still in the tree has not left: somebody may start it again, and its mailbox waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use whirlwind_supervision::{Report, ReportEvent};

use super::parts::collect;
use super::{Inner, Node};
use crate::actor::Actor;
use crate::app::{self, App, Child};
use crate::manifest::Restart;
use crate::part::{PartState, TreeKind};

/// When to look again while something is on its way down or up: nobody reports that a supervisor has decided to forget a child.
const AGAIN: Duration = Duration::from_secs(1);

/// The reports that tell of a departure, or of an actor that comes back from one.
pub(super) struct Departing {
    /// Temporary actors and supervisors.
    temporary: BTreeSet<String>,
    /// The actors that may leave, each with the supervisor it stands under.
    actors: BTreeMap<String, String>,
}

impl Departing {
    pub(super) fn of(app: &App) -> Self {
        let mut departing = Self {
            temporary: BTreeSet::new(),
            actors: BTreeMap::new(),
        };
        departing.note(app, &app.root, false);
        departing
    }

    /// `leaves`: whether a supervisor above is temporary.
    fn note(&mut self, app: &App, supervisor: &app::Supervisor, leaves: bool) {
        for child in &supervisor.children {
            match child {
                Child::Supervisor(below) => {
                    let temporary = below.restart == Restart::Temporary;
                    if temporary {
                        self.temporary.insert(below.name.clone());
                    }
                    self.note(app, below, leaves || temporary);
                }
                Child::Actor(name) => {
                    let actor = app.actors.get(name);
                    let temporary = actor.is_some_and(|a| a.restart == Restart::Temporary);
                    if temporary {
                        self.temporary.insert(name.clone());
                    }
                    if leaves || temporary {
                        self.actors.insert(name.clone(), supervisor.name.clone());
                    }
                }
            }
        }
    }

    pub(super) fn concerns(&self, report: &Report) -> bool {
        let child = &*report.child;
        match report.event {
            ReportEvent::Started => self
                .actors
                .get(child)
                .is_some_and(|supervisor| **supervisor == *report.supervisor),
            ReportEvent::Ended { .. } | ReportEvent::StartFailed { .. } => {
                self.temporary.contains(child)
            }
            _ => false,
        }
    }
}

impl Inner {
    /// A part that may leave the tree has started or ended.
    pub(super) fn came_or_went(&self, report: &Report) {
        if report.event != ReportEvent::Started {
            self.departures.notify_one();
            return;
        }
        let Some(actor) = self.actors.get(&*report.child) else {
            return;
        };
        let mut presence = actor
            .presence
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        presence.starts += 1;
        if std::mem::take(&mut presence.gone) {
            self.bus.readmit(&actor.inbox, &actor.spec.subscribe);
            tracing::info!(
                actor = &**actor.name(),
                "is back, and hears its topics again"
            );
        }
    }
}

impl Node {
    /// Sees off the actors that leave the tree, as long as the node runs.
    pub(super) async fn see_off(self) {
        let departing = Departing::of(&self.0.app);
        let leavers = self.0.actors.iter();
        let leavers: Vec<_> = leavers
            .filter(|(name, _)| departing.actors.contains_key(*name))
            .map(|(_, actor)| actor)
            .collect();
        if leavers.is_empty() {
            return;
        }
        let above = above(&self.0.app.root);
        let mut settled = true;
        loop {
            let again = async {
                match settled {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(AGAIN).await,
                }
            };
            tokio::select! {
                biased;
                () = self.0.stopping.cancelled() => return,
                () = self.0.departures.notified() => {}
                () = again => {}
            }
            settled = self.look_for_departed(&leavers, &above).await;
        }
    }

    /// Retires those that have left. Answers false where something is still on its way.
    async fn look_for_departed(
        &self,
        leavers: &[&Arc<Actor>],
        above: &BTreeMap<&str, Vec<&str>>,
    ) -> bool {
        let starts = |actor: &Actor| {
            let presence = actor.presence.lock();
            presence.unwrap_or_else(PoisonError::into_inner).starts
        };
        let before: Vec<u64> = leavers.iter().map(|actor| starts(actor)).collect();
        let tree = self.tree().await;
        let mut states = BTreeMap::new();
        collect(&tree, &mut states);
        let mut settled = true;
        for (actor, before) in leavers.iter().zip(before) {
            let name = &**actor.name();
            match states.get(&(TreeKind::Actor, name)) {
                Some(PartState::Running | PartState::Stopped) => continue,
                None if has_left(name, &states, above) && !actor.inbox.is_leased() => {}
                _ => {
                    settled = false;
                    continue;
                }
            }
            // A node that stops ends all of them, in its own way.
            if !self.0.stopping.is_cancelled() {
                retire(actor, before);
            }
        }
        settled
    }
}

/// Ends the subscriptions and the mailbox of an actor that had started `starts` times when it was found missing.
fn retire(actor: &Actor, starts: u64) {
    let mut presence = actor
        .presence
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if presence.gone || presence.starts != starts {
        return;
    }
    presence.gone = true;
    let emptied = actor.bus.retire(&actor.inbox, &actor.spec.subscribe);
    tracing::warn!(
        actor = &**actor.name(),
        "has left the supervision tree for good: its subscriptions end, and {} events of its mailbox are dead letters",
        emptied.dead
    );
}

/// The supervisors above each actor, the nearest first.
pub(super) fn above(root: &app::Supervisor) -> BTreeMap<&str, Vec<&str>> {
    fn note<'a>(
        supervisor: &'a app::Supervisor,
        mut path: Vec<&'a str>,
        found: &mut BTreeMap<&'a str, Vec<&'a str>>,
    ) {
        path.insert(0, &supervisor.name);
        for child in &supervisor.children {
            match child {
                Child::Actor(name) => {
                    found.insert(name, path.clone());
                }
                Child::Supervisor(below) => note(below, path.clone(), found),
            }
        }
    }
    let mut found = BTreeMap::new();
    note(root, Vec::new(), &mut found);
    found
}

/// Whether an actor that is not in the tree has left it for good: the nearest supervisor above it that is there runs, so it has forgotten
/// who stood below. One that is on its way up or down starts its children again, or its own supervisor decides.
pub(super) fn has_left(
    name: &str,
    states: &BTreeMap<(TreeKind, &str), PartState>,
    above: &BTreeMap<&str, Vec<&str>>,
) -> bool {
    let mut supervisors = above.get(name).into_iter().flatten();
    let nearest = supervisors.find_map(|name| states.get(&(TreeKind::Supervisor, *name)));
    nearest == Some(&PartState::Running)
}
