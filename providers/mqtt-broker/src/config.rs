//! What a broker is told.

use std::net::{Ipv4Addr, SocketAddr};

use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};

/// Retained messages are few in the field, one for each thing's state; this bounds what a client can fill.
const MAX_RETAINED: usize = 10_000;

/// What a broker is told. The defaults are those of a broker to try things with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name in logs.
    pub name: String,
    /// Where it listens, 127.0.0.1:1883 by default; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach. The broker asks nobody for a password.
    pub allow_remote: bool,
    /// The largest packet it takes, in bytes, 1 MiB by default; at least 1024. A client that sends a larger
    /// one is disconnected.
    pub max_packet: usize,
    /// The most connections at a time, 1,000 by default.
    pub max_connections: usize,
    /// The most messages kept for a session, 10,000 by default; beyond it the oldest go.
    pub max_queued: usize,
    /// The most bytes of messages kept for a session, 16 MiB by default; beyond it the oldest go.
    pub max_queued_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "mqtt-broker".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            allow_remote: false,
            max_packet: 1 << 20,
            max_connections: 1_000,
            max_queued: 10_000,
            max_queued_bytes: 16 << 20,
        }
    }
}

impl Config {
    /// The same in mqtt5's words. Its own default is to keep sessions in files, which is not wanted here.
    pub(crate) fn of_mqtt5(&self) -> BrokerConfig {
        BrokerConfig::default()
            .with_bind_address(self.listen)
            .with_max_packet_size(self.max_packet)
            .with_max_clients(self.max_connections)
            .with_max_retained_messages(MAX_RETAINED)
            .with_max_retained_message_size(self.max_packet)
            .with_sys_topics_enabled(false)
            .with_storage(
                StorageConfig::new()
                    .with_backend(StorageBackend::Memory)
                    .with_max_queued_messages_per_client(self.max_queued)
                    .with_max_queued_bytes_per_client(self.max_queued_bytes),
            )
    }
}
