//! What many children cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use whirlwind_supervision::{
    Backoff, ChildSpec, ExitReason, ReportEvent, Reporter, Shutdown, Strategy, Supervisor,
    SupervisorRef, SupervisorSpec, Template,
};

/// How often children were started, asked to stop, and reported to have started and ended.
#[derive(Clone, Default)]
struct Work {
    starts: Arc<AtomicUsize>,
    stops: Arc<AtomicUsize>,
    started: watch::Sender<usize>,
    ended: watch::Sender<usize>,
}

impl Work {
    /// A child with time enough: where 100,000 wait for one processor, 5 s are soon over.
    fn worker(&self, id: &str) -> ChildSpec {
        let Self { starts, stops, .. } = self.clone();
        let worker = ChildSpec::worker(id, move |stop| {
            starts.fetch_add(1, Ordering::Relaxed);
            let stops = Arc::clone(&stops);
            async move {
                Ok(async move {
                    stop.asked().await;
                    stops.fetch_add(1, Ordering::Relaxed);
                    ExitReason::Shutdown
                })
            }
        });
        worker.shutdown(Shutdown::Timeout(Duration::from_secs(3600)))
    }

    fn reporter(&self) -> Reporter {
        let Self { started, ended, .. } = self.clone();
        Reporter::new(move |report| match report.event {
            ReportEvent::Started => started.send_modify(|sum| *sum += 1),
            ReportEvent::Ended { .. } => ended.send_modify(|sum| *sum += 1),
            _ => {}
        })
    }

    /// A supervisor of `n` children from a template.
    async fn simple(&self, n: usize) -> SupervisorRef {
        let work = self.clone();
        let template = Template::new(move |slot| work.worker(&slot.to_string()));
        let spec = SupervisorSpec::simple("root", template);
        let tree = Supervisor::start(spec, self.reporter()).await.unwrap();
        for _ in 0..n {
            tree.start_slot().await.unwrap();
        }
        tree
    }

    /// A supervisor of a list of `n` children.
    async fn list(&self, n: usize) -> SupervisorRef {
        let mut spec = SupervisorSpec::new("root", Strategy::OneForAll).backoff(Backoff::NONE);
        for at in 0..n {
            spec = spec.child(self.worker(&at.to_string()));
        }
        Supervisor::start(spec, self.reporter()).await.unwrap()
    }

    /// Kills the first of a list of `n` and waits until all have started again.
    async fn restart(&self, tree: &SupervisorRef, n: usize) {
        tree.kill_child("0").await.unwrap();
        let mut started = self.started.subscribe();
        started.wait_for(|sum| *sum == 2 * n).await.unwrap();
    }

    fn sums(&self) -> [usize; 4] {
        [
            self.starts.load(Ordering::Relaxed),
            self.stops.load(Ordering::Relaxed),
            *self.started.borrow(),
            *self.ended.borrow(),
        ]
    }
}

#[tokio::test(start_paused = true)]
async fn q2_q3_each_child_of_many_is_started_asked_and_reported_once() {
    for n in [1, 30, 3000] {
        let work = Work::default();
        let tree = work.simple(n).await;
        assert_eq!(work.sums(), [n, 0, n, 0]);
        tree.stop().await;
        assert_eq!(work.sums(), [n, n, n, n]);

        let work = Work::default();
        let tree = work.list(n).await;
        work.restart(&tree, n).await;
        // The one that was killed was not asked.
        assert_eq!(work.sums(), [2 * n, n - 1, 2 * n, n]);
        tree.stop().await;
        assert_eq!(work.sums(), [2 * n, 2 * n - 1, 2 * n, 2 * n]);
    }
}

/// The processor time this thread has had, where the system tells it: what else runs on the machine
/// should not count.
fn spent(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// What each step costs with `n` children, all on this thread.
async fn costs(n: usize) -> [(&'static str, Duration); 6] {
    const COUNTS: usize = 10_000;
    let since = Instant::now();
    let mut last = spent(since);
    let mut lap = |step| {
        let now = spent(since);
        (step, now - std::mem::replace(&mut last, now))
    };
    let work = Work::default();
    let tree = work.simple(n).await;
    let start = lap("start from a template");
    for _ in 0..COUNTS {
        assert_eq!(tree.count_children().await.active, n);
    }
    let count = lap("count");
    tree.stop().await;
    let stop = lap("stop all at once");
    let work = Work::default();
    let tree = work.list(n).await;
    let list = lap("start in order");
    work.restart(&tree, n).await;
    let restart = lap("restart all");
    tree.stop().await;
    [start, count, stop, list, restart, lap("stop in order")]
}

/// The medians of an odd number of runs.
async fn medians(n: usize, runs: usize) -> Vec<(&'static str, Duration)> {
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(costs(n).await);
    }
    let steps = 0..all[0].len();
    steps
        .map(|step| {
            let mut times: Vec<_> = all.iter().map(|run| run[step]).collect();
            times.sort_by_key(|(_, time)| *time);
            times[runs / 2]
        })
        .collect()
}

/// Takes minutes, so only where `WHIRLWIND_FULL` is set.
#[tokio::test]
async fn q2_q3_a_hundred_thousand_children_cost_at_most_150_times_what_a_thousand_cost() {
    if std::env::var_os("WHIRLWIND_FULL").is_none() {
        return;
    }
    // The first run pays for what is only paid once.
    costs(1000).await;
    let few = medians(1000, 9).await;
    let many = medians(100_000, 3).await;
    let mut dear = Vec::new();
    for ((step, few), (_, many)) in few.iter().zip(&many) {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("{step}: 1,000 {few:?}, 100,000 {many:?}, ratio {ratio:.0}");
        if ratio > 150.0 {
            dear.push(*step);
        }
    }
    assert!(dear.is_empty(), "more than linear: {dear:?}");
}
