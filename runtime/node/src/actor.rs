//! A component as an actor of the tree.
//!
//! What must outlive a crash (mailbox, compiled component, counters) is the [`Actor`], which the app holds. What crashes and
//! comes again is below it: the [`component_actor`] in the tree, and under that one [`worker`] for each instance.

mod changes;
pub(crate) mod component_actor;
mod failed;
mod identity;
mod outbox;
pub(crate) mod staged;
mod worker;

pub(crate) use changes::{Changes, Incarnation};
pub(crate) use failed::{FailedDeliveries, Message};
pub(crate) use worker::instance_of;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use whirlwind_bus::{Bus, Inbox, LeftInHand};

use crate::app;
use crate::lifecycle::Lifecycle;

/// What the app holds of an actor.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) spec: app::Actor,
    /// `/<app>/<actor>`: the source of the events it publishes.
    pub(crate) source: String,
    /// How many instances it should have, of which component.
    pub(crate) changes: Changes,
    pub(crate) bus: Arc<Bus>,
    pub(crate) inbox: Inbox,
    /// The pause before an instance is made again, from the supervisor it stands under.
    pub(crate) backoff: app::Backoff,
    pub(crate) live: AtomicUsize,
    pub(crate) restarts: AtomicU64,
    /// Turns that ran in vain, since others changed what they had read.
    pub(crate) conflicts: AtomicU64,
    pub(crate) failed: FailedDeliveries,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) presence: Mutex<Presence>,
}

/// Whether an actor is there to read its mailbox, now or after a restart.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// How often it has started: who looked at the tree before the last start knows nothing.
    pub(crate) starts: u64,
    /// Whether it has left the tree for good.
    pub(crate) gone: bool,
}

impl Actor {
    pub(crate) fn name(&self) -> &Arc<str> {
        self.inbox.name()
    }

    /// How many of its instances run now.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// How many instances were replaced since the node started.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// How many turns ran in vain since the node started.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// The event that the last instance in `slot` left in hand.
    pub(crate) fn left_in(&self, slot: usize) -> Option<LeftInHand> {
        let left = self.inbox.left_in_hand();
        left.into_iter().find(|left| left.worker == slot)
    }

    /// The messages that its ends of the last `within` have to do with: those whose failed deliveries were charged to it, and those
    /// that an instance which is gone left in hand.
    pub(crate) fn concerned(&self, within: Duration) -> Vec<Message> {
        let mut messages = self.failed.recent(within);
        for left in self.inbox.left_in_hand() {
            let (topic, event) = (left.topic, left.event);
            if !messages
                .iter()
                .any(|known| Arc::ptr_eq(&known.event, &event))
            {
                messages.push(Message { topic, event });
            }
        }
        messages
    }
}
