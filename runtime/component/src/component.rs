//! A component, compiled and linked once.

use std::sync::Arc;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, Resource};
use wasmtime::error::Context as _;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::events::EventHandlerPre;
use crate::bindings::events::exports::whirlwind::actor::handler::Failure;
use crate::bindings::events::whirlwind::actor::types as wit;
use crate::bindings::host::wasi::messaging::types::Error as MessagingError;
use crate::bindings::messages::MessageHandlerPre;
use crate::engine::{Engine, Flavor};
use crate::host::messaging::Message;
use crate::instance::{Instance, StartError};
use crate::lane::{Pace, Ticket};
use crate::limits::{HANDLES, HOSTCALL_BYTES};
use crate::load::shelf::Shelved;
use crate::load::{self, HANDLERS, LoadError, LoadFault, Source, imports};
use crate::output::Voice;
use crate::room::Need;
use crate::settings::{Isolation, Settings, Shared};
use crate::state::State;
use crate::text;
use crate::trap::Trap;

/// A component, ready to make instances of. A clone is the same component.
#[derive(Clone)]
pub struct Component(Arc<Inner>);

struct Inner {
    engine: Engine,
    /// Keeps wasmtime's engine and what is linked to it.
    _flavor: Arc<Flavor>,
    /// Keeps the compiled code where the next component of this file finds it.
    _code: Shelved,
    isolation: Isolation,
    need: Need,
    handler: HandlerPre,
    shared: Arc<Shared>,
    /// Ticks of guest code after which a turn is interrupted. The clock on the wall comes first unless
    /// it stands still, as in tests, or the turn was never put aside.
    ticks: u64,
    pace: Arc<Pace>,
}

/// How a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Through `whirlwind:actor/handler@0.1.0`.
    Events,
    /// Through `wasi:messaging/incoming-handler@0.2.0-draft`.
    Messages,
}

impl Handler {
    /// The name of the interface.
    #[must_use]
    pub fn interface(self) -> &'static str {
        let [events, messages] = HANDLERS;
        match self {
            Self::Events => events,
            Self::Messages => messages,
        }
    }
}

pub(crate) enum HandlerPre {
    Events(EventHandlerPre<State>),
    Messages(MessageHandlerPre<State>),
}

impl HandlerPre {
    fn new(handler: Handler, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(match handler {
            Handler::Events => {
                typecheck::<(wit::Event<'_>,), (Result<(), Failure>,)>(
                    &pre,
                    handler,
                    "on-receive",
                )?;
                Self::Events(EventHandlerPre::new(pre)?)
            }
            Handler::Messages => {
                typecheck::<(Resource<Message>,), (Result<(), MessagingError>,)>(
                    &pre, handler, "handle",
                )?;
                Self::Messages(MessageHandlerPre::new(pre)?)
            }
        })
    }
}

/// Checks the type of a handler's function, which the bindings would do only at each instantiation.
/// The functions it takes are hidden in wasmtime's documentation: they are there for the bindings.
fn typecheck<Params, Return>(
    pre: &InstancePre<State>,
    handler: Handler,
    function: &str,
) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    let component = pre.component();
    let found = component
        .get_export_index(None, handler.interface())
        .and_then(|interface| component.get_export(Some(&interface), function));
    match found {
        Some((ComponentItem::ComponentFunc(found), _)) => found
            .typecheck::<Params, Return>(&pre.instance_type())
            .with_context(|| format!("its function `{function}`")),
        _ => Err(wasmtime::format_err!("it has no function `{function}`")),
    }
}

/// At most this many exports are named in an error.
const MAX_EXPORTS: usize = 16;

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.0.shared.name)
            .field("handler", &self.handler())
            .field("isolation", &self.0.isolation)
            .finish_non_exhaustive()
    }
}

impl Component {
    /// Compiles a component (or takes it from the cache) on a thread of its own, and links it. `name` is
    /// the actor's: its only argument, and what its lines in the log are marked with.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the file, in words for a person.
    pub async fn load(
        engine: &Engine,
        name: &str,
        source: impl Into<Source>,
        settings: Settings,
    ) -> Result<Self, LoadError> {
        Self::try_load(engine, name, source.into(), settings)
            .await
            .map_err(|fault| LoadError {
                name: name.to_owned(),
                fault,
            })
    }

    async fn try_load(
        engine: &Engine,
        name: &str,
        source: Source,
        settings: Settings,
    ) -> Result<Self, LoadFault> {
        let flavor = engine
            .flavor(settings.isolation)
            .map_err(LoadFault::Engine)?;
        let code = load::compile(
            engine,
            Arc::clone(&flavor),
            name,
            source,
            &settings.compile,
            settings.progress.as_ref(),
        )
        .await?;
        let compiled = &code.component;
        let handler = choose_handler(&flavor, name, compiled)?;
        let ty = compiled.component_type();
        let names = ty.imports(&flavor.engine).map(|(name, _)| name);
        let unmet = imports::unmet(names, !settings.links.buckets.is_empty());
        if !unmet.is_empty() {
            return Err(LoadFault::Imports(unmet));
        }
        let handler = flavor
            .linker
            .instantiate_pre(compiled)
            .and_then(|pre| HandlerPre::new(handler, pre))
            .map_err(|error| LoadFault::Mismatch(load::reason(&error)))?;
        // It imports no modules, or it would not have linked: so what it makes is known.
        let memories = compiled
            .resources_required()
            .map_or(1, |all| all.num_memories);
        let ticks = settings.limits.deadline.as_nanos() / engine.tick().as_nanos().max(1);
        Ok(Self(Arc::new(Inner {
            engine: engine.clone(),
            _flavor: flavor,
            _code: code,
            isolation: settings.isolation,
            need: Need::of(settings.isolation, memories),
            handler,
            ticks: u64::try_from(ticks).unwrap_or(u64::MAX).max(1),
            pace: engine.lane().pace(),
            shared: Arc::new(Shared {
                name: name.to_owned(),
                limits: settings.limits,
                links: settings.links,
                config: settings.config,
                env: settings.env,
                voice: Voice::new(name),
            }),
        })))
    }

    /// The name it was loaded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.shared.name
    }

    /// How it is called.
    #[must_use]
    pub fn handler(&self) -> Handler {
        match self.0.handler {
            HandlerPre::Events(_) => Handler::Events,
            HandlerPre::Messages(_) => Handler::Messages,
        }
    }

    /// How long its instances are meant to live.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.0.isolation
    }

    /// What each of its instances takes of the machine's room.
    #[must_use]
    pub fn need(&self) -> Need {
        self.0.need
    }

    /// Makes an instance and runs its start functions, within the limits of a turn but without an
    /// outbox: nothing can be published from there.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left of the instance then.
    pub async fn instantiate(&self) -> Result<Instance, StartError> {
        let live = self.0.engine.admit().ok_or(StartError::TooMany {
            limit: self.0.engine.capacity(),
        })?;
        Instance::start(self, State::new(Arc::clone(&self.0.shared), live)).await
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(crate) fn handler_pre(&self) -> &HandlerPre {
        &self.0.handler
    }

    /// A store with its limits set, and the instance's way into the slow lane.
    pub(crate) fn store(&self, state: State) -> wasmtime::Result<(Store<State>, Arc<Ticket>)> {
        let mut store = Store::try_new(&self.0._flavor.engine, state)?;
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(HANDLES);
        let ticket = self.0.pace.ticket();
        let budget = self.0.ticks;
        store.epoch_deadline_callback({
            let ticket = Arc::clone(&ticket);
            move |mut store| {
                let state = store.data_mut();
                state.ticks += 1;
                if state.ticks >= budget {
                    ticket.spin();
                    return Ok(UpdateDeadline::Interrupt);
                }
                ticket.tick(state.ticks);
                // Others run first. Whether it then goes on in the lane, is looked at with every poll.
                Ok(UpdateDeadline::YieldCustom(
                    1,
                    Box::pin(tokio::task::yield_now()),
                ))
            }
        });
        Ok((store, ticket))
    }
}

/// The handler that a component exports; ours if it exports both.
fn choose_handler(
    flavor: &Flavor,
    name: &str,
    component: &wasmtime::component::Component,
) -> Result<Handler, LoadFault> {
    let ty = component.component_type();
    let exports: Vec<_> = ty
        .exports(&flavor.engine)
        .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentInstance(_)))
        .map(|(name, _)| name)
        .collect();
    let has = |handler: Handler| exports.contains(&handler.interface());
    match (has(Handler::Events), has(Handler::Messages)) {
        (true, both) => {
            if both {
                tracing::info!(
                    actor = name,
                    "exports both handlers; events come to {}",
                    Handler::Events.interface()
                );
            }
            Ok(Handler::Events)
        }
        (false, true) => Ok(Handler::Messages),
        (false, false) => Err(LoadFault::NoHandler {
            found: exports
                .iter()
                .take(MAX_EXPORTS)
                .map(|export| text::clean(export, 200))
                .collect(),
        }),
    }
}

/// Why a start failed, in the words of a trap.
pub(crate) fn explain(
    component: &Component,
    store: &Store<State>,
    error: &wasmtime::Error,
) -> Trap {
    let state = store.data();
    Trap::explain(
        error,
        crate::trap::Circumstances {
            limits: &component.shared().limits,
            refused_memory: state.meter.refused_memory(),
            last_words: state.stderr.last_words(),
        },
    )
}
