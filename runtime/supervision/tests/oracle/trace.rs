//! The form of a trace that two supervisors can be held to: what may happen in any order is put in one.

use std::collections::HashSet;

use whirlwind_supervision::Strategy;

use crate::script::{Child, Event, ROOT, Script, Tree, below, is_supervisor};

/// Puts in order what has none: what the children of a simple-one-for-one supervisor do while they
/// are stopped at the same time, and the ends of those whose supervisor was killed over them.
pub fn canonical(script: &Script, trace: Vec<String>) -> Vec<String> {
    let simple = simple_supervisors(script);
    let mut done = Vec::with_capacity(trace.len());
    for step in steps(trace) {
        let step = orphans_last(step);
        done.extend(in_order_of_slots(&simple, step));
    }
    done
}

/// A step begins with the line that says so.
fn steps(trace: Vec<String>) -> Vec<Vec<String>> {
    let mut steps = vec![Vec::new()];
    for line in trace {
        if line.starts_with("step ") {
            steps.push(Vec::new());
        }
        steps.last_mut().unwrap().push(line);
    }
    steps
}

/// With us a supervisor that is killed has ended when all under it have; in OTP they are told of its
/// end, and end in their own time.
fn orphans_last(step: Vec<String>) -> Vec<String> {
    let killed: Vec<String> = step
        .iter()
        .filter_map(|line| line.strip_prefix("end ")?.strip_suffix(" killed"))
        .filter(|name| is_supervisor(name))
        .map(|name| format!("end {name}/"))
        .collect();
    let is_orphan = |line: &String| {
        line.ends_with(" killed") && killed.iter().any(|of| line.starts_with(of.as_str()))
    };
    let (mut orphans, mut rest): (Vec<String>, Vec<String>) = step.into_iter().partition(is_orphan);
    orphans.sort();
    rest.extend(orphans);
    rest
}

fn in_order_of_slots(simple: &HashSet<String>, step: Vec<String>) -> Vec<String> {
    let slots: Vec<Option<String>> = step.iter().map(|line| slot(simple, line)).collect();
    let mut done = Vec::with_capacity(step.len());
    let mut lines = step.into_iter().zip(slots).peekable();
    while let Some((line, of)) = lines.next() {
        if of.is_none() {
            done.push(line);
            continue;
        }
        let mut run = vec![(line, of)];
        while let Some(next) = lines.next_if(|(_, of)| of.is_some()) {
            run.push(next);
        }
        // Stable, so what one child does stays in its order.
        run.sort_by(|(_, one), (_, other)| one.cmp(other));
        done.extend(run.into_iter().map(|(line, _)| line));
    }
    done
}

/// The child of a simple-one-for-one supervisor that a line of stopping is about, or about below it.
fn slot(simple: &HashSet<String>, line: &str) -> Option<String> {
    let rest = line
        .strip_prefix("stop ")
        .or_else(|| line.strip_prefix("end "))?;
    let path = rest.split(' ').next()?;
    if simple.contains(ROOT) {
        return path
            .split('/')
            .next()
            .filter(|slot| *slot != ROOT)
            .map(str::to_owned);
    }
    let (of, _) = path.rsplit_once('/')?;
    simple.contains(of).then(|| path.to_owned())
}

/// The paths of the simple-one-for-one supervisors a script has or may come to have.
fn simple_supervisors(script: &Script) -> HashSet<String> {
    fn collect(path: &str, tree: &Tree, found: &mut HashSet<String>) {
        if tree.strategy == Strategy::SimpleOneForOne {
            found.insert(path.to_owned());
        }
        for child in &tree.children {
            of_child(path, child, found);
        }
    }
    fn of_child(of: &str, child: &Child, found: &mut HashSet<String>) {
        if let Some(tree) = child.tree() {
            collect(&below(of, &child.id), tree, found);
        }
    }
    let mut found = HashSet::new();
    collect(ROOT, &script.root, &mut found);
    for event in &script.events {
        if let Event::Start(of, child) = event {
            of_child(of, child, &mut found);
        }
    }
    found
}
