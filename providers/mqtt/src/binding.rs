//! Messages as events and events as messages: the CloudEvents MQTT binding 1.0.2.
//!
//! | message | event |
//! |---|---|
//! | content type `application/cloudevents+json` | structured: the payload is a JSON document |
//! | user properties `specversion`, `id`, `source` and `type` | binary: the payload is the data |
//! | no content type, and a JSON object that is a valid event | structured, as on 3.1.1, where there are no content types |
//! | any other content type `application/cloudevents...` | malformed: batches and other formats are not understood |
//! | anything else | plain: the payload is the data of an event made for it |
//!
//! A mapping's format `cloudevents` refuses the last row, `plain` is that row for all. An empty
//! payload is no data, except in a document. In binary mode extensions are texts: their type is
//! not written anywhere.
//!
//! Every event that came in has the extension `mqtttopic`, its MQTT topic; `mqttretained` and
//! `mqttduplicate` are there, and `true`, if the broker said so. They tell of this one journey: what
//! came under these names from outside is dropped, and they are not sent. (`mqtttopic` of a broker
//! would be wrong at the next.)

mod binary;
mod error;
mod plain;
mod structured;

use bytes::Bytes;
use whirlwind_event::{Event, EventBuilder, Excerpt, Topic};
use whirlwind_provider_api::{Acknowledge, SendError};

use crate::mapping::{Format, Mappings, Mode};
use crate::{Config, InMapping, Message, Properties, Version};

pub use error::{Cause, Malformed};

const TOPIC: &str = "mqtttopic";
const RETAINED: &str = "mqttretained";
const DUPLICATE: &str = "mqttduplicate";

/// What content types of CloudEvents begin with (section 3 of the binding).
const CLOUDEVENTS: &str = "application/cloudevents";

impl Config {
    /// A message as an event: where it goes, and when the broker is acknowledged.
    ///
    /// # Errors
    /// No mapping takes it, its topic becomes none of ours, or it is no event; it never will be.
    pub fn inward(&self, message: Message) -> Result<(Topic, Event, Acknowledge), Malformed> {
        decode(&self.mappings, &self.name, message)
    }

    /// An event as messages: one for each out mapping of its topic, in their order.
    ///
    /// # Errors
    /// No mapping takes the topic, or a mapping makes no MQTT topic of it: nothing is to be sent.
    pub fn outward(&self, topic: &Topic, event: &Event) -> Result<Vec<Message>, SendError> {
        encode(&self.mappings, self.version, topic, event)
    }
}

fn decode(
    mappings: &Mappings,
    provider: &str,
    message: Message,
) -> Result<(Topic, Event, Acknowledge), Malformed> {
    let malformed = |cause| Malformed {
        topic: Excerpt::of(&message.topic),
        cause,
    };
    let mqtt = Topic::parse(&message.topic).map_err(|error| malformed(Cause::Topic(error)))?;
    let Some((mapping, target)) = mappings.find_inward(&mqtt) else {
        return Err(malformed(Cause::Unmapped));
    };
    let topic = Topic::parse(&target).map_err(|error| malformed(Cause::Target(error)))?;
    if topic.is_system() {
        let target = Excerpt::of(&target);
        return Err(malformed(Cause::System(target)));
    }
    let acknowledge = mapping.acknowledge;
    let (retained, duplicate) = (message.retain, message.dup);
    let excerpt = Excerpt::of(&message.topic);
    let message = without_empty_content_type(message);
    let build = |builder: EventBuilder| {
        let builder = marked(builder, mqtt.as_str(), retained, duplicate);
        builder.build().map_err(Cause::Event)
    };
    let event = match read(mapping, provider, message) {
        Ok(Read::Known(builder)) => build(builder),
        Ok(Read::Guessed(builder, message)) => {
            build(builder).or_else(|_| build(plain::read(mapping, provider, message)))
        }
        Err(cause) => Err(cause),
    };
    let event = event.map_err(|cause| Malformed {
        topic: excerpt,
        cause,
    })?;
    Ok((topic, event, acknowledge))
}

/// With what tells of the journey.
fn marked(builder: EventBuilder, topic: &str, retained: bool, duplicate: bool) -> EventBuilder {
    let mut builder = builder
        .without_extension(RETAINED)
        .without_extension(DUPLICATE)
        .extension(TOPIC, topic);
    if retained {
        builder = builder.extension(RETAINED, true);
    }
    if duplicate {
        builder = builder.extension(DUPLICATE, true);
    }
    builder
}

/// Some clients send the property though they have nothing to say in it.
fn without_empty_content_type(mut message: Message) -> Message {
    message.properties.content_type = message.properties.content_type.filter(|t| !t.is_empty());
    message
}

/// What a message is, and its event so far.
enum Read {
    Known(EventBuilder),
    /// It only looks like this one: if that is not valid, it is a plain message.
    Guessed(EventBuilder, Message),
}

fn read(mapping: &InMapping, provider: &str, message: Message) -> Result<Read, Cause> {
    let plain = |message| Ok(Read::Known(plain::read(mapping, provider, message)));
    if mapping.format == Format::Plain {
        return plain(message);
    }
    let content_type = message.properties.content_type.as_deref();
    if let Some(content_type) = content_type
        && begins_with_cloudevents(content_type)
    {
        if !structured::is_json(content_type) {
            return Err(Cause::Format(Excerpt::of(content_type)));
        }
        return structured::read(&message.payload).map(Read::Known);
    }
    let untyped = content_type.is_none();
    match mapping.format {
        Format::Auto if binary::is_event(&message.properties.user) => {
            binary::read(message).map(Read::Known)
        }
        Format::Auto if untyped && structured::looks_like_event(&message.payload) => {
            // Anything may look like one; what cannot be read as one is something else.
            match structured::read(&message.payload) {
                Ok(builder) if is_complete(&builder) => Ok(Read::Guessed(builder, message)),
                _ => plain(message),
            }
        }
        Format::Cloudevents if untyped && !binary::is_begun(&message.properties.user) => {
            structured::read(&message.payload).map(Read::Known)
        }
        Format::Cloudevents => binary::read(message).map(Read::Known),
        Format::Auto | Format::Plain => plain(message),
    }
}

fn is_complete(builder: &EventBuilder) -> bool {
    builder.has_id() && builder.has_source() && builder.has_ty()
}

fn begins_with_cloudevents(content_type: &str) -> bool {
    content_type
        .get(..CLOUDEVENTS.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(CLOUDEVENTS))
}

fn encode(
    mappings: &Mappings,
    version: Version,
    topic: &Topic,
    event: &Event,
) -> Result<Vec<Message>, SendError> {
    let found = mappings.find_outward(topic);
    if found.is_empty() {
        let topic = Excerpt::of(topic.as_str());
        return Err(SendError::Unsendable(format!(
            "no out mapping takes topic {topic}"
        )));
    }
    // Each form is made once, however many messages share it.
    let mut data: Option<Bytes> = None;
    let mut document: Option<Bytes> = None;
    let mut messages = Vec::with_capacity(found.len());
    for (mapping, mqtt) in found {
        match Topic::parse(&mqtt) {
            Ok(mqtt) if !mqtt.is_system() => {}
            Ok(_) => {
                let mqtt = Excerpt::of(&mqtt);
                return Err(SendError::Unsendable(format!(
                    "MQTT topic {mqtt} begins with \"$\", which topics of the broker do"
                )));
            }
            Err(error) => return Err(SendError::Unsendable(error.to_string())),
        }
        let mode = mode(mapping.mode, version, event);
        let payload = match mode {
            Mode::Structured => document.get_or_insert_with(|| structured::write(event)),
            Mode::Binary | Mode::Data => {
                data.get_or_insert_with(|| Bytes::copy_from_slice(event.data().unwrap_or_default()))
            }
        };
        let properties = match (version, mode) {
            (Version::V4, _) => Properties::default(),
            (Version::V5, Mode::Structured) => structured::properties(),
            (Version::V5, Mode::Binary) => binary::properties(event),
            (Version::V5, Mode::Data) => Properties {
                content_type: event.datacontenttype().map(str::to_owned),
                user: Vec::new(),
            },
        };
        messages.push(Message {
            topic: mqtt,
            payload: payload.clone(),
            qos: mapping.qos,
            retain: mapping.retain,
            dup: false,
            properties,
        });
    }
    Ok(messages)
}

fn mode(wanted: Option<Mode>, version: Version, event: &Event) -> Mode {
    match (wanted, version) {
        (Some(Mode::Data), _) => Mode::Data,
        (Some(Mode::Structured), _) | (_, Version::V4) => Mode::Structured,
        // A receiver would take data that is itself a CloudEvents document for the event.
        (None | Some(Mode::Binary), Version::V5) => match event.datacontenttype() {
            Some(media_type) if begins_with_cloudevents(media_type) => Mode::Structured,
            _ => Mode::Binary,
        },
    }
}

/// Whether this attribute is one of ours, which stay here.
fn is_ours(name: &str) -> bool {
    matches!(name, TOPIC | RETAINED | DUPLICATE)
}
