//! `[provider.NAME]`: what each kind needs, and that it has nothing that means nothing to it.

mod mappings;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use whirlwind_provider_mqtt::{self as mqtt, Config, ConfigError, StateTopic, Tls, Version, Will};

use crate::manifest::{At, ByteSize, MailboxSection, ProviderKind, ProviderSection, TimeSpan};

use super::check::{Check, mailbox};
use super::{Backend, Mqtt, MqttBroker, Provider, Secret, paths};

/// Where a broker in the node listens: where every client of MQTT looks, on this machine alone.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

/// The least that a packet may be allowed: what an MQTT client must be able to send of properties.
const LEAST_PACKET: ByteSize = ByteSize(1024);

/// The most that a packet of MQTT can have (1.5.5).
const MOST_PACKET: ByteSize = ByteSize(268_435_455);

impl Check<'_, '_> {
    pub(super) fn providers(&mut self, app: &str) -> BTreeMap<String, Provider> {
        let table = At::top("provider");
        let sections = self.manifest.provider.iter();
        sections
            .filter_map(|(name, section)| {
                let at = table.key(name);
                self.name(name, &at);
                let provider = Provider {
                    name: name.clone(),
                    kind: self.backend(app, name, section, &at)?,
                };
                Some((name.clone(), provider))
            })
            .collect()
    }

    /// None where a problem was noted.
    fn backend(
        &mut self,
        app: &str,
        name: &str,
        section: &ProviderSection,
        at: &At<'_>,
    ) -> Option<Backend> {
        self.nothing_else(section, at);
        if let Some(size) = section.max_packet
            && !(LEAST_PACKET..=MOST_PACKET).contains(&size)
        {
            let message = format!("`max_packet` must lie between {LEAST_PACKET} and {MOST_PACKET}");
            self.value(&at.key("max_packet"), message, "the default is \"1088KiB\"");
            return None;
        }
        match section.kind {
            ProviderKind::Memory => Some(Backend::Memory),
            ProviderKind::Sled => {
                let Some(text) = &section.path else {
                    return Some(Backend::Sled {
                        path: PathBuf::from(name),
                    });
                };
                match paths::provider_path(text) {
                    Ok(path) => Some(Backend::Sled { path }),
                    Err((message, help)) => {
                        self.value(&at.key("path"), message, help);
                        None
                    }
                }
            }
            ProviderKind::Store => Some(Backend::Store),
            ProviderKind::Mqtt => self.mqtt(app, name, section, at).map(Backend::Mqtt),
            ProviderKind::MqttBroker => self.mqtt_broker(section, at).map(Backend::MqttBroker),
        }
    }

    /// Keys that another kind of provider has.
    fn nothing_else(&mut self, section: &ProviderSection, at: &At<'_>) {
        use ProviderKind::{Memory, Mqtt, MqttBroker, Sled, Store};
        let given = [
            ("path", section.path.is_some(), &[Sled][..]),
            ("url", section.url.is_some(), &[Mqtt]),
            ("version", section.version.is_some(), &[Mqtt]),
            ("client_id", section.client_id.is_some(), &[Mqtt]),
            ("username", section.username.is_some(), &[Mqtt]),
            ("password", section.password.is_some(), &[Mqtt]),
            ("password_file", section.password_file.is_some(), &[Mqtt]),
            ("tls", section.tls != Default::default(), &[Mqtt]),
            ("in", !section.inward.is_empty(), &[Mqtt]),
            ("out", !section.outward.is_empty(), &[Mqtt]),
            ("window", section.window.is_some(), &[Mqtt]),
            ("outbox", section.outbox != Default::default(), &[Mqtt]),
            (
                "max_packet",
                section.max_packet.is_some(),
                &[Mqtt, MqttBroker],
            ),
            ("session_expiry", section.session_expiry.is_some(), &[Mqtt]),
            ("keep_alive", section.keep_alive.is_some(), &[Mqtt]),
            ("backoff", section.backoff != Default::default(), &[Mqtt]),
            ("will", section.will.is_some(), &[Mqtt]),
            ("state", section.state.is_some(), &[Mqtt]),
            ("listen", section.listen.is_some(), &[MqttBroker]),
            (
                "allow_remote",
                section.allow_remote.is_some(),
                &[MqttBroker],
            ),
        ];
        for (key, is_given, kinds) in given {
            if !is_given || kinds.contains(&section.kind) {
                continue;
            }
            let kind = section.kind.as_str();
            let owners: Vec<_> = kinds
                .iter()
                .map(|kind| format!("`{}`", kind.as_str()))
                .collect();
            let help = match (section.kind, key) {
                (Memory, "path") => "take it out, or keep the data with type = \"sled\"".to_owned(),
                (Store, "path") => {
                    "take it out: the node's own store lies in the data directory".to_owned()
                }
                _ => format!("take it out; it belongs to type {}", owners.join(" and ")),
            };
            self.key(
                &at.key(key),
                format!("a provider of type `{kind}` has no `{key}`"),
                help,
            );
        }
    }

    fn mqtt(
        &mut self,
        app: &str,
        name: &str,
        section: &ProviderSection,
        at: &At<'_>,
    ) -> Option<Mqtt> {
        let before = self.found();
        let Some(url) = &section.url else {
            self.key(
                at,
                "a provider of type `mqtt` needs the `url` of its broker",
                "add one: url = \"mqtt://localhost:1883\"",
            );
            return None;
        };
        let url = self.substituted(url, &at.key("url"))?;
        let client_id = match &section.client_id {
            None => format!("whirlwind-{app}-{name}"),
            Some(id) => {
                let id = self.substituted(id, &at.key("client_id"))?;
                id.expose().to_owned()
            }
        };
        let mut config = match Config::new(name, url.expose(), client_id) {
            Ok(config) => config,
            Err(error) => {
                self.fault(&at.key("url"), &error.to_string());
                return None;
            }
        };
        config.version = match section.version {
            Some(4) => Version::V4,
            None | Some(5) => Version::V5,
            Some(_) => {
                let help = "5, the default, or 4 for MQTT 3.1.1";
                self.value(&at.key("version"), "there is no such version of MQTT", help);
                Version::V5
            }
        };
        if let Some(username) = &section.username {
            let username = self.substituted(username, &at.key("username"))?;
            config.username = Some(mqtt::Secret::new(username.expose()));
        }
        if let Some(password) = self.password(section, at) {
            config.password = Some(password);
        }
        if section.tls != Default::default() {
            let at = at.key("tls");
            let tls = &section.tls;
            let half = match (&tls.cert, &tls.key) {
                (Some(_), None) => Some(("cert", "key")),
                (None, Some(_)) => Some(("key", "cert")),
                _ => None,
            };
            if let Some((has, lacks)) = half {
                let message = format!("there is a `{has}` and no `{lacks}`");
                let help = "a client's certificate needs both";
                self.value(&at.key(has), message, help);
            }
            config.tls = Some(Tls {
                ca: self.file(tls.ca.as_deref(), &at.key("ca")),
                cert: self.file(tls.cert.as_deref(), &at.key("cert")),
                key: self.file(tls.key.as_deref(), &at.key("key")),
            });
        }
        self.bounds(&mut config, section, at);
        if let Some(will) = &section.will {
            let at = at.key("will");
            config.will = Some(Will {
                topic: will.mqtt.clone(),
                payload: will.data.clone().into(),
                qos: self.qos(will.qos, &at),
                retain: will.retain,
            });
        }
        if let Some(state) = &section.state {
            let at = at.key("state");
            let text = |given: &Option<String>, default: &str| {
                given.clone().unwrap_or_else(|| default.to_owned()).into()
            };
            config.state = Some(StateTopic {
                topic: state.mqtt.clone(),
                online: text(&state.online, "online"),
                offline: text(&state.offline, "offline"),
                qos: self.qos(state.qos, &at),
            });
        }
        let (inward, outward) = self.mappings(section, at);
        config = config.with_mappings(inward, outward);
        if self.found() > before {
            return None;
        }
        if let Err(error) = config.check() {
            match &error {
                ConfigError::Setting { setting, .. } => {
                    self.fault(&at.key(setting), &error.to_string());
                }
                ConfigError::IdProperty { index, .. } => {
                    let (ins, error) = (at.key("in"), error.to_string());
                    self.fault(&ins.index(*index).key("id").key("property"), &error);
                }
                ConfigError::IdOfEvents { index, .. } => {
                    let (ins, error) = (at.key("in"), error.to_string());
                    self.fault(&ins.index(*index).key("id"), &error);
                }
                _ => self.fault(at, &error.to_string()),
            }
            return None;
        }
        Some(Mqtt {
            config: Arc::new(config),
            outbox: mailbox(&section.outbox, &MailboxSection::default()),
            password_file: self.file(section.password_file.as_deref(), &at.key("password_file")),
        })
    }

    fn bounds(&mut self, config: &mut Config, section: &ProviderSection, at: &At<'_>) {
        if let Some(window) = section.window {
            config.window = window;
        }
        if let Some(size) = section.max_packet {
            config.max_packet = u32::try_from(size.0).unwrap_or(u32::MAX);
        }
        if let Some(span) = section.session_expiry {
            config.session_expiry = span.0;
        }
        if let Some(span) = section.keep_alive {
            config.keep_alive = span.0;
        }
        self.not_empty(section.outbox.bytes, &at.key("outbox").key("bytes"));
        let backoff = &section.backoff;
        self.not_zero(backoff.min, &at.key("backoff").key("min"));
        self.in_order(
            (backoff.min, TimeSpan(config.backoff.min)),
            (backoff.max, TimeSpan(config.backoff.max)),
            &at.key("backoff"),
        );
        config.backoff = mqtt::Backoff {
            min: backoff.min.map_or(config.backoff.min, |span| span.0),
            max: backoff.max.map_or(config.backoff.max, |span| span.0),
            jitter: backoff.jitter.unwrap_or(config.backoff.jitter),
        };
    }

    fn password(&mut self, section: &ProviderSection, at: &At<'_>) -> Option<mqtt::Secret> {
        match (&section.password, &section.password_file) {
            (None, None) => None,
            (Some(password), None) => {
                let password = self.substituted(password, &at.key("password"))?;
                Some(mqtt::Secret::new(password.expose()))
            }
            (Some(_), Some(_)) => {
                let help = "leave one of them out";
                self.key(
                    &at.key("password_file"),
                    "there is a `password` and a `password_file`",
                    help,
                );
                None
            }
            (None, Some(file)) => {
                let at = at.key("password_file");
                let path = self.file(Some(file), &at)?;
                match std::fs::read_to_string(&path) {
                    Ok(text) => Some(mqtt::Secret::new(text.trim_end_matches(['\r', '\n']))),
                    Err(error) => {
                        let message = format!("the file cannot be read: {error}");
                        self.value(
                            &at,
                            message,
                            "a file that holds the password and nothing else",
                        );
                        None
                    }
                }
            }
        }
    }

    /// A file that a provider reads. One that the manifest names by itself lies in the manifest's folder: a manifest may come from a
    /// stranger. One that a variable names is the choice of whoever runs the node.
    fn file(&mut self, text: Option<&str>, at: &At<'_>) -> Option<PathBuf> {
        let text = text?;
        let path = self.substituted(text, at)?;
        let path = Path::new(path.expose());
        let chosen = text.contains("${");
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !chosen && !inside {
            self.value(
                at,
                format!("`{}` leads out of the manifest's folder", at.describe()),
                "name a file in it, or let a variable name it: \"${FILE}\"",
            );
            return None;
        }
        Some(self.folder.join(path))
    }

    fn mqtt_broker(&mut self, section: &ProviderSection, at: &At<'_>) -> Option<MqttBroker> {
        let listen = match &section.listen {
            None => LISTEN,
            Some(text) => match text.parse() {
                Ok(address) => address,
                Err(_) => {
                    let help = "write an address and a port: \"127.0.0.1:1883\"";
                    self.value(&at.key("listen"), "`listen` is no address", help);
                    return None;
                }
            },
        };
        let allow_remote = section.allow_remote.unwrap_or_default();
        if !listen.ip().is_loopback() && !allow_remote {
            self.value(
                &at.key("listen"),
                "other machines reach this address, and anybody who does may use the broker",
                "listen at 127.0.0.1, or write allow_remote = true",
            );
            return None;
        }
        let default = whirlwind_provider_mqtt_broker::Config::default().max_packet;
        Some(MqttBroker {
            listen,
            allow_remote,
            max_packet: section.max_packet.map_or(default, |size| {
                usize::try_from(size.0).unwrap_or(usize::MAX)
            }),
        })
    }

    /// A value with its variables put in; none where a problem was noted.
    fn substituted(&mut self, text: &str, at: &At<'_>) -> Option<Secret> {
        match self.substitution.apply(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                let (message, help) = fault.words();
                self.value(at, message, help);
                None
            }
        }
    }

    /// An error of the provider's, whose words hold the remedy after a semicolon.
    fn fault(&mut self, at: &At<'_>, words: &str) {
        let (message, help) = words
            .split_once("; ")
            .unwrap_or((words, "docs/manifest.md has the keys of a provider"));
        self.value(at, message, help);
    }
}
