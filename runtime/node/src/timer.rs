//! Timers: the doors that publish by the clock.
//!
//! A timer has one event on its way at most. A tick whose time comes while another still waits for room in a mailbox has been
//! missed, as has one that found no room, or whose time passed while nobody looked: it is counted and not made up for.

mod schedule;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use whirlwind_event::{Event, EventBuilder, EventError};
use whirlwind_supervision::{ChildSpec, ExitReason, StartError, Stop};

use crate::app;
use crate::node::{Inner, PublishError};
use crate::part::Part;
use schedule::{Look, Now, Schedule};

/// The wall clock.
type Wall = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// A timer and what has become of its ticks. It outlives the child that runs it: one that is started again goes on where the
/// last one was, and what was due in between has been missed.
pub(crate) struct Timer {
    of: app::Timer,
    /// `/<app>/<timer>`
    source: String,
    wall: Wall,
    begun: Mutex<Option<Begun>>,
    published: AtomicU64,
    missed: AtomicU64,
    /// Missed ones of which no event has told yet.
    untold: AtomicU64,
}

/// Since the first start.
struct Begun {
    at: Instant,
    schedule: Schedule,
}

/// A tick on its way. Unless it arrives it has been missed, whatever became of the child.
struct Tick<'a> {
    timer: &'a Timer,
    /// The missed ones of which its event tells.
    told: u64,
    arrived: bool,
}

impl Timer {
    pub(crate) fn new(app: &str, timer: &app::Timer) -> Arc<Self> {
        Arc::new(Self::by(app, timer, Arc::new(Utc::now)))
    }

    fn by(app: &str, timer: &app::Timer, wall: Wall) -> Self {
        Self {
            source: format!("/{app}/{}", timer.name),
            of: timer.clone(),
            wall,
            begun: Mutex::new(None),
            published: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.of.name
    }

    /// Its line in a listing.
    pub(crate) fn part(&self, door: Part) -> Part {
        let missed = self.missed.load(Ordering::Relaxed);
        let detail = match missed {
            0 => None,
            1 => Some(
                "1 tick was missed: a mailbox was full, or the clock or the node stood still"
                    .to_owned(),
            ),
            _ => Some(format!(
                "{missed} ticks were missed: a mailbox was full, or the clock or the node stood still"
            )),
        };
        Part {
            handled: Some(self.published.load(Ordering::Relaxed)),
            dropped: Some(missed),
            detail,
            ..door
        }
    }

    /// The child of the tree that runs it on `node`.
    pub(crate) fn child(self: &Arc<Self>, node: Weak<Inner>) -> ChildSpec {
        let (name, topic) = (self.of.name.clone(), self.of.topic.clone());
        self.child_that(move |event| {
            let (node, name, topic) = (node.clone(), name.clone(), topic.clone());
            async move {
                let Some(node) = node.upgrade() else {
                    return false;
                };
                match node.node().publish(&topic, event).await {
                    Ok(_) => true,
                    Err(PublishError::Stopping) => false,
                    Err(error) => {
                        tracing::warn!(timer = name, "a tick was missed: {error}");
                        false
                    }
                }
            }
        })
    }

    /// The same, with `publish` in the node's place: whether everybody took the event.
    fn child_that<P, F>(self: &Arc<Self>, publish: P) -> ChildSpec
    where
        P: Fn(Event) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = bool> + Send + 'static,
    {
        let timer = Arc::clone(self);
        ChildSpec::worker(self.of.name.as_str(), move |stop| {
            let (timer, publish) = (Arc::clone(&timer), publish.clone());
            async move {
                timer.begin();
                Ok::<_, StartError>(async move { timer.run(stop, publish).await })
            }
        })
    }

    fn begin(&self) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.get_or_insert_with(|| Begun {
            at: Instant::now(),
            schedule: Schedule::new(&self.of.when, (self.wall)()),
        });
    }

    /// What is due, and when to look again.
    fn look(&self) -> Option<(Look, Instant)> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.as_mut()?;
        let now = Instant::now();
        let look = begun.schedule.look(Now {
            passed: now.saturating_duration_since(begun.at),
            wall: (self.wall)(),
        });
        Some((look, now + look.wait))
    }

    async fn run<P, F>(&self, stop: Stop, publish: P) -> ExitReason
    where
        P: Fn(Event) -> F,
        F: Future<Output = bool>,
    {
        let mut sending = None;
        loop {
            let Some((look, next)) = self.look() else {
                return ExitReason::failed("the timer was run before its start");
            };
            self.miss(look.missed);
            match look.due {
                Some(_) if sending.is_some() => self.miss(1),
                Some(at) => {
                    let tick = self.tick();
                    match self.event(at, tick.told) {
                        Ok(event) => {
                            let taken = publish(event);
                            sending = Some(Box::pin(async move {
                                if taken.await {
                                    tick.arrived();
                                }
                            }));
                        }
                        Err(error) => {
                            let name = self.name();
                            tracing::error!(timer = name, "no event could be made: {error}");
                        }
                    }
                }
                None => {}
            }
            let sent = async {
                match &mut sending {
                    Some(sending) => sending.await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                biased;
                () = stop.asked() => return ExitReason::Shutdown,
                () = sent => true,
                () = sleep_until(next) => false,
            };
            if done {
                sending = None;
            }
        }
    }

    fn tick(&self) -> Tick<'_> {
        Tick {
            timer: self,
            told: self.untold.load(Ordering::Relaxed),
            arrived: false,
        }
    }

    fn miss(&self, ticks: u64) {
        self.missed.fetch_add(ticks, Ordering::Relaxed);
        self.untold.fetch_add(ticks, Ordering::Relaxed);
    }

    fn event(&self, at: DateTime<Utc>, missed: u64) -> Result<Event, EventError> {
        let before = self.published.load(Ordering::Relaxed) + self.missed.load(Ordering::Relaxed);
        let event = EventBuilder::new()
            .id(Uuid::now_v7().to_string())
            .source(&*self.source)
            .ty(&*self.of.ty)
            .time(at)
            // As long as its order is that of text for as long as a node lives.
            .extension("sequence", format!("{:012}", before + 1))
            // An Integer of CloudEvents has 32 bits.
            .extension(
                "missed",
                i64::from(i32::try_from(missed).unwrap_or(i32::MAX)),
            );
        match &self.of.data {
            None => event.build(),
            Some((data, content_type)) => event
                .datacontenttype(content_type)
                .data(data.as_bytes())
                .build(),
        }
    }
}

impl Tick<'_> {
    fn arrived(mut self) {
        self.arrived = true;
    }
}

impl Drop for Tick<'_> {
    fn drop(&mut self) {
        if self.arrived {
            self.timer.published.fetch_add(1, Ordering::Relaxed);
            self.timer.untold.fetch_sub(self.told, Ordering::Relaxed);
        } else {
            self.timer.miss(1);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("of", &self.of)
            .field("published", &self.published)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
