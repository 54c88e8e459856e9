//! What a store holds: all that the host's side of one instance knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use whirlwind_event::EventBuilder;
use whirlwind_provider_api::Staged;

use crate::limits::{HANDLES, Meter};
use crate::outbox::{Outbox, PublishError};
use crate::output::Stream;
use crate::settings::Shared;

/// The data of a [`Store`](wasmtime::Store).
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    /// Where the running turn publishes; none while no turn runs.
    pub(crate) outbox: Option<Box<dyn Outbox>>,
    /// What the running turn does to buckets; none where it acts at once, and while no turn runs.
    pub(crate) staged: Option<Staged>,
    /// Epoch ticks that guest code of this turn has seen.
    pub(crate) ticks: u64,
    _live: Live,
}

impl State {
    pub(crate) fn new(shared: Arc<Shared>, live: Live) -> Self {
        let stdout = Stream::stdout(Arc::clone(&shared.voice));
        let stderr = Stream::stderr(Arc::clone(&shared.voice));
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            wasi: crate::host::wasi::context(&shared, stdout.clone(), stderr.clone()),
            table,
            meter: Meter::new(shared.limits.clone()),
            stdout,
            stderr,
            outbox: None,
            staged: None,
            ticks: 0,
            shared,
            _live: live,
        }
    }

    /// A turn begins, or a start, which has no outbox and whose writes take effect at once.
    pub(crate) fn begin(&mut self, outbox: Option<Box<dyn Outbox>>, staged: Option<Staged>) {
        self.outbox = outbox;
        self.staged = staged;
        self.ticks = 0;
        self.meter.begin_turn();
        self.stderr.begin_turn();
    }

    /// Publishes `size` bytes in this turn. The outer error is a trap.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        event: EventBuilder,
        size: usize,
    ) -> wasmtime::Result<Result<String, PublishError>> {
        let Some(outbox) = &mut self.outbox else {
            return Ok(Err(PublishError::outside_a_turn()));
        };
        // Counted also if it is refused: making the event was work for the host.
        self.meter.publish(size)?;
        Ok(outbox.publish(topic, event))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.stdout.end_line();
        self.stderr.end_line();
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// One living store, counted while it lives.
#[derive(Debug)]
pub(crate) struct Live(Arc<AtomicUsize>);

impl Live {
    /// Counts one more, unless there are `most` already.
    pub(crate) fn one_of(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        // Relaxed: the count guards no other memory.
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                (live < most).then_some(live + 1)
            })
            .ok()
            .map(|_| Self(Arc::clone(count)))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_live_than_there_is_room_for() {
        let count = Arc::default();
        let first = Live::one_of(&count, 2);
        let second = Live::one_of(&count, 2);
        assert!(first.is_some() && second.is_some());
        assert!(Live::one_of(&count, 2).is_none());
        drop(first);
        assert!(Live::one_of(&count, 2).is_some());
        drop(second);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
