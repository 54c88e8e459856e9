//! The same script on our supervisor, with the same words. On the paused clock: time passes only
//! when nobody can run, so a step is over when a moment has passed.

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use whirlwind_supervision::{
    Backoff, ChildError, ChildSpec, ExitReason, Report, ReportEvent, Reporter, StartError, State,
    Status, Stop, Strategy, Supervisor, SupervisorRef, SupervisorSpec, Template,
};

use crate::script::{Child, Event, Kind, OnStop, ROOT, Reason, Script, Tree, below, is_supervisor};

/// Longer than all shutdown times of a script that are ever used up.
const MOMENT: Duration = Duration::from_secs(10);

/// The window, as on the Erlang side: no script lasts that long on the paused clock.
const WITHIN: Duration = Duration::from_secs(86400);

/// The trace of a script.
pub fn run(script: &Script) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let stage = Stage::default();
    runtime.block_on(stage.clone().play(script));
    drop(runtime);
    std::mem::take(&mut *stage.trace.lock().unwrap())
}

/// What all children share.
#[derive(Clone, Default)]
struct Stage {
    trace: Arc<Mutex<Vec<String>>>,
    /// How many of their next starts fail.
    fails: Arc<Mutex<HashMap<String, u32>>>,
    /// Whose start is held up, whether it has come to that, and that it may go on.
    held: Arc<Mutex<Option<String>>>,
    held_up: Arc<AtomicBool>,
    released: Arc<Notify>,
    /// How to tell a worker that is up to end.
    up: Arc<Mutex<HashMap<String, mpsc::Sender<Reason>>>>,
}

/// A worker's entry among those that are up.
struct Up(Stage, String);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.up.lock().unwrap().remove(&self.1);
    }
}

impl Stage {
    fn say(&self, line: impl Display) {
        self.trace.lock().unwrap().push(line.to_string());
    }

    async fn play(self, script: &Script) {
        self.fails.lock().unwrap().extend(script.fails.clone());
        let spec = self.supervisor(ROOT, &script.root);
        let root = match Supervisor::start(spec, self.reporter()).await {
            Ok(root) => root,
            Err(error) => {
                self.say(format_args!("refused {}", culprit(&error)));
                return;
            }
        };
        self.say(format_args!("start {ROOT}"));
        self.say_shape(&root).await;
        for event in &script.events {
            self.say(format_args!("step {}", event.word()));
            let answer = timeout(WITHIN, self.step(&root, event)).await;
            let answer = answer.unwrap_or_else(|_| "never answered".to_owned());
            let ended = timeout(MOMENT, root.ended()).await;
            if let Ok(reason) = ended {
                self.say(format_args!("end {ROOT} {}", word(&reason)));
                return;
            }
            self.say(format_args!("-> {answer}"));
            self.say_shape(&root).await;
        }
        self.say("step stop");
        let reason = root.stop().await;
        self.say(format_args!("end {ROOT} {}", word(&reason)));
    }

    async fn say_shape(&self, root: &SupervisorRef) {
        let Status {
            strategy, children, ..
        } = root.status().await;
        self.say(format_args!("= {}", shape(strategy, &children)));
    }

    async fn step(&self, root: &SupervisorRef, event: &Event) -> String {
        match event {
            Event::Die(name, reason) => self.tell(name, *reason),
            Event::Meanwhile {
                first,
                held,
                deaths,
            } => {
                *self.held.lock().unwrap() = Some(held.clone());
                let answer = self.tell(first, Reason::Boom);
                sleep(MOMENT).await;
                if self.held_up.load(Ordering::Relaxed) {
                    for (name, reason) in deaths {
                        self.tell(name, *reason);
                        sleep(MOMENT).await;
                    }
                }
                *self.held.lock().unwrap() = None;
                self.released.notify_waiters();
                answer
            }
            Event::Kill(name) => {
                let of = name.rsplit_once('/').map_or(ROOT, |(of, _)| of);
                let Some(supervisor) = find(root, of).await else {
                    return "absent".to_owned();
                };
                if !is_up(&supervisor, name).await {
                    return "absent".to_owned();
                }
                self.say(format_args!("kill {name}"));
                answer(supervisor.kill_child(name).await)
            }
            Event::Halt(name) => {
                let Some(supervisor) = find(root, name).await else {
                    return "absent".to_owned();
                };
                self.say(format_args!("halt {name}"));
                supervisor.stop().await;
                "ok".to_owned()
            }
            Event::Fail(name, times) => {
                self.fails.lock().unwrap().insert(name.clone(), *times);
                "ok".to_owned()
            }
            Event::Start(of, ..)
            | Event::StartSlot(of)
            | Event::Terminate(of, _)
            | Event::TerminateSlot(of, _)
            | Event::Restart(of, _)
            | Event::Delete(of, _)
            | Event::Count(of) => match find(root, of).await {
                Some(supervisor) => self.ask(&supervisor, event).await,
                None => "absent".to_owned(),
            },
        }
    }

    /// A worker ends by itself.
    fn tell(&self, name: &str, reason: Reason) -> String {
        let Some(tell) = self.up.lock().unwrap().get(name).cloned() else {
            return "absent".to_owned();
        };
        tell.try_send(reason).unwrap();
        "ok".to_owned()
    }

    async fn ask(&self, supervisor: &SupervisorRef, event: &Event) -> String {
        match event {
            Event::Start(of, child) => {
                let child = self.child(&below(of, &child.id), child);
                answer(supervisor.start_child(child).await)
            }
            Event::StartSlot(_) => match supervisor.start_slot().await {
                Ok(slot) => slot.to_string(),
                Err(error) => answer(Err(error)),
            },
            Event::Terminate(of, id) => answer(supervisor.terminate_child(&below(of, id)).await),
            Event::TerminateSlot(_, slot) => answer(supervisor.terminate_slot(*slot).await),
            Event::Restart(of, id) => answer(supervisor.restart_child(&below(of, id)).await),
            Event::Delete(of, id) => answer(supervisor.delete_child(&below(of, id)).await),
            _ => {
                let counts = supervisor.count_children().await;
                format!(
                    "{} {} {} {}",
                    counts.specs, counts.active, counts.supervisors, counts.workers
                )
            }
        }
    }

    fn supervisor(&self, name: &str, tree: &Tree) -> SupervisorSpec {
        let mut spec = match tree.children.as_slice() {
            [template] if tree.is_simple() => {
                let (stage, of, template) = (self.clone(), name.to_owned(), template.clone());
                let template = Template::new(move |slot| {
                    stage.child(&below(&of, &format!("{}{slot}", template.id)), &template)
                });
                SupervisorSpec::simple(name, template)
            }
            children => {
                let mut spec = SupervisorSpec::new(name, tree.strategy);
                for child in children {
                    spec = spec.child(self.child(&below(name, &child.id), child));
                }
                spec
            }
        };
        spec = spec.intensity(tree.max_restarts, WITHIN);
        spec.auto_shutdown(tree.auto.into()).backoff(Backoff::NONE)
    }

    fn child(&self, name: &str, child: &Child) -> ChildSpec {
        let spec = match &child.kind {
            Kind::Worker(on_stop) => {
                let (stage, name, on_stop) = (self.clone(), name.to_owned(), *on_stop);
                ChildSpec::worker(name.clone(), move |stop| {
                    stage.clone().life(name.clone(), on_stop, stop)
                })
            }
            Kind::Supervisor(tree) => ChildSpec::supervisor(name, self.supervisor(name, tree)),
        };
        let spec = spec.restart(child.restart).significant(child.significant);
        spec.shutdown(child.shutdown.into())
    }

    async fn life(
        self,
        name: String,
        on_stop: OnStop,
        stop: Stop,
    ) -> Result<impl Future<Output = ExitReason> + Send + use<>, StartError> {
        if self.held.lock().unwrap().as_ref() == Some(&name) {
            self.held_up.store(true, Ordering::Relaxed);
            self.released.notified().await;
            self.held_up.store(false, Ordering::Relaxed);
        }
        let fails = match self.fails.lock().unwrap().get_mut(&name) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        };
        if fails {
            self.say(format_args!("fail {name}"));
            return Err(StartError::failed("boom"));
        }
        self.say(format_args!("start {name}"));
        let (tell, told) = mpsc::channel(1);
        self.up.lock().unwrap().insert(name.clone(), tell);
        let up = Up(self.clone(), name.clone());
        Ok(self.run(name, on_stop, stop, told, up))
    }

    async fn run(
        self,
        name: String,
        on_stop: OnStop,
        stop: Stop,
        mut told: mpsc::Receiver<Reason>,
        _up: Up,
    ) -> ExitReason {
        tokio::select! {
            Some(reason) = told.recv() => {
                self.say(format_args!("die {name}"));
                match reason {
                    Reason::Normal => ExitReason::Normal,
                    Reason::Shutdown => ExitReason::Shutdown,
                    Reason::Boom => ExitReason::failed("boom"),
                }
            }
            () = stop.asked(), if on_stop != OnStop::Ignore => {
                self.say(format_args!("stop {name}"));
                match on_stop {
                    OnStop::Fail => ExitReason::failed("boom"),
                    OnStop::Obey | OnStop::Ignore => ExitReason::Shutdown,
                }
            }
        }
    }

    /// What a worker cannot say itself: its end, and what becomes of supervisors.
    fn reporter(&self) -> Reporter {
        let stage = self.clone();
        Reporter::new(move |report: Report| {
            let Report {
                supervisor,
                child,
                event,
                ..
            } = report;
            match event {
                ReportEvent::Ended { reason } => {
                    stage.say(format_args!("end {child} {}", word(&reason)));
                }
                ReportEvent::Started if is_supervisor(&child) => {
                    stage.say(format_args!("start {child}"));
                }
                ReportEvent::StartFailed { .. } if is_supervisor(&child) => {
                    stage.say(format_args!("fail {child}"));
                }
                ReportEvent::GaveUp(_) => stage.say(format_args!("gave up {supervisor}")),
                _ => {}
            }
        })
    }
}

fn answer(answer: Result<(), ChildError>) -> String {
    let word = match answer {
        Ok(()) => "ok",
        Err(ChildError::AlreadyStarted(_)) => "already started",
        Err(ChildError::AlreadyPresent(_)) => "already present",
        Err(ChildError::Running(_)) => "running",
        Err(ChildError::Restarting(_)) => "restarting",
        Err(ChildError::NotFound(_) | ChildError::EmptySlot(_)) => "not found",
        Err(ChildError::HasTemplate) => "from a template",
        Err(ChildError::Start { .. }) => "start failed",
        Err(ChildError::Spec(_)) => "refused",
        Err(ChildError::Stopping) => "gone",
        Err(ChildError::NoTemplate) => "no template",
    };
    word.to_owned()
}

fn word(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Normal => "normal".to_owned(),
        ExitReason::Shutdown => "shutdown".to_owned(),
        ExitReason::Killed => "killed".to_owned(),
        ExitReason::IntensityExceeded(_) => "gave_up".to_owned(),
        ExitReason::Failed(why) | ExitReason::Excused(why) => why.to_string(),
    }
}

/// The child whose start failed, however deep.
fn culprit(error: &StartError) -> String {
    match error {
        StartError::Child { child, error, .. } => match culprit(error) {
            below if below.is_empty() => child.to_string(),
            below => below,
        },
        _ => String::new(),
    }
}

/// The supervisor of this path, if it is up.
async fn find(root: &SupervisorRef, path: &str) -> Option<SupervisorRef> {
    let mut found = root.clone();
    if path != ROOT {
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            found = found.supervisor(&path[..end]).await?;
        }
    }
    Some(found)
}

async fn is_up(supervisor: &SupervisorRef, name: &str) -> bool {
    let children = supervisor.status().await.children;
    let mut found = children.iter().filter(|child| &*child.id == name);
    found.any(|child| child.state == State::Running)
}

/// How all are: `+` up, `-` down. In order of start; those from a template in order of their names,
/// since OTP gives them no order.
fn shape(strategy: Option<Strategy>, children: &[Status]) -> String {
    let mut children: Vec<&Status> = children.iter().collect();
    if strategy == Some(Strategy::SimpleOneForOne) {
        children.sort_by(|one, other| one.id.cmp(&other.id));
    }
    let of_child = |child: &Status| {
        let id = &child.id;
        match (child.state, child.kind) {
            (State::Running, whirlwind_supervision::Kind::Supervisor) => {
                format!("{id}+({})", shape(child.strategy, &child.children))
            }
            (State::Running, _) => format!("{id}+"),
            (State::Stopped, _) => format!("{id}-"),
            (state, _) => format!("{id} {state}"),
        }
    };
    let children: Vec<String> = children.into_iter().map(of_child).collect();
    children.join(" ")
}
