//! What can be changed of an actor while it runs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kameo::actor::{ActorRef, WeakActorRef};
use whirlwind_component::Component;
use whirlwind_supervision::{ChildError, SupervisorRef};

use super::Actor;
use super::component_actor::{ComponentActor, Running};

/// How many instances an actor should have and of which component: what every start of it goes by, whoever starts it.
#[derive(Debug)]
pub(crate) struct Changes {
    instances: AtomicU32,
    component: Mutex<Component>,
    /// Its present incarnation in the tree, or the last one.
    incarnation: Mutex<Option<WeakActorRef<ComponentActor>>>,
    /// Held by whoever changes it: one change at a time. Nothing that runs waits for it.
    pub(crate) one_at_a_time: tokio::sync::Mutex<()>,
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
        // SeqCst pairs with `came_up`: either the incarnation that starts sees the new number, or whoever set it sees the
        // incarnation.
        self.instances.load(Ordering::SeqCst)
    }

    pub(crate) fn set_instances(&self, instances: u32) {
        self.instances.store(instances, Ordering::SeqCst);
    }

    /// What instances are made of.
    pub(crate) fn component(&self) -> Component {
        lock(&self.component).clone()
    }

    /// From now on instances are made of `component`. Gives back what they were made of.
    pub(crate) fn replace_component(&self, component: Component) -> Component {
        std::mem::replace(&mut lock(&self.component), component)
    }

    /// An incarnation begins to start: it has not yet looked how many instances there should be.
    pub(super) fn came_up(&self, incarnation: &ActorRef<ComponentActor>) {
        *lock(&self.incarnation) = Some(incarnation.downgrade());
    }

    /// The supervisor of the instances, once it has started; none when the actor is down.
    pub(crate) async fn running(&self) -> Option<SupervisorRef> {
        let incarnation = lock(&self.incarnation).clone()?.upgrade()?;
        incarnation.ask(Running).send().await.ok().flatten()
    }
}

impl Actor {
    /// Starts instances, or ends the highest ones, until there are as many as there should be. An instance that ends finishes
    /// its event; one that it cannot finish goes to those that stay.
    pub(crate) async fn resize(&self, instances: &SupervisorRef) -> Result<(), ChildError> {
        // Nobody else starts or ends slots, so those there are have the lowest numbers.
        let mut there = instances.count_children().await.specs;
        loop {
            let wanted = usize::try_from(self.changes.instances()).unwrap_or(usize::MAX);
            self.inbox.workers(wanted);
            if there < wanted {
                instances.start_slot().await?;
                there += 1;
            } else if there > wanted {
                there -= 1;
                instances.terminate_slot(there).await?;
            } else {
                return Ok(());
            }
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
