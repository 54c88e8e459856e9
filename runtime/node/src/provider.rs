//! The providers of a running app.
//!
//! A provider is down until it is open, and an app runs without those that are down: a link to one answers an error, and
//! whoever does not need it notices nothing. Opening is tried again until it works.

mod broker;
pub(crate) mod egress;
pub(crate) mod ingress;
mod link;
mod messaging;

pub(crate) use broker::BrokerProvider;
pub(crate) use link::LinkedBucket;
pub(crate) use messaging::{MessagingProvider, outbox_name};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use whirlwind_bus::Bus;
use whirlwind_provider_api::{Error, KeyValue, MemoryKeyValue};
use whirlwind_provider_sled::SledKeyValue;
use whirlwind_provider_store::StoreKeyValue;
use whirlwind_supervision::{ChildSpec, ExitReason, Shutdown, Stop};

use crate::app::{self, Backend};
use crate::lifecycle::Lifecycle;

/// The first pause before a provider that is down is opened again, and the longest. A lock is often gone in a second; after
/// half a minute somebody has to look.
const REOPEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long a store may take to write what it holds when the node stops: ten times the slowest close seen on a busy disk.
const CLOSE: Duration = Duration::from_secs(10);

/// What the first attempt opened, or a later one: tried again with longer and longer pauses, until asked to stop.
async fn until_open<T, F: Future<Output = Option<T>>>(
    stop: &Stop,
    first: Option<T>,
    mut attempt: impl FnMut() -> F,
) -> Option<T> {
    let mut opened = first;
    let (mut pause, longest) = REOPEN;
    while opened.is_none() {
        tokio::select! {
            () = stop.asked() => return None,
            () = tokio::time::sleep(pause) => opened = attempt().await,
        }
        pause = (pause * 2).min(longest);
    }
    opened
}

/// The providers of an app, of each kind by name.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    pub(crate) brokers: Vec<Arc<BrokerProvider>>,
    pub(crate) stores: Vec<Arc<Provider>>,
    pub(crate) messaging: Vec<Arc<MessagingProvider>>,
}

impl Providers {
    /// All of `app`. What goes out has its mailboxes at `bus` from here on.
    /// `notice`: what a person should know of the node's store.
    pub(crate) fn of(
        app: &app::App,
        data_dir: &Path,
        bus: &Bus,
        lifecycle: &Lifecycle,
        notice: Option<String>,
    ) -> Self {
        let mut providers = Self::default();
        for app::Provider { name, kind } in app.providers.values() {
            let store = match kind {
                Backend::Memory => Store::Memory,
                Backend::Sled { path } => Store::Sled { path: path.clone() },
                Backend::Store => match bus.durable() {
                    Some(durable) => Store::Own(durable.store().clone()),
                    None => Store::Memory, // a check, which opens nothing
                },
                Backend::Mqtt(settings) => {
                    let provider = MessagingProvider::new(name, settings, bus, lifecycle);
                    providers.messaging.push(provider);
                    continue;
                }
                Backend::MqttBroker(settings) => {
                    let provider = BrokerProvider::new(name, settings, lifecycle);
                    providers.brokers.push(provider);
                    continue;
                }
            };
            let provider = Provider::new(name, store, data_dir, lifecycle);
            if let Store::Own(_) = provider.store {
                provider.notice_slot().clone_from(&notice);
            }
            providers.stores.push(provider);
        }
        providers
    }

    /// Their children of the tree: first what others connect to.
    pub(crate) fn children(&self) -> Vec<ChildSpec> {
        let brokers = self.brokers.iter().map(|broker| broker.child());
        let stores = self.stores.iter().map(|store| store.child());
        let messaging = self.messaging.iter().map(|provider| provider.child());
        brokers.chain(stores).chain(messaging).collect()
    }

    /// How the provider of this name is: up, with what there is to say, or down, with why.
    pub(crate) fn state(&self, name: &str) -> Option<Result<Option<String>, String>> {
        let broker = self.brokers.iter().find(|known| known.name == name);
        if let Some(broker) = broker {
            return Some(broker.state().map(Some));
        }
        let store = self.stores.iter().find(|known| known.name == name);
        if let Some(store) = store {
            return Some(match &*store.state() {
                State::Up(_) => Ok(store.notice()),
                State::Down(reason) => Err(reason.clone()),
            });
        }
        let messaging = self.messaging.iter().find(|known| known.name == name)?;
        Some(messaging.link().map(|()| None))
    }
}

/// A key-value provider, up or down.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    store: Store,
    data_dir: PathBuf,
    state: ArcSwap<State>,
    /// What a person should know although it is up: a damaged store that was set aside.
    notice: Mutex<Option<String>>,
    lifecycle: Lifecycle,
}

/// What a key-value provider opens.
#[derive(Debug)]
enum Store {
    Memory,
    Sled {
        path: PathBuf,
    },
    /// The node's own, which is open.
    Own(whirlwind_store::Store),
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    Up(Arc<dyn KeyValue>),
    /// Why it is down, in words.
    Down(String),
}

impl Provider {
    fn new(name: &str, store: Store, data_dir: &Path, lifecycle: &Lifecycle) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            store,
            data_dir: data_dir.to_owned(),
            state: ArcSwap::from_pointee(State::Down("not open yet".to_owned())),
            notice: Mutex::new(None),
            lifecycle: lifecycle.clone(),
        })
    }

    /// The child that opens it, keeps trying while that fails, and closes it in good order.
    pub(crate) fn child(self: &Arc<Self>) -> ChildSpec {
        let provider = Arc::clone(self);
        ChildSpec::worker(self.name.as_str(), move |stop| {
            let provider = Arc::clone(&provider);
            async move {
                provider.open().await;
                Ok(provider.run(stop))
            }
        })
        .shutdown(Shutdown::Timeout(CLOSE))
    }

    /// Whether its buckets lie in the node's store, where writes commit with the turn.
    pub(crate) fn is_in_store(&self) -> bool {
        matches!(self.store, Store::Own(_))
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Its store, or the error that a link answers while it is down.
    pub(crate) fn store(&self) -> Result<Arc<dyn KeyValue>, Error> {
        match &**self.state.load() {
            State::Up(store) => Ok(Arc::clone(store)),
            State::Down(reason) => Err(Error::Unavailable {
                provider: self.name.clone(),
                reason: reason.clone(),
            }),
        }
    }

    pub(crate) fn notice(&self) -> Option<String> {
        match &*self.state() {
            State::Down(reason) => Some(reason.clone()),
            State::Up(_) => self.notice_slot().clone(),
        }
    }

    async fn run(self: Arc<Self>, stop: Stop) -> ExitReason {
        let opening = until_open(&stop, self.store().ok(), || async {
            self.open().await;
            self.store().ok()
        });
        if opening.await.is_some() {
            stop.asked().await;
            self.close().await;
        }
        ExitReason::Shutdown
    }

    /// Opens it. A restarted child finds its store still open.
    async fn open(&self) {
        if matches!(&*self.state(), State::Up(_)) {
            return;
        }
        let opened = self.try_open().await;
        let before = self.state();
        match opened {
            Ok(store) => {
                tracing::debug!(provider = self.name, "up");
                self.state.store(Arc::new(State::Up(store)));
                let notice = self.notice();
                self.lifecycle.provider_up(&self.name, notice.as_deref());
            }
            Err(reason) => {
                tracing::warn!(provider = self.name, "down: {reason}");
                self.state.store(Arc::new(State::Down(reason.clone())));
                // Each try is in the log; it is news once.
                if !matches!(&*before, State::Down(known) if *known == reason) {
                    self.lifecycle.provider_down(&self.name, &reason);
                }
            }
        }
    }

    async fn try_open(&self) -> Result<Arc<dyn KeyValue>, String> {
        let under = |path| app::under(&self.data_dir, path).map_err(|error| error.to_string());
        match &self.store {
            Store::Memory => Ok(Arc::new(MemoryKeyValue::new())),
            Store::Sled { path } => {
                let opened = SledKeyValue::open(under(path)?).await;
                let opened = opened.map_err(|error| error.to_string())?;
                self.tell(opened.set_aside);
                self.tell(opened.rolled_back);
                Ok(Arc::new(opened.store))
            }
            Store::Own(store) => Ok(Arc::new(StoreKeyValue::over(store.clone()))),
        }
    }

    /// Says what a person should know of a store that is open.
    fn tell(&self, notice: Option<impl ToString>) {
        if let Some(notice) = notice.map(|notice| notice.to_string()) {
            tracing::error!(provider = self.name, "{notice}");
            *self.notice_slot() = Some(notice);
        }
    }

    async fn close(&self) {
        let State::Up(store) = &*self.state() else {
            return;
        };
        self.state
            .store(Arc::new(State::Down("stopped".to_owned())));
        if let Err(error) = store.close().await {
            tracing::error!(provider = self.name, "did not close in good order: {error}");
        }
        self.lifecycle.provider_down(&self.name, "stopped");
    }

    fn notice_slot(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
