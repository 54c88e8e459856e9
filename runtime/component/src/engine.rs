//! The engine: what compiles and runs components, for all of a node.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig, WasmFeatures,
};

use crate::component::Component;
use crate::lane::Lane;
use crate::limits::WASM_STACK;
use crate::load::places::Places;
use crate::load::shelf::Shelf;
use crate::room::{Need, NoRoom, Room};
use crate::settings::Isolation;
use crate::state::{Live, State};
use crate::ticker::Ticker;

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The directory in which compiled code is kept from one run to the next; made if it is not there.
    /// It holds native code that is run as it is: nobody else may write to it. `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// The size of the pool for components of [`Isolation::PerMessage`].
    pub pool: Pool,
    /// How long guest code runs until it lets others run.
    pub tick: Duration,
}

impl Default for EngineConfig {
    /// No cache, the default [`Pool`], 10 ms: a tenth of what a person notices, and a hundred wakes a
    /// second while anything runs.
    fn default() -> Self {
        Self {
            cache: None,
            pool: Pool::default(),
            tick: Duration::from_millis(10),
        }
    }
}

/// The size of the pool of instances per message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Instances that may be alive at once.
    pub instances: u32,
    /// Bytes to which a linear memory may grow, whatever a component's own limit is.
    pub memory: usize,
}

impl Default for Pool {
    /// 64 instances, as many as 64 workers use at once, of 64 MiB, the default limit of a component.
    fn default() -> Self {
        Self {
            instances: 64,
            memory: 64 << 20,
        }
    }
}

/// Bytes of each memory that the pool keeps resident between two instances; cleared by hand, which is
/// cheaper than giving them back and faulting them in again.
const KEEP_RESIDENT: usize = 64 << 10;

/// What a component may have of each in the pool: core instances, memories and tables. Plain guests
/// have 4, 1 and 2.
const POOL_CORE_INSTANCES: u32 = 16;
const POOL_MEMORIES: u32 = 4;
const POOL_TABLES: u32 = 8;

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The directory for compiled code cannot be used.
    #[error("cannot keep compiled code in `{}`: {reason}", directory.display())]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
    /// The pool for instances per message cannot be reserved.
    #[error(
        "cannot reserve a pool of {instances} instances per message: {reason}; use fewer instances, or raise the limit of address space (`ulimit -v`)"
    )]
    Pool {
        /// How many were asked for.
        instances: u32,
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[error("cannot make the engine for components: {0}")]
    Failed(String),
}

/// Compiles and runs components. A clone is the same engine.
///
/// It is made of two engines of wasmtime's, because one has one way of making instances: on demand for
/// [`Isolation::Resident`], from a pool for [`Isolation::PerMessage`]. The second is made when it is
/// first needed. One thread keeps the time of both.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: EngineConfig,
    cache: Option<Cache>,
    ticker: Arc<Ticker>,
    lane: Lane,
    resident: Arc<Flavor>,
    pool: Mutex<Option<Arc<Flavor>>>,
    compilations: Arc<Places>,
    live: Arc<AtomicUsize>,
    capacity: usize,
}

/// One engine of wasmtime's with everything linked.
pub(crate) struct Flavor {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) shelf: Shelf,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.0.config)
            .field("instances", &self.instances())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine.
    ///
    /// # Errors
    /// [`EngineError`]: the cache's directory, or what the machine lacks.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let ticker = Ticker::start(config.tick)
            .map_err(|error| EngineError::Failed(format!("no thread for its clock: {error}")))?;
        let cache = config.cache.as_ref().map(open_cache).transpose()?;
        let resident = Flavor::new(
            &cache,
            InstanceAllocationStrategy::OnDemand,
            Contents::Copied,
        )
        .map_err(|error| EngineError::Failed(format!("{error:#}")))?;
        ticker.add(&resident.engine);
        // Each uses all cores for a part of its time; two at least, so that one that never ends does not
        // keep all others out.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self(Arc::new(Inner {
            compilations: Arc::new(Places::new(cores.max(2))),
            live: Arc::new(AtomicUsize::new(0)),
            capacity: Room::now().instances(Need::PLAIN).max(1),
            pool: Mutex::new(None),
            resident: Arc::new(resident),
            lane: Lane::new(),
            ticker: Arc::new(ticker),
            cache,
            config,
        })))
    }

    /// How many instances are alive, of all components.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.0.live.load(Ordering::Relaxed)
    }

    /// How many plain instances the machine had [`Room`] for when the engine was made. More are refused
    /// when they start, where the alternative is a failure at a worse moment.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// Whether there is room for so many more instances of each of these components, beside all that the
    /// process has now.
    ///
    /// # Errors
    /// [`NoRoom`] says for how many there is, and what would help.
    pub fn room_for<'a>(
        &self,
        more: impl IntoIterator<Item = (&'a Component, usize)>,
    ) -> Result<(), NoRoom> {
        let more = more.into_iter();
        Room::now().check(more.map(|(component, instances)| (component.need(), instances)))
    }

    /// Whether the thread that keeps the time of running guests is at rest. It is, soon after the last
    /// turn ended.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.ticker.is_parked()
    }

    /// How often that thread has ticked. For diagnosis.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.0.ticker.ticks()
    }

    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.0.ticker
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.0.lane
    }

    pub(crate) fn tick(&self) -> Duration {
        self.0.config.tick
    }

    pub(crate) fn pool_size(&self) -> u32 {
        self.0.config.pool.instances
    }

    pub(crate) fn compilations(&self) -> &Arc<Places> {
        &self.0.compilations
    }

    /// Counts one more instance, unless the machine has no room for it.
    pub(crate) fn admit(&self) -> Option<Live> {
        Live::one_of(&self.0.live, self.0.capacity)
    }

    /// The engine of wasmtime's for instances of this kind.
    pub(crate) fn flavor(&self, isolation: Isolation) -> Result<Arc<Flavor>, EngineError> {
        match isolation {
            Isolation::Resident => Ok(Arc::clone(&self.0.resident)),
            Isolation::PerMessage => self.pool(),
        }
    }

    fn pool(&self) -> Result<Arc<Flavor>, EngineError> {
        let mut pool = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*pool {
            return Ok(Arc::clone(pool));
        }
        let size = &self.0.config.pool;
        let flavor = Flavor::new(
            &self.0.cache,
            InstanceAllocationStrategy::Pooling(pooling(size)),
            Contents::Mapped,
        )
        .map_err(|error| EngineError::Pool {
            instances: size.instances,
            reason: format!("{error:#}"),
        })?;
        self.0.ticker.add(&flavor.engine);
        Ok(Arc::clone(pool.insert(Arc::new(flavor))))
    }
}

/// How a new memory gets what the component's file puts into it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// Copied, once in the life of an instance. Keeps an instance at 5 memory maps.
    Copied,
    /// Mapped from an image, page by page as it is written to: what makes a new instance per message
    /// cheap, for 2 maps more.
    Mapped,
}

impl Flavor {
    fn new(
        cache: &Option<Cache>,
        allocation: InstanceAllocationStrategy,
        contents: Contents,
    ) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            // Calls are cheaper without, and no interface served needs it.
            .concurrency_support(false)
            .max_wasm_stack(WASM_STACK)
            .cranelift_opt_level(OptLevel::Speed)
            .allocation_strategy(allocation)
            .memory_init_cow(contents == Contents::Mapped)
            .cache(cache.clone());
        // Off whatever cargo's features say, which other crates of a program can turn on: what is young,
        // and where wasmtime's latest advisories were.
        for feature in [
            WasmFeatures::CM_ASYNC,
            WasmFeatures::CM_ASYNC_STACKFUL,
            WasmFeatures::CM_MORE_ASYNC_BUILTINS,
            WasmFeatures::CM_THREADING,
            WasmFeatures::CM_ERROR_CONTEXT,
            WasmFeatures::CM_GC,
            WasmFeatures::EXCEPTIONS,
            WasmFeatures::LEGACY_EXCEPTIONS,
            WasmFeatures::FUNCTION_REFERENCES,
            WasmFeatures::GC,
            WasmFeatures::MEMORY64,
            WasmFeatures::SHARED_EVERYTHING_THREADS,
            WasmFeatures::STACK_SWITCHING,
            WasmFeatures::THREADS,
        ] {
            config.wasm_features(feature, false);
        }
        let engine = wasmtime::Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        crate::host::add_to_linker(&mut linker)?;
        Ok(Self {
            engine,
            linker,
            shelf: Shelf::default(),
        })
    }
}

fn pooling(size: &Pool) -> PoolingAllocationConfig {
    let instances = size.instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(POOL_CORE_INSTANCES))
        .total_memories(instances.saturating_mul(POOL_MEMORIES))
        .total_tables(instances.saturating_mul(POOL_TABLES))
        .max_core_instances_per_component(POOL_CORE_INSTANCES)
        .max_memories_per_component(POOL_MEMORIES)
        .max_tables_per_component(POOL_TABLES)
        .max_memory_size(size.memory)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        // On where the kernel has it (Linux 6.7 and later).
        .pagemap_scan(Enabled::Auto);
    pool
}

fn open_cache(directory: &PathBuf) -> Result<Cache, EngineError> {
    let failed = |reason: String| EngineError::Cache {
        directory: directory.clone(),
        reason,
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
    let absolute = directory
        .canonicalize()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(absolute);
    Cache::new(config).map_err(|error| failed(format!("{error:#}")))
}
