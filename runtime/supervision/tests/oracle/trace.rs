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
        let step = in_order_of_slots(step, |line| slot_of_root(&simple, line));
        done.extend(in_order_of_slots(step, |line| slot_below(&simple, line)));
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

/// Sorts each run of lines that are about the stop of the children of one supervisor.
fn in_order_of_slots(step: Vec<String>, slot: impl Fn(&str) -> Option<Slot>) -> Vec<String> {
    let mut lines = step.into_iter().map(|line| (slot(&line), line)).peekable();
    let mut done = Vec::new();
    while let Some((slot, line)) = lines.next() {
        let of = slot.as_ref().map(|slot| slot.of.clone());
        let mut run = vec![(slot, line)];
        while let Some(of) = &of
            && let Some(next) =
                lines.next_if(|(slot, _)| slot.as_ref().is_some_and(|slot| slot.of == *of))
        {
            run.push(next);
        }
        // Stable, so what one child does stays in its order.
        run.sort_by(|(one, _), (other, _)| one.cmp(other));
        done.extend(run.into_iter().map(|(_, line)| line));
    }
    done
}

/// A child of a simple-one-for-one supervisor.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    of: String,
    path: String,
}

/// The path that a line of stopping is about.
fn stopping(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("stop ")
        .or_else(|| line.strip_prefix("end "))?;
    rest.split(' ').next().filter(|path| *path != ROOT)
}

/// The child of the root that a line is about, or that the one it is about is under.
fn slot_of_root(simple: &Simple, line: &str) -> Option<Slot> {
    let path = stopping(line).filter(|_| simple.has(ROOT))?;
    Some(Slot {
        of: ROOT.to_owned(),
        path: path.split('/').next()?.to_owned(),
    })
}

/// The child that a line is about, of a supervisor under the root.
fn slot_below(simple: &Simple, line: &str) -> Option<Slot> {
    let path = stopping(line)?;
    let (of, _) = path.rsplit_once('/')?;
    simple.has(of).then(|| Slot {
        of: of.to_owned(),
        path: path.to_owned(),
    })
}

/// The simple-one-for-one supervisors that a script has or may come to have. One from a template is
/// there by the template's name.
pub struct Simple(HashSet<String>);

impl Simple {
    pub fn has(&self, path: &str) -> bool {
        self.0.contains(path)
            || self.0.contains(ROOT) && self.0.contains(path.trim_end_matches(char::is_numeric))
    }
}

pub fn simple_supervisors(script: &Script) -> Simple {
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
    Simple(found)
}
