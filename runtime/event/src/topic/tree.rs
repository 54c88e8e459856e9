use std::fmt;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use super::{Topic, TopicFilter};

/// Values filed under topic filters, found by topic.
///
/// Filters without a wildcard lie in one hash map; the others in a trie with a node for each
/// level. So a lookup costs one hash of the topic and, when there are wildcards, at most one hash of
/// a level for each node on the way: it does not grow with the number of filters that do not match.
/// A lookup does not allocate unless more than 8 branches are open at once.
///
/// One value may be filed under several filters, and several under one; a lookup reports each
/// pair, in the order of insertion where the filter is the same.
///
/// What is hashed are levels of filters, which who runs the node wrote: so the hash is a fast one, and not one against whoever could
/// choose what is put in.
///
/// The nodes lie in one vector and not in each other, because a filter may have 32,768 levels and
/// neither a walk nor a drop may be that deep in recursion.
#[derive(Clone)]
pub struct FilterTree<T> {
    exact: HashMap<TopicFilter, Values<T>>,
    nodes: Vec<Node<T>>,
    /// Places in `nodes` that a removal left empty.
    free: Vec<NodeId>,
    len: usize,
}

/// Of one filter: mostly one, which then lies in place.
type Values<T> = SmallVec<[T; 1]>;

/// Nodes that a lookup has reached at one level: at most two for each that it had reached at the level before.
type Nodes<'a, T> = SmallVec<[&'a Node<T>; 8]>;

/// A place in `FilterTree::nodes`.
type NodeId = usize;

/// Of every tree: the node above the first level. It is never freed.
const ROOT: NodeId = 0;

/// Small, because in a large tree a lookup waits for the memory of each.
#[derive(Clone)]
struct Node<T> {
    /// Levels written out.
    named: Named,
    /// The level `+`.
    any: Option<NodeId>,
    /// Filters that end with this level.
    here: Option<Box<Leaf<T>>>,
    /// Filters that end with a `#` below this level.
    below: Option<Box<Leaf<T>>>,
}

/// The nodes below one, by their level. Most have one at most, and to compare it costs less than to hash.
#[derive(Clone, Default)]
enum Named {
    #[default]
    None,
    One(Box<str>, NodeId),
    Many(Box<HashMap<Box<str>, NodeId>>),
}

#[derive(Clone)]
struct Leaf<T> {
    filter: TopicFilter,
    values: Values<T>,
}

impl Named {
    #[inline]
    fn get(&self, level: &str) -> Option<NodeId> {
        match self {
            Self::None => None,
            Self::One(name, id) => (**name == *level).then_some(*id),
            Self::Many(ids) => ids.get(level).copied(),
        }
    }

    /// For a level that is not there yet.
    fn insert(&mut self, level: &str, id: NodeId) {
        match std::mem::take(self) {
            Self::None => *self = Self::One(level.into(), id),
            Self::One(name, other) => {
                let ids = [(name, other), (level.into(), id)];
                *self = Self::Many(Box::new(ids.into_iter().collect()));
            }
            Self::Many(mut ids) => {
                ids.insert(level.into(), id);
                *self = Self::Many(ids);
            }
        }
    }

    fn remove(&mut self, level: &str) {
        let is_empty = match self {
            Self::None => return,
            Self::One(name, _) => **name == *level,
            Self::Many(ids) => {
                ids.remove(level);
                ids.is_empty()
            }
        };
        if is_empty {
            *self = Self::None;
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none() && self.here.is_none() && self.below.is_none()
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            named: Named::None,
            any: None,
            here: None,
            below: None,
        }
    }
}

impl<T> FilterTree<T> {
    /// A tree without filters.
    pub fn new() -> Self {
        Self {
            exact: HashMap::new(),
            nodes: vec![Node::default()],
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many values are filed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no value is filed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Files a value under a filter, after those that are there already.
    pub fn insert(&mut self, filter: &TopicFilter, value: T) {
        self.len += 1;
        if filter.is_exact() {
            self.exact.entry(filter.clone()).or_default().push(value);
            return;
        }
        let mut id = ROOT;
        let mut ends_in_hash = false;
        for level in filter.levels() {
            match level {
                "#" => ends_in_hash = true,
                level => id = self.child_or_new(id, level),
            }
        }
        if let Some(node) = self.nodes.get_mut(id) {
            let leaf = if ends_in_hash {
                &mut node.below
            } else {
                &mut node.here
            };
            let empty = || Leaf {
                filter: filter.clone(),
                values: Values::new(),
            };
            leaf.get_or_insert_with(|| Box::new(empty()))
                .values
                .push(value);
        }
    }

    /// Takes out the values under exactly this filter that `unwanted` holds of; answers how many.
    pub fn remove(&mut self, filter: &TopicFilter, mut unwanted: impl FnMut(&T) -> bool) -> usize {
        let removed = if filter.is_exact() {
            let Some(values) = self.exact.get_mut(filter) else {
                return 0;
            };
            let removed = take_out(values, &mut unwanted);
            if values.is_empty() {
                self.exact.remove(filter);
            }
            removed
        } else {
            self.remove_from_trie(filter, &mut unwanted)
        };
        self.len -= removed;
        removed
    }

    /// Calls `found` with every value whose filter matches the topic.
    pub fn for_each<'a>(&'a self, topic: &Topic, mut found: impl FnMut(&'a T)) {
        self.for_each_filter(topic, |values| values.iter().for_each(&mut found));
    }

    /// Calls `found` with the values of each filter that matches the topic.
    pub fn for_each_filter<'a>(&'a self, topic: &Topic, mut found: impl FnMut(&'a [T])) {
        if let Some(values) = self.exact.get(topic.as_str()) {
            found(values);
        }
        let Some(root) = self.nodes.get(ROOT).filter(|root| !root.is_empty()) else {
            return;
        };
        // The nodes reached by the levels before `rest`, and those one level further.
        let (mut reached, mut next) = (Nodes::new(), Nodes::new());
        let mut rest = Some(topic.as_str());
        reached.push(root);
        let mut wild = !topic.is_system(); // the first level of `$` is not for wildcards (MQTT 5, 4.7.2-1)
        while let Some(text) = rest {
            let (level, after) = first_level(text);
            for node in reached.drain(..) {
                if wild && let Some(leaf) = &node.below {
                    found(&leaf.values);
                }
                if wild && let Some(node) = node.any.and_then(|id| self.nodes.get(id)) {
                    next.push(node);
                }
                if let Some(node) = node.named.get(level).and_then(|id| self.nodes.get(id)) {
                    next.push(node);
                }
            }
            if next.is_empty() {
                return;
            }
            std::mem::swap(&mut reached, &mut next);
            (rest, wild) = (after, true);
        }
        for node in reached {
            for leaf in [&node.below, &node.here].into_iter().flatten() {
                found(&leaf.values);
            }
        }
    }

    /// Every value with its filter, in no particular order of the filters.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicFilter, &T)> {
        let exact = self.exact.iter();
        let wild = self
            .nodes
            .iter()
            .flat_map(|node| node.here.iter().chain(&node.below))
            .map(|leaf| &**leaf);
        exact
            .flat_map(|(filter, values)| values.iter().map(move |value| (filter, value)))
            .chain(wild.flat_map(|leaf| leaf.values.iter().map(|value| (&leaf.filter, value))))
    }

    fn child(&self, id: NodeId, level: &str) -> Option<NodeId> {
        let node = self.nodes.get(id)?;
        match level {
            "+" => node.any,
            name => node.named.get(name),
        }
    }

    fn child_or_new(&mut self, id: NodeId, level: &str) -> NodeId {
        if let Some(child) = self.child(id, level) {
            return child;
        }
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        if let Some(node) = self.nodes.get_mut(id) {
            match level {
                "+" => node.any = Some(child),
                name => node.named.insert(name, child),
            }
        }
        child
    }

    fn remove_from_trie(
        &mut self,
        filter: &TopicFilter,
        unwanted: &mut impl FnMut(&T) -> bool,
    ) -> usize {
        let mut way = Vec::new();
        let mut id = ROOT;
        let mut ends_in_hash = false;
        for level in filter.levels() {
            if level == "#" {
                ends_in_hash = true;
                continue;
            }
            way.push((id, level));
            match self.child(id, level) {
                Some(child) => id = child,
                None => return 0,
            }
        }
        let Some(node) = self.nodes.get_mut(id) else {
            return 0;
        };
        let slot = if ends_in_hash {
            &mut node.below
        } else {
            &mut node.here
        };
        let Some(leaf) = slot else {
            return 0;
        };
        let removed = take_out(&mut leaf.values, unwanted);
        if leaf.values.is_empty() {
            *slot = None;
        }
        // Nodes that lead nowhere now are given back, from the last level up.
        while let Some((parent, level)) = way.pop() {
            if !self.nodes.get(id).is_some_and(Node::is_empty) {
                break;
            }
            self.free.push(id);
            if let Some(node) = self.nodes.get_mut(parent) {
                match level {
                    "+" => node.any = None,
                    name => node.named.remove(name),
                }
            }
            id = parent;
        }
        removed
    }
}

/// The first level of a topic, and the rest after its slash.
fn first_level(topic: &str) -> (&str, Option<&str>) {
    // Levels are short: to look at each byte is faster than to search in words.
    let slash = topic.bytes().position(|byte| byte == b'/');
    match slash.and_then(|at| topic.split_at_checked(at)) {
        Some((level, rest)) => (level, rest.get(1..)),
        None => (topic, None),
    }
}

fn take_out<T>(values: &mut Values<T>, unwanted: &mut impl FnMut(&T) -> bool) -> usize {
    let before = values.len();
    values.retain(|value| !unwanted(&*value));
    before - values.len()
}

impl<T> Default for FilterTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for FilterTree<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subscriptions come and go for as long as a node runs.
    #[test]
    fn a_tree_that_is_emptied_keeps_no_nodes_and_uses_its_places_again() {
        let filters = ["a/+", "a/b/#", "+/b/+", "+/b/#", "#", "a", "a/+/c"]
            .map(|text| TopicFilter::parse(text).unwrap());
        let mut tree = FilterTree::new();
        let mut places = 0;
        for round in 0..3 {
            for filter in &filters {
                tree.insert(filter, ());
            }
            for filter in &filters {
                assert_eq!(tree.remove(filter, |()| true), 1);
            }
            assert!(tree.exact.is_empty());
            assert!(tree.nodes.iter().all(Node::is_empty));
            assert_eq!(tree.free.len() + 1, tree.nodes.len());
            if round == 0 {
                places = tree.nodes.len();
            }
            assert_eq!(tree.nodes.len(), places);
        }
    }
}
