//! The event, its builder, and the bounds on both.
//!
//! The rules are those of CloudEvents 1.0.2, "Context Attributes" and "Type System".

mod builder;
mod error;

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use cloudevents::event::AttributesReader;
use cloudevents::{Data, Event as SdkEvent};
use smallvec::SmallVec;

pub use builder::EventBuilder;
pub use cloudevents::event::ExtensionValue;
pub use error::EventError;

/// Bytes that the names and values of all attributes of an event may have together.
///
/// CloudEvents ("Size Limits") asks an intermediary to forward every event of up to 64 KiB, so no
/// less will do; what is longer belongs in the data.
pub const MAX_CONTEXT_SIZE: usize = 64 * 1024;

/// Bytes in the longest value of one attribute: just under [`MAX_CONTEXT_SIZE`], being what an
/// MQTT 5 user property can carry, whose length has two bytes.
pub const MAX_ATTRIBUTE_SIZE: usize = u16::MAX as usize;

/// How many extension attributes an event may have: with names of [`MAX_EXTENSION_NAME_SIZE`] and
/// values of 236 bytes, this many fill [`MAX_CONTEXT_SIZE`].
pub const MAX_EXTENSIONS: usize = MAX_CONTEXT_SIZE / 256;

/// Characters, and bytes, in the longest name of an extension: what CloudEvents recommends
/// ("Naming Conventions") and some receivers insist on.
pub const MAX_EXTENSION_NAME_SIZE: usize = 20;

/// A CloudEvent 1.0, which cannot change.
///
/// It is made by an [`EventBuilder`] or read by [`json`](crate::json), both of which check it, and
/// travels as `Arc<Event>`; there is no `Clone`, because a copy would be deep (see
/// [`to_builder`](Event::to_builder) for making another like it). The data is bytes, whatever its
/// content type.
///
/// ```
/// use whirlwind_event::EventBuilder;
///
/// let event = EventBuilder::new()
///     .id("17")
///     .source("/shop/orders")
///     .ty("com.example.order.placed")
///     .extension("partitionkey", "customer-5")
///     .datacontenttype("text/plain")
///     .data("two lamps")
///     .build()?;
/// assert_eq!(event.id(), "17");
/// assert_eq!(event.data(), Some(&b"two lamps"[..]));
/// # Ok::<(), whirlwind_event::EventError>(())
/// ```
pub struct Event {
    /// Its data is always absent or `Data::Binary`.
    sdk: SdkEvent,
    /// As written: the SDK keeps a parsed URL, which may print differently.
    dataschema: Option<Box<str>>,
    size: usize,
}

impl Event {
    /// Identifies the event among those of its source.
    pub fn id(&self) -> &str {
        self.sdk.id()
    }

    /// Where the event comes from: a URI-reference.
    pub fn source(&self) -> &str {
        self.sdk.source()
    }

    /// The attribute `type`: what kind of thing happened.
    pub fn ty(&self) -> &str {
        self.sdk.ty()
    }

    /// What the event is about, within its source.
    pub fn subject(&self) -> Option<&str> {
        self.sdk.subject()
    }

    /// When it happened. Whatever offset it was written with, it is kept in UTC.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.sdk.time().copied()
    }

    /// The [`time`](Event::time) in RFC 3339, such as `2026-01-31T12:00:00Z`, with 0, 3, 6 or 9
    /// digits of a second's fraction, as many as it takes.
    pub fn time_text(&self) -> Option<String> {
        self.sdk.time().map(time_text)
    }

    /// The media type of the data.
    pub fn datacontenttype(&self) -> Option<&str> {
        self.sdk.datacontenttype()
    }

    /// The URI of the schema of the data, as it was written.
    pub fn dataschema(&self) -> Option<&str> {
        self.dataschema.as_deref()
    }

    /// One extension attribute.
    pub fn extension(&self, name: &str) -> Option<&ExtensionValue> {
        self.sdk.extension(name)
    }

    /// The extension attributes, sorted by name.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &ExtensionValue)> {
        let mut all: SmallVec<[_; 8]> = self.sdk.iter_extensions().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// The attributes as a metadata list holds them, under their CloudEvents names and in their
    /// string encodings: `id`, `source`, `type`, `subject`, `time`, `dataschema`, then the
    /// extensions sorted by name.
    ///
    /// `specversion` is left out because it is always 1.0, and `datacontenttype` because every
    /// carrier of metadata has a field of its own for the content type.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        [
            ("id", Some(Cow::Borrowed(self.id()))),
            ("source", Some(Cow::Borrowed(self.source()))),
            ("type", Some(Cow::Borrowed(self.ty()))),
            ("subject", self.subject().map(Cow::Borrowed)),
            ("time", self.time_text().map(Cow::Owned)),
            ("dataschema", self.dataschema().map(Cow::Borrowed)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(self.extensions().map(|(name, value)| {
            let value = match value {
                ExtensionValue::String(text) => Cow::Borrowed(text.as_str()),
                ExtensionValue::Boolean(true) => Cow::Borrowed("true"),
                ExtensionValue::Boolean(false) => Cow::Borrowed("false"),
                ExtensionValue::Integer(number) => Cow::Owned(number.to_string()),
            };
            (name, value)
        }))
    }

    /// The payload. No data and data of no bytes are different things.
    pub fn data(&self) -> Option<&[u8]> {
        match self.sdk.data()? {
            Data::Binary(bytes) => Some(bytes),
            Data::String(text) => Some(text.as_bytes()),
            Data::Json(_) => None,
        }
    }

    /// Bytes of the data and of the names and values of the attributes, `specversion` excepted.
    /// Counted once, when the event is built.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The event as the CloudEvents SDK knows it, for its protocol bindings.
    pub fn as_sdk(&self) -> &SdkEvent {
        &self.sdk
    }

    /// A builder that would make an equal event; it copies everything.
    pub fn to_builder(&self) -> EventBuilder {
        EventBuilder::from_parts(&self.sdk, self.dataschema())
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.dataschema == other.dataschema && self.sdk == other.sdk
    }
}

impl Eq for Event {}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Event");
        for (name, value) in self.attributes() {
            out.field(name, &value);
        }
        if let Some(media_type) = self.datacontenttype() {
            out.field("datacontenttype", &media_type);
        }
        // The data is left out: it may be long, and it is not for logs.
        out.field("data_size", &self.data().map(<[u8]>::len));
        out.finish()
    }
}

fn time_text(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Bytes in [`time_text`], without making it.
fn time_text_size(time: &DateTime<Utc>) -> usize {
    let fraction = match time.nanosecond() % 1_000_000_000 {
        0 => 0,
        nanos if nanos % 1_000_000 == 0 => ".000".len(),
        nanos if nanos % 1_000 == 0 => ".000000".len(),
        _ => ".000000000".len(),
    };
    "0000-00-00T00:00:00Z".len() + fraction
}
