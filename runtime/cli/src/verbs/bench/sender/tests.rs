use tokio::time::{sleep, sleep_until};
use whirlwind::control::Accepted;

use super::super::answers::Answers;
use super::super::payload::Run;
use super::super::schedule::Schedule;
use super::super::tally::Tally;
use super::*;
use crate::args::Rate;

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn accepted() -> Offered {
    Offered::Accepted(Accepted {
        id: "1".to_owned(),
        delivered: 1,
    })
}

/// Takes everything at once, but nothing in a stall.
struct Stalls {
    from: Instant,
    to: Instant,
}

impl Target for Stalls {
    async fn offer(&mut self, _: Outgoing) -> Result<Offered, Failure> {
        if (self.from..self.to).contains(&Instant::now()) {
            sleep_until(self.to).await;
        }
        Ok(accepted())
    }
}

/// Takes this long for each.
struct Slow(Duration);

impl Target for Slow {
    async fn offer(&mut self, _: Outgoing) -> Result<Offered, Failure> {
        sleep(self.0).await;
        Ok(accepted())
    }
}

/// Hands out the tickets of a schedule, by the clock of the test.
fn paced(schedule: Schedule) -> Source {
    let (sender, tickets) = flume::bounded(1);
    tokio::spawn(async move {
        for ticket in schedule {
            sleep_until(ticket.due.unwrap()).await;
            sender.send_async(ticket).await.unwrap();
        }
    });
    Source::Scheduled(tickets)
}

fn sender(source: Source, answers: Option<Answers>) -> (Sender, watch::Sender<bool>) {
    let holds = matches!(source, Source::Free { .. }) && answers.is_some();
    let (stop, stopped) = watch::channel(false);
    let sender = Sender {
        source,
        events: Arc::new(Events::numbered(Run(1))),
        tally: Shared::new(Tally::new(Instant::now(), answers, holds).unwrap()),
        grace: ms(500),
        stop: stopped,
    };
    (sender, stop)
}

/// Coordinated omission: of 1000 a second, 100 are due in a stall of 100 ms, and each waits for what is left of it.
#[tokio::test(start_paused = true)]
async fn every_event_that_was_due_in_a_stall_shows_it() {
    for window in [1, 4] {
        let start = Instant::now();
        let schedule = Schedule::new(start, Rate(1000.0), Some(ms(1000)), None);
        let (sender, _stop) = sender(paced(schedule), None);
        let senders = (0..window).map(|_| {
            let (from, to) = (start + ms(400), start + ms(500));
            tokio::spawn(sender.clone().run(Stalls { from, to }))
        });
        for sent in futures::future::join_all(senders).await {
            sent.unwrap().unwrap();
        }
        let tally = sender.tally.lock();
        assert_eq!((tally.sent, tally.accepted), (1000, 1000));
        let latencies = &tally.acknowledged;
        // Spread evenly: ten in each tenth.
        for tenth in 0..10 {
            let (low, high) = (ms(tenth * 10), ms(tenth * 10 + 10));
            let found = latencies.between(
                low + Duration::from_micros(500),
                high + Duration::from_micros(499),
            );
            assert_eq!(found, 10, "{window} in flight: {low:?} to {high:?}");
        }
        assert_eq!(latencies.quantile(1.0), ms(100));
        assert_eq!(
            latencies.quantile(0.5),
            Duration::ZERO,
            "the others wait for nothing"
        );
        // The stall is the node's: this process sent each as soon as there was a place.
        assert_eq!(tally.lateness.quantile(1.0), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_comes_late_by_itself_is_seen() {
    let (tickets, taken) = flume::bounded(8);
    let (sender, _stop) = sender(Source::Scheduled(taken), None);
    let running = tokio::spawn(sender.clone().run(Slow(ms(2))));
    let start = Instant::now();
    sleep(ms(1)).await;
    for (number, due) in [(0, start), (1, start + ms(1))] {
        let due = Some(due);
        tickets
            .send(super::super::schedule::Ticket { number, due })
            .unwrap();
    }
    drop(tickets);
    running.await.unwrap().unwrap();
    let tally = sender.tally.lock();
    // The first was due a millisecond before it was handed out; the second waited for the first's acknowledgement.
    assert_eq!(tally.lateness.between(ms(1), ms(1)), 1);
    assert_eq!(tally.lateness.between(ms(0), Duration::from_micros(500)), 1);
    assert_eq!(tally.acknowledged.between(ms(3), ms(3)), 1);
    assert_eq!(tally.acknowledged.between(ms(4), ms(4)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_measures_each_event_from_when_it_was_sent() {
    let (sender, _stop) = sender(Source::free(Some(9)), None);
    let start = Instant::now();
    let senders = (0..3).map(|_| tokio::spawn(sender.clone().run(Slow(ms(5)))));
    for sent in futures::future::join_all(senders).await {
        sent.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), ms(15), "three at a time");
    let tally = sender.tally.lock();
    assert_eq!(tally.acknowledged.between(ms(5), ms(5)), 9);
    assert_eq!(tally.lateness.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_answer_holds_its_place_for_the_grace_alone() {
    let answers = Answers::new(Run(1), None).unwrap();
    let (sender, _stop) = sender(Source::free(Some(3)), Some(answers));
    let start = Instant::now();
    let running = tokio::spawn(sender.clone().run(Slow(ms(5))));
    sleep(ms(10)).await;
    let answered = format!("{:08x}{:012}", 1, 0);
    let came = |tally: &mut Tally| {
        let answers = tally.answers.as_mut().unwrap();
        answers.came(Some(answered.as_bytes()), Instant::now());
    };
    came(&mut sender.tally.lock());
    running.await.unwrap().unwrap();
    // 10 with an answer, then twice 5 and the grace without.
    assert_eq!(start.elapsed(), ms(10 + 2 * 505));
    let tally = sender.tally.lock();
    let answers = tally.answers.as_ref().unwrap();
    assert_eq!((answers.latencies.count(), answers.lost()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_counted_and_the_next_event_goes_out() {
    struct Refuses(u64);
    impl Target for Refuses {
        async fn offer(&mut self, _: Outgoing) -> Result<Offered, Failure> {
            self.0 += 1;
            let why = Failure::failed(format!("full {}", self.0));
            Ok(if self.0 % 2 == 1 {
                Offered::Refused(why)
            } else {
                accepted()
            })
        }
    }
    let (sender, _stop) = sender(Source::free(Some(5)), None);
    sender.clone().run(Refuses(0)).await.unwrap();
    let tally = sender.tally.lock();
    assert_eq!((tally.sent, tally.accepted, tally.refused), (5, 2, 3));
    assert!(
        tally
            .first_refusal
            .as_ref()
            .unwrap()
            .to_string()
            .contains("full 1")
    );
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_waits_for_what_is_in_flight_and_sends_no_more() {
    let (sender, stop) = sender(Source::free(None), None);
    let running = tokio::spawn(sender.clone().run(Slow(ms(10))));
    sleep(ms(25)).await;
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
    let tally = sender.tally.lock();
    assert_eq!((tally.sent, tally.accepted), (3, 3));
}
