//! From lists of children to a tree: every actor and supervisor stands in it exactly once, below `root`.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{At, Manifest, Problems, Source, SupervisorSection, quoted};

use super::{Backoff, Child, Intensity, Supervisor, defaults};

/// The name of the top.
pub(super) const ROOT: &str = "root";

/// What stands around the root in every tree; their lifecycle events have these names.
pub(super) const FIXED: [&str; 4] = ["node", "providers", "egress", "doors"];

/// How many supervisors may stand one above the other. Trees of people have four; past this a walk costs stack.
const DEEPEST: usize = 32;

/// The tree, or nothing where it is not one; then the problems say why.
pub(super) fn build(
    manifest: &Manifest,
    source: &Source<'_>,
    problems: &mut Problems,
) -> Option<Supervisor> {
    let sound = Sound::check(manifest, source, problems)?;
    Some(sound.supervisor(ROOT, manifest.supervisor.get(ROOT)))
}

/// The children of each supervisor, once they are known to make a tree.
struct Sound<'m> {
    manifest: &'m Manifest,
    children: BTreeMap<&'m str, Vec<&'m str>>,
}

impl<'m> Sound<'m> {
    fn check(manifest: &'m Manifest, source: &Source<'_>, problems: &mut Problems) -> Option<Self> {
        let top = At::top("supervisor");
        let mut sound = true;
        let mut fault =
            |problems: &mut Problems, at: &At<'_>, key: bool, message: String, help: String| {
                sound = false;
                let span = if key {
                    source.key(at)
                } else {
                    source.value(at)
                };
                problems.push(span, message, help);
            };

        for name in manifest.actor.keys() {
            let actors = At::top("actor");
            let help = "actors and supervisors share their names: rename one of them";
            if name == ROOT {
                let message = format!("`{ROOT}` is the name of the top supervisor");
                fault(
                    problems,
                    &actors.key(name),
                    true,
                    message,
                    "rename the actor".to_owned(),
                );
            } else if manifest.supervisor.contains_key(name) {
                let message = format!("{} is an actor and a supervisor", quoted(name));
                fault(problems, &actors.key(name), true, message, help.to_owned());
            }
        }

        for name in FIXED {
            if manifest.supervisor.contains_key(name) {
                let message = format!("`{name}` is a supervisor of every tree");
                let help = "rename this one".to_owned();
                fault(problems, &top.key(name), true, message, help);
            }
        }

        // Who lists whom.
        let mut parents: BTreeMap<&str, &str> = BTreeMap::new();
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, section) in &manifest.supervisor {
            let own = top.key(name);
            let listed = section.children.as_deref().unwrap_or_default();
            if listed.is_empty() && name != ROOT {
                let message = format!("[{}] has no children", own.dotted());
                let help = "name actors or supervisors: children = [\"...\"]".to_owned();
                fault(problems, &own, true, message, help);
            }
            for (index, child) in listed.iter().enumerate() {
                let list = own.key("children");
                let at = list.index(index);
                let known =
                    manifest.actor.contains_key(child) || manifest.supervisor.contains_key(child);
                if child == ROOT {
                    let message = format!("`{ROOT}` is the top of the tree and no child");
                    fault(
                        problems,
                        &at,
                        false,
                        message,
                        "take it out of the list".to_owned(),
                    );
                } else if !known {
                    let names = manifest.actor.keys().chain(manifest.supervisor.keys());
                    let names = names.map(String::as_str).filter(|name| *name != ROOT);
                    let help = problems.hint(child, names, "actors and supervisors");
                    let message = format!("{} is neither an actor nor a supervisor", quoted(child));
                    fault(problems, &at, false, message, help);
                } else if let Some(parent) = parents.get(child.as_str()) {
                    let owner = top.key(parent).dotted();
                    let message = format!("{} is already a child of [{owner}]", quoted(child));
                    fault(problems, &at, false, message, "list it once".to_owned());
                } else {
                    parents.insert(child, name);
                    children.entry(name).or_default().push(child);
                }
            }
        }

        let everyone = || {
            manifest
                .actor
                .keys()
                .chain(manifest.supervisor.keys().filter(|name| *name != ROOT))
        };
        let orphans: BTreeSet<&str> = everyone()
            .map(String::as_str)
            .filter(|name| !parents.contains_key(name))
            .collect();
        match manifest
            .supervisor
            .get(ROOT)
            .map(|root| root.children.is_some())
        {
            // A list leaves nobody out: an actor that was forgotten in it would silently never start.
            Some(true) => {
                for orphan in orphans {
                    let (kind, table) = match manifest.actor.contains_key(orphan) {
                        true => ("actor", At::top("actor")),
                        false => ("supervisor", At::top("supervisor")),
                    };
                    let message = format!("{kind} {} has no place in the tree", quoted(orphan));
                    let help =
                        format!("add it to `children` of [supervisor.{ROOT}] or of one below it");
                    fault(problems, &table.key(orphan), true, message, help);
                }
            }
            Some(false) | None => {
                parents.extend(orphans.iter().map(|orphan| (*orphan, ROOT)));
                children.insert(ROOT, orphans.into_iter().collect());
            }
        }

        // Upward from every supervisor: to root, or round in a circle.
        let mut circled: BTreeSet<&str> = BTreeSet::new();
        for name in manifest.supervisor.keys().map(String::as_str) {
            let mut path = vec![name];
            let mut above = name;
            while let Some(parent) = parents.get(above).filter(|_| !circled.contains(above)) {
                above = parent;
                if let Some(start) = path.iter().position(|seen| *seen == above) {
                    let circle = path.get(start..).unwrap_or_default();
                    circled.extend(circle);
                    let (message, help) = circle_words(circle);
                    fault(
                        problems,
                        &top.key(circle.first().unwrap_or(&name)),
                        true,
                        message,
                        help,
                    );
                    break;
                }
                path.push(above);
                if path.len() > DEEPEST {
                    let message = format!(
                        "[{}] lies more than {DEEPEST} supervisors deep",
                        top.key(name).dotted()
                    );
                    fault(
                        problems,
                        &top.key(name),
                        true,
                        message,
                        "make the tree flatter".to_owned(),
                    );
                    break;
                }
            }
        }
        sound.then_some(Self { manifest, children })
    }

    /// At most [`DEEPEST`] calls deep.
    fn supervisor(&self, name: &str, section: Option<&SupervisorSection>) -> Supervisor {
        let absent = SupervisorSection::default();
        let section = section.unwrap_or(&absent);
        let children = self.children.get(name).into_iter().flatten();
        Supervisor {
            name: name.to_owned(),
            strategy: section.strategy.unwrap_or_default(),
            intensity: Intensity {
                max_restarts: section.max_restarts.unwrap_or(defaults::MAX_RESTARTS),
                within: section.within.map_or(defaults::WITHIN, |span| span.0),
            },
            backoff: Backoff {
                min: section
                    .backoff
                    .min
                    .map_or(defaults::RESTART_MIN, |span| span.0),
                max: section
                    .backoff
                    .max
                    .map_or(defaults::RESTART_MAX, |span| span.0),
                jitter: section.backoff.jitter.unwrap_or(defaults::JITTER),
            },
            restart: section.restart.unwrap_or_default(),
            children: children
                .map(|child| match self.manifest.supervisor.get(*child) {
                    Some(section) => Child::Supervisor(self.supervisor(child, Some(section))),
                    None => Child::Actor((*child).to_owned()),
                })
                .collect(),
        }
    }
}

/// Of a long circle the beginning is enough.
fn circle_words(circle: &[&str]) -> (String, String) {
    if let [alone] = circle {
        let message = format!("supervisor {} is its own child", quoted(alone));
        return (message, "take it out of its `children`".to_owned());
    }
    // Upward is how it was walked, downward is how it is written.
    let downward = circle.iter().rev().chain(circle.last());
    let mut names: Vec<String> = downward.take(5).map(|name| quoted(name)).collect();
    if circle.len() > 4 {
        names.push("..".to_owned());
    }
    let message = format!("supervisors contain one another: {}", names.join(" > "));
    (
        message,
        "take one of them out of the other's `children`".to_owned(),
    )
}
