//! How a row is run: alone in the process, on a runtime such as the binary's.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::Builder;

static ALONE: Mutex<()> = Mutex::new(());

/// Runs one row while no other runs, on two threads.
pub fn alone(row: impl Future<Output = ()>) {
    run(
        Builder::new_multi_thread()
            .worker_threads(2)
            .event_interval(8),
        row,
    );
}

/// The same on one thread and with a clock that stands still while anything runs.
pub fn alone_in_time(row: impl Future<Output = ()>) {
    run(Builder::new_current_thread().start_paused(true), row);
}

fn run(runtime: &mut Builder, row: impl Future<Output = ()>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.enable_all().build().unwrap().block_on(row);
}
