//! What a listing says of each part.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Guarantee;
use crate::actor::Actor;
use crate::app::App;
use crate::part::{Part, PartKind, PartState, TreeKind, TreeNode};
use crate::provider::{MessagingProvider, Providers, ingress};
use crate::timer::Timer;

/// The states of all that has a place in a listing, by kind and name.
pub(super) fn collect<'a>(node: &'a TreeNode, into: &mut BTreeMap<(TreeKind, &'a str), PartState>) {
    into.insert((node.kind, &node.name), node.state);
    for child in &node.children {
        collect(child, into);
    }
}

fn blank(name: &str, kind: PartKind, state: PartState) -> Part {
    Part {
        name: name.to_owned(),
        kind,
        state,
        instances: None,
        mailbox: None,
        handled: None,
        failed: None,
        retried: None,
        restarts: None,
        dead: None,
        dropped: None,
        guarantee: None,
        detail: None,
    }
}

pub(super) fn provider_part(name: &str, providers: &Providers) -> Option<Part> {
    let (state, detail) = match providers.state(name)? {
        Ok(detail) => (PartState::Running, detail),
        Err(reason) => (PartState::Down, Some(reason)),
    };
    Some(Part {
        detail,
        ..blank(name, PartKind::Provider, state)
    })
}

/// A door: a timer, one of a provider of messages with what went through it, or another.
pub(super) fn door_part(
    name: &str,
    state: PartState,
    providers: &Providers,
    timers: &[Arc<Timer>],
) -> Part {
    let part = blank(name, PartKind::Door, state);
    if let Some(timer) = timers.iter().find(|timer| timer.name() == name) {
        return timer.part(part);
    }
    for provider in &providers.messaging {
        if ingress::name(provider) == name {
            return inward(provider, part);
        }
        if let Some(outbox) = &provider.outbox
            && **outbox.name() == *name
        {
            let stats = outbox.stats();
            return Part {
                mailbox: Some(stats.depth),
                handled: Some(stats.handled),
                failed: Some(stats.failed),
                dead: Some(stats.dead),
                dropped: Some(stats.dropped),
                ..part
            };
        }
    }
    part
}

fn inward(provider: &MessagingProvider, part: Part) -> Part {
    let Some(counts) = provider.counts() else {
        return part;
    };
    let many = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let words: Vec<_> = [
        many(counts.unacknowledged as u64, "not acknowledged yet"),
        many(counts.duplicates, "came again"),
        many(counts.malformed, "were no events"),
        many(provider.without_id(), "had no id where `in` says"),
        many(counts.reconnects, "reconnects"),
    ]
    .into_iter()
    .flatten()
    .collect();
    Part {
        handled: Some(counts.received),
        dropped: Some(counts.dropped),
        detail: (!words.is_empty()).then(|| words.join(", ")),
        ..part
    }
}

pub(super) fn actor_part(actor: &Actor, app: &App, state: PartState) -> Part {
    let stats = actor.inbox.stats();
    let many = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let words: Vec<_> = [
        many(
            actor.conflicts(),
            "turns ran again, since others had changed what they had read",
        ),
        many(stats.duplicates, "events came again and were not handled"),
    ]
    .into_iter()
    .flatten()
    .collect();
    Part {
        instances: Some(actor.live()),
        mailbox: Some(stats.depth),
        handled: Some(stats.handled),
        failed: Some(stats.failed),
        retried: Some(stats.retried),
        restarts: Some(actor.restarts()),
        dead: Some(stats.dead),
        dropped: Some(stats.dropped),
        guarantee: Some(Guarantee::of(&actor.spec, app).to_string()),
        detail: (!words.is_empty()).then(|| words.join(", ")),
        ..blank(actor.name(), PartKind::Actor, state)
    }
}
