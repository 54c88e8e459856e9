//! The brokers that an app connects to.

use futures::future::join_all;
use whirlwind_provider_mqtt::{Config, Probe, ProbeError, probe};

use super::Finding;
use crate::app::{App, Backend, MqttBroker};

/// Tries all brokers; `runs` is whether the app's own node does.
pub(super) async fn tried(app: &App, runs: bool) -> Vec<Finding> {
    let own: Vec<(&str, &MqttBroker)> = app
        .providers
        .iter()
        .filter_map(|(name, provider)| match &provider.kind {
            Backend::MqttBroker(settings) => Some((name.as_str(), settings)),
            _ => None,
        })
        .collect();
    let tried = app.providers.iter().filter_map(|(name, provider)| {
        let Backend::Mqtt(settings) = &provider.kind else {
            return None;
        };
        let config = &settings.config;
        let own = own.iter().find(|(_, broker)| is_at(config, broker));
        Some(async move {
            let mut findings = match own {
                // It is not there before the node is.
                Some((broker, _)) if !runs => vec![Finding::ok(
                    "broker",
                    name,
                    format!(
                        "{} is the app's own, `{broker}`, and starts with it",
                        config.url.origin()
                    ),
                )],
                _ => judge(name, config, probe(config).await),
            };
            findings.extend(in_the_clear(name, config));
            findings
        })
    });
    join_all(tried).await.into_iter().flatten().collect()
}

/// Whether `broker` is the one that `config` names.
fn is_at(config: &Config, broker: &MqttBroker) -> bool {
    let host = config.url.host();
    let listen = broker.listen;
    let here = host == "localhost" || host == listen.ip().to_string();
    config.url.port() == listen.port() && here
}

fn judge(name: &str, config: &Config, tried: Result<Probe, ProbeError>) -> Vec<Finding> {
    let at = config.url.origin();
    let probe = match tried {
        Ok(probe) => probe,
        Err(error) => {
            let remedy = remedy(name, config, &error);
            let message = format!("{at}: {error}");
            return vec![Finding::ok("broker", name, message).fault(remedy)];
        }
    };
    let message = format!("{at} takes the connection");
    let mut findings = vec![Finding::ok("broker", name, message)];
    for subscription in probe.subscriptions {
        let filter = match subscription.filter.starts_with("$share/") {
            // As a member of the group it would have had messages that are for the others.
            true => format!("`{}`, tried outside its group,", subscription.filter),
            false => format!("`{}`", subscription.filter),
        };
        let wanted = subscription.wanted.level();
        let is = |message: String| Finding::ok("subscription", name, message);
        findings.push(match subscription.granted {
            Ok(granted) if granted < subscription.wanted => is(format!(
                "{filter} is granted with QoS {}, not {wanted}",
                granted.level()
            ))
            .warning("let the broker grant it, or lower `qos` of the mapping"),
            Ok(_) => is(format!("{filter} is granted with QoS {wanted}")),
            Err(why) => is(format!("{filter} is refused: {why}"))
                .fault("let the broker's access rules grant it to this user, or correct `in`"),
        });
    }
    findings
}

fn remedy(name: &str, config: &Config, error: &ProbeError) -> String {
    let provider = format!("[provider.{name}]");
    match error {
        ProbeError::Config(_) => format!("correct it in {provider}"),
        ProbeError::Name { .. } => {
            format!("correct the host in `url` of {provider}, or the name service")
        }
        ProbeError::Unreachable { .. } => {
            format!("start the broker, or correct `url` of {provider}")
        }
        ProbeError::Refused { reason } if reason.contains("refused the connection") => {
            format!("correct `username` and `password` of {provider}, or the broker's access rules")
        }
        ProbeError::Refused { .. } if config.url.scheme().is_secure() => {
            format!(
                "see whether the port is one for TLS, and the certificates in `tls` of {provider}"
            )
        }
        _ => {
            format!("see whether the port is one for MQTT without TLS, and `version` of {provider}")
        }
    }
}

fn in_the_clear(name: &str, config: &Config) -> Option<Finding> {
    let host = config.url.host();
    let near = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    if config.password.is_none() || config.url.scheme().is_secure() || near {
        return None;
    }
    let message = "the password goes over the network in the clear";
    let finding = Finding::ok("secret", name, message);
    Some(finding.warning("use a port with TLS: mqtts:// or wss://"))
}
