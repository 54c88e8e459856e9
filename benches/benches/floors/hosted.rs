//! A component as an instance of `whirlwind-component`, with no queue around it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use whirlwind_benches::bare::ID;
use whirlwind_component::{
    Component, Effects, Engine, EngineConfig, Instance, Outbox, Outcome, PublishError, Reply,
    Settings, Turn,
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

    /// Handles one event, and gives the outbox back to be committed.
    pub async fn call(
        &mut self,
        topic: &Topic,
        event: &Arc<Event>,
        outbox: Box<dyn Outbox>,
    ) -> Box<dyn Outbox> {
        let turn = Turn {
            topic: topic.clone(),
            event: Arc::clone(event),
            outbox,
            atomic: true,
        };
        match self.0.take().expect("it never traps").handle(turn).await {
            Outcome::Done(instance, Reply::Ok(Effects { outbox, staged })) => {
                self.0 = Some(instance);
                for bucket in staged.into_buckets() {
                    bucket.apply().await.expect("memory takes all");
                }
                outbox
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Takes what is published and forgets it.
pub struct KeepNothing;

impl Outbox for KeepNothing {
    fn publish(&mut self, _topic: &str, _event: EventBuilder) -> Result<String, PublishError> {
        Ok(ID.to_owned())
    }
}
