//! From an app to a running node.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::{Notify, SetOnce, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use whirlwind_bus::{
    Bus, Capacity, DeadLetterLimits, DeadLetters, Inbox, Mailbox, MailboxSpec, Overflow, TopicRule,
    TopicRules,
};
use whirlwind_component::{Component, EngineError, NoRoom};
use whirlwind_event::TopicFilter;
use whirlwind_supervision::{Report, ReportEvent, Reporter, Supervisor};

use super::components::{self, ComponentError};
use super::dead::take_up;
use super::departed::Departing;
use super::{End, Inner, Node, data_dir, store};
use crate::actor::{Actor, Changes, FailedDeliveries};
use crate::app::{self, App};
use crate::control::{self, ControlError, Socket};
use crate::dead::file;
use crate::lifecycle::{Lifecycle, TreeReports};
use crate::manifest;
use crate::part::PartKind;
use crate::provider::{Providers, egress, ingress};
use crate::subscription::Subscription;
use crate::timer::Timer;
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
    /// The store for durable topics cannot be used.
    #[error("the store in {} cannot be used: {error}", path.display())]
    Store {
        /// Its folder.
        path: PathBuf,
        /// Why, and what helps.
        error: String,
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
        let notice = store::open(&app, &data_dir, &bus).await?;
        let providers = Providers::of(&app, &data_dir, &bus, &lifecycle, notice);
        let engine = components::engine(&app, &data_dir)?;
        let components = components::load(&app, &engine, &providers.stores, &progress)
            .await
            .map_err(StartError::Components)?;
        components::room(&app, &engine, &components)?;
        take_up(&data_dir, &bus)
            .await
            .map_err(|error| StartError::DeadLetters {
                path: data_dir.join(file::FILE),
                error,
            })?;
        let actors = actors(&app, &bus, &lifecycle, components);
        let timers = app.timers.values();
        let timers = timers.map(|timer| Timer::new(&app.name, timer)).collect();

        let node = Node(Arc::new(Inner {
            control: socket.as_ref().map(|socket| socket.path().to_owned()),
            data_dir,
            left: OnceLock::new(),
            departures: Notify::new(),
            app,
            bus,
            actors,
            providers,
            timers,
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
        let (node, providers) = (Arc::downgrade(inner), &inner.providers);
        let messaging = || providers.messaging.iter();
        let egress = messaging().filter_map(|provider| egress::child(provider, &inner.bus));
        let doors = messaging().filter_map(|provider| ingress::door(provider, &node));
        let doors = doors.chain(socket.map(|socket| control::door(socket, Weak::clone(&node))));
        let timers = inner.timers.iter();
        let doors = doors.chain(timers.map(|timer| timer.child(Weak::clone(&node))));
        let spec = tree::spec(
            &inner.app.root,
            &inner.actors,
            providers.children(),
            egress.collect(),
            doors.collect(),
        );
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
        let bus = Arc::clone(&inner.bus);
        // It ends with the store at the latest.
        tokio::spawn(async move { bus.forget_seen().await });
        // The first and only start: nobody else sets it.
        let _ = inner.tree.set(tree);
        Ok(())
    }
}

impl Inner {
    pub(crate) fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

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
                let state = self.providers.state(name)?;
                let detail = state.unwrap_or_else(Some);
                (PartKind::Provider, detail)
            }
            tree::DOORS | tree::EGRESS => (PartKind::Door, None),
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

pub(crate) fn bus(app: &App) -> Arc<Bus> {
    let rules = app.topics.iter().map(|rule| {
        let of = TopicRule {
            max_event: rule
                .max_event
                .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
            dead_letter: rule.dead_letter.clone(),
            durable: rule.durable,
            keep: rule.keep,
            dedup: rule.dedup,
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
    let (mut actors, mut subscriptions) = (BTreeMap::new(), Vec::new());
    for spec in app.actors.values() {
        let Some(component) = components.remove(&spec.name) else {
            continue; // `load` answers all of them or an error
        };
        let actor = Actor {
            source: format!("/{}/{}", app.name, spec.name),
            changes: Changes::new(spec.instances, component),
            bus: Arc::clone(bus),
            inbox: inbox(bus, spec, &mut subscriptions),
            backoff: parents
                .get(spec.name.as_str())
                .unwrap_or(&&app.root)
                .backoff,
            live: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            presence: Mutex::default(),
            failed: FailedDeliveries::default(),
            lifecycle: lifecycle.clone(),
            spec: spec.clone(),
        };
        actors.insert(spec.name.clone(), Arc::new(actor));
    }
    bus.subscribe_all(&subscriptions);
    actors
}

fn inbox(bus: &Bus, spec: &app::Actor, subscriptions: &mut Vec<(TopicFilter, Mailbox)>) -> Inbox {
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: spec.name.as_str().into(),
        capacity: Capacity {
            events: spec.mailbox.capacity,
            bytes: usize::try_from(spec.mailbox.bytes).unwrap_or(usize::MAX),
        },
        overflow: spec.mailbox.overflow.into(),
        partition: spec.partition.clone(),
    });
    let filters = spec.subscribe.iter();
    subscriptions.extend(filters.map(|filter| (filter.clone(), mailbox.clone())));
    inbox
}

impl From<manifest::Overflow> for Overflow {
    fn from(overflow: manifest::Overflow) -> Self {
        match overflow {
            manifest::Overflow::Reject => Self::Reject,
            manifest::Overflow::DropOldest => Self::DropOldest,
            manifest::Overflow::DropNewest => Self::DropNewest,
            manifest::Overflow::DeadLetter => Self::DeadLetter,
        }
    }
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
