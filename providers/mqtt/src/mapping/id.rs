use std::fmt;

use whirlwind_event::Excerpt;

use super::MappingError;
use super::pointer::Pointer;
use crate::Message;

/// What the length of a text in a packet can say (MQTT 5, 1.5.4).
const MAX_NAME: usize = 65_535;

/// Where plain messages say which they are: a text or a number that is the id of the event made of one, so that the same message
/// is the same event whenever it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPlace(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The value of the user property of this name.
    Property(Box<str>),
    /// A member of the payload, which is JSON.
    Field(Pointer),
}

impl IdPlace {
    /// The user property of this name (MQTT 5, 3.3.2.3.7).
    ///
    /// # Errors
    /// No user property has such a name.
    pub fn property(name: &str) -> Result<Self, MappingError> {
        if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
            return Err(MappingError::Property {
                name: Excerpt::of(name),
            });
        }
        Ok(Self(Place::Property(name.into())))
    }

    /// What a JSON Pointer (RFC 6901) leads to in the payload: at most 64 levels down, and not the payload as a whole, since two
    /// readings of one value are two messages.
    ///
    /// # Errors
    /// It is none, or such a one.
    pub fn field(pointer: &str) -> Result<Self, MappingError> {
        Pointer::parse(pointer).map(|pointer| Self(Place::Field(pointer)))
    }

    /// Whether it is a user property, which only MQTT 5 has.
    pub fn is_property(&self) -> bool {
        matches!(self.0, Place::Property(_))
    }

    /// What a message has there. A user property that is there twice says nothing.
    pub(crate) fn read(&self, message: &Message) -> Option<String> {
        match &self.0 {
            Place::Property(wanted) => {
                let user = message.properties.user.iter();
                let mut values = user.filter(|(name, _)| **name == **wanted);
                let (_, value) = values.next()?;
                values.next().is_none().then(|| value.clone())
            }
            Place::Field(pointer) => pointer.find(&message.payload),
        }
    }
}

impl fmt::Display for IdPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Property(name) => write!(f, "user property {}", Excerpt::of(name)),
            Place::Field(pointer) => write!(f, "field {}", Excerpt::of(pointer.as_str())),
        }
    }
}
