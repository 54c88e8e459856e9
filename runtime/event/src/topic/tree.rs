use std::fmt;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use super::{Topic, TopicFilter};

/// Values filed under topic filters, found by topic.
///
/// Filters without a wildcard lie in one hash map; the others in a trie with a node for each
/// level. So a lookup costs one hash of the topic and, when there are wildcards, one hash of a
/// level for each node on the way: it does not grow with the number of filters that do not match.
/// A lookup does not allocate unless more than 16 branches are open at once.
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
    exact: HashMap<TopicFilter, Vec<T>>,
    nodes: Vec<Node<T>>,
    /// Places in `nodes` that a removal left empty.
    free: Vec<NodeId>,
    len: usize,
}

/// A place in `FilterTree::nodes`.
type NodeId = usize;

/// Of every tree: the node above the first level. It is never freed.
const ROOT: NodeId = 0;

#[derive(Clone)]
struct Node<T> {
    /// Levels written out.
    named: HashMap<Box<str>, NodeId>,
    /// The level `+`.
    any: Option<NodeId>,
    /// Filters that end with this level.
    here: Option<Leaf<T>>,
    /// Filters that end with a `#` below this level.
    below: Option<Leaf<T>>,
}

#[derive(Clone)]
struct Leaf<T> {
    filter: TopicFilter,
    values: Vec<T>,
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none() && self.here.is_none() && self.below.is_none()
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
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
            leaf.get_or_insert_with(|| Leaf {
                filter: filter.clone(),
                values: Vec::new(),
            })
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
        if let Some(values) = self.exact.get(topic.as_str()) {
            values.iter().for_each(&mut found);
        }
        let Some(root) = self.nodes.get(ROOT) else {
            return;
        };
        // The rest of the topic is None when its levels are used up.
        let mut open: SmallVec<[(&Node<T>, Option<&str>); 16]> = SmallVec::new();
        if topic.is_system() {
            // The first level is not for wildcards (MQTT 5, 4.7.2-1).
            let (level, rest) = first_level(topic.as_str());
            if let Some(node) = root.named.get(level).and_then(|id| self.nodes.get(*id)) {
                open.push((node, rest));
            }
        } else {
            open.push((root, Some(topic.as_str())));
        }
        while let Some((node, rest)) = open.pop() {
            if let Some(leaf) = &node.below {
                leaf.values.iter().for_each(&mut found);
            }
            let Some(rest) = rest else {
                if let Some(leaf) = &node.here {
                    leaf.values.iter().for_each(&mut found);
                }
                continue;
            };
            let (level, rest) = first_level(rest);
            if let Some(next) = node.any.and_then(|id| self.nodes.get(id)) {
                open.push((next, rest));
            }
            if node.named.is_empty() {
                continue;
            }
            if let Some(next) = node.named.get(level).and_then(|id| self.nodes.get(*id)) {
                open.push((next, rest));
            }
        }
    }

    /// Every value with its filter, in no particular order of the filters.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicFilter, &T)> {
        let exact = self.exact.iter();
        let wild = self
            .nodes
            .iter()
            .flat_map(|node| node.here.iter().chain(&node.below));
        exact
            .flat_map(|(filter, values)| values.iter().map(move |value| (filter, value)))
            .chain(wild.flat_map(|leaf| leaf.values.iter().map(|value| (&leaf.filter, value))))
    }

    fn child(&self, id: NodeId, level: &str) -> Option<NodeId> {
        let node = self.nodes.get(id)?;
        match level {
            "+" => node.any,
            name => node.named.get(name).copied(),
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
                name => {
                    node.named.insert(name.into(), child);
                }
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
                    name => {
                        node.named.remove(name);
                    }
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

fn take_out<T>(values: &mut Vec<T>, unwanted: &mut impl FnMut(&T) -> bool) -> usize {
    let before = values.len();
    values.retain(|value| !unwanted(value));
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
