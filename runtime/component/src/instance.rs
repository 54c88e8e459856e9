//! An instance: one store, called event by event until it traps or is dropped.

use std::borrow::Cow;
use std::sync::Arc;

use wasmtime::{PoolConcurrencyLimitError, Store};
use whirlwind_event::{Event, ExtensionValue, Topic};
use whirlwind_provider_api::Staged;

use crate::bindings::events::EventHandler;
use crate::bindings::events::exports::whirlwind::actor::handler::Failure;
use crate::bindings::events::whirlwind::actor::types as wit;
use crate::bindings::host::wasi::messaging::types::Error as MessagingError;
use crate::bindings::messages::MessageHandler;
use crate::component::{Component, HandlerPre, explain};
use crate::host::messaging::Message;
use crate::lane::{self, Ticket};
use crate::outbox::Outbox;
use crate::state::State;
use crate::text;
use crate::trap::{Trap, TrapKind};

/// A running component. It is used up by a trap: [`Instance::handle`] takes it and gives it back only
/// if it may be called again, so a broken one cannot be.
pub struct Instance(Box<Inner>);

/// In a box, since an instance goes from hand to hand at every turn.
struct Inner {
    component: Component,
    store: Store<State>,
    handler: Handler,
    ticket: Arc<Ticket>,
}

enum Handler {
    Events(EventHandler),
    Messages(MessageHandler),
}

/// One event for an instance.
pub struct Turn {
    /// The topic it came on.
    pub topic: Topic,
    /// The event.
    pub event: Arc<Event>,
    /// Where the handler publishes to.
    pub outbox: Box<dyn Outbox>,
    /// Whether its key-value writes wait for its end; else they take effect at once.
    pub atomic: bool,
}

/// What a turn that ended well leaves to be done by whoever ran it: nothing of it has taken effect.
pub struct Effects {
    /// What it published.
    pub outbox: Box<dyn Outbox>,
    /// What it read and wrote in buckets; nothing where it was not atomic.
    pub staged: Staged,
}

/// How a turn ended. If not with [`Reply::Ok`], its outbox is dropped: nothing leaves a turn that failed.
#[must_use]
pub enum Outcome {
    /// The handler returned. The instance may be called again.
    Done(Instance, Reply),
    /// The instance is gone.
    Trapped(Trap),
}

/// What a handler answered.
#[must_use]
pub enum Reply {
    /// It handled the event. Here is what it did, to be committed.
    Ok(Effects),
    /// It asks for the event again later, for this reason.
    Retry(String),
    /// It will never handle the event, for this reason.
    Reject(String),
}

/// Why an instance could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine has no room for more instances.
    #[error(
        "there are {limit} instances already, as many as this machine has room for; more need more memory maps: `sysctl vm.max_map_count`"
    )]
    TooMany {
        /// How many there are.
        limit: usize,
    },
    /// The pool of instances per message is used up.
    #[error("all {limit} places of the pool for instances per message are taken")]
    PoolFull {
        /// How many there are.
        limit: u32,
    },
    /// It starts with more than its memory limit allows.
    #[error("needs more memory to start than its limit of {}", text::bytes(*.limit))]
    Memory {
        /// Bytes.
        limit: usize,
    },
    /// It trapped while it started.
    #[error("{0}")]
    Trapped(Trap),
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Instance")
            .field(&self.0.component.name())
            .finish()
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("topic", &self.topic)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(_, reply) => f.debug_tuple("Done").field(reply).finish(),
            Self::Trapped(trap) => f.debug_tuple("Trapped").field(trap).finish(),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ok(_) => f.write_str("Ok"),
            Self::Retry(why) => f.debug_tuple("Retry").field(why).finish(),
            Self::Reject(why) => f.debug_tuple("Reject").field(why).finish(),
        }
    }
}

impl Instance {
    pub(crate) async fn start(component: &Component, state: State) -> Result<Self, StartError> {
        let limits = &component.shared().limits;
        let (mut store, ticket) = component.store(state).map_err(|error| {
            StartError::Trapped(Trap {
                kind: TrapKind::Host,
                text: format!("could not be given a store: {error:#}"),
                backtrace: String::new(),
            })
        })?;
        store.data_mut().begin(None, None);
        store.set_epoch_deadline(1);
        let start = {
            let (component, ticket) = (component.clone(), Arc::clone(&ticket));
            async move {
                let handler = match component.handler_pre() {
                    HandlerPre::Events(pre) => {
                        pre.instantiate_async(&mut store).await.map(Handler::Events)
                    }
                    HandlerPre::Messages(pre) => pre
                        .instantiate_async(&mut store)
                        .await
                        .map(Handler::Messages),
                };
                match handler {
                    Ok(handler) => Ok(Self(Box::new(Inner {
                        component,
                        store,
                        handler,
                        ticket,
                    }))),
                    Err(error) => Err(failed(&component, &store, &error)),
                }
            }
        };
        let ticker = component.engine().ticker();
        match lane::drive(Box::pin(start), ticker, &ticket, limits.deadline).await {
            Some(started) => {
                ticket.shorten();
                started
            }
            None => Err(StartError::Trapped(Trap::deadline(limits))),
        }
    }

    /// The component it is an instance of.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.0.component
    }

    /// Handles one event: calls the component's handler and waits for its answer, at most until the
    /// deadline. Dropping the future drops the instance, and what it published.
    ///
    /// What a reason or a trap quotes of the guest's words is cleaned of control characters and cut.
    pub async fn handle(mut self, turn: Turn) -> Outcome {
        let inner = &mut *self.0;
        inner.ticket.begin();
        // Zero would interrupt at once: it is counted from the epoch in which the call begins.
        inner.store.set_epoch_deadline(1);
        let (component, ticket) = (inner.component.clone(), Arc::clone(&inner.ticket));
        let limits = &component.shared().limits;
        // In a box, because the slow lane may take it to another thread.
        let turn = Box::pin(self.call(turn));
        let ended = lane::drive(turn, component.engine().ticker(), &ticket, limits.deadline).await;
        ended.unwrap_or_else(|| Outcome::Trapped(Trap::deadline(limits)))
    }

    async fn call(mut self, turn: Turn) -> Outcome {
        let Turn {
            topic,
            event,
            outbox,
            atomic,
        } = turn;
        let staged = atomic.then(Staged::default);
        let Inner {
            component,
            store,
            handler,
            ..
        } = &mut *self.0;
        store.data_mut().begin(Some(outbox), staged);
        let called = match handler {
            Handler::Events(handler) => {
                let time = event.time_text();
                let extensions: Vec<_> = event.extensions().map(extension).collect();
                let extensions: Vec<_> = extensions
                    .iter()
                    .map(|(name, value)| (*name, value.as_ref()))
                    .collect();
                let event = wit::Event {
                    id: event.id(),
                    source: event.source(),
                    type_: event.ty(),
                    topic: topic.as_str(),
                    subject: event.subject(),
                    time: time.as_deref(),
                    datacontenttype: event.datacontenttype(),
                    dataschema: event.dataschema(),
                    extensions: &extensions,
                    data: event.data(),
                };
                handler
                    .whirlwind_actor_handler()
                    .call_on_receive(&mut *store, event)
                    .await
            }
            Handler::Messages(handler) => {
                let message = Message::received(topic, event);
                match store.data_mut().push_message(message) {
                    Ok(message) => handler
                        .wasi_messaging_incoming_handler()
                        .call_handle(&mut *store, message)
                        .await
                        .map(|answer| answer.map_err(failure)),
                    // The guest keeps so many messages that there is no room for one more.
                    Err(error) => Err(error),
                }
            }
        };
        match called {
            Ok(answer) => self.done(answer),
            Err(error) => Outcome::Trapped(explain(component, store, &error)),
        }
    }

    fn done(mut self, answer: Result<(), Failure>) -> Outcome {
        let inner = &mut *self.0;
        inner.ticket.end();
        inner.component.shared().voice.settle();
        let state = inner.store.data_mut();
        let (outbox, staged) = (state.outbox.take(), state.staged.take());
        let reply = match (answer, outbox) {
            (Ok(()), Some(outbox)) => Reply::Ok(Effects {
                outbox,
                staged: staged.unwrap_or_default(),
            }),
            // The outbox was put there when the turn began, and only this takes it.
            (Ok(()), None) => Reply::Retry("the turn lost its outbox".to_owned()),
            (Err(Failure::Retry(why)), _) => Reply::Retry(text::clean(&why, text::MAX_WORDS)),
            (Err(Failure::Reject(why)), _) => Reply::Reject(text::clean(&why, text::MAX_WORDS)),
        };
        Outcome::Done(self, reply)
    }
}

/// Why no instance came of it.
fn failed(component: &Component, store: &Store<State>, error: &wasmtime::Error) -> StartError {
    if error.is::<PoolConcurrencyLimitError>() {
        return StartError::PoolFull {
            limit: component.engine().pool_size(),
        };
    }
    let trap = explain(component, store, error);
    // Memory refused before any code ran has no trap of its own.
    if trap.kind == TrapKind::Host && store.data().meter.refused_memory() {
        return StartError::Memory {
            limit: component.shared().limits.memory,
        };
    }
    StartError::Trapped(trap)
}

/// An error that a handler of `wasi:messaging` answered, as the verdict it is.
fn failure(error: MessagingError) -> Failure {
    match error {
        MessagingError::Timeout => Failure::Retry("timeout".to_owned()),
        MessagingError::Connection(why) => Failure::Retry(why),
        MessagingError::PermissionDenied(why) | MessagingError::Other(why) => Failure::Reject(why),
    }
}

/// An extension attribute in its canonical string form.
fn extension<'a>((name, value): (&'a str, &'a ExtensionValue)) -> (&'a str, Cow<'a, str>) {
    let value = match value {
        ExtensionValue::String(text) => Cow::Borrowed(text.as_str()),
        ExtensionValue::Boolean(true) => Cow::Borrowed("true"),
        ExtensionValue::Boolean(false) => Cow::Borrowed("false"),
        ExtensionValue::Integer(number) => Cow::Owned(number.to_string()),
    };
    (name, value)
}
