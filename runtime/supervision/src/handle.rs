//! What holders of a running supervisor may ask of it.

use std::{fmt, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture, future::join_all};
use kameo::actor::{ActorId, ActorRef};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::{
    error::ChildError,
    exit::ExitReason,
    launch::Below,
    spec::{ChildSpec, Strategy},
    status::{Counts, Kind, State, Status},
    supervisor::{Life, Reply, Request, Snapshot, Supervisor, Which},
};

/// How long a supervisor may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// A running supervisor. Cheap to clone; when the last clone is dropped the supervisor stops.
///
/// A supervisor never waits for a child before it answers, so what is asked of it is answered at
/// once, during a crash loop and during its own stop as well, except where an answer means that a
/// child has started or ended.
#[derive(Clone)]
pub struct SupervisorRef {
    id: Arc<str>,
    actor: ActorRef<Box<Supervisor>>,
    life: watch::Receiver<Life>,
}

impl SupervisorRef {
    pub(crate) fn new(
        id: Arc<str>,
        actor: ActorRef<Box<Supervisor>>,
        life: watch::Receiver<Life>,
    ) -> Self {
        Self { id, actor, life }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The kameo actor it is: another for each incarnation.
    #[must_use]
    pub fn actor_id(&self) -> ActorId {
        self.actor.id()
    }

    /// Stops all children in reverse order, each in its own way, then the supervisor. Returns when
    /// it has ended, with the reason: another than `Shutdown` if it was giving up already.
    pub async fn stop(&self) -> ExitReason {
        self.ask_stop().await;
        self.ended().await
    }

    /// Asks for the stop, without waiting for the end.
    pub(crate) async fn ask_stop(&self) {
        // A supervisor that is no longer there to be told has ended.
        let _ = self.actor.tell(Request::Stop).send().await;
    }

    /// Kills it, and with it all its children at once. Does not wait: see [`ended`](Self::ended).
    pub fn kill(&self) {
        self.actor.kill();
    }

    /// Returns when it has ended and none of its children is left, with the reason; at once if that
    /// is so already. Any number may wait.
    pub async fn ended(&self) -> ExitReason {
        let mut life = self.life.clone();
        match life
            .wait_for(|life| matches!(life, Life::Ended(_)))
            .await
            .as_deref()
        {
            Ok(Life::Ended(reason)) => reason.clone(),
            // Its task was torn down before it could say anything.
            _ => ExitReason::Killed,
        }
    }

    /// Returns when it has started, and true; or when it has ended, and false.
    pub async fn started(&self) -> bool {
        let mut life = self.life.clone();
        let begun = life.wait_for(|life| !matches!(life, Life::Starting)).await;
        matches!(begun.as_deref(), Ok(Life::Started))
    }

    /// How it and all below are. Once it has ended: `Stopped`, without children.
    pub async fn status(&self) -> Status {
        let mut status = Status {
            id: Arc::clone(&self.id),
            kind: Kind::Supervisor,
            state: State::Stopped,
            restarts: 0,
            strategy: None,
            children: Vec::new(),
        };
        if let Some(snapshot) = self.snapshot().await {
            status.state = snapshot.state;
            status.strategy = Some(snapshot.strategy);
            status.children = with_below(snapshot).await;
        }
        status
    }

    /// Its strategy; `None` once it has ended.
    pub async fn strategy(&self) -> Option<Strategy> {
        self.snapshot().await.map(|snapshot| snapshot.strategy)
    }

    async fn snapshot(&self) -> Option<Snapshot> {
        timeout(STATUS_TIMEOUT, self.tell(Request::Snapshot))
            .await
            .ok()?
    }

    /// How many children it has. Once it has ended: none.
    pub async fn count_children(&self) -> Counts {
        self.tell(Request::Count).await.unwrap_or_default()
    }

    /// Adds a child after those there are, and starts it. Returns when it has started; a child whose
    /// start fails leaves no spec behind. Under a group strategy it waits for a restart in hand.
    ///
    /// # Errors
    ///
    /// `AlreadyStarted` or `AlreadyPresent` if there is a child of this name, `Spec` if the spec is
    /// refused, `Start` if the start fails, `HasTemplate`, `Stopping`.
    pub async fn start_child(&self, child: ChildSpec) -> Result<(), ChildError> {
        self.request(|reply| Request::Start(Box::new(child), reply))
            .await
    }

    /// Adds a child of a simple-one-for-one supervisor, in the lowest free slot, and starts it.
    /// Returns its slot when it has started; a start that fails frees the slot.
    ///
    /// # Errors
    ///
    /// `NoTemplate` under another strategy, `AlreadyStarted` if the template gives two slots one id,
    /// `Spec`, `Start`, `Stopping`.
    pub async fn start_slot(&self) -> Result<usize, ChildError> {
        self.request(Request::StartSlot).await
    }

    /// Stops a child in its own way. Its spec stays, unless it is temporary or from a template; twice
    /// is fine. A child that is being restarted is not started again. Its end counts for no auto-shutdown.
    /// Returns when it has ended.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Stopping`.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        let id = Which::Id(id.into());
        self.request(|reply| Request::Terminate(id, reply)).await
    }

    /// Stops the child in a slot of a simple-one-for-one supervisor and frees the slot. Returns when
    /// it has ended.
    ///
    /// # Errors
    ///
    /// `EmptySlot`, `Stopping`.
    pub async fn terminate_slot(&self, slot: usize) -> Result<(), ChildError> {
        let slot = Which::Slot(slot);
        self.request(|reply| Request::Terminate(slot, reply)).await
    }

    /// Starts a child that is down. Returns when it has started; if its start fails its spec stays.
    /// Under a group strategy it waits for a restart in hand.
    ///
    /// # Errors
    ///
    /// `Running` if it is up, `Restarting` if it will be started anyway, `NotFound`, `Start`,
    /// `HasTemplate`, `Stopping`.
    pub async fn restart_child(&self, id: &str) -> Result<(), ChildError> {
        let id = id.into();
        self.request(|reply| Request::Restart(id, reply)).await
    }

    /// Removes the spec of a child that is down.
    ///
    /// # Errors
    ///
    /// `Running` if it is up, `Restarting` if it will be started again, `NotFound`, `HasTemplate`,
    /// `Stopping`.
    pub async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        let id = id.into();
        self.request(|reply| Request::Delete(id, reply)).await
    }

    /// Kills a child from outside, to see it heal: its end counts as any other would.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Stopping`. A child that is down already is left alone.
    pub async fn kill_child(&self, id: &str) -> Result<(), ChildError> {
        let id = id.into();
        self.request(|reply| Request::Kill(id, reply)).await
    }

    /// The child supervisor of this name, in its present incarnation; `None` if there is none or it
    /// is down.
    pub async fn supervisor(&self, id: &str) -> Option<SupervisorRef> {
        let id = id.into();
        self.tell(|reply| Request::Supervisor(id, reply)).await?
    }

    /// Sends a request that is answered; `None` if the supervisor is no longer there to answer.
    async fn tell<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.actor.tell(request(reply)).send().await.ok()?;
        answer.await.ok()
    }

    async fn request<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, ChildError> {
        self.tell(request)
            .await
            .unwrap_or(Err(ChildError::Stopping))
    }
}

impl fmt::Debug for SupervisorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorRef")
            .field("id", &self.id)
            .field("actor", &self.actor.id())
            .finish()
    }
}

/// The children of a snapshot, each with what is under it: asked for by the one who wants to know,
/// so that no supervisor waits for another.
fn with_below(snapshot: Snapshot) -> BoxFuture<'static, Vec<Status>> {
    let children = snapshot
        .children
        .into_iter()
        .map(|(mut status, below)| async move {
            match below {
                Below::Nothing => {}
                Below::Supervisor(supervisor) => {
                    let snapshot = supervisor.snapshot().await;
                    // One that gives up, or just has, knows it before the supervisor above it does.
                    let ends = snapshot
                        .as_ref()
                        .is_none_or(|snapshot| snapshot.state == State::Stopping);
                    if ends && status.state == State::Running {
                        status.state = State::Stopping;
                    }
                    if let Some(snapshot) = snapshot {
                        status.children = with_below(snapshot).await;
                    }
                }
            }
            status
        });
    join_all(children).boxed()
}
