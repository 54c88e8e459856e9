//! What `up` says on the way up: one line for each part, then topics and the control socket.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use owo_colors::OwoColorize as _;
use whirlwind::app::Backend;
use whirlwind::{App, Node, PartKind};

use crate::print::printable;
use crate::verbs::seconds;

/// Says what is started.
pub(super) fn first(app: &App) -> String {
    let from = app
        .manifest
        .as_deref()
        .map(|path| format!("  {}", from_here(path).dimmed()))
        .unwrap_or_default();
    format!("{}{from}", printable(&app.name).bold())
}

/// Says that a part is up. Doors are left out: the control socket is named with its path at the end, those of a provider go with it.
pub(super) fn part(app: &App, kind: PartKind, name: &str, detail: Option<&str>) -> Option<String> {
    let mut words = match kind {
        PartKind::Provider => app
            .providers
            .get(name)
            .map(|provider| match &provider.kind {
                Backend::Memory => "memory".to_owned(),
                Backend::Sled { path } => format!("sled in {}", path.display()),
                Backend::Store => "the node's own store".to_owned(),
                Backend::Mqtt(settings) => {
                    format!("mqtt  {}", printable(&settings.config.url.to_string()))
                }
                Backend::MqttBroker(_) => "mqtt broker".to_owned(),
            }),
        PartKind::Actor => app.actors.get(name).map(|actor| match actor.instances {
            1 => "1 instance".to_owned(),
            instances => format!("{instances} instances"),
        }),
        PartKind::Door => return None,
    }
    .unwrap_or_default();
    if let Some(detail) = detail {
        words = format!("{words}  {}", printable(detail).yellow());
    }
    Some(row(app, kind.as_str(), name, words.trim_start()))
}

/// Topics, the control socket, and how to stop.
pub(super) fn last(node: &Node, took: Duration) -> Vec<String> {
    let app = node.app();
    let mut topics: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for actor in app.actors.values() {
        for filter in &actor.subscribe {
            topics
                .entry(filter.as_str())
                .or_default()
                .0
                .push(&actor.name);
        }
        for filter in &actor.publish {
            topics
                .entry(filter.as_str())
                .or_default()
                .1
                .push(&actor.name);
        }
    }
    for provider in app.providers.values() {
        let Backend::Mqtt(settings) = &provider.kind else {
            continue;
        };
        let mappings = &settings.config.mappings;
        for mapping in mappings.inward() {
            let ends = topics.entry(mapping.target()).or_default();
            ends.1.push(&provider.name);
        }
        for mapping in mappings.outward() {
            let ends = topics.entry(mapping.filter().as_str()).or_default();
            ends.0.push(&provider.name);
        }
    }
    let mut lines = Vec::new();
    for (topic, (to, from)) in topics {
        let mut ends = Vec::new();
        if !from.is_empty() {
            ends.push(format!("from {}", from.join(", ")));
        }
        if !to.is_empty() {
            ends.push(format!("to {}", to.join(", ")));
        }
        lines.push(row(app, "topic", topic, &ends.join(", ")));
    }
    if let Some(socket) = node.control_socket() {
        lines.push(format!(
            "  {} {}",
            format_args!("{:<9}", "control").dimmed(),
            from_here(socket)
        ));
    }
    lines.push(format!(
        "{} in {}; Ctrl-C stops it",
        "up".green().bold(),
        seconds(took)
    ));
    lines
}

/// `kind  name  words`, the names as wide as the longest of the app.
fn row(app: &App, kind: &str, name: &str, words: &str) -> String {
    let width = width(app);
    let name = printable(name);
    let line = format!(
        "  {} {:<width$}  {words}",
        format_args!("{kind:<9}").dimmed(),
        name
    );
    line.trim_end().to_owned()
}

/// In characters, the longest name or topic; one that is very long does not push all words out of sight.
fn width(app: &App) -> usize {
    const LONGEST: usize = 32;
    let topics = app
        .actors
        .values()
        .flat_map(|actor| actor.subscribe.iter().chain(&actor.publish));
    let names = app
        .actors
        .keys()
        .chain(app.providers.keys())
        .map(String::as_str);
    let widths = names
        .chain(topics.map(|topic| topic.as_str()))
        .map(|name| name.chars().count());
    widths.max().unwrap_or(0).min(LONGEST)
}

/// A path as it is written from the current folder, where it lies below.
fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    printable(&below.as_deref().unwrap_or(path).display().to_string())
}
