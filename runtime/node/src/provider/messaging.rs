//! A provider of messages: its connection as a child of the tree, and what its doors share.
//!
//! ```text
//! providers/NAME   starts the client, and tells how its connection stands
//! egress/NAME/out  sends what lies in the provider's mailbox          (egress.rs)
//! doors/NAME/in    publishes what comes in                            (ingress.rs)
//! ```
//!
//! A receipt is given by whoever settles the last of what it is for. The client is closed by the provider's own child, which ends
//! last: so what a stopping node still handles is acknowledged when its door has long been closed.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use whirlwind_bus::{Bus, Capacity, Inbox, MailboxSpec};
use whirlwind_provider_api::{Link, Messaging, MessagingCounts, Receipt};
use whirlwind_provider_mqtt::{InMapping, Mqtt};
use whirlwind_supervision::{ChildSpec, ExitReason, Shutdown, Stop};

use super::until_open;
use crate::app;
use crate::lifecycle::Lifecycle;

/// How long the last words to the broker may take: twice the time the client gives each of its two.
const CLOSE: Duration = Duration::from_secs(8);

/// A provider of messages.
pub(crate) struct MessagingProvider {
    pub(crate) name: String,
    settings: app::Mqtt,
    /// What waits to go out; none where nothing does.
    pub(crate) outbox: Option<Inbox>,
    client: watch::Sender<Option<Arc<dyn Messaging>>>,
    /// Why there is no client, in words.
    trouble: Mutex<String>,
    /// Receipts of messages that their door had in hand when it ended.
    held: Mutex<Vec<Receipt>>,
    lifecycle: Lifecycle,
}

impl MessagingProvider {
    pub(crate) fn new(
        name: &str,
        settings: &app::Mqtt,
        bus: &Bus,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            outbox: outbox(name, settings, bus),
            client: watch::Sender::new(None),
            trouble: Mutex::new("not connected yet".to_owned()),
            held: Mutex::default(),
            lifecycle: lifecycle.clone(),
        })
    }

    /// The child that keeps the connection.
    pub(crate) fn child(self: &Arc<Self>) -> ChildSpec {
        let provider = Arc::clone(self);
        ChildSpec::worker(self.name.as_str(), move |stop| {
            let provider = Arc::clone(&provider);
            async move { Ok(provider.run(stop)) }
        })
        .shutdown(Shutdown::Timeout(CLOSE))
    }

    /// Whether anything comes in.
    pub(crate) fn has_inward(&self) -> bool {
        !self.settings.config.mappings.inward().is_empty()
    }

    /// How many messages had no id where their mapping says, since the node started.
    pub(crate) fn without_id(&self) -> u64 {
        let mappings = self.settings.config.mappings.inward().iter();
        mappings.map(InMapping::without_id).sum()
    }

    /// The client, once there is one, and each that comes after it.
    pub(crate) fn client(&self) -> watch::Receiver<Option<Arc<dyn Messaging>>> {
        self.client.subscribe()
    }

    /// Keeps a receipt, neither given nor gone back, until [`release`](Self::release).
    pub(crate) fn hold(&self, receipt: Receipt) {
        lock(&self.held).push(receipt);
    }

    /// Lets those that are held go back.
    pub(crate) fn release(&self) {
        let held = std::mem::take(&mut *lock(&self.held));
        drop(held);
    }

    /// Whether it is connected, and if not, why.
    pub(crate) fn link(&self) -> Result<(), String> {
        let client = self.client.borrow();
        match client.as_ref().map(|client| client.link().borrow().clone()) {
            None => Err(lock(&self.trouble).clone()),
            Some(Link::Up) => Ok(()),
            Some(Link::Down {
                reason,
                attempts: 0,
            }) => Err(reason),
            Some(Link::Down { reason, attempts }) => Err(format!("{reason} (attempt {attempts})")),
            Some(Link::Closed) => Err("closed".to_owned()),
        }
    }

    /// What the present client has seen.
    pub(crate) fn counts(&self) -> Option<MessagingCounts> {
        let client = self.client.borrow();
        client.as_ref().map(|client| client.counts())
    }

    async fn run(self: Arc<Self>, stop: Stop) -> ExitReason {
        let mut asked = pin!(stop.asked());
        let opening = until_open(&stop, self.start(), || async { self.start() });
        let Some(client) = opening.await else {
            return ExitReason::Shutdown;
        };
        // What an earlier client was owed was made void with it.
        self.release();
        self.client
            .send_replace(Some(Arc::clone(&client) as Arc<dyn Messaging>));
        let mut link = client.link();
        link.mark_changed();
        let mut was_up = false;
        loop {
            tokio::select! {
                biased;
                () = &mut asked => break,
                changed = link.changed() => {
                    let now = link.borrow_and_update().clone();
                    if changed.is_err() || now == Link::Closed {
                        self.client.send_replace(None);
                        return ExitReason::failed("the client has ended by itself");
                    }
                    self.tell(now, &mut was_up);
                }
            }
        }
        // All that could be handled has been: what has settled by now is acknowledged, the rest goes back.
        client.close().await;
        self.release();
        self.client.send_replace(None);
        *lock(&self.trouble) = "stopped".to_owned();
        self.lifecycle.provider_down(&self.name, "stopped");
        ExitReason::Shutdown
    }

    /// A client, if its settings let one be made.
    fn start(&self) -> Option<Arc<Mqtt>> {
        let client = Mqtt::start(self.settings.config.as_ref().clone());
        client.map_err(|error| self.down(error.to_string())).ok()
    }

    fn tell(&self, link: Link, was_up: &mut bool) {
        match link {
            Link::Up => {
                *was_up = true;
                tracing::debug!(provider = self.name, "connected");
                self.lifecycle.provider_up(&self.name, None);
            }
            // It has only just begun.
            Link::Down { attempts: 0, .. } if !*was_up => {}
            // News once: each attempt is like the first.
            Link::Down { reason, attempts } if attempts <= 1 || *was_up => {
                *was_up = false;
                tracing::warn!(provider = self.name, "down: {reason}");
                self.lifecycle.provider_down(&self.name, &reason);
            }
            Link::Down { reason, .. } => tracing::debug!(provider = self.name, "down: {reason}"),
            Link::Closed => {}
        }
    }

    fn down(&self, reason: String) {
        let mut trouble = lock(&self.trouble);
        if *trouble != reason {
            tracing::warn!(provider = self.name, "down: {reason}");
            self.lifecycle.provider_down(&self.name, &reason);
            *trouble = reason;
        }
    }
}

/// Nothing in here panics between two changes that belong together.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the mailbox of what goes out through a provider is called.
pub(crate) fn outbox_name(provider: &str) -> String {
    format!("{provider}/out")
}

/// The mailbox of what goes out, if anything does, subscribed before anything can be published.
fn outbox(name: &str, settings: &app::Mqtt, bus: &Bus) -> Option<Inbox> {
    let outward = settings.config.mappings.outward();
    if outward.is_empty() {
        return None;
    }
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: outbox_name(name).into(),
        capacity: Capacity {
            events: settings.outbox.capacity,
            bytes: usize::try_from(settings.outbox.bytes).unwrap_or(usize::MAX),
        },
        overflow: settings.outbox.overflow.into(),
        partition: None,
    });
    for mapping in outward {
        bus.subscribe(mapping.filter(), &mailbox);
    }
    Some(inbox)
}

impl fmt::Debug for MessagingProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagingProvider")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
