use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use whirlwind_event::{EventBuilder, Excerpt, TopicFilter};
use whirlwind_provider_api::Acknowledge;

use super::circles;
use super::template::Template;
use super::{IdPlace, MappingError};
use crate::Qos;

/// The `type` of a plain message's event, unless its mapping says another.
pub const DEFAULT_TYPE: &str = "dev.whirlwind.mqtt.message";

/// What the messages of a mapping are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// CloudEvents where they are known to be, plain otherwise.
    #[default]
    Auto,
    /// CloudEvents; anything else is malformed.
    Cloudevents,
    /// Plain, whatever they look like.
    Plain,
}

/// A subscription at the broker, and the topic its messages go to. Clones count together.
#[derive(Clone, Debug)]
pub struct InMapping {
    /// As subscribed, `$share/group/` included.
    subscription: Box<str>,
    /// What the topics of its messages match.
    filter: TopicFilter,
    target: Template,
    ty: Option<Box<str>>,
    content_type: Option<Box<str>>,
    id: Option<IdPlace>,
    /// How many plain messages had no id there.
    without_id: Arc<AtomicU64>,
    /// At most this often; 2 is subscribed as 1, see [`Mappings::lowered`](super::Mappings::lowered).
    pub qos: Qos,
    /// When the broker is acknowledged.
    pub acknowledge: Acknowledge,
    /// What the messages are.
    pub format: Format,
}

impl InMapping {
    /// Messages on the MQTT topics that the filter `mqtt` matches go to the topic `target`, with
    /// QoS 1, acknowledged when all they caused is done. The filter may begin with `$share/GROUP/`:
    /// the broker gives each message to one of the group then.
    ///
    /// # Errors
    /// One of the two cannot be read, or the target has a place that the filter does not fill.
    pub fn new(mqtt: &str, target: &str) -> Result<Self, MappingError> {
        let filter = unshared(mqtt)?;
        // The group counts with the filter, and has the same characters.
        TopicFilter::parse(mqtt).map_err(MappingError::Filter)?;
        let filter = TopicFilter::parse(filter).map_err(MappingError::Filter)?;
        let target = Template::parse(target, &filter)?;
        Ok(Self {
            subscription: mqtt.into(),
            filter,
            target,
            ty: None,
            content_type: None,
            id: None,
            without_id: Arc::default(),
            qos: Qos::AtLeastOnce,
            acknowledge: Acknowledge::default(),
            format: Format::default(),
        })
    }

    /// The `type` of plain messages' events.
    ///
    /// # Errors
    /// No event may have such a type.
    pub fn with_type(mut self, ty: &str) -> Result<Self, MappingError> {
        check(EventBuilder::new().ty(ty))?;
        self.ty = Some(ty.into());
        Ok(self)
    }

    /// The content type of plain messages that do not say theirs, which those of 3.1.1 cannot.
    ///
    /// # Errors
    /// It is not a media type.
    pub fn with_content_type(mut self, media_type: &str) -> Result<Self, MappingError> {
        check(EventBuilder::new().ty("t").datacontenttype(media_type))?;
        self.content_type = Some(media_type.into());
        Ok(self)
    }

    /// Where plain messages have the id of their events; without it each has a new one.
    #[must_use]
    pub fn with_id(mut self, place: IdPlace) -> Self {
        self.id = Some(place);
        self
    }

    /// What is subscribed, as written.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// What the topics of its messages match: the subscription without `$share/GROUP/`.
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    /// The topic its messages go to, as written.
    pub fn target(&self) -> &str {
        self.target.as_str()
    }

    /// The `type` of plain messages' events.
    pub fn ty(&self) -> &str {
        self.ty.as_deref().unwrap_or(DEFAULT_TYPE)
    }

    /// The content type of plain messages that do not say theirs.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Where plain messages have the id of their events.
    pub fn id(&self) -> Option<&IdPlace> {
        self.id.as_ref()
    }

    /// How many plain messages had no id where there should be one.
    pub fn without_id(&self) -> u64 {
        self.without_id.load(Ordering::Relaxed)
    }

    /// Counts one more, and says how many those are.
    pub(crate) fn count_without_id(&self) -> u64 {
        let before = self.without_id.fetch_add(1, Ordering::Relaxed);
        before.saturating_add(1)
    }

    /// Whether one of its messages may go to a topic that `filter` matches; where levels that are written out differ, none can.
    pub fn may_reach(&self, filter: &TopicFilter) -> bool {
        circles::may_reach(&self.target, filter)
    }

    pub(super) fn template(&self) -> &Template {
        &self.target
    }
}

/// The filter of a shared subscription (MQTT 5, 4.8.2), or any other as it is.
pub(crate) fn unshared(subscription: &str) -> Result<&str, MappingError> {
    let Some(rest) = subscription.strip_prefix("$share/") else {
        return Ok(subscription);
    };
    let lacks = |lacks| MappingError::Share {
        filter: Excerpt::of(subscription),
        lacks,
    };
    match rest.split_once('/') {
        Some((group, _)) if group.is_empty() || group.contains(['+', '#']) => Err(lacks("group")),
        None | Some((_, "")) => Err(lacks("filter")),
        Some((_, filter)) => Ok(filter),
    }
}

/// Whether an event could be like this.
fn check(builder: EventBuilder) -> Result<(), MappingError> {
    let event = builder.id("0").source("/").build();
    event.map(drop).map_err(MappingError::Event)
}
