//! What one instance may take of the host.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// The bounds of one component. What the manifest can set is here; what follows from it or never needs
/// to be set are the constants of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories of an instance together. Growing past it fails, as the
    /// WebAssembly standard says: `memory.grow` answers -1, and an instance that starts with more does
    /// not start.
    pub memory: usize,
    /// How long a turn, or a start, may take from its first instruction: by the clock, whatever the
    /// guest does meanwhile.
    pub deadline: Duration,
    /// Bytes that the host keeps for an instance at any time: the contents of the messages it holds, what
    /// it published in this turn, and the key-value entries it wrote or that its end will compare. Past it,
    /// the guest is trapped.
    pub host_memory: usize,
}

impl Default for Limits {
    /// 64 MiB, 5 s, 32 MiB.
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            deadline: Duration::from_secs(5),
            host_memory: 32 << 20,
        }
    }
}

/// Bytes of WebAssembly stack: wasmtime's own default, named so that it cannot change unseen.
pub(crate) const WASM_STACK: usize = 512 << 10;

/// Bytes that one call into the host may carry. Above the 16 MiB of the largest key-value batch and
/// its keys; with [`Limits::host_memory`] at its default it keeps an instance under 64 MiB of the host.
pub(crate) const HOSTCALL_BYTES: usize = 24 << 20;

/// Handles to host resources (messages, buckets, streams, ...) that an instance may hold at once.
pub(crate) const HANDLES: usize = 4096;

/// Bytes of random data in one call.
pub(crate) const RANDOM_BYTES: u64 = 1 << 20;

/// Core instances, memories and tables of one component instance. Components that link dozens of
/// libraries (Python's do) stay below.
const CORE_INSTANCES: usize = 256;
const MEMORIES: usize = 64;
const TABLES: usize = 256;

/// Elements of all tables together; each costs the host a pointer.
const TABLE_ELEMENTS: usize = 1 << 18;

/// Bytes counted for a thing that the host keeps, beside its contents: an event with its attributes and
/// its place in an outbox takes 550 and more, measured over 100,000 of them.
pub(crate) const KEPT_OVERHEAD: usize = 512;

/// Counts what an instance takes.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    memory: usize,
    table_elements: usize,
    /// Whether memory was refused since the turn began.
    refused: bool,
    /// Bytes in live handles.
    held: usize,
    /// Bytes published in this turn.
    published: usize,
    /// Bytes of what this turn read and wrote in buckets, kept until its end.
    staged: usize,
}

/// The host would have to keep more than [`Limits::host_memory`] for a guest.
#[derive(Debug, thiserror::Error)]
#[error("held more than {} of messages, publishes and key-value entries on the host", crate::text::bytes(*.limit))]
pub(crate) struct HostMemory {
    limit: usize,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory: 0,
            table_elements: 0,
            refused: false,
            held: 0,
            published: 0,
            staged: 0,
        }
    }

    pub(crate) fn begin_turn(&mut self) {
        self.refused = false;
        self.published = 0;
        self.staged = 0;
    }

    /// Whether the guest was refused memory since the turn began.
    pub(crate) fn refused_memory(&self) -> bool {
        self.refused
    }

    /// Counts bytes in a handle in place of the `old` ones it held.
    pub(crate) fn hold(&mut self, old: usize, new: usize) -> Result<(), HostMemory> {
        self.held = self.held.saturating_sub(old).saturating_add(new);
        self.check()
    }

    /// A handle with these bytes is gone.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Counts bytes that wait in the outbox for the end of the turn.
    pub(crate) fn publish(&mut self, bytes: usize) -> Result<(), HostMemory> {
        self.published = self
            .published
            .saturating_add(bytes)
            .saturating_add(KEPT_OVERHEAD);
        self.check()
    }

    /// Counts `bytes` of key-value reads and writes that wait for the end of the turn, in place of those before.
    pub(crate) fn stage(&mut self, bytes: usize) -> Result<(), HostMemory> {
        self.staged = bytes;
        self.check()
    }

    fn check(&self) -> Result<(), HostMemory> {
        let kept = [self.held, self.published, self.staged];
        let kept = kept.into_iter().fold(0, usize::saturating_add);
        if kept > self.limits.host_memory {
            return Err(HostMemory {
                limit: self.limits.host_memory,
            });
        }
        Ok(())
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory || maximum.is_some_and(|maximum| desired > maximum) {
            self.refused = true;
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // What was counted for it stays counted: this is also called for growths that `memory_growing`
        // was not asked about, and giving those bytes back would let a guest wind the count down.
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > TABLE_ELEMENTS || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
