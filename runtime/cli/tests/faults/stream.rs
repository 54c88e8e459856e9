//! A stream of numbered messages through a node, while things happen.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::broker::Broker;
use crate::ledger::{Account, Entries, Ledger};
use crate::node::Node;
use crate::packets;
use crate::proxy::{Mishap, Proxy};
use crate::publisher::Publisher;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The broker ends in good order, and knows its sessions afterwards.
    Restart,
    /// The broker is killed, and knows nothing afterwards.
    Forget,
    /// The connection is closed.
    Cut,
    /// Nothing passes any more; nobody is told.
    HalfOpen,
    /// Bytes pass one by one.
    Slow,
    /// A message comes that is larger than the node takes.
    Oversize,
    /// Bytes come that are no packet: one of [`GARBAGE`].
    Garbage(usize),
    /// The node is killed.
    KillNode,
}

/// Bytes that no broker sends.
pub const GARBAGE: [&[u8]; 6] = [
    // A packet of the reserved type.
    &[0; 16],
    // A length that does not end.
    &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    // A message of QoS 3.
    &[0x36, 6, 0, 1, b'a', 0, 1, 0],
    // A topic that is longer than its packet.
    &[0x32, 4, 0xFF, 0xFF, 0, 1],
    // A second answer to the first packet, which is cut.
    &[0x20, 1, 0],
    // Somebody speaks something else.
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
];

/// The node, its broker, and what lies between.
pub struct Stream {
    broker: Broker,
    version: u8,
    node: Node,
    proxy: Proxy,
    publisher: Publisher,
    ledger: Arc<Ledger>,
    messages: u32,
}

impl Stream {
    /// Not flowing yet.
    pub async fn new(relay: &Path, broker: Broker, version: u8, messages: u32) -> Self {
        // One more, which is the last in every queue.
        let ledger = Arc::new(Ledger::new(messages + 1));
        let proxy = Proxy::start(broker.port(), ledger.clone()).await;
        let node = Node::start(relay, proxy.port(), version);
        let publisher = Publisher::start(broker.port(), ledger.clone());
        ledger
            .until("connected", |entries| entries.connections == 1)
            .await;
        Self {
            broker,
            version,
            node,
            proxy,
            publisher,
            ledger,
            messages,
        }
    }

    /// The node in it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Lets messages flow, the first of them so many ahead of the last that came out.
    pub async fn flow(&self, ahead: u32) {
        for goal in (ahead..self.messages).step_by(ahead as usize / 2) {
            self.publisher.go_to(goal);
            let flowing =
                |entries: &Entries| entries.offered == goal && entries.under_way() <= ahead / 2;
            self.ledger.until("flowing", flowing).await;
        }
    }

    /// Lets all messages flow, and one of the faults happen in the middle of each equal part of them.
    pub async fn run(&mut self, faults: &[Fault]) -> Account {
        let mut outages: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        let parts = u32::try_from(faults.len()).unwrap() + 1;
        let part = self.messages / parts;
        let began = Instant::now();
        for (number, fault) in (1..).zip(faults) {
            let goal = number * part;
            self.publisher.go_to(goal);
            let half = format!("flowing before fault {number}, {fault:?}");
            let flowing =
                |entries: &Entries| entries.offered == goal && entries.under_way() <= part / 2;
            self.ledger.until(&half, flowing).await;
            let outage = self.suffer(*fault).await;
            outages.entry(fault.name()).or_default().extend(outage);
        }
        let last = self.messages;
        self.publisher.go_to(last);
        self.ledger
            .until("all taken", |entries| entries.taken == last)
            .await;
        self.publisher.go_to(last + 1);
        self.ledger
            .until("ended", |entries| entries.has_ended(last))
            .await;
        let account = self.ledger.account();
        self.report(&account, began.elapsed(), outages);
        assert_eq!(self.ledger.entries().too_early, Vec::<u32>::new());
        assert_eq!(self.node.dead_letters(), "[]\n");
        account
    }

    /// Lets this happen, and waits until the node is connected again. Answers how long that took, where it was not all the while.
    pub async fn suffer(&mut self, fault: Fault) -> Option<Duration> {
        let connections = self.ledger.entries().connections;
        self.happen(fault).await;
        if fault == Fault::Slow {
            return None;
        }
        let again = |entries: &Entries| entries.connections > connections;
        let what = format!("connected after {fault:?}");
        self.ledger.until(&what, again).await;
        self.ledger.entries().outages.last().copied()
    }

    async fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::Restart => self.broker.restart(),
            Fault::Forget => {
                self.ledger.forgets();
                self.broker.forget();
            }
            Fault::Cut => self.proxy.mishap(Mishap::Cut),
            Fault::HalfOpen => self.proxy.mishap(Mishap::HalfOpen),
            Fault::Slow => self.proxy.mishap(Mishap::Slow(16 << 10)),
            Fault::Oversize => {
                let write = match self.version {
                    5 => packets::publish_five,
                    _ => packets::publish,
                };
                let packet = write("dev/a", 60_000, &[b'x'; 2 << 20]);
                self.proxy.mishap(Mishap::Garbage(packet));
            }
            Fault::Garbage(which) => self.proxy.mishap(Mishap::Garbage(GARBAGE[which].to_vec())),
            Fault::KillNode => self.node.again(),
        }
    }

    fn report(
        &self,
        account: &Account,
        took: Duration,
        mut outages: BTreeMap<&str, Vec<Duration>>,
    ) {
        let (version, broker) = (self.version, self.broker.name());
        eprintln!("{broker}, version {version}, in {took:.1?}: {account}");
        outages.retain(|_, outages| !outages.is_empty());
        for (fault, mut outages) in outages {
            outages.sort_unstable();
            let at = |share: usize| outages[(outages.len() - 1) * share / 100];
            let (count, p50, p99) = (outages.len(), at(50), at(99));
            eprintln!(
                "  {fault:9} {count:4} times, connected again after p50 {p50:.1?}, p99 {p99:.1?}"
            );
        }
    }
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Forget => "forget",
            Self::Cut => "cut",
            Self::HalfOpen => "half-open",
            Self::Slow => "slow",
            Self::Oversize => "oversize",
            Self::Garbage(_) => "garbage",
            Self::KillNode => "kill",
        }
    }
}
