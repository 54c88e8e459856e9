//! What every messaging provider promises, with both brokers and both versions of MQTT.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use whirlwind_provider_api::conformance::messaging::{IN, LARGEST, OUT, OUTBOX, Subject, WINDOW};
use whirlwind_provider_api::{Messaging, messaging_conformance};
use whirlwind_provider_mqtt::{
    Backoff, Config, Format, InMapping, Mode, Mqtt, OutMapping, Version,
};

use crate::broker::Broker;
use crate::gate::{Gate, Way};
use crate::other_side::{FROM_US, OtherSide, TO_US};

/// Where the provider takes CloudEvents alone.
const STRICT: &str = "side/strict";

struct Real {
    version: Version,
    gate: Gate,
    other: OtherSide,
    /// Ends last.
    broker: Broker,
}

impl Real {
    async fn new(version: Version, broker: Broker) -> Self {
        Self {
            version,
            gate: Gate::new(Way::Plain, broker.port()).await,
            other: OtherSide::connect(broker.port()).await,
            broker,
        }
    }
}

#[async_trait]
impl Subject for Real {
    const RETURNS: bool = true;

    fn window(&self) -> usize {
        match (self.version, &self.broker) {
            (Version::V5, _) => WINDOW.into(),
            (Version::V4, Broker::Mosquitto(_)) => 20,
            (Version::V4, Broker::Embedded(_)) => 64,
        }
    }

    async fn start(&self) -> Arc<dyn Messaging> {
        let url = format!("mqtt://127.0.0.1:{}", self.gate.port());
        let mut config = Config::new("provider", &url, "provider").unwrap();
        config.version = self.version;
        config.window = WINDOW;
        config.outbox = OUTBOX;
        config.max_packet = u32::try_from(LARGEST).unwrap();
        config.backoff = Backoff {
            min: Duration::from_millis(5),
            max: Duration::from_millis(50),
            jitter: 0.2,
        };
        let mut outward = OutMapping::new(OUT, FROM_US).unwrap();
        outward.mode = Some(Mode::Data);
        let inward = InMapping::new(TO_US, IN).unwrap();
        let mut strict = InMapping::new(STRICT, IN).unwrap();
        strict.format = Format::Cloudevents;
        Mqtt::start(config.with_mappings(vec![inward, strict], vec![outward])).unwrap()
    }

    async fn deliver(&self, data: &str) {
        self.other.publish(TO_US, data).await;
    }

    async fn deliver_loose(&self, data: &str) {
        self.other.publish_loose(data).await;
    }

    async fn deliver_malformed(&self) {
        self.other.publish(STRICT, "no event").await;
    }

    async fn taken(&self) -> String {
        self.other.taken().await
    }

    async fn cut(&self) {
        self.gate.cut();
    }

    async fn restore(&self) {
        self.gate.restore();
    }
}

mod mosquitto_v5 {
    use super::*;
    messaging_conformance!(Real::new(Version::V5, Broker::mosquitto().await).await);
}

mod mosquitto_v4 {
    use super::*;
    messaging_conformance!(Real::new(Version::V4, Broker::mosquitto().await).await);
}

mod embedded_v5 {
    use super::*;
    messaging_conformance!(Real::new(Version::V5, Broker::embedded().await).await);
}

mod embedded_v4 {
    use super::*;
    messaging_conformance!(Real::new(Version::V4, Broker::embedded().await).await);
}
