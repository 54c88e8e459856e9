//! From the reports of the supervision tree to lifecycle events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use whirlwind_supervision::{Report, ReportEvent};

use super::data::charged;
use super::{Cause, GaveUpData, Lifecycle};
use crate::actor::Actor;
use crate::app::{App, Child};
use crate::part::TreeKind;
use crate::tree;

/// What listens to the reports of the tree above the actors' instances.
pub(crate) struct TreeReports {
    lifecycle: Lifecycle,
    /// Each actor and supervisor, under the one above it: a provider may have the name of an actor.
    places: BTreeMap<Place, TreeKind>,
    /// Those that have started: the next time is another.
    started: Mutex<BTreeSet<Place>>,
}

/// A supervisor, and a child of it.
type Place = (String, String);

impl TreeReports {
    pub(crate) fn new(app: &App, lifecycle: Lifecycle) -> Self {
        let top = [tree::PROVIDERS, tree::ROOT, tree::DOORS];
        let mut places: BTreeMap<_, _> = top
            .map(|name| {
                (
                    (tree::NODE.to_owned(), name.to_owned()),
                    TreeKind::Supervisor,
                )
            })
            .into();
        let mut open = vec![&app.root];
        while let Some(supervisor) = open.pop() {
            for child in &supervisor.children {
                let (name, kind) = match child {
                    Child::Actor(name) => (name, TreeKind::Actor),
                    Child::Supervisor(below) => {
                        open.push(below);
                        (&below.name, TreeKind::Supervisor)
                    }
                };
                places.insert((supervisor.name.clone(), name.clone()), kind);
            }
        }
        Self {
            lifecycle,
            places,
            started: Mutex::default(),
        }
    }

    pub(crate) fn hear(&self, report: &Report, actors: &BTreeMap<String, Arc<Actor>>) {
        if let ReportEvent::GaveUp(gave_up) = &report.event {
            let data = || GaveUpData::new(gave_up, &charged(gave_up, actors));
            self.lifecycle.supervisor_gave_up(&gave_up.supervisor, data);
            return;
        }
        let place = (report.supervisor.to_string(), report.child.to_string());
        let Some(kind) = self.places.get(&place) else {
            return;
        };
        let name = &*report.child;
        match (&report.event, kind) {
            (ReportEvent::Started, kind) => match (self.is_first(place), kind) {
                (true, TreeKind::Actor) => {
                    let instances = actors.get(name).map_or(0, |actor| actor.spec.instances);
                    self.lifecycle.actor_started(name, instances);
                }
                (false, TreeKind::Actor) => {
                    self.lifecycle.actor_restarted(name, None, Cause::NONE);
                }
                (false, _) => self.lifecycle.supervisor_restarted(name),
                (true, _) => {}
            },
            (ReportEvent::Ended { reason }, TreeKind::Actor) => {
                self.lifecycle.actor_stopped(name, reason);
            }
            _ => {}
        }
    }

    fn is_first(&self, place: Place) -> bool {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.insert(place)
    }
}
