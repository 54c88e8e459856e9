//! What an entry of a store is, for whoever looks into one that is not open.

use whirlwind_event::{Event, Topic};
use whirlwind_store::Space;

use super::{key, record};
use crate::DeadLetter;

/// An entry that this crate put into a store.
#[derive(Debug)]
pub enum Stored {
    /// An event that waits for a subscriber.
    Event {
        /// The subscriber's number in this store.
        subscriber: u32,
        /// Its place in the order of acceptance.
        number: u64,
        /// The topic it was published on.
        topic: Topic,
        /// The event.
        event: Box<Event>,
    },
    /// A dead letter.
    Letter(Box<DeadLetter>),
    /// The name of a subscriber's number.
    Subscriber {
        /// The number.
        number: u32,
        /// The name.
        name: String,
    },
}

impl Stored {
    /// Reads an entry; none where it is not of this crate.
    ///
    /// # Errors
    /// It is, and cannot be read: why.
    pub fn read(space: Space, key: &[u8], value: &[u8]) -> Result<Option<Self>, String> {
        match space {
            Space::Events => match (key::event_number(key), key::letter_id(key)) {
                (Some(number), _) => {
                    let record = record::event(value).map_err(|error| error.to_string())?;
                    Ok(Some(Self::Event {
                        subscriber: key::subscriber(key),
                        number,
                        topic: record.topic,
                        event: Box::new(record.event),
                    }))
                }
                (None, Some(id)) => match record::letter(id, value) {
                    Ok(letter) => Ok(Some(Self::Letter(Box::new(letter)))),
                    Err(error) => Err(error.to_string()),
                },
                (None, None) => Ok(None),
            },
            Space::Positions => {
                let name = std::str::from_utf8(key).map_err(|error| error.to_string())?;
                let number = <[u8; 4]>::try_from(value).map_err(|error| error.to_string())?;
                Ok(Some(Self::Subscriber {
                    number: u32::from_be_bytes(number),
                    name: name.to_owned(),
                }))
            }
            Space::Buckets | Space::Seen => Ok(None),
        }
    }
}
