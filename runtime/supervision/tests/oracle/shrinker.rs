//! From a script that differs to a smaller one that still does.

use whirlwind_supervision::{Restart, Strategy};

use crate::script::{Child, Event, Kind, OnStop, Script, Shutdown, Tree};

/// So many tries at most: a script that differs now and then only could be tried for ever.
const TRIES: usize = 3000;

/// The smallest script that is found for which `differs` still holds.
pub fn shrink(mut script: Script, mut differs: impl FnMut(&Script) -> bool) -> Script {
    let mut tries = 0;
    'smaller: loop {
        for smaller in smaller(&script) {
            tries += 1;
            if tries > TRIES {
                return script;
            }
            if differs(&smaller) {
                script = smaller;
                continue 'smaller;
            }
        }
        return script;
    }
}

/// Scripts that are one step smaller: the largest steps first.
fn smaller(script: &Script) -> Vec<Script> {
    let mut found = Vec::new();
    let mut with_events = |events: Vec<Event>| {
        found.push(Script {
            events,
            ..script.clone()
        });
    };
    let events = &script.events;
    if events.len() > 1 {
        let (first, second) = events.split_at(events.len() / 2);
        with_events(first.to_vec());
        with_events(second.to_vec());
    }
    for at in (0..events.len()).rev() {
        with_events(without(events, at));
    }
    for (at, event) in events.iter().enumerate() {
        if let Event::Start(of, child) = event {
            for child in smaller_child(child) {
                let mut events = events.clone();
                events[at] = Event::Start(of.clone(), child);
                with_events(events);
            }
        }
    }
    for at in 0..script.fails.len() {
        found.push(Script {
            fails: without(&script.fails, at),
            ..script.clone()
        });
    }
    found.extend(smaller_tree(&script.root).into_iter().map(|root| Script {
        root,
        ..script.clone()
    }));
    found
}

fn without<T: Clone>(all: &[T], at: usize) -> Vec<T> {
    let mut rest = all.to_vec();
    rest.remove(at);
    rest
}

fn smaller_tree(tree: &Tree) -> Vec<Tree> {
    let mut found = Vec::new();
    let with = |children: Vec<Child>| Tree {
        children,
        ..tree.clone()
    };
    if tree.strategy != Strategy::SimpleOneForOne {
        found.extend((0..tree.children.len()).map(|at| with(without(&tree.children, at))));
        if tree.strategy != Strategy::OneForOne {
            found.push(Tree {
                strategy: Strategy::OneForOne,
                ..tree.clone()
            });
        }
    }
    for (at, child) in tree.children.iter().enumerate() {
        for child in smaller_child(child) {
            let mut children = tree.children.clone();
            children[at] = child;
            found.push(with(children));
        }
    }
    found
}

fn smaller_child(child: &Child) -> Vec<Child> {
    let mut found = Vec::new();
    if child.significant {
        found.push(Child {
            significant: false,
            ..child.clone()
        });
    } else if child.restart != Restart::Permanent {
        found.push(Child {
            restart: Restart::Permanent,
            ..child.clone()
        });
    }
    match &child.kind {
        Kind::Worker(on_stop) => {
            if (child.shutdown, *on_stop) != (Shutdown::Infinity, OnStop::Obey) {
                found.push(Child {
                    shutdown: Shutdown::Infinity,
                    kind: Kind::Worker(OnStop::Obey),
                    ..child.clone()
                });
            }
        }
        Kind::Supervisor(tree) => {
            found.extend(smaller_tree(tree).into_iter().map(|tree| Child {
                kind: Kind::Supervisor(tree),
                ..child.clone()
            }));
        }
    }
    found
}
