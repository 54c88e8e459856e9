use whirlwind_peers::Mosquitto;
use whirlwind_provider_mqtt_broker as embedded;

/// A broker of the test's own; it ends with this.
pub enum Broker {
    Mosquitto(Mosquitto),
    Embedded(embedded::Broker),
}

impl Broker {
    /// Mosquitto, or the embedded one where it is not installed, which is said.
    pub async fn mosquitto() -> Self {
        match Mosquitto::start() {
            Some(mosquitto) => Self::Mosquitto(mosquitto),
            None => Self::embedded().await,
        }
    }

    pub async fn embedded() -> Self {
        let config = embedded::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            ..embedded::Config::default()
        };
        Self::Embedded(embedded::Broker::start(config).await.unwrap())
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port(),
            Self::Embedded(broker) => broker.address().port(),
        }
    }
}
