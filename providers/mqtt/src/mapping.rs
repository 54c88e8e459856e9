//! Which MQTT topics become which of ours, and back.
//!
//! A mapping has a filter and a target with places, such as `zigbee2mqtt/+` and `sensors/$1/raw`:
//! `$1` is what the first wildcard stands for, `$2` the second, and so on; a `#`, which is always
//! the last, can be written `$#` too, and stands for any number of levels. `$$` is the character.

mod circles;
mod error;
mod id;
mod inward;
mod outward;
mod pointer;
mod table;
mod template;

pub use circles::{Circle, circles};
pub use error::MappingError;
pub use id::IdPlace;
pub use inward::{DEFAULT_TYPE, Format, InMapping};
pub use outward::{Mode, OutMapping};
pub use table::Mappings;

pub(crate) use inward::unshared;
