//! Two actors of kameo that an event passes, as somebody would write them who needs neither a bus nor a supervisor.

use std::convert::Infallible;
use std::sync::Arc;

use flume::{Receiver, Sender};
use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use whirlwind_bus::Capacity;
use whirlwind_event::{Event, EventBuilder};

use whirlwind_benches::bare::{Bare, Floor};
use whirlwind_benches::driver::Way;
use whirlwind_benches::events::{IN, MIDDLE, complete, event};

/// What an actor makes of an event.
pub trait Work: Send + 'static {
    fn work(&mut self, event: &Event) -> impl Future<Output = Event> + Send;
}

/// Calls a component and does nothing else.
pub struct Calls {
    bare: Bare,
    topic: &'static str,
}

/// Does what the relay does, here.
pub struct Copies;

/// An actor that tells the next of what it made, or the world outside.
struct Stage<W: Work> {
    work: W,
    next: Next<W>,
}

enum Next<W: Work> {
    Actor(ActorRef<Stage<W>>),
    Out(Sender<Arc<Event>>),
}

/// Both, one after the other, with bounded mailboxes as long as those of a node. They end when the last of its clones is dropped.
pub struct Pair<W: Work> {
    first: ActorRef<Stage<W>>,
    out: Receiver<Arc<Event>>,
}

impl Pair<Calls> {
    pub async fn around_bare_calls(floor: &Floor) -> Self {
        let calls = async |topic| Calls {
            bare: floor.instantiate().await,
            topic,
        };
        Self::new(calls(IN).await, calls(MIDDLE).await)
    }
}

impl Pair<Copies> {
    pub fn native() -> Self {
        Self::new(Copies, Copies)
    }
}

impl<W: Work> Pair<W> {
    fn new(first: W, second: W) -> Self {
        let (out, outputs) = flume::bounded(Capacity::default().events);
        let second = spawn(second, Next::Out(out));
        Self {
            first: spawn(first, Next::Actor(second)),
            out: outputs,
        }
    }
}

fn spawn<W: Work>(work: W, next: Next<W>) -> ActorRef<Stage<W>> {
    let mailbox = mailbox::bounded(Capacity::default().events);
    Stage::spawn_with_mailbox(Stage { work, next }, mailbox)
}

impl<W: Work> Clone for Pair<W> {
    fn clone(&self) -> Self {
        Self {
            first: self.first.clone(),
            out: self.out.clone(),
        }
    }
}

impl<W: Work> Way for Pair<W> {
    async fn put(&mut self) {
        self.first.tell(Arc::new(event())).send().await.unwrap();
    }

    async fn take(&mut self) {
        self.out.recv_async().await.unwrap();
    }
}

impl<W: Work> Actor for Stage<W> {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(stage: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(stage)
    }
}

impl<W: Work> Message<Arc<Event>> for Stage<W> {
    type Reply = ();

    async fn handle(&mut self, event: Arc<Event>, _: &mut Context<Self, ()>) {
        let event = Arc::new(self.work.work(&event).await);
        match &self.next {
            Next::Actor(next) => next.tell(event).send().await.unwrap(),
            Next::Out(out) => out.send_async(event).await.unwrap(),
        }
    }
}

impl Work for Calls {
    async fn work(&mut self, event: &Event) -> Event {
        self.bare.relay(self.topic, event).await
    }
}

impl Work for Copies {
    async fn work(&mut self, event: &Event) -> Event {
        let mut builder = EventBuilder::new().data(event.data().unwrap_or_default());
        if let Some(media_type) = event.datacontenttype() {
            builder = builder.datacontenttype(media_type);
        }
        complete(builder)
    }
}
