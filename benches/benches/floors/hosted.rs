//! A component as an instance of `whirlwind-component`, with no queue around it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use whirlwind_benches::bare::ID;
use whirlwind_component::{
    Component, Effects, Engine, EngineConfig, Instance, Outbox, Outcome, PublishError, Reply,
    Settings, Trap, Turn,
};
use whirlwind_event::{Event, EventBuilder, Topic};

pub async fn component(file: &Path, settings: Settings) -> Component {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(EngineConfig::default()).unwrap());
    Component::load(engine, "relay", file.to_owned(), settings)
        .await
        .unwrap()
}

/// An instance that is called again and again.
pub struct Hosted(Option<Instance>);

impl Hosted {
    pub async fn new(component: &Component) -> Self {
        Self(Some(component.instantiate().await.unwrap()))
    }

    /// Handles one event that touches no bucket, and gives the outbox back to be committed.
    pub async fn call(
        &mut self,
        topic: &Topic,
        event: &Arc<Event>,
        outbox: Box<dyn Outbox>,
    ) -> Box<dyn Outbox> {
        self.turn(topic, event, outbox).await.outbox
    }

    /// Handles one event, and gives all that it did back to be committed.
    pub async fn turn(
        &mut self,
        topic: &Topic,
        event: &Arc<Event>,
        outbox: Box<dyn Outbox>,
    ) -> Effects {
        let instance = self.0.take().expect("it never traps");
        match instance.handle(turn(topic, event, outbox)).await {
            Outcome::Done(instance, Reply::Ok(effects)) => {
                self.0 = Some(instance);
                effects
            }
            other => panic!("{other:?}"),
        }
    }

    /// Handles one event that it traps at.
    pub async fn trap(self, topic: &Topic, event: &Arc<Event>, outbox: Box<dyn Outbox>) -> Trap {
        let instance = self.0.expect("it never trapped");
        match instance.handle(turn(topic, event, outbox)).await {
            Outcome::Trapped(trap) => trap,
            other => panic!("{other:?}"),
        }
    }
}

fn turn(topic: &Topic, event: &Arc<Event>, outbox: Box<dyn Outbox>) -> Turn {
    Turn {
        topic: topic.clone(),
        event: Arc::clone(event),
        outbox,
        atomic: true,
    }
}

/// Takes what is published and forgets it.
pub struct KeepNothing;

impl Outbox for KeepNothing {
    fn publish(&mut self, _topic: &str, _event: EventBuilder) -> Result<String, PublishError> {
        Ok(ID.to_owned())
    }
}
