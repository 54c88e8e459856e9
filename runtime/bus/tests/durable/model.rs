//! Random operations on durable topics, against a naive model: what every subscriber is given and when, what it left in the store,
//! and what becomes of all that when syncs fail and when the store is opened again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::time::Instant;
use whirlwind_bus::{Begin, Entrusted, Lease, Reason, Redelivered, Synced, TurnError};
use whirlwind_store::Space;

use crate::common::envelope;
use crate::node::{Node, Setup, now, publishing};

const NAMES: [&str; 2] = ["a", "b"];
const LOGS: [&str; 2] = ["log of a", "log of b"];

/// Who hears a topic.
const TOPICS: [(&str, &[usize]); 3] = [("a/1", &[0]), ("b/1", &[1]), ("all/1", &[0, 1])];

/// One of the places at an inbox: whose, and which worker's.
type Reader = (usize, usize);

#[derive(Clone, Debug)]
enum Op {
    /// From a door.
    Publish(usize),
    Take(Reader),
    /// Adds the id of the event in hand to a value in the store, may publish, commits, and takes the next.
    Turn(Reader, Option<usize>),
    Retry(Reader),
    Bury(Reader),
    /// The incarnation ends, and another one begins.
    Drop(Reader),
    Entrust(Reader),
    EndEntrusted(bool),
    Redeliver(prop::sample::Index),
    /// The disk has all that there is; between these it has nothing more.
    Sync,
    /// The same, but it fails.
    Fail,
    Reopen,
}

fn op(workers: usize) -> impl Strategy<Value = Op> {
    let reader = || (0..NAMES.len(), 0..workers);
    let on = || 0..TOPICS.len();
    prop_oneof![
        12 => on().prop_map(Op::Publish),
        8 => reader().prop_map(Op::Take),
        12 => (reader(), prop::option::of(on())).prop_map(|(by, on)| Op::Turn(by, on)),
        1 => reader().prop_map(Op::Retry),
        1 => reader().prop_map(Op::Bury),
        1 => reader().prop_map(Op::Drop),
        1 => reader().prop_map(Op::Entrust),
        1 => any::<bool>().prop_map(Op::EndEntrusted),
        1 => any::<prop::sample::Index>().prop_map(Op::Redeliver),
        4 => Just(Op::Sync),
        3 => Just(Op::Fail),
        1 => Just(Op::Reopen),
    ]
}

fn ops() -> impl Strategy<Value = (usize, Vec<Op>)> {
    (1..=2_usize).prop_flat_map(|workers| {
        let ops = prop::collection::vec(op(workers), 1..120);
        (Just(workers), ops)
    })
}

/// An event of one subscriber, and its place in the order of acceptance.
#[derive(Clone, Debug)]
struct Event {
    number: u64,
    id: String,
    attempt: u32,
}

/// What one subscriber should have.
#[derive(Default)]
struct Subscriber {
    /// On the disk.
    stored: BTreeMap<u64, String>,
    log: String,
    /// Accepted, or ended, and not on the disk yet.
    coming: Vec<Event>,
    ended: Vec<Event>,
    logged: String,
    /// To be read.
    ready: VecDeque<Event>,
    left: BTreeMap<u64, Event>,
    hands: [Option<Event>; 2],
    /// Whose ends were undone, and that did not end since: a single reader runs nothing before them that came after them.
    undone: BTreeSet<u64>,
}

impl Subscriber {
    fn depth(&self, entrusted: usize) -> usize {
        let in_hand = self.hands.iter().flatten().count() + entrusted;
        self.coming.len() + self.ready.len() + self.left.len() + in_hand + self.ended.len()
    }

    fn take(&mut self, worker: usize) -> Option<Event> {
        let next = self.hands[worker].take();
        let next = next.or_else(|| Some(self.left.pop_first()?.1));
        self.hands[worker] = next.or_else(|| self.ready.pop_front());
        self.hands[worker].clone()
    }

    fn end(&mut self, event: Event) {
        self.undone.remove(&event.number);
        self.ended.push(event);
    }

    fn synced(&mut self) {
        for event in self.ended.drain(..) {
            self.stored.remove(&event.number);
        }
        self.log += &take(&mut self.logged);
        for event in self.coming.drain(..) {
            self.stored.insert(event.number, event.id.clone());
            self.ready.push_back(event);
        }
    }

    fn failed(&mut self) {
        self.coming.clear();
        self.logged.clear();
        self.undone
            .extend(self.ended.iter().map(|event| event.number));
        let ended = self.ended.drain(..).map(|event| (event.number, event));
        self.left.extend(ended);
    }

    fn reopened(&mut self) {
        self.synced();
        let stored = self.stored.iter().map(|(number, id)| Event {
            number: *number,
            id: id.clone(),
            attempt: 1,
        });
        let (stored, log) = (stored.collect(), take(&mut self.log));
        *self = Self {
            ready: stored,
            stored: take(&mut self.stored),
            log,
            ..Self::default()
        };
    }
}

#[derive(Default)]
struct Model {
    subscribers: [Subscriber; 2],
    /// The subscriber and the id of each letter, by the letter's own id: now, and on the disk.
    letters: BTreeMap<u64, (usize, String)>,
    stored_letters: BTreeMap<u64, (usize, String)>,
    /// Turns whose publisher should have heard, and those that are not on the disk yet.
    told: Vec<String>,
    telling: Vec<String>,
    numbers: u64,
}

impl Model {
    fn accept(&mut self, by: usize, id: &str) {
        self.numbers += 1;
        self.subscribers[by].coming.push(Event {
            number: self.numbers,
            id: id.to_owned(),
            attempt: 1,
        });
    }

    fn synced(&mut self) {
        self.stored_letters = self.letters.clone();
        self.told.append(&mut self.telling);
        self.subscribers.iter_mut().for_each(Subscriber::synced);
    }

    fn failed(&mut self) {
        self.letters = self.stored_letters.clone();
        self.telling.clear();
        self.subscribers.iter_mut().for_each(Subscriber::failed);
    }
}

struct Run<'a> {
    dir: &'a Path,
    workers: usize,
    node: Node,
    leases: BTreeMap<Reader, Lease>,
    entrusted: VecDeque<(usize, Event, Entrusted)>,
    told: Arc<Mutex<Vec<String>>>,
    doors: Vec<Synced>,
    /// Whether there is anything to sync.
    dirty: bool,
    ids: u32,
    model: Model,
}

async fn open(dir: &Path, workers: usize) -> (Node, BTreeMap<Reader, Lease>) {
    let setup = Setup {
        subscribers: NAMES.to_vec(),
        ..Setup::default()
    };
    let node = Node::with(dir, setup).await;
    let mut leases = BTreeMap::new();
    for (by, inbox) in node.inboxes.iter().enumerate() {
        inbox.workers(workers);
        for worker in 0..workers {
            leases.insert((by, worker), inbox.lease(worker).unwrap());
        }
    }
    node.faults.hold();
    (node, leases)
}

impl<'a> Run<'a> {
    async fn new(dir: &'a Path, workers: usize) -> Self {
        let (node, leases) = open(dir, workers).await;
        Self {
            dir,
            workers,
            node,
            leases,
            entrusted: VecDeque::new(),
            told: Arc::default(),
            doors: Vec::new(),
            dirty: false,
            ids: 0,
            model: Model::default(),
        }
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{} ", self.ids)
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Publish(on) => self.publish(on),
            Op::Take(by) => self.take(by),
            Op::Turn(by, on) => {
                self.turn(by, on).await;
                self.take(by);
            }
            Op::Retry((by, worker)) => {
                let hand = &mut self.model.subscribers[by].hands[worker];
                hand.iter_mut().for_each(|event| event.attempt += 1);
                let lease = self.leases.get_mut(&(by, worker)).unwrap();
                lease.retry(Instant::now());
            }
            Op::Bury(by) => self.bury(by),
            Op::Drop((by, worker)) => {
                self.leases.remove(&(by, worker));
                let lease = self.node.inboxes[by].lease(worker).unwrap();
                self.leases.insert((by, worker), lease);
            }
            // What is entrusted is in no order with what is read on.
            Op::Entrust(_) if self.workers == 1 => {}
            Op::Entrust((by, worker)) => {
                let entrusted = self.leases.get_mut(&(by, worker)).unwrap().entrust();
                let event = self.model.subscribers[by].hands[worker].take();
                let both = event.zip(entrusted);
                self.entrusted
                    .extend(both.map(|(event, entrusted)| (by, event, entrusted)));
            }
            Op::EndEntrusted(handled) => self.end_entrusted(handled),
            Op::Redeliver(which) => self.redeliver(which),
            Op::Sync => self.sync(false).await,
            Op::Fail => self.sync(self.dirty).await,
            Op::Reopen => self.reopen().await,
        }
    }

    fn publish(&mut self, on: usize) {
        let id = self.id();
        let (topic, heard) = TOPICS[on];
        let delivery = self.node.bus.publish(envelope(topic, &id));
        assert_eq!(
            (delivery.delivered, delivery.refused.len()),
            (heard.len(), 0)
        );
        self.doors.extend(delivery.synced);
        heard.iter().for_each(|by| self.model.accept(*by, &id));
        self.dirty = true;
    }

    fn take(&mut self, (by, worker): Reader) {
        let expected = self.model.subscribers[by].take(worker);
        let lease = self.leases.get_mut(&(by, worker)).unwrap();
        let found = now(lease.next()).map(|found| (found.event.id().to_owned(), found.attempt));
        assert_eq!(found, expected.map(|event| (event.id, event.attempt)));
    }

    async fn turn(&mut self, (by, worker): Reader, on: Option<usize>) {
        let Some(event) = self.model.subscribers[by].hands[worker].clone() else {
            return;
        };
        let published = on.map(|on| (TOPICS[on], self.id()));
        let lease = self.leases.get_mut(&(by, worker)).unwrap();
        let Begin::Run(mut turn) = lease.begin(&self.node.bus).await.unwrap() else {
            panic!("{event:?} was not handled before");
        };
        let (batch, store) = (turn.batch(), self.node.store());
        let log = batch
            .get(store, Space::Buckets, LOGS[by].as_bytes())
            .unwrap();
        let log = [log.as_deref().unwrap_or_default(), event.id.as_bytes()].concat();
        batch.put(Space::Buckets, LOGS[by], log);
        let send = published
            .as_ref()
            .map(|((topic, _), id)| publishing(&self.node, &mut turn, topic, id));
        let (told, id) = (Arc::clone(&self.told), event.id.clone());
        let then = move || {
            told.lock().unwrap().push(id);
            if let Some(send) = send {
                send();
            }
        };
        let done = lease.commit(&self.node.bus, turn, then).await;
        let of = &mut self.model.subscribers[by];
        if self.workers == 1 && of.undone.range(..event.number).next().is_some() {
            assert_eq!(
                done,
                Err(TurnError::Conflict),
                "{event:?} before {:?}",
                of.undone
            );
            lease.again(None);
            of.hands[worker] = None;
            of.left.insert(event.number, event);
            return;
        }
        assert_eq!(done, Ok(()), "{event:?}");
        of.hands[worker] = None;
        of.logged += &event.id;
        self.model.telling.push(event.id.clone());
        of.end(event);
        if let Some(((_, heard), id)) = published {
            heard.iter().for_each(|by| self.model.accept(*by, &id));
        }
        self.dirty = true;
    }

    fn bury(&mut self, (by, worker): Reader) {
        let lease = self.leases.get_mut(&(by, worker)).unwrap();
        let letter = lease.dead_letter(&self.node.bus, Reason::Rejected, String::new());
        let of = &mut self.model.subscribers[by];
        let event = of.hands[worker].take();
        assert_eq!(letter.is_some(), event.is_some());
        if let Some((letter, event)) = letter.zip(event) {
            self.model.letters.insert(letter, (by, event.id.clone()));
            of.end(event);
            self.dirty = true;
        }
    }

    fn end_entrusted(&mut self, handled: bool) {
        let Some((by, event, entrusted)) = self.entrusted.pop_front() else {
            return;
        };
        let of = &mut self.model.subscribers[by];
        if handled {
            entrusted.handled();
            of.end(event);
            self.dirty = true;
        } else {
            drop(entrusted);
            of.left.insert(event.number, event);
        }
    }

    fn redeliver(&mut self, which: prop::sample::Index) {
        let letters = &mut self.model.letters;
        if letters.is_empty() {
            return;
        }
        let letter = *letters.keys().nth(which.index(letters.len())).unwrap();
        let (by, id) = letters.remove(&letter).unwrap();
        let to = Redelivered::To(NAMES[by].into());
        assert_eq!(self.node.bus.redeliver(letter), Ok(to));
        self.model.accept(by, &id);
        self.dirty = true;
    }

    async fn sync(&mut self, fails: bool) {
        if fails {
            self.node.faults.reached();
        }
        self.node.faults.release(usize::from(fails));
        self.node.finished().await;
        match fails {
            true => self.model.failed(),
            false => self.model.synced(),
        }
        self.node.faults.hold();
        self.dirty = false;
        for door in self.doors.drain(..) {
            assert_eq!(now(door.wait()).unwrap().is_err(), fails);
        }
        self.check_disk();
    }

    async fn reopen(&mut self) {
        self.doors.clear();
        self.entrusted.clear();
        self.leases.clear();
        self.node.faults.release(0);
        self.node.store().close();
        (self.node, self.leases) = open(self.dir, self.workers).await;
        self.dirty = false;
        self.told = Arc::default();
        self.model.synced();
        self.model.told.clear();
        let subscribers = self.model.subscribers.iter_mut();
        subscribers.for_each(Subscriber::reopened);
        self.check_disk();
    }

    /// What holds at any time.
    fn check(&self) {
        for (by, of) in self.model.subscribers.iter().enumerate() {
            let entrusted = self.entrusted.iter().filter(|(to, ..)| *to == by);
            let depth = of.depth(entrusted.count());
            assert_eq!(
                self.node.inboxes[by].stats().depth,
                depth,
                "of {}",
                NAMES[by]
            );
        }
        let letters: Vec<u64> = self.model.letters.keys().copied().collect();
        assert_eq!(self.node.bus.dead_letters().ids(), letters);
    }

    /// What holds when nothing is on its way.
    fn check_disk(&self) {
        let mut keys = self.model.letters.len();
        for (of, log) in self.model.subscribers.iter().zip(LOGS) {
            let value = self.node.value(log).unwrap_or_default();
            assert_eq!(value, of.log, "{log}");
            keys += of.stored.len();
        }
        assert_eq!(self.node.keys(), keys);
        assert_eq!(*self.told.lock().unwrap(), self.model.told);
        for letter in self.node.bus.dead_letters().list() {
            let found = (&*letter.actor, letter.event.id());
            let (by, id) = &self.model.letters[&letter.id];
            assert_eq!(found, (NAMES[*by], &**id));
        }
    }

    /// Reads and ends all there is.
    async fn end(&mut self) {
        while !self.entrusted.is_empty() {
            self.end_entrusted(false);
        }
        while self.dirty || self.model.subscribers.iter().any(|of| of.depth(0) > 0) {
            self.sync(false).await;
            for by in self.leases.keys().copied().collect::<Vec<_>>() {
                self.take(by);
                self.turn(by, None).await;
            }
            self.check();
        }
        self.sync(false).await;
        assert_eq!(self.node.keys(), self.model.letters.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// On a runtime that only runs where the test waits: what the disk has is known at every step.
    #[test]
    fn durable_topics_do_what_the_naive_model_does((workers, ops) in ops()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(dir.path(), workers).await;
            for op in ops {
                run.step(op).await;
                run.check();
            }
            run.end().await;
        });
    }
}
