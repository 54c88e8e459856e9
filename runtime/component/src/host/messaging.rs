//! `wasi:messaging@0.2.0-draft`: messages, and sending them.
//!
//! CloudEvents travel over it as metadata, under the attributes' plain names; the content type is
//! `datacontenttype`. A message whose content type begins with [`STRUCTURED`] holds a whole event in
//! its data instead. A message that was received shows the event it came as without copying it, until
//! the guest changes it.

use std::sync::Arc;

use wasmtime::component::{Linker, Resource};
use whirlwind_event::{Event, EventBuilder, Topic, json};

use crate::bindings::host::wasi::messaging::producer;
use crate::bindings::host::wasi::messaging::types::{self, Error};
use crate::host::HasState;
use crate::limits::KEPT_OVERHEAD;
use crate::outbox::PublishError;
use crate::state::State;

/// The media type of a CloudEvent in structured JSON mode; parameters may follow.
const STRUCTURED: &str = "application/cloudevents+json";

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasState>(linker, |state| state)?;
    producer::add_to_linker::<State, HasState>(linker, |state| state)
}

/// A connection: to the app's bus, whatever its name. What it may publish is decided at each send.
#[derive(Debug, Default)]
pub struct Client {
    disconnected: bool,
}

/// A message, received or made by the guest.
#[derive(Debug, Default)]
pub struct Message {
    /// What it came as; what the guest set stands over it.
    received: Option<(Topic, Arc<Event>)>,
    content_type: Option<String>,
    data: Option<Vec<u8>>,
    metadata: Option<Vec<(String, String)>>,
}

impl Message {
    /// A message that holds an event.
    pub(crate) fn received(topic: Topic, event: Arc<Event>) -> Self {
        Self {
            received: Some((topic, event)),
            ..Self::default()
        }
    }

    fn event(&self) -> Option<&Event> {
        self.received.as_ref().map(|(_, event)| &**event)
    }

    fn content_type(&self) -> Option<&str> {
        match &self.content_type {
            Some(content_type) => Some(content_type),
            None => self.event()?.datacontenttype(),
        }
    }

    fn data(&self) -> &[u8] {
        match &self.data {
            Some(data) => data,
            None => self.event().and_then(Event::data).unwrap_or_default(),
        }
    }

    fn metadata(&self) -> Option<Vec<(String, String)>> {
        match &self.metadata {
            Some(metadata) => Some(metadata.clone()),
            None => self.event().map(attributes),
        }
    }

    /// The metadata to change: from now on the guest's own.
    fn metadata_mut(&mut self) -> &mut Vec<(String, String)> {
        let received = self.received.as_ref();
        self.metadata.get_or_insert_with(|| {
            received
                .map(|(_, event)| attributes(event))
                .unwrap_or_default()
        })
    }

    /// Bytes that the host keeps for it, the event it came as apart: that is shared.
    fn weight(&self) -> usize {
        let metadata = self.metadata.iter().flatten();
        KEPT_OVERHEAD
            + self.data.as_ref().map_or(0, Vec::len)
            + self.content_type.as_ref().map_or(0, String::len)
            + metadata
                .map(|(key, value)| size_of::<(String, String)>() + key.len() + value.len())
                .sum::<usize>()
    }

    /// The event that it is sent as.
    fn into_builder(self) -> Result<EventBuilder, String> {
        if let Some(content_type) = self.content_type()
            && is_structured(content_type)
        {
            return json::from_slice(self.data())
                .map(|event| event.to_builder())
                .map_err(|error| {
                    format!("the message's content type is {content_type}, but its data is no such event: {error}")
                });
        }
        let mut builder = EventBuilder::new();
        let attribute = |builder: &mut EventBuilder, key: &str, value: &str| {
            builder
                .attribute(key, value)
                .map_err(|error| format!("the message's metadata cannot be sent: {error}"))
        };
        match (&self.metadata, self.event()) {
            (Some(metadata), _) => {
                for (key, value) in metadata {
                    attribute(&mut builder, key, value)?;
                }
            }
            (None, Some(event)) => {
                for (key, value) in event.attributes() {
                    attribute(&mut builder, key, &value)?;
                }
            }
            (None, None) => {}
        }
        if let Some(content_type) = self.content_type() {
            builder = builder.datacontenttype(content_type);
        }
        // No data and empty data are one here; an event that had none is passed on without.
        let had_none = self.event().is_some_and(|event| event.data().is_none());
        match self.data {
            Some(data) => builder = builder.data(data),
            None if had_none => {}
            None => builder = builder.data(self.data()),
        }
        Ok(builder)
    }
}

fn attributes(event: &Event) -> Vec<(String, String)> {
    event
        .attributes()
        .map(|(name, value)| (name.to_owned(), value.into_owned()))
        .collect()
}

/// Whether a content type says structured mode: media types are compared without regard to case, and
/// what follows can only be parameters.
fn is_structured(content_type: &str) -> bool {
    content_type
        .get(..STRUCTURED.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(STRUCTURED))
}

impl From<PublishError> for Error {
    /// The table stands at [`PublishError`].
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotAllowed(text) => Self::PermissionDenied(text),
            PublishError::MailboxFull(text) => Self::Connection(text),
            PublishError::Invalid(_) | PublishError::TooLarge => Self::Other(error.to_string()),
        }
    }
}

impl State {
    /// Puts a message into the table, counted.
    pub(crate) fn push_message(&mut self, message: Message) -> wasmtime::Result<Resource<Message>> {
        self.meter.hold(0, message.weight())?;
        Ok(self.table.push(message)?)
    }

    /// Changes a message and counts the difference.
    fn change(
        &mut self,
        message: &Resource<Message>,
        change: impl FnOnce(&mut Message),
    ) -> wasmtime::Result<()> {
        let message = self.table.get_mut(message)?;
        let old = message.weight();
        change(message);
        let new = message.weight();
        self.meter.hold(old, new)?;
        Ok(())
    }

    /// Takes a message out of the table.
    fn take_message(&mut self, message: Resource<Message>) -> wasmtime::Result<Message> {
        let message = self.table.delete(message)?;
        self.meter.release(message.weight());
        Ok(message)
    }
}

impl types::Host for State {}

impl types::HostClient for State {
    fn connect(&mut self, _name: String) -> wasmtime::Result<Result<Resource<Client>, Error>> {
        Ok(Ok(self.table.push(Client::default())?))
    }

    fn disconnect(&mut self, client: Resource<Client>) -> wasmtime::Result<Result<(), Error>> {
        self.table.get_mut(&client)?.disconnected = true;
        Ok(Ok(()))
    }

    fn drop(&mut self, client: Resource<Client>) -> wasmtime::Result<()> {
        self.table.delete(client)?;
        Ok(())
    }
}

impl types::HostMessage for State {
    fn new(&mut self, data: Vec<u8>) -> wasmtime::Result<Resource<Message>> {
        self.push_message(Message {
            data: Some(data),
            ..Message::default()
        })
    }

    fn topic(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        let message = self.table.get(&message)?;
        Ok(message
            .received
            .as_ref()
            .map(|(topic, _)| topic.as_str().to_owned()))
    }

    fn content_type(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&message)?.content_type().map(str::to_owned))
    }

    fn set_content_type(
        &mut self,
        message: Resource<Message>,
        content_type: String,
    ) -> wasmtime::Result<()> {
        self.change(&message, |message| {
            message.content_type = Some(content_type)
        })
    }

    fn data(&mut self, message: Resource<Message>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&message)?.data().to_vec())
    }

    fn set_data(&mut self, message: Resource<Message>, data: Vec<u8>) -> wasmtime::Result<()> {
        self.change(&message, |message| message.data = Some(data))
    }

    fn metadata(
        &mut self,
        message: Resource<Message>,
    ) -> wasmtime::Result<Option<Vec<(String, String)>>> {
        Ok(self.table.get(&message)?.metadata())
    }

    fn add_metadata(
        &mut self,
        message: Resource<Message>,
        key: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.change(&message, |message| {
            let metadata = message.metadata_mut();
            match metadata.iter_mut().find(|(existing, _)| *existing == key) {
                Some((_, existing)) => *existing = value,
                None => metadata.push((key, value)),
            }
        })
    }

    fn set_metadata(
        &mut self,
        message: Resource<Message>,
        metadata: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.change(&message, |message| message.metadata = Some(metadata))
    }

    fn remove_metadata(&mut self, message: Resource<Message>, key: String) -> wasmtime::Result<()> {
        self.change(&message, |message| {
            message
                .metadata_mut()
                .retain(|(existing, _)| *existing != key);
        })
    }

    fn drop(&mut self, message: Resource<Message>) -> wasmtime::Result<()> {
        self.take_message(message)?;
        Ok(())
    }
}

impl producer::Host for State {
    fn send(
        &mut self,
        client: Resource<Client>,
        topic: String,
        message: Resource<Message>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let message = self.take_message(message)?;
        if self.table.get(&client)?.disconnected {
            return Ok(Err(Error::Connection(
                "the client was disconnected".to_owned(),
            )));
        }
        let event = message.event().map_or(0, Event::size);
        let size = topic.len() + message.weight() + event;
        let event = match message.into_builder() {
            Ok(event) => event,
            Err(text) => return Ok(Err(Error::Other(text))),
        };
        Ok(self
            .publish(&topic, event, size)?
            .map(|_id| ())
            .map_err(Error::from))
    }
}
