//! The provider.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;
use whirlwind_event::{Event, Topic};
use whirlwind_provider_api::{
    Handover, Link, Messaging, MessagingCounts, Received, SendError, Taker,
};

use crate::absorb::absorb;
use crate::connection;
use crate::limits;
use crate::shared::Shared;
use crate::{Config, ConfigError};

/// Messages through one MQTT broker.
///
/// It connects by itself and again. Dropped, its connection is cut, as if the process had ended: to end it in good order,
/// [`close`](Messaging::close) it.
#[derive(Debug)]
pub struct Mqtt {
    shared: Arc<Shared>,
    connection: JoinHandle<()>,
}

impl Mqtt {
    /// Begins to connect, in a task of the current tokio runtime.
    ///
    /// # Errors
    /// What is wrong with the configuration. That a broker is not there is none: see [`link`](Messaging::link).
    pub fn start(config: Config) -> Result<Arc<Self>, ConfigError> {
        // The first line is only made to see that it can be.
        connection::try_to_open(&config)?;
        for filter in config.mappings.lowered() {
            info!(
                provider = config.name,
                "`{filter}` is subscribed with QoS 1, not 2: over a reconnect the client could not keep to exactly once"
            );
        }
        let shared = Arc::new(Shared::new(config));
        let connection = tokio::spawn(absorb(connection::run(shared.clone())));
        Ok(Arc::new(Self { shared, connection }))
    }
}

impl Mqtt {
    async fn next(&self, taker: Option<&Arc<dyn Taker>>) -> Option<Received> {
        /// However the wait ends, nobody waits any more.
        struct Waits<'a>(&'a Shared);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.inbound().waits(None);
            }
        }
        let shared = &self.shared;
        let _waits = Waits(shared);
        loop {
            let came = shared.came.notified();
            let taken = {
                let mut inbound = shared.inbound();
                if inbound.is_closed() {
                    // For the next who asks.
                    shared.came.notify_one();
                    return None;
                }
                if let Some(received) = inbound.take_given_back() {
                    return Some(*received);
                }
                let taken = inbound.take();
                if taken.is_none() {
                    inbound.waits(taker);
                }
                taken
            };
            match taken {
                None => came.await,
                Some((message, number)) => {
                    if let Some(received) = shared.read(message, number) {
                        return Some(received);
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Messaging for Mqtt {
    async fn receive(&self) -> Option<Received> {
        self.next(None).await
    }

    async fn receive_beside(&self, taker: &Arc<dyn Taker>) -> Option<Received> {
        self.next(Some(taker)).await
    }

    fn send(&self, topic: &Topic, event: &Arc<Event>) -> Result<Handover, SendError> {
        let shared = &self.shared;
        shared.outbox(|outbox| outbox.takes())?;
        let messages = shared.config.outward(topic, event)?;
        if messages.is_empty() {
            return Err(SendError::Unsendable(format!(
                "no mapping leads `{topic}` out"
            )));
        }
        let max = shared.packet.load(Ordering::Relaxed);
        let mut sized = Vec::with_capacity(messages.len());
        for message in messages {
            let size = message.size();
            limits::check(&message, size)?;
            if size > max {
                return Err(SendError::TooLarge { size, max });
            }
            sized.push((message, size));
        }
        let handover = shared.outbox(|outbox| outbox.take(sized))?;
        shared.work.notify_one();
        Ok(handover)
    }

    async fn room(&self) {
        loop {
            let room = self.shared.room.notified();
            if (self.shared).outbox(|outbox| outbox.has_room() || outbox.is_closed()) {
                return;
            }
            room.await;
        }
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.shared.link.subscribe()
    }

    fn counts(&self) -> MessagingCounts {
        let (counts, unacknowledged) = {
            let inbound = self.shared.inbound();
            (inbound.counts(), inbound.unacknowledged())
        };
        let (sent, waiting) = (self.shared).outbox(|outbox| (outbox.sent(), outbox.waiting()));
        MessagingCounts {
            received: counts.received,
            duplicates: counts.duplicates,
            acknowledged: counts.acknowledged,
            dropped: counts.dropped,
            malformed: counts.malformed,
            sent,
            reconnects: self.shared.reconnects.load(Ordering::Relaxed),
            waiting,
            unacknowledged,
        }
    }

    async fn close(&self) {
        self.shared.begin_to_close();
        let mut link = self.shared.link.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = link.wait_for(|link| *link == Link::Closed).await;
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
