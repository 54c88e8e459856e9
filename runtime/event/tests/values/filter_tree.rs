//! The tree against a list that is searched from end to end.

use std::collections::BTreeSet;
use std::thread;

use proptest::prelude::*;
use whirlwind_event::{FilterTree, Topic, TopicFilter};

use crate::filters::naive_match;

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

fn found(tree: &FilterTree<u32>, topic: &str) -> Vec<u32> {
    let mut values = Vec::new();
    tree.for_each(&Topic::parse(topic).unwrap(), |value| values.push(*value));
    values
}

/// Few names and few levels, so that filters share nodes and topics meet them.
fn any_filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "", "$s", "+", "+"]);
    (prop::collection::vec(level, 1..5), any::<bool>())
        .prop_map(|(levels, hash)| {
            let text = levels.join("/");
            if hash { format!("{text}/#") } else { text }
        })
        .prop_filter("an empty text is no filter", |text| !text.is_empty())
        .boxed()
        .prop_union(Just("#".to_owned()).boxed())
}

fn any_topic() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "", "$s", "z"]);
    prop::collection::vec(level, 1..6)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("an empty text is no topic", |text| !text.is_empty())
}

#[derive(Debug, Clone)]
enum Step {
    Insert(String, u32),
    /// The filter, and the remainder by 2 of the values to take out (2: all of them).
    Remove(String, u32),
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (any_filter(), 0..100_u32).prop_map(|(filter, value)| Step::Insert(filter, value)),
        2 => (any_filter(), 0..3_u32).prop_map(|(filter, which)| Step::Remove(filter, which)),
    ];
    // Few different filters, so that a removal often finds what it is to remove.
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn the_tree_and_the_list_find_the_same(
        steps in any_steps(),
        topics in prop::collection::vec(any_topic(), 1..20),
    ) {
        let mut tree = FilterTree::new();
        let mut list: Vec<(String, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(text, value) => {
                    tree.insert(&filter(&text), value);
                    list.push((text, value));
                }
                Step::Remove(text, which) => {
                    let unwanted = |value: &u32| which == 2 || value % 2 == which;
                    let before = list.len();
                    list.retain(|(other, value)| *other != text || !unwanted(value));
                    prop_assert_eq!(tree.remove(&filter(&text), unwanted), before - list.len());
                }
            }
            prop_assert_eq!(tree.len(), list.len());
            prop_assert_eq!(tree.is_empty(), list.is_empty());
        }

        for topic in &topics {
            let mut ours = found(&tree, topic);
            let mut theirs: Vec<u32> = list
                .iter()
                .filter(|(text, _)| naive_match(text, topic))
                .map(|(_, value)| *value)
                .collect();
            let mut filters = 0;
            tree.for_each_filter(&Topic::parse(topic).unwrap(), |_| filters += 1);
            let matching = list.iter().filter(|(text, _)| naive_match(text, topic));
            let matching: BTreeSet<&str> = matching.map(|(text, _)| text.as_str()).collect();
            prop_assert_eq!(filters, matching.len(), "topic {}", topic);
            ours.sort_unstable();
            theirs.sort_unstable();
            prop_assert_eq!(ours, theirs, "topic {}", topic);
        }

        let mut ours: Vec<(&str, u32)> = tree.iter().map(|(f, v)| (f.as_str(), *v)).collect();
        let mut theirs: Vec<(&str, u32)> = list.iter().map(|(f, v)| (f.as_str(), *v)).collect();
        // Sorting by the filter alone is stable: the order under one filter must be the same.
        ours.sort_by_key(|(text, _)| *text);
        theirs.sort_by_key(|(text, _)| *text);
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn values_under_one_filter_are_found_in_the_order_of_insertion() {
    for text in ["a/b", "a/+", "a/#"] {
        let mut tree = FilterTree::new();
        for value in [3, 1, 2] {
            tree.insert(&filter(text), value);
        }
        assert_eq!(found(&tree, "a/b"), [3, 1, 2], "{text}");
        assert_eq!(tree.remove(&filter(text), |value| *value == 1), 1);
        assert_eq!(found(&tree, "a/b"), [3, 2], "{text}");
    }
}

#[test]
fn a_removal_leaves_alone_what_shares_the_way() {
    let mut tree = FilterTree::new();
    for (value, text) in ["a/+", "a/+/b", "a/+/b/#", "a/#", "a/+/c"]
        .into_iter()
        .enumerate()
    {
        tree.insert(&filter(text), u32::try_from(value).unwrap());
    }
    assert_eq!(tree.remove(&filter("a/+/b"), |_| true), 1);
    assert_eq!(tree.remove(&filter("a/+/b"), |_| true), 0);
    assert_eq!(tree.remove(&filter("a/+/d"), |_| true), 0);
    assert_eq!(tree.remove(&filter("+/#"), |_| true), 0);
    let mut values = found(&tree, "a/x/b");
    values.sort_unstable();
    assert_eq!(values, [2, 3]);
}

/// A filter of 65,535 bytes has up to 32,768 levels. Recursion over them would need megabytes of
/// stack, to walk and to drop.
#[test]
fn the_deepest_filter_needs_no_deep_stack() {
    let on_a_small_stack = || {
        let deepest = vec!["+"; 32_768].join("/");
        let topic = vec!["a"; 32_768].join("/");
        let mut tree = FilterTree::new();
        tree.insert(&filter(&deepest), 1);
        tree.insert(&filter("a/#"), 2);
        assert_eq!(found(&tree, &topic), [2, 1]);
        assert_eq!(tree.remove(&filter(&deepest), |_| true), 1);
        assert_eq!(found(&tree, &topic), [2]);
        tree.insert(&filter(&deepest), 3);
    };
    let builder = thread::Builder::new().stack_size(64 * 1024);
    builder.spawn(on_a_small_stack).unwrap().join().unwrap();
}
