//! Scripted children, the ordered trace of what happens to them, and all reports.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::mpsc, time::sleep};
use whirlwind_supervision::{
    Backoff, ChildSpec, ExitReason, Report, ReportEvent, Reporter, Restart, Shutdown, StartError,
    State, Status, Stop, Strategy, Supervisor, SupervisorRef, SupervisorSpec, Template,
};

/// Long enough for any test to see that nothing more happens, too short for any timer of a test.
const INSTANT: Duration = Duration::from_millis(1);

/// Returns when nobody can run: the paused clock moves only then.
pub async fn quiet() {
    sleep(INSTANT).await;
}

#[derive(Clone, Default)]
pub struct Stage {
    trace: Arc<Mutex<Vec<String>>>,
    reports: Arc<Mutex<Vec<Report>>>,
    actors: Arc<Mutex<HashMap<String, Arc<Script>>>>,
}

/// What a child does.
struct Script {
    /// What each of its next starts does; a start without an entry succeeds.
    starts: Mutex<VecDeque<Start>>,
    /// What it does when it is asked to stop.
    on_stop: Mutex<OnStop>,
    /// What it is told to do.
    tell: mpsc::Sender<Act>,
    told: tokio::sync::Mutex<mpsc::Receiver<Act>>,
}

#[derive(Clone)]
pub enum Start {
    Fail,
    Take(Duration),
    FailAfter(Duration),
    Hang,
    Panic,
}

#[derive(Clone)]
pub enum OnStop {
    Obey,
    Ignore,
    Take(Duration),
    EndAs(ExitReason),
}

enum Act {
    End(ExitReason),
    Panic,
}

/// Says so if a run is dropped where it waits.
struct Witness(Stage, String, bool);

impl Drop for Witness {
    fn drop(&mut self) {
        if !self.2 {
            self.0.say(format!("kill {}", self.1));
        }
    }
}

impl Stage {
    pub fn new() -> Self {
        Self::default()
    }

    fn script(&self, id: &str) -> Arc<Script> {
        let mut actors = self.actors.lock().unwrap();
        Arc::clone(actors.entry(id.to_owned()).or_insert_with(|| {
            let (tell, told) = mpsc::channel(1024);
            Arc::new(Script {
                starts: Mutex::default(),
                on_stop: Mutex::new(OnStop::Obey),
                tell,
                told: tokio::sync::Mutex::new(told),
            })
        }))
    }

    pub fn say(&self, what: impl Into<String>) {
        self.trace.lock().unwrap().push(what.into());
    }

    /// A scripted worker, permanent.
    pub fn child(&self, id: &str) -> ChildSpec {
        let (stage, id) = (self.clone(), id.to_owned());
        ChildSpec::worker(id.clone(), move |stop| stage.clone().life(id.clone(), stop))
    }

    async fn life(
        self,
        id: String,
        stop: Stop,
    ) -> Result<impl Future<Output = ExitReason> + Send + use<>, StartError> {
        let script = self.script(&id);
        let start = script.starts.lock().unwrap().pop_front();
        match start {
            None => self.say(format!("start {id}")),
            Some(Start::Take(time)) => {
                sleep(time).await;
                self.say(format!("start {id}"));
            }
            Some(Start::FailAfter(time)) => {
                sleep(time).await;
                self.say(format!("fail {id}"));
                return Err(StartError::failed(format!("{id} cannot start")));
            }
            Some(Start::Fail) => {
                self.say(format!("fail {id}"));
                return Err(StartError::failed(format!("{id} cannot start")));
            }
            Some(Start::Hang) => {
                self.say(format!("hang {id}"));
                let _witness = Witness(self.clone(), id.clone(), false);
                pending::<()>().await;
            }
            Some(Start::Panic) => panic!("{id} panics at its start"),
        }
        Ok(self.run(id, script, stop))
    }

    async fn run(self, id: String, script: Arc<Script>, stop: Stop) -> ExitReason {
        let mut witness = Witness(self.clone(), id.clone(), false);
        let mut told = script.told.lock().await;
        let mut stopping = false;
        let reason = loop {
            tokio::select! {
                Some(act) = told.recv() => match act {
                    Act::End(reason) => {
                        self.say(format!("die {id}"));
                        break reason;
                    }
                    Act::Panic => {
                        witness.2 = true;
                        panic!("{id} panics in its run");
                    }
                },
                () = stop.asked(), if !stopping => {
                    self.say(format!("stop {id}"));
                    stopping = true;
                    let on_stop = script.on_stop.lock().unwrap().clone();
                    match on_stop {
                        OnStop::Obey => break ExitReason::Shutdown,
                        OnStop::EndAs(reason) => break reason,
                        OnStop::Ignore => {}
                        OnStop::Take(time) => {
                            sleep(time).await;
                            self.say(format!("stopped {id}"));
                            break ExitReason::Shutdown;
                        }
                    }
                }
            }
        };
        witness.2 = true;
        reason
    }

    pub fn next_starts(&self, id: &str, starts: impl IntoIterator<Item = Start>) {
        self.script(id).starts.lock().unwrap().extend(starts);
    }

    pub fn fail_next(&self, id: &str, times: usize) {
        self.next_starts(id, std::iter::repeat_n(Start::Fail, times));
    }

    pub fn on_stop(&self, id: &str, on_stop: OnStop) {
        *self.script(id).on_stop.lock().unwrap() = on_stop;
    }

    /// The child ends of this reason, and what follows from it is over.
    pub async fn die(&self, id: &str, reason: ExitReason) {
        self.tell_to_die(id, reason);
        quiet().await;
    }

    pub fn tell_to_die(&self, id: &str, reason: ExitReason) {
        self.script(id).tell.try_send(Act::End(reason)).unwrap();
    }

    pub async fn crash(&self, id: &str) {
        self.die(id, boom()).await;
    }

    pub async fn panic(&self, id: &str) {
        self.script(id).tell.try_send(Act::Panic).unwrap();
        quiet().await;
    }

    pub fn reporter(&self) -> Reporter {
        let reports = Arc::clone(&self.reports);
        Reporter::new(move |report| reports.lock().unwrap().push(report))
    }

    pub async fn try_start(&self, spec: SupervisorSpec) -> Result<SupervisorRef, StartError> {
        Supervisor::start(spec, self.reporter()).await
    }

    pub async fn start(&self, spec: SupervisorSpec) -> SupervisorRef {
        self.try_start(spec).await.unwrap()
    }

    /// A supervisor of permanent scripted children that tolerates much and does not wait.
    pub fn family(&self, strategy: Strategy, children: &[&str]) -> SupervisorSpec {
        let mut spec = patient("root", strategy);
        for id in children {
            spec = spec.child(self.child(id));
        }
        spec
    }

    /// A simple-one-for-one supervisor of scripted children `s0`, `s1`...
    pub fn simple(&self, restart: Restart, shutdown: Shutdown) -> SupervisorSpec {
        let stage = self.clone();
        let template = Template::new(move |slot| {
            let child = stage.child(&format!("s{slot}"));
            child.restart(restart).shutdown(shutdown)
        });
        SupervisorSpec::simple("root", template)
            .backoff(Backoff::NONE)
            .intensity(1000, Duration::from_secs(10))
    }

    /// What has happened since this was last asked.
    pub fn trace(&self) -> Vec<String> {
        std::mem::take(&mut *self.trace.lock().unwrap())
    }

    /// What was reported since this was last asked.
    pub fn reports(&self) -> Vec<Report> {
        std::mem::take(&mut *self.reports.lock().unwrap())
    }

    pub fn events_of(&self, child: &str) -> Vec<ReportEvent> {
        let reports = self.reports();
        let mine = reports.into_iter().filter(|report| &*report.child == child);
        mine.map(|report| report.event).collect()
    }
}

/// A supervisor that tolerates much and does not wait.
pub fn patient(id: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec::new(id, strategy)
        .backoff(Backoff::NONE)
        .intensity(1000, Duration::from_secs(10))
}

pub fn boom() -> ExitReason {
    ExitReason::failed("boom")
}

pub fn child_of(status: &Status, id: &str) -> Status {
    let found = status.children.iter().find(|child| &*child.id == id);
    found
        .unwrap_or_else(|| panic!("no {id} in {status:?}"))
        .clone()
}

pub async fn state(tree: &SupervisorRef, id: &str) -> State {
    child_of(&tree.status().await, id).state
}

pub async fn ids(tree: &SupervisorRef) -> Vec<String> {
    let children = tree.status().await.children;
    children.iter().map(|child| child.id.to_string()).collect()
}
