use std::time::Duration;

use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use whirlwind_event::{Excerpt, Topic, TopicError};

use super::{Config, ConfigError, Scheme, Version, Will};
use crate::limits::MAX_IN_FLIGHT;
use crate::{Format, Mode};

/// What the Remaining Length of a packet can say (MQTT 5, 1.5.5).
const MAX_PACKET: u32 = 268_435_455;

/// What the length of a text in a packet can say (MQTT 5, 1.5.4 and 1.5.6).
const MAX_TEXT: usize = 65_535;

impl Config {
    /// The options of the client for MQTT 5. Certificates are read here.
    ///
    /// # Errors
    /// A setting is one that MQTT or the client cannot have, or a file cannot be read.
    pub fn options_v5(&self) -> Result<rumqttc::v5::MqttOptions, ConfigError> {
        use rumqttc::v5::mqttbytes::v5::{ConnectProperties, LastWill};

        self.check()?;
        let (address, transport) = self.transport()?;
        let mut options = rumqttc::v5::MqttOptions::new(&self.client_id, address, self.url.port());
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(seconds(self.session_expiry));
        properties.receive_maximum = Some(self.window);
        properties.max_packet_size = Some(self.max_packet);
        options
            .set_connect_properties(properties)
            .set_transport(transport)
            .set_clean_start(self.session_expiry.is_zero())
            .set_keep_alive(self.keep_alive)
            .set_connection_timeout(self.library_timeout())
            .set_network_options(self.network_options())
            .set_outgoing_inflight_upper_limit(MAX_IN_FLIGHT)
            .set_manual_acks(true);
        if let Some((username, password)) = self.credentials() {
            options.set_credentials(username, password);
        }
        if let Some(will) = self.last_will()? {
            let (topic, payload) = (will.topic, will.payload);
            let will = LastWill::new(topic, payload, will.qos.into(), will.retain, None);
            options.set_last_will(will);
        }
        Ok(options)
    }

    /// The options of the client for MQTT 3.1.1, all but [`network_options`], which its event loop
    /// takes. Certificates are read here.
    ///
    /// # Errors
    /// As [`options_v5`](Self::options_v5).
    ///
    /// [`network_options`]: Self::network_options
    pub fn options_v4(&self) -> Result<rumqttc::MqttOptions, ConfigError> {
        self.check()?;
        let (address, transport) = self.transport()?;
        let mut options = rumqttc::MqttOptions::new(&self.client_id, address, self.url.port());
        let max_packet = usize::try_from(self.max_packet).unwrap_or(usize::MAX);
        options
            .set_transport(transport)
            .set_clean_session(self.session_expiry.is_zero())
            .set_keep_alive(self.keep_alive)
            // What may go out is for the outbox to judge.
            .set_max_packet_size(
                max_packet,
                usize::try_from(MAX_PACKET).unwrap_or(usize::MAX),
            )
            .set_inflight(MAX_IN_FLIGHT)
            .set_manual_acks(true);
        if let Some((username, password)) = self.credentials() {
            options.set_credentials(username, password);
        }
        if let Some(will) = self.last_will()? {
            let (topic, payload) = (will.topic, will.payload);
            let will = rumqttc::LastWill::new(topic, payload, will.qos.into(), will.retain);
            options.set_last_will(will);
        }
        Ok(options)
    }

    /// The options of the connection: without TCP_NODELAY every answer may wait 40 ms.
    pub fn network_options(&self) -> NetworkOptions {
        let mut options = NetworkOptions::new();
        options.set_tcp_nodelay(true);
        options.set_connection_timeout(self.library_timeout());
        options
    }

    /// How many seconds the client waits by itself: more than the provider's own limit, which so is the one that speaks.
    fn library_timeout(&self) -> u64 {
        self.connect_timeout.as_secs().saturating_add(1)
    }

    /// The user and the password, which may be empty.
    fn credentials(&self) -> Option<(&str, &str)> {
        let username = self.username.as_ref()?.expose();
        let password = self.password.as_ref().map_or("", |word| word.expose());
        Some((username, password))
    }

    /// Judges what can be judged without opening a file.
    ///
    /// # Errors
    /// As [`options_v5`](Self::options_v5).
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, value: String, remedy| {
            Err(ConfigError::Setting {
                setting,
                value,
                remedy,
            })
        };
        if self.client_id.is_empty() && !self.session_expiry.is_zero() {
            return wrong(
                "client_id",
                "empty".into(),
                "a session is kept under a name; give one, or set session_expiry to 0",
            );
        }
        if self.client_id.len() > MAX_TEXT || self.client_id.contains(char::is_control) {
            return wrong(
                "client_id",
                Excerpt::of(&self.client_id).to_string(),
                "use at most 65535 bytes without control characters",
            );
        }
        if self.password.is_some() && self.username.is_none() {
            return Err(ConfigError::NoUsername);
        }
        let words = [("username", &self.username), ("password", &self.password)];
        for (setting, word) in words {
            let size = word.as_ref().map_or(0, |word| word.expose().len());
            if size > MAX_TEXT {
                return wrong(
                    setting,
                    format!("{size} bytes long"),
                    "MQTT has room for 65535",
                );
            }
        }
        let username = self.username.as_ref();
        if username.is_some_and(|name| name.expose().contains(char::is_control)) {
            return wrong(
                "username",
                "one with a control character".into(),
                "leave it out, it may be a line break at the end",
            );
        }
        if self.window == 0 {
            return wrong("window", "0".into(), "write a number from 1 to 65535");
        }
        if self.outbox == 0 || self.outbox_bytes == 0 {
            return wrong("outbox", "0".into(), "nothing could be sent; write more");
        }
        if !(1024..=MAX_PACKET).contains(&self.max_packet) {
            return wrong(
                "max_packet",
                format!("{} bytes", self.max_packet),
                "write 1024 to 268435455 bytes",
            );
        }
        if !(5..=65_535).contains(&self.keep_alive.as_secs()) {
            return wrong(
                "keep_alive",
                format!("{:?}", self.keep_alive),
                "write 5 to 65535 seconds",
            );
        }
        if self.connect_timeout.is_zero() {
            return wrong("connect_timeout", "0".into(), "write at least a second");
        }
        let Self { backoff, .. } = self;
        if backoff.min.is_zero() || backoff.max < backoff.min {
            return wrong(
                "backoff",
                format!("{:?} to {:?}", backoff.min, backoff.max),
                "the first wait must be more than 0, and the longest no less than the first",
            );
        }
        if !(0.0..=1.0).contains(&backoff.jitter) {
            let value = backoff.jitter.to_string();
            return wrong("jitter", value, "write a number from 0 to 1");
        }
        if self.version == Version::V4 {
            let mut outward = self.mappings.outward().iter();
            if let Some(mapping) = outward.find(|m| m.mode == Some(Mode::Binary)) {
                return Err(ConfigError::BinaryMode {
                    target: Excerpt::of(mapping.target()),
                });
            }
        }
        for (index, mapping) in self.mappings.inward().iter().enumerate() {
            let filter = || Excerpt::of(mapping.subscription());
            match mapping.id() {
                Some(_) if mapping.format == Format::Cloudevents => {
                    let filter = filter();
                    return Err(ConfigError::IdOfEvents { index, filter });
                }
                Some(id) if id.is_property() && self.version == Version::V4 => {
                    let filter = filter();
                    return Err(ConfigError::IdProperty { index, filter });
                }
                _ => {}
            }
        }
        let scheme = self.url.scheme();
        if self.tls.is_some() && !scheme.is_secure() {
            return Err(ConfigError::TlsUnused {
                scheme: scheme.as_str(),
                secure: scheme.secure().as_str(),
            });
        }
        self.last_will().map(drop)
    }

    fn last_will(&self) -> Result<Option<Will>, ConfigError> {
        let (setting, will) = match (&self.will, &self.state) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoWills),
            (Some(will), None) => ("will", will.clone()),
            (None, Some(state)) => ("state", state.will()),
            (None, None) => return Ok(None),
        };
        if will.payload.len() > MAX_TEXT {
            return Err(ConfigError::Setting {
                setting,
                value: format!("{} bytes long", will.payload.len()),
                remedy: "a will has room for 65535",
            });
        }
        let topic: Result<Topic, TopicError> = Topic::parse(&will.topic);
        match topic {
            Ok(topic) if topic.is_system() => Err(ConfigError::Setting {
                setting,
                value: Excerpt::of(&will.topic).to_string(),
                remedy: "topics that begin with \"$\" are the broker's; use another",
            }),
            Ok(_) => Ok(Some(will)),
            Err(error) => Err(ConfigError::Topic { setting, error }),
        }
    }

    /// The address as the client wants it, which for a WebSocket is the URL.
    fn transport(&self) -> Result<(String, Transport), ConfigError> {
        let tls = || {
            let config = match &self.tls {
                Some(tls) => tls.client_config(),
                None => super::Tls::default().client_config(),
            };
            config.map(TlsConfiguration::Rustls)
        };
        let host = self.url.host().to_owned();
        Ok(match self.url.scheme() {
            Scheme::Mqtt => (host, Transport::Tcp),
            Scheme::Mqtts => (host, Transport::Tls(tls()?)),
            Scheme::Ws => (self.url.full(), Transport::Ws),
            Scheme::Wss => (self.url.full(), Transport::Wss(tls()?)),
        })
    }
}

/// Whole seconds, as MQTT counts, and not less than what was wanted.
fn seconds(duration: Duration) -> u32 {
    let more = u64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs().saturating_add(more)).unwrap_or(u32::MAX)
}
