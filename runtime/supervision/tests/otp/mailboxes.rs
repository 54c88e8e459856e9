//! A mailbox that is held above the tree outlives every kind of restart of who reads it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rstest::rstest;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::advance,
};
use whirlwind_supervision::{
    Backoff, ChildSpec, ExitReason, Restart, StartError, State, Strategy, SupervisorRef,
};

use crate::stage::{Stage, boom, child_of, patient, quiet};

enum Letter {
    Event(usize),
    End(ExitReason),
    Panic,
}

/// What outlives the reader: its letters, and what became of them.
#[derive(Clone)]
struct Mailbox {
    letters: mpsc::Sender<Letter>,
    unread: Arc<AsyncMutex<mpsc::Receiver<Letter>>>,
    read: Arc<Mutex<Vec<usize>>>,
    /// How many of its reader's next starts fail.
    failures: Arc<AtomicUsize>,
}

impl Mailbox {
    fn new() -> Self {
        let (letters, unread) = mpsc::channel(64);
        Self {
            letters,
            unread: Arc::new(AsyncMutex::new(unread)),
            read: Arc::default(),
            failures: Arc::default(),
        }
    }

    fn put(&self, letter: Letter) {
        assert!(self.letters.try_send(letter).is_ok());
    }

    fn put_events(&self, events: std::ops::Range<usize>) {
        for event in events {
            self.put(Letter::Event(event));
        }
    }

    fn read(&self) -> Vec<usize> {
        self.read.lock().unwrap().clone()
    }

    fn reader(&self) -> ChildSpec {
        let held = self.clone();
        ChildSpec::worker("reader", move |stop| {
            let mailbox = held.clone();
            let fewer = |left: usize| left.checked_sub(1);
            let fails = mailbox
                .failures
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
            async move {
                if fails.is_ok() {
                    return Err(StartError::failed("not yet"));
                }
                Ok(async move {
                    let mut unread = mailbox.unread.lock().await;
                    loop {
                        tokio::select! {
                            () = stop.asked() => return ExitReason::Shutdown,
                            Some(letter) = unread.recv() => match letter {
                                Letter::Event(event) => mailbox.read.lock().unwrap().push(event),
                                Letter::End(reason) => return reason,
                                Letter::Panic => panic!("a bad letter"),
                            },
                        }
                    }
                })
            }
        })
    }
}

/// What takes the reader down.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fall {
    Ends,
    Fails,
    Panics,
    IsExcused,
    IsKilled,
    IsBystander,
    IsTerminated,
    SupervisorGivesUp,
    SupervisorIsKilled,
}

#[rstest]
#[case(Fall::Ends)]
#[case(Fall::Fails)]
#[case(Fall::Panics)]
#[case(Fall::IsExcused)]
#[case(Fall::IsKilled)]
#[case(Fall::IsBystander)]
#[case(Fall::IsTerminated)]
#[case(Fall::SupervisorGivesUp)]
#[case(Fall::SupervisorIsKilled)]
#[tokio::test(start_paused = true)]
async fn b2_what_arrives_while_its_reader_is_down_waits_and_keeps_its_order(#[case] fall: Fall) {
    const WAIT: Duration = Duration::from_secs(5);
    let stage = Stage::new();
    let mailbox = Mailbox::new();
    let backoff = Backoff {
        min: WAIT,
        max: WAIT,
        jitter: 0.0,
    };
    let max_restarts = if fall == Fall::SupervisorGivesUp {
        0
    } else {
        100
    };
    let inner = patient("?", Strategy::OneForAll)
        .intensity(max_restarts, Duration::from_secs(60))
        .backoff(backoff)
        .child(stage.child("sibling"))
        .child(mailbox.reader());
    let root = patient("root", Strategy::OneForOne)
        .backoff(backoff)
        .child(ChildSpec::supervisor("inner", inner).restart(Restart::Permanent));
    let tree = stage.start(root).await;
    let inner = tree.supervisor("inner").await.unwrap();
    mailbox.put_events(0..3);
    quiet().await;
    assert_eq!(mailbox.read(), [0, 1, 2]);

    // Starts that fail until the next one has to wait. For whom this was not the first restart in a row
    // that is one, for an excused reader and for a bystander one more.
    let failures = match fall {
        Fall::IsExcused | Fall::IsBystander => 2,
        _ => 1,
    };
    mailbox.failures.store(failures, Ordering::SeqCst);
    match fall {
        Fall::Ends => mailbox.put(Letter::End(ExitReason::Normal)),
        Fall::Fails | Fall::SupervisorGivesUp => mailbox.put(Letter::End(boom())),
        Fall::Panics => mailbox.put(Letter::Panic),
        Fall::IsExcused => mailbox.put(Letter::End(ExitReason::excused("trapped"))),
        Fall::IsKilled => inner.kill_child("reader").await.unwrap(),
        Fall::IsBystander => stage.crash("sibling").await,
        Fall::IsTerminated => inner.terminate_child("reader").await.unwrap(),
        Fall::SupervisorIsKilled => inner.kill(),
    }
    quiet().await;
    mailbox.put_events(3..6);
    quiet().await;
    assert_eq!(mailbox.read(), [0, 1, 2]);
    assert!(!is_running(&tree).await);

    if fall == Fall::IsTerminated {
        inner.restart_child("reader").await.unwrap_err();
        inner.restart_child("reader").await.unwrap();
    }
    advance(WAIT).await;
    quiet().await;
    assert!(is_running(&tree).await);
    mailbox.put_events(6..9);
    quiet().await;
    assert_eq!(mailbox.read(), (0..9).collect::<Vec<_>>());
}

async fn is_running(tree: &SupervisorRef) -> bool {
    let inner = child_of(&tree.status().await, "inner");
    let reader = inner.children.iter().find(|child| &*child.id == "reader");
    reader.is_some_and(|reader| reader.state == State::Running)
}
