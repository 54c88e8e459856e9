//! From an app to a running node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use futures::future::join_all;
use tokio::sync::{Notify, SetOnce, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Inbox, MailboxSpec, Overflow, TopicRule,
    TopicRules,
};
use whirlwind_component::{
    Component, Engine, EngineConfig, EngineError, Isolation, Limits, Links, LoadError, Need,
    NoRoom, Pool, Room, Settings,
};
use whirlwind_event::TopicFilter;
use whirlwind_provider_api::Bucket;
use whirlwind_supervision::{Report, ReportEvent, Reporter, Supervisor};

use super::dead::take_up;
use super::departed::Departing;
use super::{End, Inner, Node, data_dir};
use crate::actor::{Actor, Changes, FailedDeliveries};
use crate::app::{self, App, MissingComponent};
use crate::control::{self, ControlError, Socket};
use crate::dead::file;
use crate::lifecycle::{Lifecycle, TreeReports};
use crate::manifest;
use crate::part::PartKind;
use crate::provider::{LinkedBucket, Provider};
use crate::subscription::Subscription;
use crate::tree;

/// What a node is started with.
pub struct Builder {
    app: App,
    bus: Arc<Bus>,
    lifecycle: Lifecycle,
    over: CancellationToken,
    /// Ends what reads of a node that never comes up.
    unstarted: DropGuard,
    data_dir: Option<PathBuf>,
    control: bool,
    progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

/// What happens on the way up, for whoever waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A component takes longer than 300 ms to compile. The next start takes it from the cache.
    Compiling {
        /// Whose component.
        actor: String,
    },
    /// A part has started.
    Up {
        /// What it is.
        kind: PartKind,
        /// Its name.
        name: String,
        /// What a person should know of it: for a provider that is down, why.
        detail: Option<String>,
    },
}

/// Why a node did not start. Nothing of it is left running then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Components are missing or do not fit: all of them.
    #[error("{}", lines(.0))]
    Components(Vec<ComponentError>),
    /// The supervision tree did not start, in its words.
    #[error("{0}")]
    Tree(String),
    /// The control socket cannot be had.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The machine has no room for so many instances.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The dead letters of the last node cannot be read.
    #[error("the dead letters in {} cannot be read: {error}; move the file away to start without them", path.display())]
    DeadLetters {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The engine cannot be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The data directory cannot be used.
    #[error("the data directory {} cannot be used: {error}; choose another with --data-dir", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

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

fn lines(errors: &[ComponentError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Builder {
    pub(super) fn new(app: App) -> Self {
        let (bus, over) = (bus(&app), CancellationToken::new());
        Self {
            lifecycle: Lifecycle::new(&app.name, Arc::downgrade(&bus)),
            unstarted: over.clone().drop_guard(),
            app,
            bus,
            over,
            data_dir: None,
            control: false,
            progress: Arc::new(|_| {}),
        }
    }

    /// Where everything lies that the node writes; `.whirlwind` beside the manifest where none is given.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Opens the control socket, `control.sock` in the data directory, when every part has started.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Looks on at the events of matching topics from before the start on: those on `$sys/#` tell of the start itself. It sees an
    /// end when the node does not come up.
    pub fn subscribe(&self, filter: &TopicFilter) -> Subscription {
        Subscription::new(&self.bus, filter, self.over.clone())
    }

    /// Who is told of what happens on the way up. Called from the node's tasks: it must not block.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Starts the node. Returns when every part has started; a provider that cannot be opened now has started, and is down.
    ///
    /// # Errors
    /// [`StartError`]: components first, then the tree.
    pub async fn start(self) -> Result<Node, StartError> {
        let Self {
            app,
            bus,
            lifecycle,
            over,
            unstarted,
            data_dir,
            control,
            progress,
        } = self;
        let data_dir = data_dir::make(&app, data_dir.as_deref())?;
        let socket = match control {
            true => Some(Socket::claim(&data_dir.join(control::SOCKET))?),
            false => None,
        };
        let providers: Vec<_> = app
            .providers
            .values()
            .map(|provider| Provider::new(provider, &data_dir, &lifecycle))
            .collect();
        let engine = engine(&app, &data_dir)?;
        let components = load(&app, &engine, &providers, &progress)
            .await
            .map_err(StartError::Components)?;
        room(&app, &engine, &components)?;
        take_up(&data_dir, &bus)
            .await
            .map_err(|error| StartError::DeadLetters {
                path: data_dir.join(file::FILE),
                error,
            })?;
        let actors = actors(&app, &bus, &lifecycle, components);

        let node = Node(Arc::new(Inner {
            control: socket.as_ref().map(|socket| socket.path().to_owned()),
            data_dir,
            left: OnceLock::new(),
            departures: Notify::new(),
            app,
            bus,
            actors,
            providers,
            engine,
            sizes: std::sync::Mutex::default(),
            tree: SetOnce::new(),
            stopping: CancellationToken::new(),
            publishing: TaskTracker::new(),
            ended: watch::Sender::new(None::<End>),
            over,
        }));
        node.start_tree(socket, progress, lifecycle).await?;
        unstarted.disarm();
        Ok(node)
    }
}

impl Node {
    async fn start_tree(
        &self,
        socket: Option<Socket>,
        progress: Arc<dyn Fn(Progress) + Send + Sync>,
        lifecycle: Lifecycle,
    ) -> Result<(), StartError> {
        let inner = &self.0;
        let doors = socket
            .map(|socket| control::door(socket, Arc::downgrade(inner)))
            .into_iter()
            .collect();
        let spec = tree::spec(&inner.app.root, &inner.actors, &inner.providers, doors);
        let started = Arc::new(AtomicBool::new(false));
        let reports = TreeReports::new(&inner.app, lifecycle);
        let reporter = Reporter::new({
            let (started, inner) = (Arc::clone(&started), Arc::downgrade(inner));
            let departing = Departing::of(&self.0.app);
            move |report| {
                tree::log(&report);
                let Some(inner) = inner.upgrade() else {
                    return;
                };
                if departing.concerns(&report) {
                    inner.came_or_went(&report);
                }
                reports.hear(&report, &inner.actors);
                if !started.load(Ordering::Relaxed)
                    && let Some(up) = inner.came_up(&report)
                {
                    progress(up);
                }
            }
        });
        let tree = Supervisor::start(spec, reporter)
            .await
            .map_err(|error| StartError::Tree(error.to_string()))?;
        started.store(true, Ordering::Relaxed);
        tokio::spawn(self.clone().watch(tree.clone()));
        tokio::spawn(self.clone().see_off());
        // The first and only start: nobody else sets it.
        let _ = inner.tree.set(tree);
        Ok(())
    }
}

impl Inner {
    pub(crate) fn node(self: Arc<Self>) -> Node {
        Node(self)
    }

    /// The part that a report says has started, if it is one.
    fn came_up(&self, report: &Report) -> Option<Progress> {
        if report.event != ReportEvent::Started {
            return None;
        }
        let name = &*report.child;
        let (kind, detail) = match &*report.supervisor {
            tree::PROVIDERS => {
                let provider = self.providers.iter().find(|known| known.name == name)?;
                (PartKind::Provider, provider.notice())
            }
            tree::DOORS => (PartKind::Door, None),
            _ if self.actors.contains_key(name) => (PartKind::Actor, None),
            _ => return None,
        };
        Some(Progress::Up {
            kind,
            name: name.to_owned(),
            detail,
        })
    }
}

/// An engine for the components of `app`. Refused if the machine has no room for the instances even if each is as small as they
/// come: that is known before anything is compiled.
pub(crate) fn engine(app: &App, data_dir: &Path) -> Result<Engine, StartError> {
    let smallest = app.actors.values().map(|actor| {
        let need = Need::of(isolation(actor), 1);
        (need, count(actor.instances))
    });
    Room::now().check(smallest)?;
    Ok(Engine::new(EngineConfig {
        cache: data_dir::compiled(data_dir),
        pool: pool(app),
        ..EngineConfig::default()
    })?)
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

/// The components of all actors, by actor, or all that is wrong with them.
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
    let loaded = join_all(present.map(|actor| async move {
        let settings = settings(app, actor, providers, progress);
        let path = actor.component.clone();
        match Component::load(engine, &actor.name, path.clone(), settings).await {
            Ok(component) => Ok((actor.name.clone(), component)),
            Err(error) => Err(ComponentError::Unfit { path, error }),
        }
    }))
    .await;
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
    let bucket = |link: &app::KeyValueLink| -> Option<Arc<dyn Bucket>> {
        let provider = providers.iter().find(|known| known.name == link.provider)?;
        Some(Arc::new(LinkedBucket::new(
            Arc::clone(provider),
            &link.bucket,
        )))
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

fn bus(app: &App) -> Arc<Bus> {
    let rules = app.topics.iter().map(|rule| {
        let of = TopicRule {
            max_event: rule
                .max_event
                .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
            dead_letter: rule.dead_letter.clone(),
        };
        (rule.filter.clone(), of)
    });
    let (rules, letters) = (
        TopicRules::new(rules),
        DeadLetters::new(DeadLetterLimits::default()),
    );
    Arc::new_cyclic(|bus| {
        let lifecycle = Lifecycle::new(&app.name, bus.clone());
        Bus::new(rules, letters).with_listener(move |notice| lifecycle.notice(notice))
    })
}

/// The actors with their mailboxes, subscribed before anything can be published.
fn actors(
    app: &App,
    bus: &Arc<Bus>,
    lifecycle: &Lifecycle,
    mut components: BTreeMap<String, Component>,
) -> BTreeMap<String, Arc<Actor>> {
    let parents = tree::parents(&app.root);
    let mut actors = BTreeMap::new();
    for spec in app.actors.values() {
        let Some(component) = components.remove(&spec.name) else {
            continue; // `load` answers all of them or an error
        };
        let actor = Actor {
            source: format!("/{}/{}", app.name, spec.name),
            changes: Changes::new(spec.instances, component),
            bus: Arc::clone(bus),
            inbox: inbox(bus, spec),
            backoff: parents
                .get(spec.name.as_str())
                .unwrap_or(&&app.root)
                .backoff,
            live: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            presence: Mutex::default(),
            failed: FailedDeliveries::default(),
            lifecycle: lifecycle.clone(),
            spec: spec.clone(),
        };
        actors.insert(spec.name.clone(), Arc::new(actor));
    }
    actors
}

fn inbox(bus: &Bus, spec: &app::Actor) -> Inbox {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: spec.name.as_str().into(),
        capacity: Capacity {
            events: spec.mailbox.capacity,
            bytes: usize::try_from(spec.mailbox.bytes).unwrap_or(usize::MAX),
        },
        overflow: match spec.mailbox.overflow {
            manifest::Overflow::Reject => Overflow::Reject,
            manifest::Overflow::DropOldest => Overflow::DropOldest,
            manifest::Overflow::DropNewest => Overflow::DropNewest,
            manifest::Overflow::DeadLetter => Overflow::DeadLetter,
        },
    });
    for filter in &spec.subscribe {
        bus.subscribe(filter, &mailbox);
    }
    inbox
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("app", &self.app.name)
            .field("data_dir", &self.data_dir)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}
