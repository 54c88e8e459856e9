use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use cloudevents::event::{AttributesReader, AttributesWriter, EventBuilder as _};
use cloudevents::{Data, Event as SdkEvent, EventBuilderV10};

use super::{
    Event, EventError, ExtensionValue, MAX_ATTRIBUTE_SIZE, MAX_CONTEXT_SIZE,
    MAX_EXTENSION_NAME_SIZE, MAX_EXTENSIONS, time_text_size,
};
use crate::excerpt::Excerpt;
use crate::text::forbidden_character;
use crate::{media_type, uri};

/// An event in the making: everything is optional until [`build`](EventBuilder::build).
///
/// Whoever completes an event from elsewhere fills in what it lacks:
///
/// ```
/// use whirlwind_event::EventBuilder;
///
/// let mut builder = EventBuilder::new().data("ping");
/// builder.attribute("type", "com.example.ping")?;
/// builder.attribute("partitionkey", "7")?;
/// let event = builder
///     .id_or_else(|| "0001".to_owned())
///     .source_or_else(|| "/pingpong".to_owned())
///     .ty_or_else(|| "dev.whirlwind.message".to_owned())
///     .build()?;
/// assert_eq!(event.ty(), "com.example.ping");
/// assert_eq!(event.source(), "/pingpong");
/// # Ok::<(), whirlwind_event::EventError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct EventBuilder {
    id: Option<String>,
    source: Option<String>,
    ty: Option<String>,
    subject: Option<String>,
    time: Option<DateTime<Utc>>,
    datacontenttype: Option<String>,
    dataschema: Option<String>,
    extensions: BTreeMap<String, ExtensionValue>,
    data: Option<Vec<u8>>,
}

/// The setters replace what was set before; they check nothing, [`build`](EventBuilder::build)
/// does.
impl EventBuilder {
    /// A builder with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `id`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets `source`, a URI-reference.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets `type`.
    pub fn ty(mut self, ty: impl Into<String>) -> Self {
        self.ty = Some(ty.into());
        self
    }

    /// Sets `subject`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets `time`. [`attribute`](EventBuilder::attribute) takes it as a text.
    pub fn time(mut self, time: DateTime<Utc>) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets `datacontenttype`, a media type.
    pub fn datacontenttype(mut self, media_type: impl Into<String>) -> Self {
        self.datacontenttype = Some(media_type.into());
        self
    }

    /// Sets `dataschema`, an absolute URI.
    pub fn dataschema(mut self, uri: impl Into<String>) -> Self {
        self.dataschema = Some(uri.into());
        self
    }

    /// Sets an extension attribute: a string, a boolean, or an integer of 32 bits.
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<ExtensionValue>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// Takes an extension attribute away, if it is set.
    pub fn without_extension(mut self, name: &str) -> Self {
        self.extensions.remove(name);
        self
    }

    /// Sets the payload.
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Sets the attribute of this CloudEvents name from its string encoding, as a metadata list
    /// carries it. A name that CloudEvents does not define is that of an extension, whose value is
    /// a string; `specversion` may be there if it is 1.0.
    ///
    /// # Errors
    ///
    /// The name cannot be that of an attribute, the version is not 1.0, the time is not RFC 3339,
    /// or there are [`MAX_EXTENSIONS`] extensions already. The builder is then as it was before.
    /// All else is checked by [`build`](EventBuilder::build).
    pub fn attribute(&mut self, name: &str, value: &str) -> Result<(), EventError> {
        match name {
            "id" => self.id = Some(value.into()),
            "source" => self.source = Some(value.into()),
            "type" => self.ty = Some(value.into()),
            "subject" => self.subject = Some(value.into()),
            "time" => self.time = Some(parse_time(value)?),
            "datacontenttype" => self.datacontenttype = Some(value.into()),
            "dataschema" => self.dataschema = Some(value.into()),
            "specversion" => check_version(value)?,
            name => {
                check_extension_name(name)?;
                if self.extensions.len() >= MAX_EXTENSIONS && !self.extensions.contains_key(name) {
                    return Err(too_many_extensions(self.extensions.len() + 1));
                }
                self.extensions.insert(name.into(), value.into());
            }
        }
        Ok(())
    }
}

/// What is set already, and filling in what is not.
impl EventBuilder {
    /// Whether `id` is set.
    pub fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Whether `source` is set.
    pub fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// Whether `type` is set.
    pub fn has_ty(&self) -> bool {
        self.ty.is_some()
    }

    /// Whether `time` is set.
    pub fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// Whether `datacontenttype` is set.
    pub fn has_datacontenttype(&self) -> bool {
        self.datacontenttype.is_some()
    }

    /// Whether this extension attribute is set.
    pub fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains_key(name)
    }

    /// Sets `id` unless it is set.
    pub fn id_or_else(mut self, id: impl FnOnce() -> String) -> Self {
        self.id.get_or_insert_with(id);
        self
    }

    /// Sets `source` unless it is set.
    pub fn source_or_else(mut self, source: impl FnOnce() -> String) -> Self {
        self.source.get_or_insert_with(source);
        self
    }

    /// Sets `type` unless it is set.
    pub fn ty_or_else(mut self, ty: impl FnOnce() -> String) -> Self {
        self.ty.get_or_insert_with(ty);
        self
    }
}

impl EventBuilder {
    /// Makes the event.
    ///
    /// # Errors
    ///
    /// A required attribute is absent, a value breaks the rules of its type, a name cannot be that
    /// of an extension, or a bound of this module is exceeded. The SDK's own builder checks none
    /// of these.
    pub fn build(self) -> Result<Event, EventError> {
        let id = self.id.ok_or(EventError::Missing { attribute: "id" })?;
        let source = self.source.ok_or(EventError::Missing {
            attribute: "source",
        })?;
        let ty = self.ty.ok_or(EventError::Missing { attribute: "type" })?;

        let mut size = 0;
        for (name, value) in [
            ("id", Some(&id)),
            ("source", Some(&source)),
            ("type", Some(&ty)),
            ("subject", self.subject.as_ref()),
            ("datacontenttype", self.datacontenttype.as_ref()),
            ("dataschema", self.dataschema.as_ref()),
        ] {
            if let Some(value) = value {
                if value.is_empty() {
                    return Err(EventError::Empty { attribute: name });
                }
                check_string(name, value)?;
                size += name.len() + value.len();
            }
        }
        if !uri::is_uri_reference(&source) {
            return Err(EventError::NotUriReference {
                value: Excerpt::of(&source),
            });
        }
        if let Some(value) = &self.datacontenttype
            && !media_type::is_media_type(value)
        {
            return Err(EventError::NotMediaType {
                value: Excerpt::of(value),
            });
        }

        let mut builder = EventBuilderV10::new().id(id).source(source).ty(ty);
        if let Some(subject) = self.subject {
            builder = builder.subject(subject);
        }
        if let Some(time) = self.time {
            check_year(&time)?;
            size += "time".len() + time_text_size(&time);
            builder = builder.time(time);
        }
        let mut sdk = builder.build().map_err(|error| EventError::Sdk {
            reason: error.to_string(),
        })?;

        if self.extensions.len() > MAX_EXTENSIONS {
            return Err(too_many_extensions(self.extensions.len()));
        }
        for (name, value) in self.extensions {
            check_extension_name(&name)?;
            size += name.len() + extension_size(&name, &value)?;
            sdk.set_extension(&name, value);
        }
        if size > MAX_CONTEXT_SIZE {
            return Err(EventError::ContextTooLarge {
                size,
                limit: MAX_CONTEXT_SIZE,
            });
        }

        sdk.set_datacontenttype(self.datacontenttype);
        let dataschema = match self.dataschema {
            Some(text) => {
                sdk.set_dataschema(Some(parse_uri(&text)?));
                Some(text.into_boxed_str())
            }
            None => None,
        };
        if let Some(data) = self.data {
            size += data.len();
            sdk.set_data_unchecked(data);
        }
        Ok(Event {
            sdk,
            dataschema,
            size,
        })
    }

    /// Copies an event of the SDK, `dataschema` given as it was written.
    pub(super) fn from_parts(event: &SdkEvent, dataschema: Option<&str>) -> Self {
        let extensions = event.iter_extensions();
        let mut builder = Self {
            id: Some(event.id().to_owned()),
            source: Some(event.source().clone()),
            ty: Some(event.ty().to_owned()),
            subject: event.subject().map(str::to_owned),
            time: event.time().copied(),
            datacontenttype: event.datacontenttype().map(str::to_owned),
            dataschema: dataschema.map(str::to_owned),
            extensions: extensions
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            data: None,
        };
        builder.data = event.data().map(|data| match data {
            Data::Binary(bytes) => bytes.clone(),
            Data::String(text) => text.clone().into_bytes(),
            Data::Json(value) => {
                // In the SDK a JSON value without a content type means this one.
                builder
                    .datacontenttype
                    .get_or_insert_with(|| "application/json".to_owned());
                value.to_string().into_bytes()
            }
        });
        builder
    }
}

impl From<&SdkEvent> for EventBuilder {
    /// Copies an event that one of the SDK's protocol bindings read, so that it can be checked.
    fn from(event: &SdkEvent) -> Self {
        Self::from_parts(event, event.dataschema().map(|url| url.as_str()))
    }
}

/// Reads an RFC 3339 timestamp, strictly: chrono would take a space for the `T`.
fn parse_time(text: &str) -> Result<DateTime<Utc>, EventError> {
    let strict = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) if strict => {
            let time = time.to_utc();
            check_year(&time).map(|()| time)
        }
        _ => Err(EventError::NotTime {
            value: Excerpt::of(text),
        }),
    }
}

/// RFC 3339 has four digits for the year; an offset can push a time out of them.
fn check_year(time: &DateTime<Utc>) -> Result<(), EventError> {
    if (0..=9999).contains(&time.year()) {
        return Ok(());
    }
    Err(EventError::NotTime {
        value: Excerpt::of(&time.to_rfc3339()),
    })
}

pub(crate) fn check_version(text: &str) -> Result<(), EventError> {
    if text == "1.0" {
        return Ok(());
    }
    Err(EventError::SpecVersion {
        value: Excerpt::of(text),
    })
}

/// The SDK holds the schema's URI as a `Url`, whose parser knows more of some schemes (that a port
/// is a number of 16 bits) and is more lenient otherwise (spaces): both have to agree.
fn parse_uri(text: &str) -> Result<url::Url, EventError> {
    url::Url::parse(text)
        .ok()
        .filter(|_| uri::is_uri(text))
        .ok_or_else(|| EventError::NotUri {
            value: Excerpt::of(text),
        })
}

/// The bounds and characters of every attribute that is a text.
fn check_string(name: &str, value: &str) -> Result<(), EventError> {
    if value.len() > MAX_ATTRIBUTE_SIZE {
        return Err(EventError::TooLong {
            attribute: name.to_owned(),
            size: value.len(),
            limit: MAX_ATTRIBUTE_SIZE,
        });
    }
    match forbidden_character(value) {
        Some((offset, character)) => Err(EventError::Character {
            attribute: name.to_owned(),
            character,
            offset,
        }),
        None => Ok(()),
    }
}

/// CloudEvents 1.0, "Naming Conventions"; `data` is kept free there for the formats.
fn check_extension_name(name: &str) -> Result<(), EventError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.is_empty() || name.len() > MAX_EXTENSION_NAME_SIZE || !name.bytes().all(allowed) {
        return Err(EventError::ExtensionName {
            name: Excerpt::of(name),
        });
    }
    match name {
        "id" | "source" | "specversion" | "type" | "subject" | "time" | "datacontenttype"
        | "dataschema" | "data" => Err(EventError::ReservedName {
            name: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Bytes of the value in its string encoding, once it is known to be allowed.
fn extension_size(name: &str, value: &ExtensionValue) -> Result<usize, EventError> {
    match value {
        ExtensionValue::String(text) => check_string(name, text).map(|()| text.len()),
        ExtensionValue::Boolean(true) => Ok("true".len()),
        ExtensionValue::Boolean(false) => Ok("false".len()),
        ExtensionValue::Integer(number) => match i32::try_from(*number) {
            Ok(number) => {
                let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                Ok(digits + usize::from(number < 0))
            }
            Err(_) => Err(EventError::IntegerRange {
                name: name.to_owned(),
                value: *number,
            }),
        },
    }
}

fn too_many_extensions(count: usize) -> EventError {
    EventError::TooManyExtensions {
        count,
        limit: MAX_EXTENSIONS,
    }
}
