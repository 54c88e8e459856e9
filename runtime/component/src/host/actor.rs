//! `whirlwind:actor@0.1.0`: the producer, and an event as its handler sees it.

use wasmtime::component::Linker;
use whirlwind_event::{EventBuilder, EventError};

use crate::bindings::host::whirlwind::actor::producer::{self, PublishError as WitError};
use crate::bindings::host::whirlwind::actor::types::{self, EventParam};
use crate::host::HasState;
use crate::outbox::PublishError;
use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasState>(linker, |state| state)?;
    producer::add_to_linker::<State, HasState>(linker, |state| state)
}

impl types::Host for State {}

impl producer::Host for State {
    fn publish(
        &mut self,
        topic: String,
        event: EventParam,
    ) -> wasmtime::Result<Result<String, WitError>> {
        let size = size(&topic, &event);
        let event = match builder(event) {
            Ok(event) => event,
            Err(error) => return Ok(Err(WitError::Invalid(error.to_string()))),
        };
        Ok(State::publish(self, &topic, event, size)?.map_err(WitError::from))
    }
}

impl From<PublishError> for WitError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotAllowed(text) => Self::NotAllowed(text),
            PublishError::Invalid(text) => Self::Invalid(text),
            PublishError::MailboxFull(text) => Self::MailboxFull(text),
            PublishError::TooLarge => Self::TooLarge,
        }
    }
}

/// What an event of a guest's weighs while it waits for the end of the turn.
fn size(topic: &str, event: &EventParam) -> usize {
    let texts = [
        &event.id,
        &event.source,
        &event.type_,
        &event.subject,
        &event.time,
        &event.datacontenttype,
        &event.dataschema,
    ];
    let texts: usize = texts
        .iter()
        .filter_map(|text| text.as_ref())
        .map(String::len)
        .sum();
    let extensions: usize = event
        .extensions
        .iter()
        .flatten()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    topic.len() + texts + extensions + event.data.len()
}

fn builder(event: EventParam) -> Result<EventBuilder, EventError> {
    let mut builder = EventBuilder::new().data(event.data);
    if let Some(id) = event.id {
        builder = builder.id(id);
    }
    if let Some(source) = event.source {
        builder = builder.source(source);
    }
    if let Some(ty) = event.type_ {
        builder = builder.ty(ty);
    }
    if let Some(subject) = event.subject {
        builder = builder.subject(subject);
    }
    if let Some(time) = event.time {
        builder.attribute("time", &time)?;
    }
    if let Some(media_type) = event.datacontenttype {
        builder = builder.datacontenttype(media_type);
    }
    if let Some(schema) = event.dataschema {
        builder = builder.dataschema(schema);
    }
    // `extension`, not `attribute`: here a context attribute has a field, and under its name an
    // extension is an error, which `build` finds.
    for (name, value) in event.extensions.into_iter().flatten() {
        builder = builder.extension(name, value);
    }
    Ok(builder)
}
