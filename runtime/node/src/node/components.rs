//! The components of an app: the engine for them, the room they need, and what each is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use whirlwind_component::{
    Component, Engine, EngineConfig, Isolation, Limits, Links, LoadError, Need, NoRoom, Pool, Room,
    Settings,
};
use whirlwind_provider_api::Linked;

use super::data_dir;
use super::start::{Progress, StartError};
use crate::actor::staged;
use crate::app::{self, App, MissingComponent};
use crate::manifest;
use crate::provider::{LinkedBucket, Provider};

/// A component that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Its file is not there.
    #[error(transparent)]
    Missing(#[from] MissingComponent),
    /// It does not fit.
    #[error("{}: {error}", path.display())]
    Unfit {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: LoadError,
    },
}

/// An engine for the components of `app`. Refused if the machine has no room for the instances even if each is as small as they
/// come: that is known before anything is compiled.
pub(crate) fn engine(app: &App, data_dir: &Path) -> Result<Engine, StartError> {
    Room::now().check(smallest(app))?;
    Ok(Engine::new(EngineConfig {
        cache: data_dir::compiled(data_dir),
        pool: pool(app),
        ..EngineConfig::default()
    })?)
}

/// What the instances of `app` take if each is as small as they come.
pub(crate) fn smallest(app: &App) -> impl Iterator<Item = (Need, usize)> {
    app.actors.values().map(|actor| {
        let need = Need::of(isolation(actor), 1);
        (need, count(actor.instances))
    })
}

/// A pool as large as the instances per message of `app` need, and one place more, in which a component is tried before it
/// takes the place of another. It cannot grow later.
pub(crate) fn pool(app: &App) -> Pool {
    let per_message = app
        .actors
        .values()
        .filter(|actor| actor.isolation == manifest::Isolation::PerMessage);
    let mut pool = Pool::default();
    let (mut instances, mut memory) = (0_u32, 0_u64);
    for actor in per_message {
        instances = instances.saturating_add(actor.instances);
        memory = memory.max(actor.limits.memory);
    }
    pool.instances = pool.instances.max(instances.saturating_add(1));
    pool.memory = pool
        .memory
        .max(usize::try_from(memory).unwrap_or(usize::MAX));
    pool
}

/// Whether the machine has room for all instances of `app`, now that it is known what each takes.
pub(crate) fn room(
    app: &App,
    engine: &Engine,
    components: &BTreeMap<String, Component>,
) -> Result<(), NoRoom> {
    engine.room_for(app.actors.values().filter_map(|actor| {
        let component = components.get(&actor.name)?;
        Some((component, count(actor.instances)))
    }))
}

fn count(instances: u32) -> usize {
    usize::try_from(instances).unwrap_or(usize::MAX)
}

fn isolation(actor: &app::Actor) -> Isolation {
    match actor.isolation {
        manifest::Isolation::Resident => Isolation::Resident,
        manifest::Isolation::PerMessage => Isolation::PerMessage,
    }
}

/// The components of all actors, by actor, or all that is wrong with them. As many at a time as can be compiled at once: each that
/// waits takes a thread.
pub(crate) async fn load(
    app: &App,
    engine: &Engine,
    providers: &[Arc<Provider>],
    progress: &Arc<dyn Fn(Progress) + Send + Sync>,
) -> Result<BTreeMap<String, Component>, Vec<ComponentError>> {
    let missing = app.missing_components();
    let is_missing: BTreeSet<_> = missing
        .iter()
        .map(|missing| missing.actor.clone())
        .collect();
    let present = app
        .actors
        .values()
        .filter(|actor| !is_missing.contains(&actor.name));
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let loads = present.map(|actor| async move {
        let settings = settings(app, actor, providers, progress);
        let path = actor.component.clone();
        match Component::load(engine, &actor.name, path.clone(), settings).await {
            Ok(component) => Ok((actor.name.clone(), component)),
            Err(error) => Err(ComponentError::Unfit { path, error }),
        }
    });
    let loads: Vec<_> = loads.collect();
    let loaded: Vec<_> = stream::iter(loads).buffered(at_once).collect().await;
    let mut errors: Vec<ComponentError> = missing.into_iter().map(Into::into).collect();
    let mut components = BTreeMap::new();
    for result in loaded {
        match result {
            Ok((actor, component)) => {
                components.insert(actor, component);
            }
            Err(error) => errors.push(error),
        }
    }
    match errors.is_empty() {
        true => Ok(components),
        false => Err(errors),
    }
}

/// The component in `file` for one actor, as a start would load it.
pub(crate) async fn load_one(
    app: &App,
    engine: &Engine,
    providers: &[Arc<Provider>],
    actor: &app::Actor,
    file: PathBuf,
) -> Result<Component, ComponentError> {
    let slow: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(|progress| {
        if let Progress::Compiling { actor } = progress {
            tracing::info!(actor, "compiling its new component");
        }
    });
    let settings = settings(app, actor, providers, &slow);
    Component::load(engine, &actor.name, file.clone(), settings)
        .await
        .map_err(|error| ComponentError::Unfit { path: file, error })
}

/// What a component is given: what the manifest says, and nothing else.
fn settings(
    app: &App,
    actor: &app::Actor,
    providers: &[Arc<Provider>],
    progress: &Arc<dyn Fn(Progress) + Send + Sync>,
) -> Settings {
    let exposed = |values: &BTreeMap<String, app::Secret>| {
        let pairs = values.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect()
    };
    let bucket = |link: &app::KeyValueLink| {
        let provider = providers.iter().find(|known| known.name == link.provider)?;
        let bucket = LinkedBucket::new(Arc::clone(provider), &link.bucket);
        Some(Linked {
            name: staged::name(link).into(),
            bucket: Arc::new(bucket),
            validated: provider.is_in_store(),
        })
    };
    let buckets = actor
        .keyvalue
        .iter()
        .filter_map(|(identifier, link)| Some((identifier.clone(), bucket(link)?)))
        .collect();
    let identifiers = app.actors.values().flat_map(|actor| actor.keyvalue.keys());
    let known = identifiers.chain(app.providers.keys()).cloned().collect();
    Settings {
        limits: Limits {
            memory: usize::try_from(actor.limits.memory).unwrap_or(usize::MAX),
            deadline: actor.limits.deadline,
            ..Limits::default()
        },
        links: Links { buckets, known },
        config: exposed(&actor.config),
        env: exposed(&actor.env),
        isolation: isolation(actor),
        progress: Some({
            let progress = Arc::clone(progress);
            Arc::new(move |actor: &str| {
                progress(Progress::Compiling {
                    actor: actor.to_owned(),
                });
            })
        }),
        ..Settings::default()
    }
}
