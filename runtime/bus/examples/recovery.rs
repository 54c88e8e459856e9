//! What it costs to start over events that wait on durable topics: time until the queues are there and until the first event is, and
//! the disk that they take.
//!
//! `cargo run --release -p whirlwind-bus --example recovery -- [EVENTS] [BYTES] [DIR]`: by default a million events of 200 bytes of
//! data, in a directory of its own below the temporary one.
#![allow(clippy::disallowed_types)] // it measures the time of the wall

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use whirlwind_bus::{
    Bus, DeadLetterLimits, DeadLetters, Durable, Envelope, Inbox, Keep, MailboxSpec, TopicRule,
    TopicRules, Transaction,
};
use whirlwind_event::{EventBuilder, Topic, TopicFilter};
use whirlwind_store::Store;

type Done<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Done<()> {
    let mut args = std::env::args().skip(1);
    let events: usize = args.next().map_or(Ok(1_000_000), |arg| arg.parse())?;
    let bytes: usize = args.next().map_or(Ok(200), |arg| arg.parse())?;
    let within = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(within)?;

    let (bus, _) = open(dir.path()).await?;
    let began = Instant::now();
    publish(&bus, events, bytes).await?;
    let rate = events as f64 / began.elapsed().as_secs_f64();
    println!("accepted {events} events of {bytes} bytes of data, {rate:.0} a second");
    close(bus);
    say_size(dir.path(), events)?;

    let (bus, inbox) = open(dir.path()).await?;
    let began = Instant::now();
    let taken = take(&bus, &inbox).await?;
    let rate = taken as f64 / began.elapsed().as_secs_f64();
    println!("took {taken} events, {rate:.0} a second");
    close(bus);
    say_size(dir.path(), events)?;

    let (bus, _) = open(dir.path()).await?;
    close(bus);
    say_size(dir.path(), events)
}

/// A bus over the store in `dir`, with one subscriber; says how long that took.
async fn open(dir: &Path) -> Done<(Arc<Bus>, Inbox)> {
    let began = Instant::now();
    let path = dir.to_owned();
    // It blocks.
    let opening = tokio::task::spawn_blocking(move || {
        let store = Store::open(path).map_err(|error| error.to_string())?.store;
        let read = began.elapsed();
        let durable = Durable::open(store, ["a"]).map_err(|error| error.to_string())?;
        Ok::<_, String>((durable.0, read))
    });
    let (durable, read) = opening.await??;
    let queued = began.elapsed();
    let rule = TopicRule {
        durable: Some(true),
        keep: Some(Keep {
            events: usize::MAX,
            bytes: u64::MAX,
            age: None,
        }),
        ..TopicRule::default()
    };
    let rules = TopicRules::new([(TopicFilter::parse("#")?, rule)]);
    let letters = DeadLetters::new(DeadLetterLimits::default());
    let bus = Arc::new(Bus::new(rules, letters));
    bus.open_durable(durable);
    let (mailbox, inbox) = bus.mailbox(MailboxSpec {
        name: "a".into(),
        ..MailboxSpec::default()
    });
    bus.subscribe(&TopicFilter::parse("#")?, &mailbox);
    let waiting = inbox.stats().depth;
    if waiting > 0 {
        inbox.lease(0)?.next().await;
    }
    println!(
        "opened over {waiting} events: the store {read:.2?}, with the queues {queued:.2?}, the first event {:.2?}",
        began.elapsed()
    );
    Ok((bus, inbox))
}

async fn publish(bus: &Arc<Bus>, events: usize, bytes: usize) -> Done<()> {
    let topic = Topic::parse("orders/new")?;
    for n in 0..events {
        bus.ready(&topic).await;
        let event = EventBuilder::new()
            .id(n.to_string())
            .source("/orders")
            .ty("order.new")
            .data(vec![b'.'; bytes])
            .build()?;
        let envelope = Envelope::new(topic.clone(), Arc::new(event));
        // Nobody waits for one; all are waited for below.
        drop(bus.publish(envelope).synced);
    }
    finished(bus).await;
    Ok(())
}

async fn take(bus: &Arc<Bus>, inbox: &Inbox) -> Done<usize> {
    let waiting = inbox.stats().depth;
    let mut lease = inbox.lease(0)?;
    for _ in 0..waiting {
        lease.next().await;
        lease.commit(bus, Transaction::default(), || {}).await?;
    }
    finished(bus).await;
    Ok(waiting)
}

async fn finished(bus: &Bus) {
    if let Some(durable) = bus.durable() {
        durable.finished().await;
    }
}

fn close(bus: Arc<Bus>) {
    if let Some(durable) = bus.durable() {
        durable.close();
    }
}

/// What the store takes of the disk, in all and for each of `events`.
fn say_size(dir: &Path, events: usize) -> Done<()> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    let mib = bytes as f64 / f64::from(1 << 20);
    let each = bytes as f64 / events as f64;
    println!("on the disk: {mib:.1} MiB, {each:.0} bytes an event");
    Ok(())
}
