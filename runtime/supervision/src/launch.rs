//! How each kind of child is started and watched.
//!
//! A worker is a task, and its end is the child's. Supervisors and actors are kameo actors, linked to their supervisor.
//! They are watched twice, because neither way tells all. The link says that the actor's loop is
//! over while its `on_stop` may still run, and is silent when the actor's task is aborted or panics
//! as its state is dropped. The task's end says that nothing of the child is left, but comes late
//! when an `on_stop` hangs. So the end of the task is the end of the child, and the link starts the
//! clock for what the child does after its loop.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
};

use futures::{FutureExt, future::BoxFuture};
use kameo::{
    Actor,
    actor::{ActorId, ActorRef, PreparedActor, Spawn},
    error::{ActorStopReason, PanicError},
};
use tokio::{
    sync::{Notify, oneshot},
    task::{AbortHandle, JoinError, unconstrained},
};

use crate::{
    error::StartError,
    exit::ExitReason,
    handle::SupervisorRef,
    report::Reporter,
    spec::{ChildSpec, Start, SupervisorSpec},
    stop::Stop,
    supervisor::Supervisor,
    worker::{AbortOnDrop, Worker, WorkerStart, lost},
};

/// One incarnation of a child, on its way.
pub(crate) struct Launched {
    /// The kameo actor it is, unless it is a worker.
    pub(crate) actor: Option<ActorId>,
    pub(crate) control: Control,
    pub(crate) watch: BoxFuture<'static, Watched>,
    pub(crate) below: Below,
}

/// What the watch over an incarnation sees first.
pub(crate) enum Watched {
    /// It has started; the rest of the watch sees its end.
    Started(BoxFuture<'static, End>),
    /// It ended without having started.
    Ended(End),
}

/// The end of an incarnation: nothing of it is left.
pub(crate) struct End {
    pub(crate) reason: ExitReason,
    /// Of a kameo actor: whether its `on_start` is known to have succeeded.
    started: bool,
    /// Of a kameo actor: whether kameo saw its end, and told its links.
    orderly: bool,
    /// What it says about its start, if that is what failed.
    pub(crate) start: Option<StartError>,
}

/// How an incarnation is made to end. Dropping it leaves nothing behind.
pub(crate) struct Control {
    ask: Box<dyn Fn() -> BoxFuture<'static, ()> + Send>,
    kill: Box<dyn Fn() + Send>,
    abort: Box<dyn Fn() + Send>,
    kill_reaches_start: bool,
}

impl Control {
    /// Asks for an orderly end. The future need not complete: the child may be too busy to be asked.
    pub(crate) fn ask(&self) -> BoxFuture<'static, ()> {
        (self.ask)()
    }

    /// Ends it where it waits. kameo's kill reaches an actor's loop alone, so one that is `starting`
    /// is aborted.
    pub(crate) fn kill(&self, starting: bool) {
        (self.kill)();
        if starting && !self.kill_reaches_start {
            self.abort();
        }
    }

    /// Tears its task down, hooks or not.
    pub(crate) fn abort(&self) {
        (self.abort)();
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Who can tell what is under a child.
#[derive(Clone)]
pub(crate) enum Below {
    Nothing,
    Supervisor(SupervisorRef),
}

/// Starts an incarnation of `child`; if it is a kameo actor, linked to its supervisor `parent`.
pub(crate) fn launch(
    child: &ChildSpec,
    parent: ActorRef<Box<Supervisor>>,
    reporter: &Reporter,
) -> BoxFuture<'static, Launched> {
    match &child.start {
        Start::Worker(start) => launch_worker(start),
        Start::Supervisor(spec) => launch_supervisor(spec, parent, reporter.clone()),
        Start::Actor(launch) => Arc::clone(launch).launch(parent),
    }
}

fn launch_worker(start: &WorkerStart) -> BoxFuture<'static, Launched> {
    let stop = Stop::new();
    let Worker { started, mut task } = Worker::spawn(Arc::clone(start), stop.clone());
    let abort = task.0.abort_handle();
    let kill = abort.clone();
    let torn_down = Arc::new(Notify::new());
    let tear_down = Arc::clone(&torn_down);
    let mut end = async move {
        tokio::select! {
            biased;
            joined = &mut task.0 => End::of_worker(joined),
            // It blocks its thread, so that nothing can end it: whoever waits for it goes on.
            () = torn_down.notified() => End::lost(ExitReason::Killed),
        }
    }
    .boxed();
    let watch = async move {
        tokio::select! {
            biased;
            Ok(()) = started => Watched::Started(end),
            ended = &mut end => Watched::Ended(ended),
        }
    };
    let launched = Launched {
        actor: None,
        watch: watch.boxed(),
        control: Control {
            ask: Box::new(move || {
                stop.ask();
                std::future::ready(()).boxed()
            }),
            kill: Box::new(move || kill.abort()),
            abort: Box::new(move || {
                abort.abort();
                tear_down.notify_one();
            }),
            kill_reaches_start: true,
        },
        below: Below::Nothing,
    };
    std::future::ready(launched).boxed()
}

fn launch_supervisor(
    spec: &SupervisorSpec,
    parent: ActorRef<Box<Supervisor>>,
    reporter: Reporter,
) -> BoxFuture<'static, Launched> {
    let (args, life, booted) = Supervisor::args(spec.clone(), reporter, Some(parent.id()));
    async move {
        let id = args.id();
        let prepared = Box::<Supervisor>::prepare();
        let actor = prepared.actor_ref().clone();
        actor.link(&parent).await;
        let task = spawn(prepared, args);
        let handle = SupervisorRef::new(id, actor.clone(), life);
        let asked = handle.clone();
        Launched {
            actor: Some(actor.id()),
            watch: watch(
                async move {
                    match booted.await {
                        Ok(said) => said.map_err(Some),
                        // It was killed: its end says so.
                        Err(_) => Err(None),
                    }
                },
                end_of(task.end, &actor, parent),
            ),
            control: Control {
                ask: Box::new(move || {
                    let asked = asked.clone();
                    async move { asked.ask_stop().await }.boxed()
                }),
                kill: Box::new(move || actor.kill()),
                abort: Box::new(move || task.abort.abort()),
                kill_reaches_start: true,
            },
            below: Below::Supervisor(handle),
        }
    }
    .boxed()
}

/// Starts incarnations of a kameo actor whose type only its spec knows.
pub(crate) trait LaunchActor: Send + Sync {
    fn launch(self: Arc<Self>, parent: ActorRef<Box<Supervisor>>) -> BoxFuture<'static, Launched>;
}

type Factory<A> =
    Arc<dyn Fn() -> BoxFuture<'static, Result<<A as Actor>::Args, StartError>> + Send + Sync>;

pub(crate) struct ActorLaunch<A: Actor>(pub(crate) Factory<A>);

impl<A: Actor> LaunchActor for ActorLaunch<A> {
    fn launch(self: Arc<Self>, parent: ActorRef<Box<Supervisor>>) -> BoxFuture<'static, Launched> {
        async move {
            let prepared = A::prepare();
            let actor = prepared.actor_ref().clone();
            actor.link(&parent).await;
            let started = actor_started(actor.clone());
            // The factory is foreign code, so it runs in a task of its own, and so does the actor:
            // kameo knows it by its task.
            let running = Arc::new(OnceLock::new());
            let (factory, inner) = (Arc::clone(&self.0), Arc::clone(&running));
            let outer = tokio::spawn(async move {
                let args = async { factory().await }.await?;
                let task = spawn(prepared, args);
                let _ = inner.set(task.abort.clone());
                let _guard = AbortHandleOnDrop(task.abort);
                Ok::<End, StartError>(task.end.await)
            });
            let outer_abort = outer.abort_handle();
            let end = async move {
                match outer.await {
                    Ok(Ok(end)) => end,
                    Ok(Err(error)) => End::not_started(error, false),
                    Err(error) => End::lost(lost(error)),
                }
            };
            Launched {
                actor: Some(actor.id()),
                watch: watch(started, end_of(end.boxed(), &actor, parent)),
                below: Below::Nothing,
                control: Control {
                    ask: Box::new({
                        let actor = actor.clone();
                        move || {
                            let actor = actor.clone();
                            async move {
                                let _ = actor.stop_gracefully().await;
                            }
                            .boxed()
                        }
                    }),
                    kill: Box::new(move || actor.kill()),
                    abort: Box::new(move || match running.get() {
                        Some(running) => AbortHandle::abort(running),
                        None => outer_abort.abort(),
                    }),
                    kill_reaches_start: false,
                },
            }
        }
        .boxed()
    }
}

/// The task of an actor.
struct Task {
    abort: AbortHandle,
    end: BoxFuture<'static, End>,
}

/// Not async, so that a supervisor can be spawned from within a supervisor's own future.
fn spawn<A: Actor>(prepared: PreparedActor<A>, args: A::Args) -> Task {
    let mut task = AbortOnDrop(prepared.spawn(args));
    Task {
        abort: task.0.abort_handle(),
        end: async move { End::of((&mut task.0).await) }.boxed(),
    }
}

struct AbortHandleOnDrop(AbortHandle);

impl Drop for AbortHandleOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl End {
    fn of<A: Actor>(joined: Result<Result<(A, ActorStopReason), PanicError>, JoinError>) -> Self {
        match joined {
            Ok(Ok((actor, reason))) => {
                // What is left of an actor is foreign code as well.
                let dropped =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(actor)));
                let reason = match dropped {
                    Ok(()) => ExitReason::from_stop(&reason),
                    Err(payload) => ExitReason::from_payload(&*payload),
                };
                Self {
                    reason,
                    started: true,
                    orderly: true,
                    start: None,
                }
            }
            // kameo's answer for an actor whose `on_start` failed.
            Ok(Err(error)) => {
                let error = match error.downcast::<StartError>() {
                    Some(error) => error,
                    None => StartError::failed(ExitReason::from_panic(&error)),
                };
                Self::not_started(error, true)
            }
            Err(error) => Self::lost(lost(error)),
        }
    }

    fn of_worker(joined: Result<Result<ExitReason, StartError>, JoinError>) -> Self {
        match joined {
            Ok(Ok(reason)) => Self {
                reason,
                started: true,
                orderly: true,
                start: None,
            },
            Ok(Err(error)) => Self::not_started(error, true),
            Err(error) => Self::lost(lost(error)),
        }
    }

    fn not_started(error: StartError, orderly: bool) -> Self {
        Self {
            reason: ExitReason::failed(&error),
            started: false,
            orderly,
            start: Some(error),
        }
    }

    /// The same end, of a start that failed for this reason.
    fn because(mut self, error: Option<StartError>) -> Self {
        self.start = error.or(self.start);
        self
    }

    /// It did not come to its own end.
    fn lost(reason: ExitReason) -> Self {
        Self {
            reason,
            started: false,
            orderly: false,
            start: None,
        }
    }
}

/// Sees a start and an end, in this order even if both have happened.
fn watch(
    started: impl Future<Output = Result<(), Option<StartError>>> + Send + 'static,
    mut end: BoxFuture<'static, End>,
) -> BoxFuture<'static, Watched> {
    async move {
        let mut started = pin!(started);
        tokio::select! {
            biased;
            said = &mut started => match said {
                Ok(()) => Watched::Started(end),
                Err(error) => Watched::Ended(end.await.because(error)),
            },
            // The end may come between the two looks, so what was said is looked for once more; and an
            // actor can end before kameo says that it has started.
            ended = &mut end => match unconstrained(started).now_or_never() {
                Some(Err(error)) => Watched::Ended(ended.because(error)),
                None if !ended.started => Watched::Ended(ended),
                Some(Ok(())) | None => Watched::Started(std::future::ready(ended).boxed()),
            },
        }
    }
    .boxed()
}

/// Whether an actor's `on_start` succeeded; waits for ever if its task is torn down before.
async fn actor_started<A: Actor>(actor: ActorRef<A>) -> Result<(), Option<StartError>> {
    actor
        .wait_for_startup_with_result(|started| started.is_ok())
        .await
        .then_some(())
        .ok_or(None)
}

/// The end of an actor and of its link: an actor whose task was torn down leaves its link behind.
fn end_of<A: Actor>(
    end: BoxFuture<'static, End>,
    actor: &ActorRef<A>,
    parent: ActorRef<Box<Supervisor>>,
) -> BoxFuture<'static, End> {
    let (actor, parent) = (actor.downgrade(), parent.downgrade());
    async move {
        let end = end.await;
        if !end.orderly
            && let (Some(actor), Some(parent)) = (actor.upgrade(), parent.upgrade())
        {
            // In a task of its own: it takes locks that kameo takes too, and this future is polled
            // only while the supervisor has nothing else to do.
            tokio::spawn(async move { actor.unlink(&parent).await });
        }
        end
    }
    .boxed()
}

/// The end of the boot of a supervisor.
pub(crate) type Booted = oneshot::Receiver<Result<(), StartError>>;
