//! The broker, the session and the bounds, as meant.

mod backoff;
mod error;
mod options;
mod secret;
mod tls;
mod url;
mod will;

use std::time::Duration;

use crate::mapping::Mappings;
use crate::{InMapping, OutMapping};

pub use backoff::Backoff;
pub use error::ConfigError;
pub use secret::Secret;
pub use tls::Tls;
pub use url::{BrokerUrl, Scheme};
pub use will::{StateTopic, Will};

/// The version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 5.
    #[default]
    V5,
    /// 3.1.1, whose number in the protocol is 4.
    V4,
}

/// All that the provider has to know. Its fields may be set to anything; [`options_v5`] and
/// [`options_v4`] check them.
///
/// [`options_v5`]: Config::options_v5
/// [`options_v4`]: Config::options_v4
#[derive(Clone, Debug)]
pub struct Config {
    /// The provider's name, which sources of plain messages' events begin with.
    pub name: String,
    /// The version of MQTT.
    pub version: Version,
    /// Where the broker is.
    pub url: BrokerUrl,
    /// What the broker knows the session by.
    pub client_id: String,
    /// The user; that of the URL unless it is set afterwards.
    pub username: Option<Secret>,
    /// The password; that of the URL unless it is set afterwards.
    pub password: Option<Secret>,
    /// Certificates other than the system's.
    pub tls: Option<Tls>,
    /// Which topics become which.
    pub mappings: Mappings,
    /// How many messages may be received and not acknowledged.
    pub window: u16,
    /// How many messages may wait to be sent or confirmed.
    pub outbox: usize,
    /// Bytes that they may have together.
    pub outbox_bytes: usize,
    /// Bytes of the largest packet that is received.
    pub max_packet: u32,
    /// How long the broker keeps the session without a connection; zero begins a new one each time.
    pub session_expiry: Duration,
    /// After how long of silence the connection is tried: 5 s to 65,535 s.
    pub keep_alive: Duration,
    /// How long connecting may take, up to the broker's answer.
    pub connect_timeout: Duration,
    /// How long to wait before connecting again.
    pub backoff: Backoff,
    /// What the broker publishes when the connection is lost.
    pub will: Option<Will>,
    /// Where the provider says whether it is connected.
    pub state: Option<StateTopic>,
}

impl Config {
    /// A session of MQTT 5 without mappings, with the default bounds.
    ///
    /// # Errors
    /// The URL is not that of a broker.
    pub fn new(
        name: impl Into<String>,
        url: &str,
        client_id: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let (url, username, password) = BrokerUrl::parse(url)?;
        Ok(Self {
            name: name.into(),
            version: Version::V5,
            url,
            client_id: client_id.into(),
            username,
            password,
            tls: None,
            mappings: Mappings::default(),
            window: 64,
            outbox: 1024,
            outbox_bytes: 16 * 1024 * 1024,
            // An event of 1 MiB and its attributes.
            max_packet: 1024 * 1024 + 64 * 1024,
            session_expiry: Duration::from_secs(24 * 60 * 60),
            keep_alive: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
            will: None,
            state: None,
        })
    }

    /// The same with these mappings, the first of which wins where several take a message in.
    pub fn with_mappings(mut self, inward: Vec<InMapping>, outward: Vec<OutMapping>) -> Self {
        self.mappings = Mappings::new(inward, outward);
        self
    }
}
