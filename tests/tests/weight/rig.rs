//! How a row is run: alone in the process, on a runtime such as the binary's.

use std::sync::{Mutex, PoisonError};

/// Runs one row while no other runs, on two threads.
pub fn alone(row: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .event_interval(8)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(row);
}
