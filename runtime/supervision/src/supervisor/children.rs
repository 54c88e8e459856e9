//! The children of a supervisor, in order of start.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kameo::actor::ActorId;

use crate::{
    spec::ChildSpec,
    status::{Counts, Kind},
};

use super::child::Child;

/// Names a child for as long as its spec is there. Keys grow, so their order is the order of start.
pub(super) type Key = u64;

#[derive(Default)]
pub(super) struct Children {
    /// In boxes: a node of the map has room for eleven, and most supervisors have one child.
    table: BTreeMap<Key, Box<Child>>,
    next: Key,
    up: usize,
    supervisors: usize,
    ids: HashMap<Arc<str>, Key>,
    actors: HashMap<ActorId, Key>,
    slots: HashMap<usize, Key>,
    /// The significant children: all that live, and some that do not.
    significant: BTreeSet<Key>,
    /// Slots that were used and are free; all from `fresh` on have never been used.
    free: BTreeSet<usize>,
    fresh: usize,
}

impl Children {
    /// Adds a child after the others.
    pub(super) fn insert(&mut self, spec: ChildSpec) -> Key {
        self.insert_child(Child::new(spec, None))
    }

    /// Adds a child from a template in a slot that is free.
    pub(super) fn insert_in(&mut self, slot: usize, spec: ChildSpec) -> Key {
        if !self.free.remove(&slot) {
            self.fresh = self.fresh.max(slot + 1);
        }
        let key = self.insert_child(Child::new(spec, Some(slot)));
        self.slots.insert(slot, key);
        key
    }

    fn insert_child(&mut self, child: Child) -> Key {
        let key = self.next;
        self.next += 1;
        self.supervisors += usize::from(child.spec.kind() == Kind::Supervisor);
        self.ids.insert(Arc::clone(&child.spec.id), key);
        self.table.insert(key, Box::new(child));
        key
    }

    /// The lowest free slot.
    pub(super) fn free_slot(&self) -> usize {
        self.free.first().copied().unwrap_or(self.fresh)
    }

    /// Removes a child that is down, and all that leads to it.
    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Child>> {
        let child = self.table.remove(&key)?;
        self.ids.remove(&child.spec.id);
        self.significant.remove(&key);
        self.supervisors -= usize::from(child.spec.kind() == Kind::Supervisor);
        if let Some(slot) = child.slot {
            self.slots.remove(&slot);
            self.free.insert(slot);
        }
        Some(child)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Child> {
        self.table.get(&key).map(|child| &**child)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Child> {
        self.table.get_mut(&key).map(|child| &mut **child)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Key> {
        self.ids.get(id).copied()
    }

    pub(super) fn by_slot(&self, slot: usize) -> Option<Key> {
        self.slots.get(&slot).copied()
    }

    pub(super) fn by_actor(&self, actor: ActorId) -> Option<Key> {
        self.actors.get(&actor).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Child)> {
        self.table.iter().map(|(key, child)| (*key, &**child))
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (Key, &mut Child)> {
        self.table
            .iter_mut()
            .map(|(key, child)| (*key, &mut **child))
    }

    pub(super) fn is_up(&self, key: Key) -> bool {
        self.get(key).is_some_and(|child| child.up.is_some())
    }

    pub(super) fn any_up(&self) -> bool {
        self.up > 0
    }

    /// A child is going to be started.
    pub(super) fn will_live(&mut self, key: Key) {
        if self.get(key).is_some_and(|child| child.spec.significant) {
            self.significant.insert(key);
        }
    }

    /// A significant child that lives, other than `key`, which has ended. What is found dead on the way
    /// is forgotten, so asking after each of many ends looks at none of them twice.
    pub(super) fn another_significant(&mut self, key: Key) -> Option<Key> {
        loop {
            let first = *self.significant.first()?;
            if first != key && self.get(first).is_some_and(Child::lives) {
                return Some(first);
            }
            self.significant.remove(&first);
        }
    }

    /// An incarnation of `key` came up, as `actor` if it is one.
    pub(super) fn came_up(&mut self, key: Key, actor: Option<ActorId>) {
        self.up += 1;
        self.actors.extend(actor.map(|actor| (actor, key)));
    }

    /// The incarnation of a child that was `actor` went down.
    pub(super) fn went_down(&mut self, actor: Option<ActorId>) {
        self.up -= 1;
        if let Some(actor) = actor {
            self.actors.remove(&actor);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let specs = self.table.len();
        Counts {
            specs,
            active: self.up,
            supervisors: self.supervisors,
            workers: specs - self.supervisors,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
