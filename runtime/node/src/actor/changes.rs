//! What can be changed of an actor while it runs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use whirlwind_component::Component;
use whirlwind_supervision::{ChildError, SupervisorRef};

use super::Actor;

/// How many instances an actor should have and of which component: what every start of it goes by, whoever starts it.
#[derive(Debug)]
pub(crate) struct Changes {
    instances: AtomicU32,
    component: Mutex<Component>,
    /// Its present incarnation in the tree, or the last one.
    incarnation: Mutex<Option<Incarnation>>,
    /// Held by whoever changes it: one change at a time. Nothing that runs waits for it.
    pub(crate) one_at_a_time: tokio::sync::Mutex<()>,
}

/// The supervisor of an actor's instances, from one start to the next.
#[derive(Clone, Debug)]
pub(crate) struct Incarnation {
    pub(crate) instances: SupervisorRef,
    /// How many slots it has: numbers 0 to `slots` - 1. Nobody else starts or ends any.
    pub(crate) slots: usize,
}

impl Changes {
    pub(crate) fn new(instances: u32, component: Component) -> Self {
        Self {
            instances: AtomicU32::new(instances),
            component: Mutex::new(component),
            incarnation: Mutex::new(None),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// How many instances there should be.
    pub(crate) fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }

    /// To be followed by a look at [`incarnation`](Self::incarnation): an incarnation that starts later goes by the number.
    pub(crate) fn set_instances(&self, instances: u32) {
        self.instances.store(instances, Ordering::Relaxed);
    }

    /// What instances are made of.
    pub(crate) fn component(&self) -> Component {
        lock(&self.component).clone()
    }

    /// From now on instances are made of `component`. Gives back what they were made of.
    pub(crate) fn replace_component(&self, component: Component) -> Component {
        std::mem::replace(&mut lock(&self.component), component)
    }

    /// The present incarnation, or the last one, which then refuses all; none before the first start.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        lock(&self.incarnation).clone()
    }

    /// The present incarnation, once it has started; none when the actor is down.
    pub(crate) async fn running(&self) -> Option<Incarnation> {
        let incarnation = self.incarnation()?;
        incarnation.instances.started().await.then_some(incarnation)
    }

    fn resized(&self, incarnation: &Incarnation) {
        let same = |known: &&mut Incarnation| {
            known.instances.actor_id() == incarnation.instances.actor_id()
        };
        if let Some(known) = lock(&self.incarnation).as_mut().filter(same) {
            known.slots = incarnation.slots;
        }
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.instances()).unwrap_or(usize::MAX)
    }
}

impl Actor {
    /// An incarnation begins to start. Answers how many instances it starts with.
    pub(super) fn came_up(&self, instances: &SupervisorRef) -> usize {
        // Under the lock: who changes the number and then looks sees this incarnation, or this sees the number.
        let mut incarnation = lock(&self.changes.incarnation);
        let slots = self.changes.wanted();
        self.inbox.workers(slots);
        *incarnation = Some(Incarnation {
            instances: instances.clone(),
            slots,
        });
        slots
    }

    /// Starts instances, or ends the highest ones, until there are as many as there should be. An instance that ends finishes
    /// its event; one that it cannot finish goes to those that stay.
    pub(crate) async fn resize(&self, incarnation: &mut Incarnation) -> Result<(), ChildError> {
        let wanted = self.changes.wanted();
        self.inbox.workers(wanted);
        while incarnation.slots < wanted {
            incarnation.instances.start_slot().await?;
            incarnation.slots += 1;
            self.changes.resized(incarnation);
        }
        while incarnation.slots > wanted {
            let last = incarnation.slots - 1;
            incarnation.instances.terminate_slot(last).await?;
            incarnation.slots = last;
            self.changes.resized(incarnation);
        }
        Ok(())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
