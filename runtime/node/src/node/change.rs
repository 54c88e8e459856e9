//! Changing what runs: more or fewer instances, an orderly restart, another component, and harm.
//!
//! Each change of an actor waits for the one before it, except for harm, which waits for nobody. A change that was begun goes on
//! when whoever asked for it goes away.

mod error;

pub use error::ChangeError;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};
use whirlwind_component::Component;
use whirlwind_supervision::{ChildError, StartError, State, SupervisorRef, slice};

use super::{Node, components};
use crate::actor::{Actor, Incarnation, instance_of};
use crate::app::MissingComponent;
use crate::manifest::{Isolation, hint};
use crate::node::ComponentError;
use crate::tree;

/// As many instances as a manifest may ask for.
const MOST_INSTANCES: u32 = 1024;

/// An actor that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name.
    pub actor: String,
    /// How many instances it has now, or will have once it is up.
    pub instances: u32,
}

impl Node {
    /// Starts instances of `actor`, or ends the last ones, until there are as many. Those that end finish their event; one that
    /// waits to be tried again goes to the others. The number holds until the node ends, across restarts of the actor; one that
    /// is down starts with it. Returns when it is done.
    ///
    /// # Errors
    /// [`ChangeError`]; as many instances as before then.
    pub async fn scale(&self, actor: &str, instances: u32) -> Result<Changed, ChangeError> {
        let (node, actor) = (self.clone(), self.actor(actor)?);
        carried_out(async move { node.do_scale(&actor, instances).await }).await
    }

    /// Stops `actor` in good order and starts it again: events in hand are finished first, the mailbox is kept, no attempt is
    /// raised, no supervisor's intensity is charged and no neighbour is touched, whatever the strategy. An actor that is down
    /// is started. Returns when it is up.
    ///
    /// # Errors
    /// [`ChangeError`]. One that does not start stays down; [`restart`](Self::restart) tries again.
    pub async fn restart(&self, actor: &str) -> Result<Changed, ChangeError> {
        let (node, actor) = (self.clone(), self.actor(actor)?);
        carried_out(async move { node.do_restart(&actor).await }).await
    }

    /// Harms `actor`, to see it heal: its instances end in mid-call, and the end is charged to the supervisor above, which does
    /// what its strategy says. Events in hand are handled again, their attempt as it was. Returns when the instances have ended.
    ///
    /// # Errors
    /// [`ChangeError`]: one that is down cannot be harmed.
    pub async fn kill_actor(&self, actor: &str) -> Result<Changed, ChangeError> {
        let actor = self.actor(actor)?;
        let above = self.above(&actor).await?;
        let name = actor.name();
        let family = above.status().await.children;
        match family.iter().find(|child| child.id == *name) {
            None => return Err(gone(&actor)),
            Some(child) if matches!(child.state, State::Restarting | State::Stopped) => {
                return Err(ChangeError::Down {
                    actor: name.to_string(),
                    state: child.state.as_str(),
                });
            }
            Some(_) => {}
        }
        // Before: the one that comes after it lives on.
        let incarnation = actor.changes.incarnation();
        let killed = above.kill_child(name).await;
        killed.map_err(|error| self.refused(&actor, &above, error))?;
        if let Some(incarnation) = incarnation {
            incarnation.instances.ended().await;
        }
        Ok(changed(&actor))
    }

    /// Puts another component behind the mailbox of `actor`: the one in `file`, or in the manifest's file as it is now. It is
    /// compiled and tried first. Then the instances are replaced one after the other, each when it has finished its event. It
    /// stays when the actor is restarted, by whomever, until the node ends. Returns when all are replaced.
    ///
    /// # Errors
    /// [`ChangeError`]: the actor then goes on with the component it had.
    pub async fn reload(&self, actor: &str, file: Option<&Path>) -> Result<Changed, ChangeError> {
        let (node, actor) = (self.clone(), self.actor(actor)?);
        let file = file.map(Path::to_owned);
        carried_out(async move { node.do_reload(&actor, file).await }).await
    }

    async fn do_scale(&self, actor: &Actor, instances: u32) -> Result<Changed, ChangeError> {
        let _one_at_a_time = actor.changes.one_at_a_time.lock().await;
        self.not_stopping()?;
        let before = self.take_room(actor, instances)?;
        let Some(mut incarnation) = actor.changes.running().await else {
            // Its next start goes by the number.
            return self.not_stopping().map(|()| changed(actor));
        };
        match actor.resize(&mut incarnation).await {
            Ok(()) => Ok(changed(actor)),
            // It is going down; whoever starts it again goes by the number.
            Err(ChildError::Stopping) => self.not_stopping().map(|()| changed(actor)),
            Err(error) => {
                actor.changes.set_instances(before);
                // Those that were started too many end; if that is not to be, the whole actor does. It may have
                // been started anew meanwhile, by the number that is not to be.
                if let Some(mut present) = actor.changes.incarnation() {
                    let _ = actor.resize(&mut present).await;
                }
                Err(ChangeError::NotStarted {
                    actor: actor.name().to_string(),
                    error: reason(error),
                })
            }
        }
    }

    /// Sets the number of instances if there is room for them. Answers the number before.
    fn take_room(&self, actor: &Actor, instances: u32) -> Result<u32, ChangeError> {
        if !(1..=MOST_INSTANCES).contains(&instances) {
            return Err(ChangeError::Number {
                actor: actor.name().to_string(),
                instances,
                most: MOST_INSTANCES,
            });
        }
        let _sum = self.0.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let isolation = actor.spec.isolation;
        let others = |counted: &dyn Fn(&Actor) -> bool| -> usize {
            let others = self.0.actors.values().map(|other| &**other);
            let others = others.filter(|other| other.name() != actor.name() && counted(other));
            others
                .map(|other| usize::try_from(other.changes.instances()).unwrap_or(usize::MAX))
                .fold(0, usize::saturating_add)
        };
        let wanted = usize::try_from(instances).unwrap_or(usize::MAX);
        let machine = self.0.engine.capacity();
        let all = others(&|_| true);
        if all.saturating_add(wanted) > machine {
            return Err(ChangeError::NoRoom {
                actor: actor.name().to_string(),
                instances,
                room: machine.saturating_sub(all),
                why: "the limit of memory maps leaves no more; raise it with `sysctl vm.max_map_count` and start the node again",
            });
        }
        if isolation == Isolation::PerMessage {
            let pool = components::pool(&self.0.app).instances;
            // One place is for a component that is tried.
            let pool = usize::try_from(pool)
                .unwrap_or(usize::MAX)
                .saturating_sub(1);
            let pooled = others(&|other| other.spec.isolation == Isolation::PerMessage);
            if pooled.saturating_add(wanted) > pool {
                return Err(ChangeError::NoRoom {
                    actor: actor.name().to_string(),
                    instances,
                    room: pool.saturating_sub(pooled),
                    why: "the pool of instances per message has a fixed size; raise `instances` in the manifest and start the node again",
                });
            }
        }
        let before = actor.changes.instances();
        actor.changes.set_instances(instances);
        Ok(before)
    }

    async fn do_restart(&self, actor: &Actor) -> Result<Changed, ChangeError> {
        let _one_at_a_time = actor.changes.one_at_a_time.lock().await;
        let above = self.above(actor).await?;
        let refused = |error| self.refused(actor, &above, error);
        above.terminate_child(actor.name()).await.map_err(refused)?;
        match above.restart_child(actor.name()).await {
            // Its group was restarted meanwhile, and it with it.
            Ok(()) | Err(ChildError::Running(_)) => Ok(changed(actor)),
            Err(ChildError::Restarting(_)) => Err(ChangeError::Away {
                actor: actor.name().to_string(),
                supervisor: above.id().to_owned(),
                state: "restarting it",
            }),
            Err(error) => Err(refused(error)),
        }
    }

    async fn do_reload(
        &self,
        actor: &Actor,
        file: Option<PathBuf>,
    ) -> Result<Changed, ChangeError> {
        let _one_at_a_time = actor.changes.one_at_a_time.lock().await;
        self.not_stopping()?;
        let component = self.fitting(actor, file).await?;
        // A start that has begun goes by one component.
        actor.changes.running().await;
        let old = actor.changes.replace_component(component);
        let Some(Incarnation { instances, slots }) = actor.changes.running().await else {
            // Its next start takes it.
            return self.not_stopping().map(|()| changed(actor));
        };
        for slot in 0..slots {
            match renew(&instances, slot).await {
                Ok(()) => {}
                // It is going down; whoever starts it again takes the new component.
                Err(ChildError::Stopping) => return self.not_stopping().map(|()| changed(actor)),
                Err(error) => {
                    actor.changes.replace_component(old);
                    let (actor, error) = (actor.name().to_string(), reason(error));
                    return Err(match put_back(&instances, slot).await {
                        Ok(()) => ChangeError::PutBack { actor, error },
                        Err(_) => ChangeError::Neither { actor, error },
                    });
                }
            }
        }
        Ok(changed(actor))
    }

    /// The component for `actor` in `file`, or in the manifest's; one of its instances has been made.
    async fn fitting(
        &self,
        actor: &Actor,
        file: Option<PathBuf>,
    ) -> Result<Component, ChangeError> {
        let inner = &self.0;
        let given = file.is_some();
        let file = file.unwrap_or_else(|| actor.spec.component.clone());
        if !given && !file.is_file() {
            let missing = MissingComponent {
                actor: actor.name().to_string(),
                path: file,
                can_be_built: actor.spec.build.is_some(),
            };
            return Err(ChangeError::Component(ComponentError::Missing(missing)));
        }
        let loading = components::load_one(
            &inner.app,
            &inner.engine,
            &inner.providers.stores,
            &actor.spec,
            file.clone(),
        );
        let component = loading.await?;
        match instance_of(&component).await {
            Ok(_tried) => Ok(component),
            Err(error) => Err(ChangeError::NoInstance { file, error }),
        }
    }

    fn actor(&self, name: &str) -> Result<Arc<Actor>, ChangeError> {
        let actors = &self.0.actors;
        actors.get(name).cloned().ok_or_else(|| {
            let known = actors.keys().map(String::as_str);
            ChangeError::Unknown {
                actor: name.to_owned(),
                hint: hint(name, known, "the actors are"),
            }
        })
    }

    fn not_stopping(&self) -> Result<(), ChangeError> {
        match self.0.stopping.is_cancelled() {
            true => Err(ChangeError::Stopping),
            false => Ok(()),
        }
    }

    /// The supervisor that `actor` stands under, in its present incarnation.
    async fn above(&self, actor: &Actor) -> Result<SupervisorRef, ChangeError> {
        self.not_stopping()?;
        let mut at = self.0.tree.wait().await.clone();
        for name in tree::path(&self.0.app.root, actor.name()).unwrap_or_default() {
            at = match at.supervisor(name).await {
                Some(below) => below,
                None => {
                    let family = at.status().await.children;
                    let stays = family.iter().find(|child| *child.id == *name);
                    return Err(ChangeError::Away {
                        actor: actor.name().to_string(),
                        supervisor: name.to_owned(),
                        state: stays.map_or("gone for good", |child| child.state.as_str()),
                    });
                }
            };
        }
        Ok(at)
    }

    /// What it means that the supervisor above refuses.
    fn refused(&self, actor: &Actor, above: &SupervisorRef, error: ChildError) -> ChangeError {
        match error {
            ChildError::NotFound(_) => gone(actor),
            ChildError::Stopping => match self.not_stopping() {
                Err(stopping) => stopping,
                Ok(()) => ChangeError::Away {
                    actor: actor.name().to_string(),
                    supervisor: above.id().to_owned(),
                    state: State::Stopping.as_str(),
                },
            },
            error => ChangeError::NotStarted {
                actor: actor.name().to_string(),
                error: format!("{}; it stays down until it is restarted", reason(error)),
            },
        }
    }
}

/// Replaces the instance in one slot. The new one takes the lowest free slot, which is this one.
async fn renew(instances: &SupervisorRef, slot: usize) -> Result<(), ChildError> {
    instances.terminate_slot(slot).await?;
    instances.start_slot().await.map(drop)
}

/// Instances of the component as it was, after the one in slot `empty` did not start.
async fn put_back(instances: &SupervisorRef, empty: usize) -> Result<(), ChildError> {
    let mut started = instances.start_slot().await.map(drop);
    for slot in 0..empty {
        if started.is_ok() {
            started = renew(instances, slot).await;
        }
    }
    if started.is_err() {
        // The actor ends with them, and its supervisor does what it does at any other failure.
        instances.kill();
    }
    started
}

fn changed(actor: &Actor) -> Changed {
    Changed {
        actor: actor.name().to_string(),
        instances: actor.changes.instances(),
    }
}

fn gone(actor: &Actor) -> ChangeError {
    ChangeError::Gone {
        actor: actor.name().to_string(),
    }
}

/// What the child itself says, without its name.
fn reason(error: ChildError) -> String {
    match error {
        ChildError::Start {
            error: StartError::Failed(words),
            ..
        } => words.to_string(),
        ChildError::Start { error, .. } => error.to_string(),
        error => error.to_string(),
    }
}

/// Carries a change out in a task of its own, which ends unless the whole runtime does.
async fn carried_out(
    change: impl Future<Output = Result<Changed, ChangeError>> + Send + 'static,
) -> Result<Changed, ChangeError> {
    let carried_out = tokio::spawn(slice::used_up(Box::pin(change))).await;
    carried_out.unwrap_or(Err(ChangeError::Stopping))
}
