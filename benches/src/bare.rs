//! The floor: a component called through wasmtime's bindings, with nothing around it that the call does
//! not need. No deadline, no limits, no count, no log.

use std::path::Path;

use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Cache, CacheConfig, Config, Engine, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use whirlwind::event::{Event, EventBuilder};

use crate::events::complete;

use self::bindings::whirlwind::actor::producer::{self, EventParam, PublishError};
use self::bindings::whirlwind::actor::types;
use self::bindings::{Relay, RelayPre};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

    wasmtime::component::bindgen!({
        path: "../wit",
        // The world `event-handler`, with the import that the relay has.
        inline: "
            package whirlwind:benches;
            world relay {
                import whirlwind:actor/producer@0.1.0;
                export whirlwind:actor/handler@0.1.0;
            }
        ",
        world: "whirlwind:benches/relay",
        exports: { default: async },
        // The event is borrowed, so that its data is copied once, into the guest.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// What a publish is answered where nothing is made of it: as long as the ids that a node gives.
pub const ID: &str = "00000000-0000-8000-8000-000000000000";

/// What fixtures import beside the producer and WASI, and no measure makes them call.
const NOT_CALLED: [(&str, &str); 2] = [
    ("wasi:config/store@0.2.0-rc.1", "get"),
    ("wasi:logging/logging@0.1.0-draft", "log"),
];

/// A component that hears and publishes events, compiled and linked.
pub struct Floor {
    engine: Engine,
    relay: RelayPre<Host>,
}

/// One instance of it.
pub struct Bare {
    store: Store<Host>,
    relay: Relay,
}

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    /// Whether events are made of what the relay publishes; else it is forgotten.
    builds: bool,
    built: Option<Event>,
}

impl Floor {
    /// Instances that live on.
    pub fn resident(file: &Path) -> Self {
        Self::new(file, &resident())
    }

    /// Instances that live on, of code that is compiled the first time and kept in a folder, whose path is absolute.
    pub fn cached(file: &Path, folder: &Path) -> Self {
        Self::new(file, resident().cache(Some(cache(folder))))
    }

    /// The same, whose memories get their contents copied as those of a node's resident actors: an instance has fewer memory maps
    /// then, of which a process may have a limited number.
    pub fn copied(file: &Path, folder: &Path) -> Self {
        let mut config = resident();
        config.memory_init_cow(false).cache(Some(cache(folder)));
        Self::new(file, &config)
    }

    /// Instances from a pool, as cheap as they get.
    pub fn pooling(file: &Path) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(64 << 10)
            .pagemap_scan(wasmtime::Enabled::Auto);
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool));
        Self::new(file, &config)
    }

    fn new(file: &Path, config: &Config) -> Self {
        let engine = Engine::new(config).unwrap();
        let component = Component::from_file(&engine, file).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        Relay::add_to_linker::<Host, HasSelf<Host>>(&mut linker, |host| host).unwrap();
        for (interface, function) in NOT_CALLED {
            let mut interface = linker.instance(interface).unwrap();
            interface
                .func_new(function, |_, _, _, _| {
                    Err(wasmtime::Error::msg("it is not called"))
                })
                .unwrap();
        }
        let relay = RelayPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, relay }
    }

    /// One more instance.
    pub async fn instantiate(&self) -> Bare {
        let host = Host {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            builds: false,
            built: None,
        };
        let mut store = Store::new(&self.engine, host);
        let relay = self.relay.instantiate_async(&mut store).await.unwrap();
        Bare { store, relay }
    }
}

fn resident() -> Config {
    let mut config = Config::new();
    config.concurrency_support(false);
    config
}

fn cache(folder: &Path) -> Cache {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).unwrap()
}

impl Bare {
    /// Handles one event and forgets what it published.
    pub async fn call(&mut self, topic: &str, event: &Event) {
        self.try_call(topic, event).await.unwrap();
    }

    /// Handles one event that it traps at, and drops it.
    pub async fn trap(mut self, topic: &str, event: &Event) -> wasmtime::Error {
        self.try_call(topic, event).await.unwrap_err()
    }

    async fn try_call(&mut self, topic: &str, event: &Event) -> wasmtime::Result<()> {
        let event = types::Event {
            id: event.id(),
            source: event.source(),
            type_: event.ty(),
            topic,
            subject: event.subject(),
            time: None,
            datacontenttype: event.datacontenttype(),
            dataschema: None,
            extensions: &[],
            data: event.data(),
        };
        let handler = self.relay.whirlwind_actor_handler();
        let answer = handler.call_on_receive(&mut self.store, event).await?;
        answer.expect("it handles what it does not trap at");
        Ok(())
    }

    /// Handles one event and answers the one that it published.
    pub async fn relay(&mut self, topic: &str, event: &Event) -> Event {
        self.store.data_mut().builds = true;
        self.call(topic, event).await;
        let built = self.store.data_mut().built.take();
        built.expect("the relay published")
    }
}

impl types::Host for Host {}

impl producer::Host for Host {
    fn publish(&mut self, _topic: String, event: EventParam) -> Result<String, PublishError> {
        if !self.builds {
            return Ok(ID.to_owned());
        }
        let mut builder = EventBuilder::new().data(event.data);
        if let Some(media_type) = event.datacontenttype {
            builder = builder.datacontenttype(media_type);
        }
        let event = complete(builder);
        let id = event.id().to_owned();
        self.built = Some(event);
        Ok(id)
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
