//! The task of a worker: its start, and then its run.
//!
//! It is no kameo actor: nobody sends it anything, and a queue that stays empty would be half of what an idle one weighs.

use std::{pin::pin, sync::Arc};

use futures::future::BoxFuture;
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle, yield_now},
};

use crate::{
    error::StartError,
    exit::{ExitReason, panic_text},
    slice,
    stop::Stop,
};

/// A worker's run, started.
pub(crate) type Run = BoxFuture<'static, ExitReason>;

/// What starts an incarnation of a worker.
pub(crate) type WorkerStart =
    Arc<dyn Fn(Stop) -> BoxFuture<'static, Result<Run, StartError>> + Send + Sync>;

/// One incarnation.
pub(crate) struct Worker {
    /// Told when it has started; closed if its start failed, panicked or was aborted.
    pub(crate) started: oneshot::Receiver<()>,
    pub(crate) task: AbortOnDrop<Result<ExitReason, StartError>>,
}

impl Worker {
    pub(crate) fn spawn(start: WorkerStart, stop: Stop) -> Self {
        let (say, started) = oneshot::channel();
        let task = tokio::spawn(async move {
            let life = pin!(async {
                // The call itself is inside: a factory may panic before its first await.
                let run = start(stop).await?;
                // Its supervisor may be gone. It hears of this before the run begins, which may block the thread that it was woken on.
                let _ = say.send(());
                yield_now().await;
                Ok(run.await)
            });
            slice::used_up(life).await
        });
        Self {
            started,
            task: AbortOnDrop(task),
        }
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
