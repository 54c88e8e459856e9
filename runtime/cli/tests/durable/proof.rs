//! Events through an app while its node is killed, and the account of them.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::account::{Account, Traces};
use crate::app::{App, Kind};
use crate::bed::PATIENCE;
use crate::chance::Chance;
use crate::client::Client;
use crate::crowd::Crowd;
use crate::ledger::Ledger;
use crate::node::Node;

/// One proof at a time: its figures are not those of another.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An app with its node and its ledger.
pub struct Proof {
    app: Arc<App>,
    node: Node,
    ledger: Arc<Ledger>,
    events: u64,
    chance: Chance,
    figures: Figures,
    _alone: MutexGuard<'static, ()>,
}

/// What was measured beside.
#[derive(Default)]
struct Figures {
    /// The time from one start's end to the next kill, all together.
    alive: Duration,
    /// The most events that waited when a node was up.
    waiting: u64,
    /// Ends of instances that were asked for.
    ends: u32,
    /// From the last event to the end of all turns.
    draining: Duration,
    /// What actors said of themselves at the end.
    details: Vec<String>,
}

impl Proof {
    /// So many events will be acknowledged.
    pub async fn start(app: App, events: u64) -> Self {
        let alone = ALONE.lock().await;
        Self {
            node: Node::start(&app.manifest()),
            app: Arc::new(app),
            ledger: Arc::new(Ledger::new(events)),
            events,
            chance: Chance::new(5),
            figures: Figures::default(),
            _alone: alone,
        }
    }

    /// Publishes them all, with the kills at any time in equal parts of them, and waits until every one has come to its end. What is
    /// found then, is found in a node that was killed once more.
    pub async fn run(mut self, kills: u64) -> Account {
        let part = self.events / (kills + 1);
        for kill in 0..kills {
            let at = part * kill + self.chance.below(part) + 1;
            self.live(at).await;
        }
        let crowd = Crowd::start(&self.node.socket(), &self.app, &self.ledger);
        let began = Instant::now();
        self.ledger.until(self.events).await;
        self.figures.alive += began.elapsed();
        crowd.ended().await;
        let began = Instant::now();
        self.drained().await;
        self.figures.draining = began.elapsed();
        self.node.kill();
        self.node.again();
        let traces = self.traces().await;
        let account = Account::of(self.app.kind, &self.ledger.entries().fates, &traces);
        self.report(&account);
        account
    }

    /// Publishes until so many are acknowledged, and kills the node then: in mid-flight. On the way, an actor's instances are ended.
    async fn live(&mut self, at: u64) {
        let crowd = Crowd::start(&self.node.socket(), &self.app, &self.ledger);
        let began = Instant::now();
        let from = self.ledger.entries().acknowledged;
        if let Some(length) = at.checked_sub(from).filter(|length| *length > 0) {
            self.ledger.until(from + self.chance.below(length)).await;
            self.end_instances().await;
        }
        self.ledger.until(at).await;
        self.node.kill();
        self.figures.alive += began.elapsed();
        crowd.ended().await;
        self.node.again();
        let waiting = depth(&parts(&mut self.node.client().await).await);
        self.figures.waiting = self.figures.waiting.max(waiting);
    }

    /// Ends the instances of one of the actors in mid-call.
    async fn end_instances(&mut self) {
        let actors = self.app.actors();
        let which = self.chance.below(actors.len() as u64);
        let actor = actors[usize::try_from(which).unwrap()];
        let path = format!("/v1/actors/{actor}/kill");
        let mut client = self.node.client().await;
        let (status, why) = client.ask(Method::POST, &path, "").await.unwrap();
        assert_eq!(status, StatusCode::OK, "{why:?}");
        self.figures.ends += 1;
    }

    /// Waits until no event waits for an actor. While it is not so, turns have to end.
    async fn drained(&mut self) {
        let mut client = self.node.client().await;
        let (mut before, mut since) = (None, Instant::now());
        loop {
            let parts = parts(&mut client).await;
            if depth(&parts) == 0 {
                let details = parts.iter().filter_map(|part| part["detail"].as_str());
                self.figures.details = details.map(str::to_owned).collect();
                return;
            }
            let turns = |name| parts.iter().filter_map(move |part| part[name].as_u64());
            let now = Some(turns("handled").chain(turns("failed")).sum::<u64>());
            if now != before {
                (before, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "turns do not end: {parts:?}");
        }
    }

    async fn traces(&self) -> Traces {
        let mut client = self.node.client().await;
        let letters = client.get_json("/v1/dead").await;
        let letters = letters.as_array().unwrap().iter();
        let counter = match self.app.kind {
            Kind::Pipeline => 0,
            Kind::Pingpong => {
                let path = "/v1/kv/store/counters/value?key=counter";
                let counter = client.get(path).await;
                std::str::from_utf8(&counter).unwrap().parse().unwrap()
            }
        };
        Traces {
            tally: client.keys("store/tally").await,
            counter,
            letters: letters.map(|letter| data(&letter["event"])).collect(),
        }
    }

    fn report(&self, account: &Account) {
        let name = self.app.name();
        let figures = &self.figures;
        let mut opened = self.node.opened.clone();
        // The first had to compile its components.
        let kills = opened.len() - 1;
        let opened = &mut opened[1..];
        opened.sort_unstable();
        let at = |share: usize| opened[(opened.len() - 1) * share / 100];
        let (p50, p99) = (at(50), at(99));
        let rate = self.events as f64 / figures.alive.as_secs_f64();
        let Figures {
            waiting,
            ends,
            draining,
            details,
            ..
        } = figures;
        eprintln!("{name}: {kills} kills, {account}");
        eprintln!(
            "  up again after p50 {p50:.1?}, p99 {p99:.1?}, with up to {waiting} events that waited"
        );
        eprintln!(
            "  {rate:.0} events/s acknowledged between kills, the rest handled in {draining:.1?}; {ends} times instances ended; {details:?}"
        );
    }
}

async fn parts(client: &mut Client) -> Vec<Value> {
    serde_json::from_slice(&client.get("/v1/parts").await).unwrap()
}

/// How many events wait.
fn depth(parts: &[Value]) -> u64 {
    let depths = parts.iter().filter_map(|part| part["mailbox"].as_u64());
    depths.sum()
}

/// The data of a structured event, which is text.
fn data(event: &Value) -> String {
    event["data"]
        .as_str()
        .map_or_else(|| event.to_string(), str::to_owned)
}
