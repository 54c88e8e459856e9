//! What the tests of this crate share: guests, an outbox that remembers, a node's place in miniature.
use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use whirlwind_component::{
    Component, Effects, Engine, EngineConfig, Instance, LoadError, Outbox, Outcome, PublishError,
    Reply, Settings, Source, Trap, Turn,
};
use whirlwind_event::{Event, EventBuilder, Topic};

pub use crate::guests::guest;

/// One engine for all tests of a process, as a node has one; its compiled code is kept in the build's
/// folder, so that a second run of the tests does not compile the guests again.
pub fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            Engine::new(EngineConfig {
                cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm-cache")),
                ..EngineConfig::default()
            })
            .unwrap()
        })
        .clone()
}

/// What was published and committed, in order.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<Mutex<Vec<(String, Event)>>>);

impl Sent {
    pub fn take(&self) -> Vec<(String, Event)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The data of the only event.
    pub fn text(&self) -> String {
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "{sent:?}");
        String::from_utf8(sent.remove(0).1.data().unwrap_or_default().to_vec()).unwrap()
    }

    pub fn outbox(&self) -> Box<Record> {
        Box::new(Record {
            sent: self.clone(),
            refuse: None,
            taken: Vec::new(),
        })
    }
}

/// An outbox that remembers what was committed.
pub struct Record {
    sent: Sent,
    /// What every publish is refused with.
    pub refuse: Option<PublishError>,
    taken: Vec<(String, Event)>,
}

impl Outbox for Record {
    fn publish(&mut self, topic: &str, event: EventBuilder) -> Result<String, PublishError> {
        if let Some(error) = &self.refuse {
            return Err(error.clone());
        }
        let index = self.taken.len();
        let event = event
            .id_or_else(|| format!("given-{index}"))
            .source_or_else(|| "/test/actor".to_owned())
            .ty_or_else(|| "dev.whirlwind.message".to_owned())
            .build()
            .map_err(|error| PublishError::Invalid(error.to_string()))?;
        let id = event.id().to_owned();
        self.taken.push((topic.to_owned(), event));
        Ok(id)
    }
}

impl Record {
    fn commit(outbox: Box<dyn Outbox>) {
        let outbox: Box<dyn Any> = outbox;
        let outbox = outbox.downcast::<Self>().unwrap();
        outbox.sent.0.lock().unwrap().extend(outbox.taken);
    }
}

/// An event with this data and nothing more than it must have.
pub fn event(data: impl Into<Vec<u8>>) -> Event {
    EventBuilder::new()
        .id("1")
        .source("/test")
        .ty("test")
        .data(data)
        .build()
        .unwrap()
}

pub fn turn(event: Event, outbox: Box<dyn Outbox>) -> Turn {
    Turn {
        topic: Topic::parse("in").unwrap(),
        event: Arc::new(event),
        outbox,
        atomic: true,
    }
}

/// A component and the one instance of it that is called until it traps.
pub struct Actor {
    pub component: Component,
    pub sent: Sent,
    instance: Option<Instance>,
}

/// How a turn ended, its outbox committed if it ended well.
#[derive(Debug)]
pub enum End {
    Ok,
    Retry(String),
    Reject(String),
    Trap(Trap),
}

impl End {
    pub fn trap(self) -> Trap {
        match self {
            Self::Trap(trap) => trap,
            other => panic!("no trap: {other:?}"),
        }
    }

    pub fn ok(self) {
        assert!(matches!(self, Self::Ok), "{self:?}");
    }
}

impl Actor {
    pub async fn new(source: impl Into<Source>, settings: Settings) -> Self {
        Self::load(&engine(), source, settings).await.unwrap()
    }

    /// One of the guests, or nothing if they cannot be built here.
    pub async fn guest(name: &str, settings: Settings) -> Option<Self> {
        Some(Self::new(guest(name)?, settings).await)
    }

    pub async fn load(
        engine: &Engine,
        source: impl Into<Source>,
        settings: Settings,
    ) -> Result<Self, LoadError> {
        Ok(Self {
            component: Component::load(engine, "actor", source, settings).await?,
            sent: Sent::default(),
            instance: None,
        })
    }

    /// Handles an event, on the instance that handled the last one if that one lives.
    pub async fn handle(&mut self, event: Event) -> End {
        let outbox = self.sent.outbox();
        self.handle_with(event, outbox).await
    }

    pub async fn handle_with(&mut self, event: Event, outbox: Box<dyn Outbox>) -> End {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.component.instantiate().await.unwrap(),
        };
        match instance.handle(turn(event, outbox)).await {
            Outcome::Done(instance, reply) => {
                self.instance = Some(instance);
                match reply {
                    Reply::Ok(Effects { outbox, staged }) => {
                        for bucket in staged.into_buckets() {
                            bucket.apply().await.unwrap();
                        }
                        Record::commit(outbox);
                        End::Ok
                    }
                    Reply::Retry(why) => End::Retry(why),
                    Reply::Reject(why) => End::Reject(why),
                }
            }
            Outcome::Trapped(trap) => End::Trap(trap),
        }
    }

    /// Tells a misbehaving guest what to do, in the data of an event.
    pub async fn tell(&mut self, command: &str) -> End {
        self.handle(event(command)).await
    }

    pub fn has_instance(&self) -> bool {
        self.instance.is_some()
    }
}

/// The parts of WASI that these guests import, in the oldest version that is served.
const WASI: [&str; 2] = [
    "package wasi:io@0.2.0;
     interface error { resource error; }
     interface streams {
         use error.{error};
         variant stream-error { last-operation-failed(error), closed }
         resource output-stream {
             blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
         }
     }",
    "package wasi:cli@0.2.0;
     interface stdout {
         use wasi:io/streams@0.2.0.{output-stream};
         get-stdout: func() -> output-stream;
     }
     interface stderr {
         use wasi:io/streams@0.2.0.{output-stream};
         get-stderr: func() -> output-stream;
     }",
];

/// A component out of a core module in text; `world` lists, in WIT, what it imports and exports.
pub fn wat_guest(world: &str, core: &str) -> Vec<u8> {
    use wit_component::{ComponentEncoder, StringEncoding};
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    resolve.push_path(wit).unwrap();
    for package in WASI {
        resolve.push_str("wasi.wit", package).unwrap();
    }
    let text = format!("package test:guest; world guest {{ {world} }}");
    let package = resolve.push_str("guest.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}\n{core}"));
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap_or_else(|error| panic!("{error:?}"))
        .encode()
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// The WIT of a guest on `whirlwind:actor`.
pub const EVENTS: &str = "export whirlwind:actor/handler@0.1.0;";

/// The WIT of a guest on `wasi:messaging`.
pub const MESSAGES: &str = "export wasi:messaging/incoming-handler@0.2.0-draft;";

/// A core module: what it imports, then an allocator that never frees, then the rest. The answer `ok`
/// of either handler lies at address 16, an unwritten zero.
pub fn core_module(imports: &str, rest: &str) -> String {
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 4096))
            (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (block $enough
                    (loop $more
                        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
                        unreachable))
                (local.get $at))
            {rest})"#
    )
}

/// The handler of `whirlwind:actor` with this body, to which `$e` is the address of the event.
pub fn on_receive(body: &str) -> String {
    format!(
        r#"(func (export "whirlwind:actor/handler@0.1.0#on-receive") (param $e i32) (result i32) {body} (i32.const 16))"#
    )
}

/// The handler of `wasi:messaging` with this body, to which `$m` is the handle of the message.
pub fn handle_message(body: &str) -> String {
    format!(
        r#"(func (export "wasi:messaging/incoming-handler@0.2.0-draft#handle") (param $m i32) (result i32) {body} (i32.const 16))"#
    )
}

/// Does nothing, and answers ok.
pub fn idle() -> Vec<u8> {
    wat_guest(EVENTS, &core_module("", &on_receive("")))
}
