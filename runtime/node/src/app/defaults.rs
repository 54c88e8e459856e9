//! What holds where a manifest says nothing.

use std::time::Duration;

pub(super) const INSTANCES: u32 = 1;

/// Events in a mailbox: at 1 KiB each a sixteenth of [`MAILBOX_BYTES`], so small events are bounded by count and large by bytes.
pub(super) const MAILBOX_CAPACITY: u32 = 1024;
pub(super) const MAILBOX_BYTES: u64 = 16 << 20;

pub(super) const MEMORY: u64 = 64 << 20;

/// One page of linear memory: with less no component starts.
pub(super) const LEAST_MEMORY: u64 = 64 << 10;

/// All that 32-bit addresses reach.
pub(super) const MOST_MEMORY: u64 = 4 << 30;

pub(super) const DEADLINE: Duration = Duration::from_secs(5);

pub(super) const MAX_DELIVER: u32 = 3;
pub(super) const RETRY_MIN: Duration = Duration::from_millis(50);

/// As long as a [`DEADLINE`]: an actor that fails slowly and one that fails fast are tried about as often.
pub(super) const RETRY_MAX: Duration = Duration::from_secs(5);

pub(super) const MAX_HOPS: u32 = 64;

/// Two [`DEADLINE`]s: what is in hand and one more.
pub(super) const DRAIN: Duration = Duration::from_secs(10);

/// Erlang tolerates 1 in 5 s; an actor here is fed from outside, where bad luck comes in bursts.
pub(super) const MAX_RESTARTS: u32 = 5;
pub(super) const WITHIN: Duration = Duration::from_secs(10);

pub(super) const RESTART_MIN: Duration = Duration::from_millis(100);
pub(super) const RESTART_MAX: Duration = Duration::from_secs(30);
pub(super) const JITTER: f64 = 0.2;

/// The largest event on a topic without a rule: a sixteenth of [`MAILBOX_BYTES`], so that no single event fills a mailbox.
pub(super) const MAX_EVENT: u64 = 1 << 20;

/// The bucket of a link that names only its provider, and the identifier of a link without one.
pub(super) const DEFAULT: &str = "default";
