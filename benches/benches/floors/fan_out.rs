//! What it costs to give one event to many.

use std::sync::Arc;

use flume::{Receiver, Sender};
use whirlwind_benches::events::{IN, event, topic};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_bus::{Bus, Capacity, Envelope, Lease};
use whirlwind_event::{Event, Topic};

use crate::mailbox::{bus, subscriber};

/// One event for so many.
struct Fan {
    subscribers: usize,
    /// How many in a round.
    events: usize,
    queues: &'static str,
    mailboxes: &'static str,
}

static FANS: [Fan; 3] = [
    Fan {
        subscribers: 1,
        events: 30_000,
        queues: "1 queue of flume: send, receive",
        mailboxes: "1 subscriber: publish, lease, settle",
    },
    Fan {
        subscribers: 10,
        events: 7_000,
        queues: "10 queues of flume: send, receive",
        mailboxes: "10 subscribers: publish, lease, settle",
    },
    Fan {
        subscribers: 100,
        events: 700,
        queues: "100 queues of flume: send, receive",
        mailboxes: "100 subscribers: publish, lease, settle",
    },
];

pub async fn measure(run: &Run, report: &mut Report) {
    let mut group = run.group("fan-out");
    for fan in &FANS {
        group = group.row(fan.queues, Unit::Time, &[]).row(
            fan.mailboxes,
            Unit::Time,
            std::slice::from_ref(&fan.queues),
        );
    }
    if !group.is_wanted() {
        return;
    }
    let mut sides: Vec<_> = FANS
        .iter()
        .map(|fan| {
            let count = fan.subscribers;
            (fan, Queues::new(count), Mailboxes::new(count))
        })
        .collect();
    let (topic, event) = (topic(IN), Arc::new(event()));
    for _ in 0..run.rounds() {
        for (fan, queues, mailboxes) in &mut sides {
            group
                .mean(fan.queues, fan.events, async || queues.pass(&event).await)
                .await;
            group
                .mean(fan.mailboxes, fan.events, async || {
                    mailboxes.pass(&topic, &event).await
                })
                .await;
        }
    }
    report.add(group);
}

/// The queues alone, each as long as a mailbox.
struct Queues(Vec<Queue>);

type Queue = (Sender<Arc<Event>>, Receiver<Arc<Event>>);

impl Queues {
    fn new(count: usize) -> Self {
        let queue = || flume::bounded(Capacity::default().events);
        Self(std::iter::repeat_with(queue).take(count).collect())
    }

    /// Sends an event to all, and receives it from all.
    async fn pass(&self, event: &Arc<Event>) {
        for (sender, _) in &self.0 {
            sender.try_send(Arc::clone(event)).unwrap();
        }
        for (_, receiver) in &self.0 {
            receiver.recv_async().await.unwrap();
        }
    }
}

/// Mailboxes that hear the same topic.
struct Mailboxes {
    bus: Arc<Bus>,
    leases: Vec<Lease>,
}

impl Mailboxes {
    fn new(count: usize) -> Self {
        let bus = bus();
        let leases = (0..count).map(|n| subscriber(&bus, &format!("subscriber {n}")));
        Self {
            leases: leases.collect(),
            bus,
        }
    }

    /// Publishes an event, and takes it from all.
    async fn pass(&mut self, topic: &Topic, event: &Arc<Event>) {
        self.bus
            .publish(Envelope::new(topic.clone(), Arc::clone(event)));
        for lease in &mut self.leases {
            lease.next().await;
            lease.handled();
        }
    }
}
