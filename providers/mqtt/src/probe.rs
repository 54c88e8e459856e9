//! Trying a broker out, beside whatever session the provider has there.
//!
//! One connection under an id of its own, in a session that ends with it, without a will and without a word published. Of shared
//! subscriptions only the filter is tried: a member of the group would take messages from the others.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::mapping::unshared;
use crate::wire::{self, End, Happened};
use crate::{Config, ConfigError, Qos};

/// The subscription and the farewell, and some.
const REQUESTS: usize = 8;

/// A broker that took the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where it is.
    pub address: SocketAddr,
    /// What it says to each subscription of the configuration, in order.
    pub subscriptions: Vec<Subscription>,
}

/// What a broker says to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, as the provider subscribes it.
    pub filter: String,
    /// The quality of service that is wanted.
    pub wanted: Qos,
    /// The one that is granted, or why none is.
    pub granted: Result<Qos, String>,
}

/// Why a broker cannot be used. No message shows a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The provider could not even be started.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its name is not known.
    #[error("the name {host} cannot be resolved: {reason}")]
    Name {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing takes a connection there.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// The address that was tried last.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Something does, and then there is no session: TLS failed, or the broker refused.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The time is over.
    #[error("{what} took longer than {} s", within.as_secs())]
    Slow {
        /// What was waited for.
        what: &'static str,
        /// The time that all together may take.
        within: Duration,
    },
}

/// Connects to the broker of `config` as the provider would, tries its subscriptions, and takes leave. All together takes no longer
/// than `config.connect_timeout`.
///
/// # Errors
/// [`ProbeError`]; a subscription that is refused is none.
pub async fn probe(config: &Config) -> Result<Probe, ProbeError> {
    let deadline = Instant::now() + config.connect_timeout;
    let slow = |what| ProbeError::Slow {
        what,
        within: config.connect_timeout,
    };
    let mut own = config.clone();
    // 3.1.1 promises no more than 23 characters.
    let random = Uuid::now_v7().simple().to_string();
    let tail = random.get(random.len().saturating_sub(12)..);
    own.client_id = format!("ww-doctor-{}", tail.unwrap_or_default());
    own.session_expiry = Duration::ZERO;
    own.will = None;
    own.state = None;
    let (mut line, requests) = wire::open(&own, REQUESTS, false)?;

    let address = timeout_at(deadline, reach(&own))
        .await
        .map_err(|_| slow("the connection"))??;
    let lost = |end: End| ProbeError::Refused { reason: end.reason };
    let mut granted = Vec::new();
    let wanted = own.mappings.subscriptions();
    let conversation = async {
        loop {
            match line.poll().await? {
                Happened::Connected { .. } => {
                    if wanted.is_empty() {
                        break;
                    }
                    let filters = wanted.iter();
                    let filters = filters.map(|(filter, qos)| (tried(filter), *qos));
                    requests.subscribe(filters.collect())?;
                }
                Happened::Subscribed(answers) => {
                    granted = answers;
                    break;
                }
                _ => {}
            }
        }
        Ok(())
    };
    timeout_at(deadline, conversation)
        .await
        .map_err(|_| slow("the broker's answer"))?
        .map_err(lost)?;
    // All is known; a broker that does not hear the farewell does well without.
    if requests.disconnect().is_ok() {
        let farewell =
            async { while !matches!(line.poll().await, Ok(Happened::Disconnected) | Err(_)) {} };
        let _ = timeout_at(deadline, farewell).await;
    }
    if granted.len() != wanted.len() {
        return Err(ProbeError::Refused {
            reason: format!(
                "the broker answered {} of {} subscriptions",
                granted.len(),
                wanted.len()
            ),
        });
    }
    let subscriptions = wanted.into_iter().zip(granted);
    Ok(Probe {
        address,
        subscriptions: subscriptions
            .map(|((filter, wanted), granted)| Subscription {
                filter,
                wanted,
                granted,
            })
            .collect(),
    })
}

/// What is subscribed to try a subscription: of a shared one its filter, as a member of the group would take messages from the others.
fn tried(subscription: &str) -> String {
    unshared(subscription).unwrap_or(subscription).to_owned()
}

/// The first of the broker's addresses that takes a connection.
async fn reach(config: &Config) -> Result<SocketAddr, ProbeError> {
    let host = config.url.host();
    let name = |reason: String| ProbeError::Name {
        host: host.to_owned(),
        reason,
    };
    let addresses = lookup_host((host, config.url.port()))
        .await
        .map_err(|error| name(error.to_string()))?;
    let mut last = name("it has no address".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(address),
            Err(error) => {
                let reason = error.to_string();
                last = ProbeError::Unreachable { address, reason };
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_not_joined() {
        assert_eq!(tried("$share/nodes/a/+"), "a/+");
        assert_eq!(tried("a/$share/b"), "a/$share/b");
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_named() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let url = format!("mqtt://user:canary@127.0.0.1:{port}");
        let config = Config::new("there", &url, "there").unwrap();
        let error = probe(&config).await.unwrap_err();
        assert!(matches!(error, ProbeError::Unreachable { .. }), "{error}");
        let words = format!("{error} {error:?}");
        assert!(
            words.contains(&port.to_string()) && !words.contains("canary"),
            "{words}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let config = Config::new("there", &url, "there").unwrap();
        let error = probe(&config).await.unwrap_err();
        assert!(matches!(error, ProbeError::Slow { .. }), "{error}");
    }
}
