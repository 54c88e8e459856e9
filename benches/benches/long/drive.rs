//! Events at a rate, each published when it is due, however long those before it take.
//!
//! An event's latency counts from when it was due: a stall of 100 ms shows in every event that was due meanwhile, not in one.
//! tokio's timers count whole milliseconds, in which dozens of events are due: so the driver does not sleep, but lets the others
//! have their turn until it is time.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::time::Instant;
use whirlwind::{Node, Seen, Subscription};
use whirlwind_benches::events::{IN, event_with, topic};
use whirlwind_benches::node;

/// The longest time that is told from longer ones, in nanoseconds: a minute.
const LONGEST: u64 = 60_000_000_000;

/// Bytes of data, as in the other measures.
const DATA: usize = 100;

/// When events are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    /// Events a second.
    rate: f64,
    /// Events of a window.
    window: u64,
    windows: u64,
}

/// What was seen of the events of a window.
pub struct Driven {
    /// Nanoseconds from when an event was due to when it had come through.
    pub latencies: Histogram<u64>,
    /// Nanoseconds from when an event was due to when it was published.
    pub late: Histogram<u64>,
    /// Events for which the subscription had no room.
    pub missed: u64,
}

impl Schedule {
    /// From now on.
    pub fn new(rate: f64, length: Duration, windows: usize) -> Self {
        Self {
            start: Instant::now(),
            rate,
            window: (rate * length.as_secs_f64()) as u64,
            windows: windows as u64,
        }
    }

    fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.rate)
    }
}

impl Driven {
    fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).unwrap();
        Self {
            latencies: histogram(),
            late: histogram(),
            missed: 0,
        }
    }
}

/// Drives the pair of a node. Answers each window when it is over, until all are.
pub fn start(node: &Node, schedule: Schedule) -> mpsc::Receiver<Driven> {
    let (windows, over) = mpsc::channel(1);
    // Before the first event is published.
    let outputs = node::outputs(node);
    tokio::spawn(watch(outputs, schedule, windows));
    tokio::spawn(publish(node.clone(), schedule));
    over
}

async fn publish(node: Node, schedule: Schedule) {
    let input = topic(IN);
    for number in 0..schedule.window * schedule.windows {
        let due = schedule.due(number);
        let mut now = Instant::now();
        while now < due {
            tokio::task::yield_now().await;
            now = Instant::now();
        }
        let event = event_with(stamp(number, now - due));
        node.publish(&input, event).await.unwrap();
    }
}

async fn watch(mut outputs: Subscription, schedule: Schedule, windows: mpsc::Sender<Driven>) {
    // One instance each keeps the order; what was missed is told a little before its place.
    let mut gone = 0;
    for window in 1..=schedule.windows {
        let mut driven = Driven::new();
        while gone < window * schedule.window {
            match outputs.next().await.expect("the node runs") {
                Seen::Event { event, .. } => {
                    let now = Instant::now();
                    let (number, late) = read(event.data().unwrap());
                    let latency = now - schedule.due(number);
                    let latency = u64::try_from(latency.as_nanos()).unwrap();
                    driven.latencies.saturating_record(latency);
                    driven.late.saturating_record(late);
                    gone += 1;
                }
                Seen::Missed(missed) => {
                    driven.missed += missed;
                    gone += missed;
                }
            }
        }
        if windows.send(driven).await.is_err() {
            return;
        }
    }
}

/// The data of an event: its number, and by how much it is late.
fn stamp(number: u64, late: Duration) -> Vec<u8> {
    let late = late.as_nanos() as u64;
    let mut data = [number.to_le_bytes(), late.to_le_bytes()].concat();
    data.resize(DATA, b'x');
    data
}

/// What [`stamp`] wrote.
fn read(data: &[u8]) -> (u64, u64) {
    let (number, rest) = data.split_first_chunk().unwrap();
    let late = rest.first_chunk().unwrap();
    (u64::from_le_bytes(*number), u64::from_le_bytes(*late))
}
