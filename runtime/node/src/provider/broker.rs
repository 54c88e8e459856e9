//! An MQTT broker in the node, as a child of the tree.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use whirlwind_provider_mqtt_broker::{Broker, Config};
use whirlwind_supervision::{ChildSpec, ExitReason, Shutdown, Stop};

use super::until_open;
use crate::app;
use crate::lifecycle::Lifecycle;

/// How long its clients may take to hear of its end.
const CLOSE: Duration = Duration::from_secs(5);

/// A broker in the node.
#[derive(Debug)]
pub(crate) struct BrokerProvider {
    pub(crate) name: String,
    settings: app::MqttBroker,
    /// Where it listens, or why it does not.
    state: Mutex<Result<String, String>>,
    lifecycle: Lifecycle,
}

impl BrokerProvider {
    pub(crate) fn new(name: &str, settings: &app::MqttBroker, lifecycle: &Lifecycle) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            state: Mutex::new(Err("not open yet".to_owned())),
            lifecycle: lifecycle.clone(),
        })
    }

    /// The child that listens, and keeps trying while it cannot.
    pub(crate) fn child(self: &Arc<Self>) -> ChildSpec {
        let provider = Arc::clone(self);
        ChildSpec::worker(self.name.as_str(), move |stop| {
            let provider = Arc::clone(&provider);
            async move {
                let broker = provider.open().await;
                Ok(provider.run(broker, stop))
            }
        })
        .shutdown(Shutdown::Timeout(CLOSE))
    }

    /// Where it listens, or why it does not, in words.
    pub(crate) fn state(&self) -> Result<String, String> {
        self.slot().clone()
    }

    async fn run(self: Arc<Self>, broker: Option<Broker>, stop: Stop) -> ExitReason {
        let Some(broker) = until_open(&stop, broker, || self.open()).await else {
            return ExitReason::Shutdown;
        };
        let reason = tokio::select! {
            biased;
            () = stop.asked() => ExitReason::Shutdown,
            () = broker.ended() => ExitReason::failed("the broker has ended by itself"),
        };
        broker.stop().await;
        *self.slot() = Err("stopped".to_owned());
        self.lifecycle.provider_down(&self.name, "stopped");
        reason
    }

    async fn open(&self) -> Option<Broker> {
        let config = Config {
            name: self.name.clone(),
            listen: self.settings.listen,
            allow_remote: self.settings.allow_remote,
            max_packet: self.settings.max_packet,
            ..Config::default()
        };
        match Broker::start(config).await {
            Ok(broker) => {
                let words = format!("for development, listens at {}", broker.address());
                tracing::info!(provider = self.name, "{words}");
                self.lifecycle.provider_up(&self.name, Some(&words));
                *self.slot() = Ok(words);
                Some(broker)
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(provider = self.name, "down: {reason}");
                let known = self.slot().clone();
                if known != Err(reason.clone()) {
                    self.lifecycle.provider_down(&self.name, &reason);
                    *self.slot() = Err(reason);
                }
                None
            }
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Result<String, String>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
