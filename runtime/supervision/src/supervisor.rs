//! The kameo actor that does what was decided.
//!
//! It never waits inside a handler: children start, end and stop in their own tasks, and each such
//! event comes to [`Actor::next`], beside the mailbox and the timers. What takes several steps is a
//! [`Plan`]. So a stop, a status request or a kill is heard at any time, during a crash loop or while
//! a child's start hangs.
//!
//! Under one-for-one each child has its own plan. Under a group strategy there is one plan at a time,
//! and what happens meanwhile waits for its end, as it does in OTP.

mod child;
mod children;
mod ends;
mod plan;
mod requests;
mod timers;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
    stream::FuturesUnordered,
};
use kameo::{
    Actor,
    actor::{ActorId, ActorRef, Spawn, WeakActorRef},
    error::{ActorStopReason, PanicError},
    mailbox::{MailboxReceiver, Signal},
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{
    decision::{History, Rules},
    error::StartError,
    exit::ExitReason,
    handle::SupervisorRef,
    launch::{Booted, End, Watched},
    report::{Report, ReportEvent, Reporter},
    slice,
    spec::{ChildSpec, Strategy, SupervisorSpec},
    template::Template,
};

use child::Phase;
use children::{Children, Key};
use ends::SelfEnd;
use plan::{Cause, Plan, PlanId};
use timers::{Timer, Timers};

pub(crate) use requests::{Reply, Request, Snapshot, Which};

/// How long a killed child may take to tidy up (a kameo actor's `on_stop`) before its task is torn
/// down: nothing a child does can hang its supervisor.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// A supervisor, as an actor. It is held through a [`SupervisorRef`].
pub struct Supervisor {
    rules: Rules,
    reporter: Reporter,
    template: Option<Template>,
    /// The supervisor above, which it does not outlive.
    parent: Option<ActorId>,
    children: Children,
    history: History,

    /// What is being done. In boxes, as children are: an empty map keeps its node.
    plans: BTreeMap<PlanId, Box<Plan>>,
    next_plan: PlanId,
    /// Plans that may be able to go on.
    ready: VecDeque<PlanId>,
    /// What waits for the plan in hand, under a group strategy.
    self_ends: VecDeque<SelfEnd>,
    /// Ends that would be one too many, while it boots.
    after_boot: Vec<SelfEnd>,
    deferred: VecDeque<Request>,

    /// One of them never comes: a set in which all were looked at in vain asks to be looked at again, and calls another thread to do
    /// it. With one child, that would be so whenever it starts.
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    timers: Timers,

    /// Answered when all children have started, or when the supervisor ends before.
    boot: Option<oneshot::Sender<Result<(), StartError>>>,
    boot_error: Option<StartError>,
    booting: bool,
    /// Why it is ending, and whom it has still to stop, in this order.
    ending: Option<(ExitReason, VecDeque<Key>)>,
    /// Why it has ended: nothing of the children is left.
    exit: Option<ExitReason>,
    life: watch::Sender<Life>,
}

/// What its holders see of it without asking.
pub(crate) enum Life {
    Starting,
    /// All children that it begins with have started.
    Started,
    /// Nothing of it is left.
    Ended(ExitReason),
}

/// What happens to the children, by key and incarnation.
enum Event {
    Watched(Key, u64, Watched),
    Ended(Key, u64, End),
    /// A child took the request for its end.
    Asked,
}

/// What a supervisor is made from. Only this crate can make it.
#[doc(hidden)]
pub struct Args {
    spec: SupervisorSpec,
    reporter: Reporter,
    parent: Option<ActorId>,
    boot: oneshot::Sender<Result<(), StartError>>,
    life: watch::Sender<Life>,
}

impl Args {
    pub(crate) fn id(&self) -> Arc<str> {
        Arc::clone(&self.spec.id)
    }
}

impl Supervisor {
    /// Starts a root: checks the spec, starts the children in order, and returns when all have
    /// started. Dropping the future stops what has been started. Reports go to `reporter`, if the spec
    /// names no other.
    ///
    /// # Errors
    ///
    /// The spec was refused, or a child did not start: those before it have then been stopped in
    /// reverse order.
    pub async fn start(
        spec: SupervisorSpec,
        reporter: Reporter,
    ) -> Result<SupervisorRef, StartError> {
        spec.check()?;
        let (args, life, booted) = Self::args(spec, reporter, None);
        let id = args.id();
        let supervisor = SupervisorRef::new(id, <Box<Self> as Spawn>::spawn(args), life);
        match booted.await {
            Ok(Ok(())) => Ok(supervisor),
            failed => {
                let end = supervisor.ended().await;
                let said = failed.ok().and_then(Result::err);
                Err(said.unwrap_or_else(|| StartError::failed(end)))
            }
        }
    }

    pub(crate) fn args(
        spec: SupervisorSpec,
        reporter: Reporter,
        parent: Option<ActorId>,
    ) -> (Args, watch::Receiver<Life>, Booted) {
        let (boot, booted) = oneshot::channel();
        let (life, seen) = watch::channel(Life::Starting);
        let args = Args {
            reporter: spec.reporter.clone().unwrap_or(reporter),
            spec,
            parent,
            boot,
            life,
        };
        (args, seen, booted)
    }

    fn strategy(&self) -> Strategy {
        self.rules.strategy
    }

    fn report(&self, child: &Arc<str>, event: ReportEvent) {
        self.reporter.report(Report {
            supervisor: Arc::clone(&self.rules.supervisor),
            child: Arc::clone(child),
            event,
            at: Instant::now(),
        });
    }

    /// The next signal that is not for it to deal with; until then it does what there is to do.
    async fn next_signal(
        &mut self,
        me: &WeakActorRef<Box<Self>>,
        mailbox: &mut MailboxReceiver<Box<Self>>,
    ) -> Result<Option<Signal<Box<Self>>>, ExitReason> {
        // Whether anybody is left who can send.
        let mut held = true;
        loop {
            self.advance(me).await;
            if let Some(exit) = self.exit.take() {
                if let Some(boot) = self.boot.take() {
                    let error = self.boot_error.take().unwrap_or(StartError::Stopped);
                    let _ = boot.send(Err(error));
                }
                return Err(exit);
            }
            let timer = self.timers.first();
            tokio::select! {
                // The mailbox first, so that no crash loop can drown out a stop.
                biased;
                signal = mailbox.recv(), if held => match signal {
                    Some(Signal::Stop | Signal::SupervisorRestart) => {
                        self.begin_ending(ExitReason::Shutdown);
                    }
                    Some(signal) => return Ok(Some(signal)),
                    None => {
                        held = false;
                        self.begin_ending(ExitReason::Shutdown);
                    }
                },
                event = self.events.select_next_some() => self.on_event(event),
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                    if let Some(timer) = self.timers.pop(Instant::now()) {
                        self.on_timer(timer);
                    }
                }
            }
        }
    }

    /// Goes on with everything that can go on.
    async fn advance(&mut self, me: &WeakActorRef<Box<Self>>) {
        loop {
            if self.ending.is_some() {
                self.advance_ending();
                return;
            }
            if let Some(id) = self.ready.pop_front() {
                self.advance_plan(id, me).await;
            } else if !self.take_deferred() {
                return;
            }
        }
    }

    /// Stops all children, then ends of `exit`. The first reason stands.
    fn begin_ending(&mut self, exit: ExitReason) {
        if self.ending.is_some() {
            return;
        }
        for (_, plan) in std::mem::take(&mut self.plans) {
            plan.cause.refuse();
        }
        for request in self.deferred.drain(..) {
            request.refuse();
        }
        self.self_ends.clear();
        self.after_boot.clear();
        self.ready.clear();
        let mut stops = VecDeque::new();
        for (key, child) in self.children.iter_mut() {
            child.plan = None;
            child.undecided = false;
            stops.push_front(key);
        }
        self.ending = Some((exit, stops));
    }

    fn advance_ending(&mut self) {
        if self.strategy() == Strategy::SimpleOneForOne {
            // All at the same time: they have the same spec, so one time runs for all.
            while let Some(key) = self.next_to_stop() {
                self.stop_child(key);
            }
            if self.children.any_up() {
                return;
            }
        } else {
            while let Some(key) = self.next_to_stop() {
                if self.children.is_up(key) {
                    self.stop_child(key);
                    if let Some((_, stops)) = &mut self.ending {
                        stops.push_front(key);
                    }
                    return;
                }
            }
        }
        if let Some((exit, _)) = &self.ending {
            self.exit = Some(exit.clone());
        }
    }

    fn next_to_stop(&mut self) -> Option<Key> {
        self.ending.as_mut()?.1.pop_front()
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Asked => {}
            Event::Watched(key, incarnation, Watched::Started(rest)) => {
                self.on_started(key, incarnation, rest);
            }
            Event::Watched(key, incarnation, Watched::Ended(end))
            | Event::Ended(key, incarnation, end) => self.on_ended(key, incarnation, end),
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Plan(plan) => self.ready.push_back(plan),
            Timer::Child(key) => self.out_of_time(key),
        }
    }

    /// Ends everything now: the supervisor was killed, or its own code failed.
    async fn kill_children(&mut self) {
        for (_, child) in self.children.iter_mut().rev() {
            if let Some(up) = &mut child.up {
                up.control.kill(!up.started());
                up.phase = Phase::Killed;
            }
        }
        let patience = tokio::time::sleep(KILL_GRACE);
        tokio::pin!(patience);
        while self.children.any_up() {
            tokio::select! {
                Some(event) = self.events.next() => self.on_event(event),
                () = &mut patience => break,
            }
        }
        // Whoever is left is torn down as its control is dropped.
        self.children.clear();
    }
}

/// In a box: kameo's loop has room for several copies of its actor's state.
impl Actor for Box<Supervisor> {
    type Args = Args;
    type Error = ExitReason;

    fn name() -> &'static str {
        "supervisor"
    }

    async fn on_start(args: Args, me: ActorRef<Self>) -> Result<Self, ExitReason> {
        let me = SupervisorRef::new(args.id(), me, args.life.subscribe());
        let Args {
            spec,
            reporter,
            parent,
            boot,
            life,
        } = args;
        let mut events = FuturesUnordered::from_iter([pending().boxed()]);
        // Looked at once, it is not looked at again.
        let _ = events.next().now_or_never();
        let mut supervisor = Self::new(Supervisor {
            rules: Rules {
                supervisor: spec.id,
                strategy: spec.strategy,
                intensity: spec.intensity,
                backoff: spec.backoff,
                charge_excused: spec.charge_excused,
                auto_shutdown: spec.auto_shutdown,
            },
            reporter,
            template: spec.template,
            parent,
            children: Children::default(),
            history: History::default(),
            plans: BTreeMap::new(),
            next_plan: 0,
            ready: VecDeque::new(),
            self_ends: VecDeque::new(),
            after_boot: Vec::new(),
            deferred: VecDeque::new(),
            events,
            timers: Timers::default(),
            boot: Some(boot),
            boot_error: None,
            booting: true,
            ending: None,
            exit: None,
            life,
        });
        let keys: Vec<Key> = spec
            .children
            .into_iter()
            .map(|child: ChildSpec| supervisor.children.insert(child))
            .collect();
        match supervisor.first_slots(&me) {
            Ok(slots) => {
                let keys = keys.into_iter().chain(slots);
                supervisor.begin_plan(Plan::start(Cause::Boot, keys));
            }
            Err(error) => supervisor.fail_boot(error),
        }
        Ok(supervisor)
    }

    async fn next(
        &mut self,
        me: WeakActorRef<Self>,
        mailbox: &mut MailboxReceiver<Self>,
    ) -> Result<Option<Signal<Self>>, ExitReason> {
        slice::used_up(pin!(self.next_signal(&me, mailbox))).await
    }

    async fn on_link_died(
        &mut self,
        _: WeakActorRef<Self>,
        id: ActorId,
        reason: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, ExitReason> {
        if self.parent == Some(id) {
            self.begin_ending(ExitReason::Shutdown);
        } else {
            self.on_loop_over(id, &reason);
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn on_panic(
        &mut self,
        _: WeakActorRef<Self>,
        error: PanicError,
    ) -> Result<ControlFlow<ActorStopReason>, ExitReason> {
        Ok(ControlFlow::Break(ExitReason::from_panic(&error).into()))
    }

    async fn on_stop(
        &mut self,
        _: WeakActorRef<Self>,
        reason: ActorStopReason,
    ) -> Result<(), ExitReason> {
        let exit = ExitReason::from_stop(&reason);
        self.begin_ending(exit.clone());
        self.kill_children().await;
        self.life.send_replace(Life::Ended(exit));
        Ok(())
    }
}
