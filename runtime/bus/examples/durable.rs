//! What an answer on a durable topic costs: publishers that wait for the disk, and a reader that handles each event in a turn which
//! reads and writes a counter and publishes one event more. Beside them, in the same run, the disk by itself and the store by itself.
//!
//! `cargo run --release -p whirlwind-bus --example durable -- [EVENTS] [ROUNDS] [WORK] [DIR]`: by default five rounds of 40,000 events,
//! in turns without work of their own, in a directory of its own below the temporary one, which should not be in memory. `WORK` is in
//! microseconds of a processor, as a guest would need them. Medians over the rounds.
//!
//! The allocator is that of the system, which takes longer than the binary's to free what another thread allocated.
//!
//! Where other processes want the processors, a thread that is woken waits for a tick of the scheduler, which is 4 ms at 250 Hz: then
//! the figures are those of the scheduler. `chrt -r 1` before the program keeps them apart, as long as it leaves the processors time.
#![allow(clippy::disallowed_types)] // it measures the time of the wall

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use whirlwind_bus::{
    Begin, Bus, Capacity, DeadLetterLimits, DeadLetters, Durable, Envelope, Inbox, Keep,
    MailboxSpec, Overflow, TopicRule, TopicRules,
};
use whirlwind_event::{Event, EventBuilder, Topic, TopicFilter};
use whirlwind_store::{Batch, Space, Store};

type Failure = Box<dyn Error + Send + Sync>;
type Done<T> = Result<T, Failure>;

const WAITING: [usize; 3] = [1, 64, 256];

/// What one measurement came to.
struct Figures {
    /// Answers a second.
    rate: f64,
    /// Turns a second, and syncs of the store, where there are any.
    handled: f64,
    syncs: f64,
    p50: Duration,
    p99: Duration,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Done<()> {
    let mut args = std::env::args().skip(1);
    let events: usize = args.next().map_or(Ok(40_000), |arg| arg.parse())?;
    let rounds: usize = args.next().map_or(Ok(5), |arg| arg.parse())?;
    let work: u64 = args.next().map_or(Ok(0), |arg| arg.parse())?;
    let work = Duration::from_micros(work);
    let within = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(within)?;

    let alone = opened(&dir.path().join("alone")).await?;
    let (bus, inbox) = bus(opened(&dir.path().join("bus")).await?).await?;
    let reader = tokio::spawn(handle(Arc::clone(&bus), inbox.clone(), work));
    let mut rows = BTreeMap::<(usize, &str), Vec<Figures>>::new();
    for _ in 0..rounds {
        let floor = synced(dir.path(), 2_000)?;
        rows.entry((1, "fdatasync of 1 KiB"))
            .or_default()
            .push(floor);
        for waiting in WAITING {
            let events = if waiting == 1 { events / 10 } else { events };
            let store = all(events, waiting, {
                let store = alone.clone();
                move |at| commit(store.clone(), at)
            });
            let row = rows.entry((waiting, "store alone")).or_default();
            row.push(store.await?);
            let (before, begun) = (syncs(&bus), Instant::now());
            let answers = all(events, waiting, {
                let bus = Arc::clone(&bus);
                move |at| publish(Arc::clone(&bus), at)
            });
            let mut answers = answers.await?;
            while inbox.stats().depth > 0 {
                finished(&bus).await;
            }
            answers.handled = events as f64 / begun.elapsed().as_secs_f64();
            answers.syncs = (syncs(&bus) - before) as f64;
            let row = rows.entry((waiting, "bus, turns beside")).or_default();
            row.push(answers);
        }
    }
    reader.abort();
    for ((waiting, what), mut figures) in rows {
        let rate = median(&mut figures, |of| of.rate);
        let p50 = median(&mut figures, |of| of.p50.as_secs_f64() * 1e3);
        let p99 = median(&mut figures, |of| of.p99.as_secs_f64() * 1e3);
        let handled = median(&mut figures, |of| of.handled);
        let syncs = median(&mut figures, |of| of.syncs);
        print!(
            "{waiting:>4} waiting  {what:<18} {rate:>7.0}/s  p50 {p50:>6.2} ms  p99 {p99:>6.2} ms"
        );
        match syncs > 0.0 {
            true => println!("  handled {handled:>6.0}/s  syncs {syncs:>5}"),
            false => println!(),
        }
    }
    alone.close();
    if let Some(durable) = bus.durable() {
        durable.close();
    }
    Ok(())
}

fn syncs(bus: &Bus) -> u64 {
    let durable = bus.durable();
    durable.map_or(0, |durable| durable.store().counts().syncs)
}

async fn finished(bus: &Bus) {
    if let Some(durable) = bus.durable() {
        durable.finished().await;
    }
}

async fn opened(dir: &Path) -> Done<Store> {
    let path = dir.to_owned();
    // It blocks.
    let store = tokio::task::spawn_blocking(move || Store::open(path)).await??;
    Ok(store.store)
}

/// A bus over a store, with a reader of its pings. Nobody subscribes to pongs, and somebody looks on.
async fn bus(store: Store) -> Done<(Arc<Bus>, Inbox)> {
    let opening = || Durable::open(store, ["pingpong"]);
    let durable = tokio::task::spawn_blocking(opening).await??;
    let rule = TopicRule {
        durable: Some(true),
        keep: Some(Keep {
            events: usize::MAX,
            bytes: u64::MAX,
            age: None,
        }),
        ..TopicRule::default()
    };
    let rules = TopicRules::new([(TopicFilter::parse("+")?, rule)]);
    let letters = DeadLetters::new(DeadLetterLimits::default());
    let bus = Arc::new(Bus::new(rules, letters));
    bus.open_durable(durable.0);
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "pingpong".into(),
        ..MailboxSpec::default()
    });
    bus.subscribe(&TopicFilter::parse("ping")?, &mailbox);
    let (eye, _) = bus.mailbox(MailboxSpec {
        name: "eye".into(),
        capacity: Capacity {
            events: 1,
            ..Capacity::default()
        },
        overflow: Overflow::DropNewest,
        partition: None,
    });
    bus.observe(&TopicFilter::parse("pong")?, &eye);
    Ok((bus, inbox))
}

/// Handles whatever comes, with so much work in each turn.
async fn handle(bus: Arc<Bus>, inbox: Inbox, work: Duration) -> Done<()> {
    let pong = Topic::parse("pong")?;
    let mut lease = inbox.lease(0)?;
    let mut count = 0_u64;
    loop {
        let hops = lease.next().await.hops;
        let mut turn = match lease.begin(&bus).await? {
            Begin::Run(turn) => turn,
            Begin::Duplicate => continue,
        };
        let store = bus.durable().ok_or("there is a store")?.store();
        turn.batch().get(store, Space::Buckets, b"pings")?;
        count += 1;
        turn.batch()
            .put(Space::Buckets, "pings", count.to_string().into_bytes());
        let begun = Instant::now();
        while begun.elapsed() < work {
            std::hint::spin_loop();
        }
        let mut reservation = bus.reserve(pong.clone(), event(count)?, hops + 1)?;
        turn.publish(&mut reservation);
        let of = Arc::clone(&bus);
        let sent = move || of.send(reservation, None);
        lease.commit(&bus, turn, sent).await?;
        tokio::task::coop::consume_budget().await;
    }
}

fn event(id: u64) -> Done<Arc<Event>> {
    let event = EventBuilder::new()
        .id(id.to_string())
        .source("/bench")
        .ty("dev.whirlwind.message")
        .data("ping")
        .build()?;
    Ok(Arc::new(event))
}

/// Publishes one event, and waits for its answer.
async fn publish(bus: Arc<Bus>, at: usize) -> Done<()> {
    let topic = Topic::parse("ping")?;
    let event = event(at as u64)?;
    bus.ready(&topic).await;
    let delivery = bus.publish(Envelope::new(topic, event));
    delivery.synced.ok_or("it is refused")?.wait().await?;
    Ok(())
}

/// What an accepted event is for the store: one small record.
async fn commit(store: Store, at: usize) -> Done<()> {
    store.room().await;
    let mut batch = Batch::new();
    let key = (at as u64 % 4096).to_be_bytes().to_vec();
    batch.put(Space::Events, key, vec![b'.'; 100]);
    store.commit(batch)?.await?;
    Ok(())
}

/// Does `events` of what `one` does, `waiting` of them at a time.
async fn all<F>(
    events: usize,
    waiting: usize,
    one: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Done<Figures>
where
    F: Future<Output = Done<()>> + Send + 'static,
{
    let left = Arc::new(AtomicUsize::new(events));
    let begun = Instant::now();
    let those = (0..waiting).map(|_| {
        let (left, one) = (Arc::clone(&left), one.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            let fewer = |left: usize| left.checked_sub(1);
            while let Ok(at) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer) {
                let begun = Instant::now();
                one(at).await?;
                answers.push(begun.elapsed());
            }
            Ok::<_, Failure>(answers)
        })
    });
    let those: Vec<_> = those.collect();
    let mut answers = Vec::with_capacity(events);
    for one in those {
        answers.extend(one.await??);
    }
    Ok(figures(answers, begun.elapsed()))
}

/// The disk by itself: writes of the length of a small group, each synced.
fn synced(dir: &Path, syncs: usize) -> Done<Figures> {
    let path = dir.join("floor");
    let mut file = File::create(&path)?;
    // As the store's journal is, it has its length before.
    file.write_all(&vec![0; 1024 * syncs])?;
    file.sync_all()?;
    let mut file = File::options().write(true).open(&path)?;
    let (mut answers, begun) = (Vec::new(), Instant::now());
    for _ in 0..syncs {
        let begun = Instant::now();
        file.write_all(&[1; 1024])?;
        file.sync_data()?;
        answers.push(begun.elapsed());
    }
    Ok(figures(answers, begun.elapsed()))
}

fn figures(mut answers: Vec<Duration>, total: Duration) -> Figures {
    answers.sort_unstable();
    let at = |place: usize| answers.get(place).copied().unwrap_or_default();
    Figures {
        rate: answers.len() as f64 / total.as_secs_f64(),
        handled: 0.0,
        syncs: 0.0,
        p50: at(answers.len() / 2),
        p99: at(answers.len() * 99 / 100),
    }
}

fn median(figures: &mut [Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    figures.sort_unstable_by(|a, b| of(a).total_cmp(&of(b)));
    figures.get(figures.len() / 2).map_or(0.0, of)
}
