//! What would fail at start, without starting.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::Guarantee;
use crate::app::{App, Backend};
use crate::node::{StartError, components, data_dir};
use crate::provider::Providers;

/// What an app is, as far as it can be known without starting it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its actors.
    pub actors: Vec<CheckedActor>,
    /// Its timers.
    pub timers: Vec<CheckedTimer>,
    /// How many instances they have together.
    pub instances: usize,
    /// How many plain instances this machine has room for.
    pub room: usize,
    /// What is allowed and looks like a mistake, in words.
    pub warnings: Vec<String>,
}

/// An actor that would start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedActor {
    /// Its name.
    pub name: String,
    /// The interface its component is called through.
    pub handler: String,
    /// What it receives.
    pub subscribe: Vec<String>,
    /// What it may publish to.
    pub publish: Vec<String>,
    /// Its links, as `identifier = provider/bucket`.
    pub links: Vec<String>,
    /// What an event gets that it accepted.
    pub guarantee: String,
    /// Why.
    pub why: String,
}

/// A timer that would start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedTimer {
    /// Its name.
    pub name: String,
    /// When it publishes, in words.
    pub when: String,
    /// Where.
    pub topic: String,
}

/// Compiles and links every component of `app` as a start would. `data_dir` keeps the compiled code, so that the start is faster.
///
/// # Errors
/// The same as a start's, as far as they come before anything runs.
pub async fn check(app: &App, data_dir: Option<&Path>) -> Result<Check, StartError> {
    let data_dir = data_dir::make(app, data_dir)?;
    let engine = components::engine(app, &data_dir)?;
    let lifecycle = crate::lifecycle::Lifecycle::unheard();
    let bus = crate::node::start::bus(app);
    let providers = Providers::of(app, &data_dir, &bus, &lifecycle, None);
    let quiet: Arc<dyn Fn(crate::Progress) + Send + Sync> = Arc::new(|_| {});
    let components = components::load(app, &engine, &providers.stores, &quiet)
        .await
        .map_err(StartError::Components)?;
    components::room(app, &engine, &components)?;
    let instances = app.actors.values().map(|actor| actor.instances as usize);
    let actors = app.actors.values().filter_map(|actor| {
        let component = components.get(&actor.name)?;
        let guarantee = Guarantee::of(actor, app);
        Some(CheckedActor {
            name: actor.name.clone(),
            handler: component.handler().interface().to_owned(),
            subscribe: actor.subscribe.iter().map(ToString::to_string).collect(),
            publish: actor.publish.iter().map(ToString::to_string).collect(),
            links: actor
                .keyvalue
                .iter()
                .map(|(identifier, link)| {
                    format!("{identifier} = {}/{}", link.provider, link.bucket)
                })
                .collect(),
            guarantee: guarantee.to_string(),
            why: guarantee.why(actor, app),
        })
    });
    let timers = app.timers.values().map(|timer| CheckedTimer {
        name: timer.name.clone(),
        when: timer.when.to_string(),
        topic: timer.topic.to_string(),
    });
    Ok(Check {
        actors: actors.collect(),
        timers: timers.collect(),
        instances: instances.fold(0, usize::saturating_add),
        room: engine.capacity(),
        warnings: warnings(app),
    })
}

/// Actors that hear nothing, providers nobody uses, and timers nobody hears.
fn warnings(app: &App) -> Vec<String> {
    let mut warnings = Vec::new();
    for actor in app.actors.values() {
        let name = &actor.name;
        if actor.subscribe.is_empty() {
            warnings.push(format!(
                "actor `{name}` subscribes to nothing, so it will never be called: add `subscribe` to [actor.{name}]"
            ));
        }
    }
    for (provider, about) in &app.providers {
        if matches!(about.kind, Backend::Mqtt(_) | Backend::MqttBroker(_)) {
            continue;
        }
        let mut links = app
            .actors
            .values()
            .flat_map(|actor| actor.keyvalue.values());
        if !links.any(|link| link.provider == *provider) {
            warnings.push(format!("provider `{provider}` is linked to no actor"));
        }
    }
    for timer in app.timers.values() {
        let actors = app.actors.values().flat_map(|actor| &actor.subscribe);
        let out = app
            .providers
            .values()
            .filter_map(|provider| match &provider.kind {
                Backend::Mqtt(settings) => Some(settings.config.mappings.outward()),
                _ => None,
            });
        let mut filters = actors.chain(out.flatten().map(|out| out.filter()));
        if !filters.any(|filter| filter.matches(&timer.topic)) {
            warnings.push(format!(
                "timer `{}` publishes on `{}`, which no actor subscribes to and no provider sends out",
                timer.name, timer.topic
            ));
        }
    }
    warnings
}
