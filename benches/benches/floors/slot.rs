//! What a turn published, taken from it by hand.

use std::any::Any;
use std::sync::{Arc, Mutex};

use whirlwind_benches::events::complete;
use whirlwind_component::{Outbox, PublishError};
use whirlwind_event::{Event, EventBuilder};

/// Where the event that a turn published lies after its commit.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Arc<Event>>>>);

struct IntoSlot {
    slot: Slot,
    event: Option<Arc<Event>>,
}

impl Slot {
    pub fn outbox(&self) -> Box<dyn Outbox> {
        Box::new(IntoSlot {
            slot: self.clone(),
            event: None,
        })
    }

    pub fn take(&self) -> Arc<Event> {
        self.0.lock().unwrap().take().expect("the relay published")
    }
}

impl Outbox for IntoSlot {
    fn publish(&mut self, _topic: &str, event: EventBuilder) -> Result<String, PublishError> {
        let event = complete(event);
        let id = event.id().to_owned();
        self.event = Some(Arc::new(event));
        Ok(id)
    }
}

/// What a turn published takes effect.
pub trait Commit {
    fn commit(self);
}

impl Commit for Box<dyn Outbox> {
    fn commit(self) {
        let outbox: Box<dyn Any> = self;
        if let Ok(outbox) = outbox.downcast::<IntoSlot>() {
            *outbox.slot.0.lock().unwrap() = outbox.event;
        }
    }
}
