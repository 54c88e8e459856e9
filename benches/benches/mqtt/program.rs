//! Programs beside each other.

use tokio::runtime::{Builder, Runtime};

/// A runtime with threads of its own, as another program's would be: who sends, who is measured and who is the floor share a
/// machine, not a scheduler.
pub struct Program(Option<Runtime>);

impl Program {
    /// One that does a single thing at a time.
    pub fn single() -> Self {
        Self::of(Builder::new_multi_thread().worker_threads(1))
    }

    /// One that runs as the binary does.
    pub fn new() -> Self {
        Self::of(Builder::new_multi_thread().event_interval(8))
    }

    fn of(builder: &mut Builder) -> Self {
        Self(Some(builder.enable_all().build().unwrap()))
    }

    /// Runs this in it to the end.
    pub async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime().spawn(future).await.unwrap()
    }

    /// Runs this in it until it is dropped.
    pub fn start(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(future);
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is dropped once")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
