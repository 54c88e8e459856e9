//! What it costs to find who subscribes to a topic.
//!
//! Machines stand in halls and say how warm they are on `plant/HALL/machine-N/celsius`. One filter in three is such a topic, one has
//! a `+` for the hall, and one a `#` for what the machine says; each topic looked up matches one of each, however many there are.

use std::collections::HashMap;
use std::hint::black_box;

use whirlwind_benches::{Report, Run, Unit};
use whirlwind_event::{FilterTree, Topic, TopicFilter};

use whirlwind_benches::events::topic;

/// A lookup among so many.
struct Among {
    filters: usize,
    exact: &'static str,
    tree: &'static str,
}

static AMONG: [Among; 4] = [
    Among {
        filters: 10,
        exact: "10 topics in a HashMap",
        tree: "10 filters in a FilterTree, of which 3 match",
    },
    Among {
        filters: 100,
        exact: "100 topics in a HashMap",
        tree: "100 filters in a FilterTree, of which 3 match",
    },
    Among {
        filters: 1_000,
        exact: "1,000 topics in a HashMap",
        tree: "1,000 filters in a FilterTree, of which 3 match",
    },
    Among {
        filters: 10_000,
        exact: "10,000 topics in a HashMap",
        tree: "10,000 filters in a FilterTree, of which 3 match",
    },
];

/// Filters for one machine.
const KINDS: usize = 3;
const HALLS: usize = 10;

pub async fn measure(run: &Run, report: &mut Report) {
    let mut group = run.group("topic match");
    for among in &AMONG {
        group = group.row(among.exact, Unit::Time, &[]).row(
            among.tree,
            Unit::Time,
            std::slice::from_ref(&among.exact),
        );
    }
    if !group.is_wanted() {
        return;
    }
    let sides: Vec<_> = AMONG
        .iter()
        .map(|among| (among, exact(among.filters), tree(among.filters)))
        .collect();
    for _ in 0..run.rounds() {
        for (among, exact, tree) in &sides {
            let topics = wanted(among.filters);
            let mut next = topics.iter().cycle();
            group
                .mean(among.exact, 30_000, async || {
                    let topic = black_box(next.next().unwrap());
                    let found = exact.get(topic.as_str());
                    assert!(black_box(found).is_some());
                })
                .await;
            let mut next = topics.iter().cycle();
            group
                .mean(among.tree, 30_000, async || {
                    let topic = black_box(next.next().unwrap());
                    let mut found = 0;
                    tree.for_each(topic, |subscriber| {
                        black_box(subscriber);
                        found += 1;
                    });
                    assert_eq!(found, KINDS);
                })
                .await;
        }
    }
    report.add(group);
}

fn name(machine: usize) -> String {
    format!("plant/{}/machine-{machine}/celsius", machine % HALLS)
}

/// The topics of all machines that have all their filters.
fn wanted(filters: usize) -> Vec<Topic> {
    let machines = 0..filters / KINDS;
    machines.map(|machine| topic(&name(machine))).collect()
}

fn exact(topics: usize) -> HashMap<String, usize> {
    (0..topics)
        .map(|machine| (name(machine), machine))
        .collect()
}

fn tree(filters: usize) -> FilterTree<usize> {
    let mut tree = FilterTree::new();
    for subscriber in 0..filters {
        let machine = subscriber / KINDS;
        let filter = match subscriber % KINDS {
            0 => name(machine),
            1 => format!("plant/+/machine-{machine}/celsius"),
            _ => format!("plant/{}/machine-{machine}/#", machine % HALLS),
        };
        tree.insert(&TopicFilter::parse(&filter).unwrap(), subscriber);
    }
    tree
}
