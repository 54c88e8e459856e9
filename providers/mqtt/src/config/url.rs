use std::fmt;

use url::{Host, Url};
use whirlwind_event::Excerpt;

use super::{ConfigError, Secret};

/// How the broker is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TCP.
    Mqtt,
    /// TLS over TCP.
    Mqtts,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Scheme {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The same with TLS.
    pub(super) fn secure(self) -> Self {
        match self {
            Self::Mqtt | Self::Mqtts => Self::Mqtts,
            Self::Ws | Self::Wss => Self::Wss,
        }
    }

    /// Whether it is TLS.
    pub fn is_secure(self) -> bool {
        self == self.secure()
    }

    /// Whether it is a WebSocket.
    pub fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// Where a broker is: a URL without its user and password. Printed, it has no query either, where
/// signed URLs have their signature.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    scheme: Scheme,
    /// An IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Path and query, of a WebSocket only.
    path: String,
}

impl BrokerUrl {
    /// Reads a URL, and what it has of a user and a password.
    ///
    /// # Errors
    /// It is not the URL of a broker.
    pub fn parse(text: &str) -> Result<(Self, Option<Secret>, Option<Secret>), ConfigError> {
        let url = Url::parse(text).map_err(|error| ConfigError::Url {
            reason: error.to_string(),
        })?;
        let scheme = match url.scheme() {
            "mqtt" | "tcp" => Scheme::Mqtt,
            "mqtts" | "ssl" => Scheme::Mqtts,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            scheme => {
                return Err(ConfigError::Scheme {
                    scheme: Excerpt::of(scheme),
                });
            }
        };
        let host = match url.host() {
            Some(Host::Domain("")) | None => return Err(ConfigError::NoHost),
            // Of the schemes that the parser does not know it leaves the host as it stands.
            Some(Host::Domain(name)) => match Host::parse(name) {
                Ok(Host::Ipv6(address)) => address.to_string(),
                Ok(host) => host.to_string(),
                Err(error) => {
                    let reason = error.to_string();
                    return Err(ConfigError::Url { reason });
                }
            },
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
        };
        let unused = |part| ConfigError::UrlPart {
            part,
            scheme: scheme.as_str(),
        };
        if url.fragment().is_some() {
            return Err(unused("fragment"));
        }
        let mut path = String::new();
        if scheme.is_web() {
            path.push_str(url.path());
            if let Some(query) = url.query() {
                path.push('?');
                path.push_str(query);
            }
        } else if url.query().is_some() {
            return Err(unused("query"));
        } else if !matches!(url.path(), "" | "/") {
            return Err(unused("path"));
        }
        let username = match url.username() {
            "" => None,
            user => Some(decode(user).ok_or(ConfigError::UrlUser { part: "user" })?),
        };
        let password = match url.password() {
            None => None,
            Some(word) => Some(decode(word).ok_or(ConfigError::UrlUser { part: "password" })?),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        let url = Self {
            scheme,
            host,
            port,
            path,
        };
        Ok((url, username.map(Secret::new), password.map(Secret::new)))
    }

    /// How it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name or address of the machine, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of a WebSocket.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole URL, its query included, for the client of a WebSocket.
    pub(super) fn full(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Where it is, without what else a URL has: `mqtt://localhost:1883`.
    pub fn origin(&self) -> String {
        let (scheme, port) = (self.scheme.as_str(), self.port);
        match self.host.contains(':') {
            true => format!("{scheme}://[{}]:{port}", self.host),
            false => format!("{scheme}://{}:{port}", self.host),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())?;
        match self.path.split_once('?') {
            Some((path, _)) => f.write_str(path),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// Undoes percent-encoding; a `%` that begins none stands for itself.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |index: usize| char::from(*after.get(index)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).ok()?);
                rest = after.get(2..)?;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}
