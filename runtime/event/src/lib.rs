//! The values of Whirlwind: events, topics, topic filters and their encodings.
//!
//! # Map
//!
//! - [`Event`], [`EventBuilder`]: a CloudEvent 1.0, and the one way to make it, which checks it.
//! - [`Topic`], [`TopicFilter`]: where events are published and which of them are wanted, under the
//!   rules of MQTT 5; made only by parsing.
//! - [`FilterTree`]: finds what is filed under the filters that a topic matches.
//! - [`json`]: events as JSON documents and batches, at the doors of a node.
//! - [`binary`]: events as bytes, on the disk of a node.
//! - `generated` (feature of the same name): events at random, for tests.
//! - [`Excerpt`]: the beginning of a text from outside, as error messages show it.
//!
//! # Errors
//!
//! Every error is data for whoever sent the text or the event: it names the attribute, member or
//! level, and says the remedy. Text from outside is shown shortened, with control characters
//! escaped. Nothing here panics, whatever it is given.
//!
//! # What this crate knows nothing of
//!
//! Queues, tasks, Wasm, providers, files, sockets and clocks: it has values and functions on them.
//! The same input gives the same output, on every machine.
//!
//! # Example
//!
//! ```
//! use whirlwind_event::{EventBuilder, FilterTree, Topic, TopicFilter, json};
//!
//! let mut wanted = FilterTree::new();
//! wanted.insert(&TopicFilter::parse("sensors/+/temperature")?, "thermostat");
//! wanted.insert(&TopicFilter::parse("sensors/#")?, "recorder");
//!
//! let topic = Topic::parse("sensors/kitchen/temperature")?;
//! let mut found = Vec::new();
//! wanted.for_each(&topic, |name| found.push(*name));
//! found.sort_unstable();
//! assert_eq!(found, ["recorder", "thermostat"]);
//!
//! let event = EventBuilder::new()
//!     .id("1")
//!     .source("/house/kitchen")
//!     .ty("com.example.temperature")
//!     .datacontenttype("application/json")
//!     .data(r#"{"celsius":21.5}"#)
//!     .build()?;
//! assert_eq!(
//!     json::to_vec(&event),
//!     br#"{"specversion":"1.0","id":"1","source":"/house/kitchen","type":"com.example.temperature","datacontenttype":"application/json","data":{"celsius":21.5}}"#,
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod binary;
mod event;
mod excerpt;
#[cfg(feature = "generated")]
pub mod generated;
pub mod json;
mod media_type;
mod text;
mod topic;
mod uri;

pub use event::{
    Event, EventBuilder, EventError, ExtensionValue, MAX_ATTRIBUTE_SIZE, MAX_CONTEXT_SIZE,
    MAX_EXTENSION_NAME_SIZE, MAX_EXTENSIONS,
};
pub use excerpt::Excerpt;
pub use topic::{FilterTree, MAX_TOPIC_SIZE, Topic, TopicError, TopicFilter};
