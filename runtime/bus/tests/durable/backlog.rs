//! More than a queue keeps in memory: the border between that and the store.

use std::path::Path;

use proptest::prelude::*;
use whirlwind_bus::{Entrusted, Envelope, Lease};

use crate::common::{event, topic};
use crate::node::{Node, commit, now};

/// A queue keeps 1,024 events of 4 MiB in memory, and reads 256 at once.
const EVENTS: usize = 1024;

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// Until here nothing of what was published or taken is on the disk.
    Sync,
    Take(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..600_usize).prop_map(Step::Publish),
        4 => Just(Step::Sync),
        4 => (1..400_usize).prop_map(Step::Take),
        1 => Just(Step::Reopen),
    ]
}

/// A node, and what it should hold: numbers in the order in which they were published.
struct Run {
    node: Node,
    lease: Option<Lease>,
    /// Taken, and ended when more is taken: these lie in the store before all that waits.
    held: Vec<Entrusted>,
    payload: usize,
    published: usize,
    synced: usize,
    taken: usize,
}

impl Run {
    async fn open(dir: &Path, payload: usize) -> Self {
        let node = Node::open(dir).await;
        Self {
            lease: Some(node.lease()),
            held: Vec::new(),
            node,
            payload,
            published: 0,
            synced: 0,
            taken: 0,
        }
    }

    fn publish(&mut self, events: usize) {
        for _ in 0..events {
            let event = event(&self.published.to_string(), self.payload);
            let delivery = self.node.bus.publish(Envelope::new(topic("a/1"), event));
            assert!(delivery.refused.is_empty());
            drop(delivery.synced);
            self.published += 1;
        }
    }

    async fn sync(&mut self) {
        self.node.finished().await;
        self.synced = self.published;
        assert_eq!(
            self.node.depth(),
            self.published - self.taken + self.held.len()
        );
    }

    fn end_held(&mut self) {
        self.held.drain(..).for_each(Entrusted::handled);
    }

    /// As many as are there. Most of them are ended.
    async fn take(&mut self, events: usize) {
        self.end_held();
        let lease = self.lease.as_mut().unwrap();
        for _ in 0..events {
            let Some(envelope) = now(lease.next()) else {
                assert_eq!(self.taken, self.synced, "one that is synced can be taken");
                return;
            };
            assert_eq!(envelope.event.id(), self.taken.to_string());
            assert!(self.taken < self.synced, "nothing is there before its sync");
            match self.taken % 8 {
                0 => self.held.extend(lease.entrust()),
                _ => commit(&self.node, lease).await.unwrap(),
            }
            self.taken += 1;
        }
    }

    async fn reopen(&mut self, dir: &Path) {
        self.end_held();
        self.lease = None;
        self.node.store().close();
        self.node = Node::open(dir).await;
        self.lease = Some(self.node.lease());
        self.sync().await;
    }

    async fn end(&mut self) {
        self.sync().await;
        self.take(usize::MAX).await;
        self.end_held();
        self.sync().await;
        assert_eq!(self.taken, self.published);
        assert_eq!((self.node.depth(), self.node.keys()), (0, 0));
    }
}

/// With one runtime that only runs where the test waits, what is synced is seen to be so at [`Step::Sync`] and nowhere else.
fn check(payload: usize, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let dir = tempfile::tempdir().unwrap();
    runtime.unwrap().block_on(async {
        let mut run = Run::open(dir.path(), payload).await;
        for step in steps {
            match step {
                Step::Publish(events) => run.publish(events),
                Step::Sync => run.sync().await,
                Step::Take(events) => run.take(events).await,
                Step::Reopen => run.reopen(dir.path()).await,
            }
        }
        run.end().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn the_order_is_kept_over_the_border_of_events(before in 1..3 * EVENTS, steps in prop::collection::vec(step(), 8..32)) {
        check(0, [vec![Step::Publish(before), Step::Sync], steps].concat());
    }

    /// 128 events are 4 MiB.
    #[test]
    fn the_order_is_kept_over_the_border_of_bytes(before in 1..400_usize, steps in prop::collection::vec(small(), 4..16)) {
        check(32 * 1024, [vec![Step::Publish(before), Step::Sync], steps].concat());
    }
}

/// The same, of as many events as are large together.
fn small() -> impl Strategy<Value = Step> {
    step().prop_map(|step| match step {
        Step::Publish(events) => Step::Publish(events / 8 + 1),
        Step::Take(events) => Step::Take(events / 4 + 1),
        other => other,
    })
}

/// Each way over the border by one: what is accepted there while memory is full, while a page is read, and when all was read.
#[test]
fn the_order_is_kept_at_the_border_itself() {
    use Step::{Publish, Sync, Take};
    let filled = |steps: &[Step]| [&[Publish(EVENTS)], steps].concat();
    // One that found no room is synced when what was before it has been taken.
    let late = [
        Sync,
        Publish(1),
        Take(EVENTS),
        Sync,
        Publish(1),
        Sync,
        Take(1),
    ];
    check(0, filled(&late));
    // One that found room is synced after one that found none.
    let mixed = [
        Publish(1),
        Sync,
        Take(2),
        Publish(1),
        Take(9),
        Publish(3),
        Sync,
        Take(EVENTS),
    ];
    check(0, filled(&mixed));
    // It comes while a page of others is in memory, and another is not.
    let paged = [
        Publish(300),
        Sync,
        Take(EVENTS + 1),
        Publish(5),
        Sync,
        Take(255),
        Publish(1),
        Sync,
    ];
    check(0, filled(&paged));
    // All of a page is taken with more to come that is not synced.
    let behind = [
        Publish(256),
        Sync,
        Publish(2),
        Take(EVENTS + 256),
        Publish(2),
        Take(1),
        Sync,
        Take(3),
    ];
    check(0, filled(&behind));
}

#[tokio::test]
async fn what_did_not_fit_in_memory_is_there_again_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(dir.path(), 0).await;
    run.publish(3 * EVENTS);
    run.sync().await;
    run.take(EVENTS + 300).await;
    run.publish(10);
    run.reopen(dir.path()).await;
    run.publish(10);
    run.take(EVENTS).await;
    run.sync().await;
    run.end().await;
}

/// What is undone was never there: those before and after it keep their order.
#[tokio::test]
async fn accepts_that_are_undone_beyond_memory_leave_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(dir.path(), 0).await;
    run.publish(EVENTS + 10);
    run.sync().await;
    run.node.faults.hold();
    run.publish(20);
    run.node.faults.reached();
    run.node.faults.release(1);
    run.node.finished().await;
    assert_eq!(run.node.depth(), EVENTS + 10);
    run.published -= 20;
    run.take(EVENTS - 5).await;
    run.publish(20);
    run.end().await;
}
