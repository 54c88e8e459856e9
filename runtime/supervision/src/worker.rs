//! The kameo actor around a worker's future.
//!
//! The run is a task of its own, so nothing is polled beside it: the actor only waits for its end.
//! Ending the actor, in whatever way, ends the task.

use std::{ops::ControlFlow, panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use kameo::{
    Actor,
    actor::{ActorId, ActorRef, WeakActorRef},
    error::{ActorStopReason, PanicError},
    mailbox::{MailboxReceiver, Signal},
};
use tokio::task::{JoinError, JoinHandle};

use crate::{
    error::StartError,
    exit::{ExitReason, panic_text},
    stop::Stop,
};

/// A worker's run, started.
pub(crate) type Run = BoxFuture<'static, ExitReason>;

/// What starts an incarnation of a worker.
pub(crate) type WorkerStart =
    Arc<dyn Fn(Stop) -> BoxFuture<'static, Result<Run, StartError>> + Send + Sync>;

/// The actor around one incarnation.
pub(crate) struct Worker {
    run: AbortOnDrop<ExitReason>,
    stop: Stop,
}

/// What an incarnation is made from.
pub(crate) struct WorkerArgs {
    pub(crate) start: WorkerStart,
    pub(crate) stop: Stop,
}

impl Actor for Worker {
    type Args = WorkerArgs;
    type Error = ExitReason;

    fn name() -> &'static str {
        "worker"
    }

    async fn on_start(args: WorkerArgs, _: ActorRef<Self>) -> Result<Self, ExitReason> {
        let WorkerArgs { start, stop } = args;
        // The call itself is inside, so a factory that panics before its first await is caught too.
        let starting = AssertUnwindSafe(async { start(stop.clone()).await });
        match starting.catch_unwind().await {
            Ok(Ok(run)) => Ok(Self {
                run: AbortOnDrop(tokio::spawn(run)),
                stop,
            }),
            Ok(Err(error)) => Err(ExitReason::failed(error)),
            Err(payload) => Err(ExitReason::failed(panic_text(&*payload))),
        }
    }

    async fn next(
        &mut self,
        _: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, ExitReason> {
        loop {
            tokio::select! {
                // The signal of its start comes before its end.
                biased;
                signal = mailbox.recv() => match signal {
                    Some(Signal::Stop | Signal::SupervisorRestart) => self.stop.ask(),
                    signal => return Ok(signal),
                },
                end = &mut self.run.0 => return Err(end.unwrap_or_else(lost)),
            }
        }
    }

    async fn on_panic(
        &mut self,
        _: WeakActorRef<Self>,
        error: PanicError,
    ) -> Result<ControlFlow<ActorStopReason>, ExitReason> {
        Ok(ControlFlow::Break(ExitReason::from_panic(&error).into()))
    }

    async fn on_link_died(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorId,
        _: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, ExitReason> {
        // The supervisor ended without ending its children: nobody is left to watch.
        Ok(ControlFlow::Break(ActorStopReason::Killed))
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorStopReason,
    ) -> Result<(), ExitReason> {
        // The incarnation has ended when its future is dropped, not when that was asked for.
        if !self.run.0.is_finished() {
            self.run.0.abort();
            let _ = (&mut self.run.0).await;
        }
        Ok(())
    }
}

/// The reason of a task that did not come to its own end.
pub(crate) fn lost(error: JoinError) -> ExitReason {
    match error.try_into_panic() {
        Ok(payload) => ExitReason::failed(panic_text(&*payload)),
        Err(_) => ExitReason::Killed,
    }
}

/// A task that does not outlive its holder.
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
