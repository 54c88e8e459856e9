//! A running app.

mod change;
pub(crate) mod components;
pub(crate) mod data_dir;
mod dead;
mod departed;
mod parts;
pub(crate) mod start;
mod store;

pub use change::{ChangeError, Changed};
pub use components::ComponentError;
pub use data_dir::DATA_DIR;
pub use dead::{LeftBehind, RedeliveryError};
pub use start::{Builder, Progress, StartError};

use parts::{actor_part, collect, door_part, provider_part};

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{SetOnce, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use whirlwind_bus::{Bus, Delivery, Envelope, Refusal};
use whirlwind_component::Engine;
use whirlwind_event::{Event, Topic, TopicFilter};
use whirlwind_provider_api::{Error as KeyValueError, KeyValue};
use whirlwind_supervision::{ExitReason, SupervisorRef};

use crate::actor::Actor;
use crate::app::App;
use crate::part::{Part, PartState, TreeKind, TreeNode};
use crate::provider::Providers;
use crate::subscription::Subscription;
use crate::timer::Timer;
use crate::tree;

/// How long a publish through a door waits for room in a full mailbox: two deadlines of a default actor.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running app. A clone is the same node.
///
/// It runs until it is stopped or killed or its supervision tree gives up; [`ended`](Self::ended) tells which. Dropping it does not
/// stop it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

pub(crate) struct Inner {
    app: App,
    bus: Arc<Bus>,
    actors: BTreeMap<String, Arc<Actor>>,
    providers: Providers,
    timers: Vec<Arc<Timer>>,
    engine: Engine,
    /// Held while the numbers of instances are added up and one of them is set.
    sizes: std::sync::Mutex<()>,
    control: Option<std::path::PathBuf>,
    data_dir: std::path::PathBuf,
    /// Set when it has ended in good order, or given up.
    left: std::sync::OnceLock<LeftBehind>,
    /// Wakes the look for actors that have left the tree.
    departures: tokio::sync::Notify,
    /// Set when every part has started.
    tree: SetOnce<SupervisorRef>,
    /// Cancelled when nothing more is accepted.
    stopping: CancellationToken,
    /// The publishes that may still be accepted.
    publishing: TaskTracker,
    ended: watch::Sender<Option<End>>,
    /// Ends what still reads of the node after its end.
    over: CancellationToken,
}

/// How a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was stopped, in good order.
    Stopped {
        /// Events that were still in mailboxes when the time to drain was over. They are in the dead-letter file, or go back to the
        /// door that owes their acknowledgement: [`Node::left_behind`] tells.
        unfinished: u64,
    },
    /// It was killed.
    Killed,
    /// The supervision tree gave up; these are its words.
    GaveUp(String),
}

/// An event that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// How many subscribers it was delivered to; with none it is counted as unrouted.
    pub delivered: usize,
}

/// Why an event was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Topics that begin with `$` belong to the node.
    #[error(
        "the topic `{0}` is reserved for the node: publish on one that does not begin with `$`"
    )]
    Reserved(Topic),
    /// It is larger than its topic takes.
    #[error(
        "an event of {size} bytes is larger than the {max} that `{topic}` takes: send less, or raise `max_event` in [topic.\"{topic}\"]"
    )]
    TooLarge {
        /// The topic.
        topic: Topic,
        /// Bytes of the event.
        size: usize,
        /// Bytes that the topic takes.
        max: usize,
    },
    /// A subscriber's mailbox stayed full. Others may have taken the event.
    #[error(
        "the mailbox of `{name}` stayed full for {} s: it handles events more slowly than they come (others took this one: {delivered})",
        PATIENCE.as_secs()
    )]
    MailboxFull {
        /// Whose mailbox.
        name: String,
        /// How many subscribers took it.
        delivered: usize,
    },
    /// The topic is durable and took nothing: nobody has the event.
    #[error("`{topic}` did not accept the event: {why}")]
    NotDurable {
        /// The topic.
        topic: Topic,
        /// Why.
        why: String,
    },
    /// The node is stopping.
    #[error("the node is stopping and accepts nothing more")]
    Stopping,
}

impl Node {
    /// What a node is started with.
    pub fn builder(app: App) -> Builder {
        Builder::new(app)
    }

    /// The app it runs.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// Its control socket, if it has one.
    pub fn control_socket(&self) -> Option<&Path> {
        self.0.control.as_deref()
    }

    /// Publishes an event. Answers when every subscriber has accepted it, after ten seconds at most; on a durable topic, when it is
    /// on the disk.
    ///
    /// # Errors
    /// [`PublishError`] says why it was not accepted. A partial delivery is not taken back: with
    /// [`MailboxFull`](PublishError::MailboxFull) the others have it.
    pub async fn publish(
        &self,
        topic: &Topic,
        event: impl Into<Arc<Event>>,
    ) -> Result<Published, PublishError> {
        let (bus, event) = (&self.0.bus, event.into());
        if topic.is_system() {
            return Err(PublishError::Reserved(topic.clone()));
        }
        let (size, max) = (event.size(), bus.rules().max_event(topic));
        if size > max {
            let topic = topic.clone();
            return Err(PublishError::TooLarge { topic, size, max });
        }
        // Counted first, then asked: so a stop either turns it away or waits for it.
        let _publishing = self.0.publishing.token();
        if self.0.stopping.is_cancelled() {
            return Err(PublishError::Stopping);
        }
        bus.ready(topic).await;
        let id = event.id().to_owned();
        let Delivery {
            mut delivered,
            refused,
            synced,
        } = bus.publish(Envelope::new(topic.clone(), event));
        let not_durable = |why| PublishError::NotDurable {
            topic: topic.clone(),
            why,
        };
        if let Some(synced) = synced {
            let accepted = synced.wait().await;
            accepted.map_err(|error| not_durable(error.to_string()))?;
        }
        // A durable topic that is full stays so for longer than anybody waits.
        if let Some(why) = refused.iter().find_map(Refusal::not_durable) {
            return Err(not_durable(why));
        }
        // Each on its own: one that stays full costs the others nothing.
        let waiting = refused.into_iter().map(|refusal| self.insist(refusal));
        let mut failed = None;
        for taken in join_all(waiting).await {
            match taken {
                Ok(()) => delivered += 1,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(Published { id, delivered }),
            Some(PublishError::MailboxFull { name, .. }) => {
                Err(PublishError::MailboxFull { name, delivered })
            }
            Some(error) => Err(error),
        }
    }

    /// Waits for room in one full mailbox.
    async fn insist(&self, refusal: Refusal) -> Result<(), PublishError> {
        let name = refusal.name().map(ToString::to_string).unwrap_or_default();
        tokio::select! {
            taken = timeout(PATIENCE, refusal.insist(&self.0.bus)) => {
                let delivered = 0;
                taken.map_err(|_| PublishError::MailboxFull { name, delivered })
            }
            () = self.0.stopping.cancelled() => Err(PublishError::Stopping),
        }
    }

    /// Looks on at the events of matching topics, from now on.
    pub fn subscribe(&self, filter: &TopicFilter) -> Subscription {
        Subscription::new(&self.0.bus, filter, self.0.over.clone())
    }

    /// A provider's store, to look into its buckets.
    ///
    /// # Errors
    /// None if the app has no provider of this name; an error inside if it is down.
    pub fn store(&self, provider: &str) -> Option<Result<Arc<dyn KeyValue>, KeyValueError>> {
        let mut stores = self.0.providers.stores.iter();
        stores
            .find(|known| known.name == provider)
            .map(|known| known.store())
    }

    /// How many events nobody subscribed to.
    pub fn unrouted(&self) -> u64 {
        self.0.bus.unrouted()
    }

    /// How every part is, in the order of start: providers, actors, doors.
    pub async fn parts(&self) -> Vec<Part> {
        let tree = self.tree().await;
        let mut states = BTreeMap::new();
        collect(&tree, &mut states);
        let above = departed::above(&self.0.app.root);
        let state = |name: &str| match states.get(&(TreeKind::Actor, name)) {
            Some(state) => *state,
            // It is not in the tree: it has left it for good, or a supervisor above it is down.
            None if self.0.stopping.is_cancelled() => PartState::Stopped,
            None if departed::has_left(name, &states, &above) => PartState::Stopped,
            None => PartState::Restarting,
        };
        let providers = self.0.app.providers.keys();
        let providers = providers.filter_map(|name| provider_part(name, &self.0.providers));
        let actors = self.0.actors.values();
        let actors = actors.map(|actor| actor_part(actor, &self.0.app, state(actor.name())));
        let doors = states
            .iter()
            .filter(|((kind, _), _)| *kind == TreeKind::Door)
            .map(|((_, name), state)| door_part(name, *state, &self.0.providers, &self.0.timers));
        providers.chain(actors).chain(doors).collect()
    }

    /// The supervision tree as it is.
    pub async fn tree(&self) -> TreeNode {
        tree::node(self.0.tree.wait().await.status().await)
    }

    /// Closes the doors, lets the actors empty their mailboxes and changes that had begun come to their end, for as long as `drain` says,
    /// and stops the tree in reverse order of start. What is left in mailboxes then, and the dead letters, are written to the dead-letter file. Returns when that is done; called twice, both calls do.
    pub async fn stop(&self) -> End {
        let tree = self.0.tree.wait().await.clone();
        if !self.0.stopping.is_cancelled() {
            self.0.stopping.cancel();
            // A task of its own: whoever asked for the stop may go away.
            tokio::spawn(self.clone().drain_and_stop(tree));
        }
        self.ended().await
    }

    async fn drain_and_stop(self, tree: SupervisorRef) {
        // A tree that is ending already has closed its doors.
        let _ = tree.terminate_child(tree::DOORS).await;
        let idle = async {
            self.0.publishing.close();
            self.0.publishing.wait().await;
            self.0.bus.idle().await;
            // A change that had begun is carried out; none begins any more.
            for actor in self.0.actors.values() {
                let _ = actor.changes.one_at_a_time.lock().await;
            }
        };
        let drain = self.0.actors.values().map(|actor| actor.spec.drain).max();
        tokio::select! {
            () = idle => {}
            () = tokio::time::sleep(drain.unwrap_or(self.0.app.drain)) => {}
            _ = tree.ended() => {}
        }
        tree.stop().await;
    }

    /// Ends it at once. What is in mailboxes is lost, and so are the dead letters since the start.
    pub fn kill(&self) {
        self.0.stopping.cancel();
        if let Some(tree) = self.0.tree.get() {
            tree.kill();
        }
    }

    /// Returns when it has ended, and how; at once if that is so already. Any number may wait.
    pub async fn ended(&self) -> End {
        let mut ended = self.0.ended.subscribe();
        let end = ended.wait_for(Option::is_some).await;
        end.ok().and_then(|end| end.clone()).unwrap_or(End::Killed)
    }

    /// Waits for the end of the tree, and tells everybody.
    async fn watch(self, tree: SupervisorRef) {
        let reason = tree.ended().await;
        self.0.stopping.cancel();
        // Whoever still publishes is turned away; what was taken of it is in a mailbox then.
        self.0.publishing.close();
        self.0.publishing.wait().await;
        // What was committed is told to whoever waits for it.
        if let Some(durable) = self.0.bus.durable() {
            durable.finished().await;
        }
        let unfinished = self.0.bus.unfinished();
        if reason != ExitReason::Killed {
            self.leave_behind().await;
        }
        let end = match reason {
            ExitReason::Normal | ExitReason::Shutdown => End::Stopped { unfinished },
            ExitReason::Killed => End::Killed,
            gave_up => End::GaveUp(gave_up.to_string()),
        };
        store::close(&self.0.bus).await;
        self.0.ended.send_replace(Some(end));
        self.0.over.cancel();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("app", &self.0.app.name)
            .finish()
    }
}
