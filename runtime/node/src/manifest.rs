//! The manifest as written: `whirlwind.toml` in types.
//!
//! These types hold what stands in the file and nothing else: no defaults filled in, no topic parsed,
//! no variable put in. What it *means* is [`App`](crate::App). Every table refuses keys it does not know.
//!
//! | module | what it holds |
//! |---|---|
//! | `sections` | one struct for each table of the file |
//! | [`units`] | sizes (`"16MiB"`) and times (`"50ms"`) |
//! | `file` | finding and reading the file, with its limits |
//! | `source` | the text with its places: from a key's path to line and column |
//! | `shape` | the first check: keys and types, against the JSON Schema |
//! | `schema` | the JSON Schema, generated from the types |
//! | `hint` | nearest known names |
//! | `error` | [`ManifestError`]: every problem, with its place and its remedy |

mod error;
mod file;
mod hint;
mod schema;
mod sections;
mod shape;
mod source;
pub mod units;

pub use error::{ManifestError, Place, Problem};
pub use file::{FILE_NAME, MAX_MANIFEST, locate};
pub use schema::json_schema;
pub use sections::{
    Ack, ActorSection, AppSection, DedupSection, DefaultsSection, Format, IdSection, InSection,
    Isolation, KeepSection, KeyValueLinks, LimitsSection, LinksSection, MailboxSection, Manifest,
    Mode, OutSection, Overflow, ProviderKind, ProviderSection, Restart, RestartBackoffSection,
    RetryBackoffSection, RetrySection, StateSection, Strategy, SupervisorSection, TimerSection,
    TlsSection, TopicSection, TurnMode, WillSection,
};
pub use units::{ByteSize, TimeSpan};

pub(crate) use error::{Problems, quoted};
pub(crate) use file::read;
pub(crate) use hint::hint;
pub(crate) use source::{At, Source};

impl std::str::FromStr for Manifest {
    type Err = ManifestError;

    /// Reads a manifest's text: its keys and types are checked, its meaning is not.
    fn from_str(text: &str) -> Result<Self, ManifestError> {
        Source::parse(FILE_NAME, text)?.manifest()
    }
}
