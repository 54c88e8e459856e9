use super::*;

const RUN: Run = Run(7);

fn answers(by: Option<By>) -> Answers {
    Answers::new(RUN, by).unwrap()
}

fn stamped(run: u32, number: u64) -> Vec<u8> {
    format!("{run:08x}{number:012} and more").into_bytes()
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Sends and accepts the events of these numbers, each in its millisecond.
fn accept(answers: &mut Answers, start: Instant, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let at = start + ms(number);
        answers.sent(number, at, at, false);
        answers.accepted(number);
    }
}

/// Answered, waiting, lost, unexpected.
fn sums(answers: &Answers) -> (u64, u64, u64, u64) {
    (
        answers.latencies.count(),
        answers.waiting(),
        answers.lost(),
        answers.unexpected,
    )
}

#[test]
fn by_number_each_answer_finds_its_event_in_any_order() {
    let (start, mut answers) = (Instant::now(), answers(None));
    accept(&mut answers, start, 0..4);
    answers.came(Some(&stamped(7, 3)), start + ms(10));
    answers.came(Some(&stamped(7, 0)), start + ms(12));
    assert_eq!(answers.by(), Some(By::Number));
    // 10 - 3 and 12 - 0.
    assert_eq!(answers.latencies.between(ms(7), ms(7)), 1);
    assert_eq!(answers.latencies.between(ms(12), ms(12)), 1);
    assert_eq!(sums(&answers), (2, 2, 2, 0), "1 and 2 have none");
}

#[test]
fn a_second_answer_a_foreign_one_and_one_without_a_number_are_unexpected() {
    let (start, mut answers) = (Instant::now(), answers(None));
    answers.came(Some(&stamped(8, 0)), start);
    assert_eq!(answers.by(), None, "another run's says nothing");
    accept(&mut answers, start, 0..2);
    answers.came(Some(&stamped(7, 0)), start);
    answers.came(Some(&stamped(7, 0)), start);
    answers.came(Some(&stamped(7, 99)), start);
    answers.came(Some(b"pong 1"), start);
    answers.came(None, start);
    assert_eq!(sums(&answers), (1, 1, 1, 5));
}

#[test]
fn an_answer_before_its_acknowledgement_counts_with_it() {
    let (start, mut answers) = (Instant::now(), answers(None));
    for number in 0..2 {
        answers.sent(number, start, start, false);
        answers.came(Some(&stamped(7, number)), start + ms(5));
    }
    assert_eq!(sums(&answers), (0, 0, 0, 0));
    answers.accepted(0);
    answers.refused(1);
    assert_eq!(sums(&answers), (1, 0, 0, 1));
    assert_eq!(answers.latencies.between(ms(5), ms(5)), 1);
}

#[test]
fn by_order_the_first_answer_belongs_to_the_first_of_the_accepted_events() {
    let (start, mut answers) = (Instant::now(), answers(None));
    for number in 0..3 {
        let at = start + ms(number);
        answers.sent(number, at, at, false);
    }
    // Before any was accepted.
    answers.came(Some(b"pong 1"), start + ms(10));
    assert_eq!(answers.by(), Some(By::Order));
    answers.accepted(2);
    assert_eq!(answers.latencies.between(ms(8), ms(8)), 1);
    answers.accepted(0);
    answers.accepted(1);
    answers.came(Some(b"pong 2"), start + ms(20));
    assert_eq!(answers.latencies.between(ms(20), ms(20)), 1);
    assert_eq!(sums(&answers), (2, 1, 1, 0));
    answers.came(Some(b"pong 3"), start + ms(30));
    answers.came(Some(b"pong 4"), start + ms(30));
    assert_eq!(sums(&answers), (3, 0, 0, 1), "one more than events");
}

#[test]
fn the_same_data_is_never_taken_for_a_number() {
    let (start, mut answers) = (Instant::now(), answers(Some(By::Order)));
    accept(&mut answers, start, 0..2);
    answers.came(Some(&stamped(7, 1)), start + ms(10));
    answers.came(Some(&stamped(9, 1)), start + ms(10));
    assert_eq!(sums(&answers), (2, 0, 0, 0));
    assert_eq!(answers.latencies.between(ms(10), ms(10)), 1);
}

#[test]
fn by_order_no_answer_belongs_to_an_event_that_was_sent_after_it() {
    for accepted in [true, false] {
        let (start, mut answers) = (Instant::now(), answers(Some(By::Order)));
        answers.sent(0, start, start, false);
        answers.came(None, start + ms(1));
        answers.sent(1, start + ms(2), start + ms(2), false);
        answers.accepted(1);
        assert_eq!(sums(&answers), (0, 1, 1, 0), "it is that of 0");
        if accepted {
            answers.accepted(0);
            assert_eq!(answers.latencies.between(ms(1), ms(1)), 1);
            assert_eq!(sums(&answers), (1, 1, 1, 0));
        } else {
            answers.refused(0);
            assert_eq!(sums(&answers), (0, 1, 1, 1));
        }
        answers.came(None, start + ms(5));
        assert_eq!(answers.latencies.between(ms(3), ms(3)), 1);
    }
}

/// Two in flight, and the one sent second is acknowledged first: neither answer is lost, and none is moved to another event.
#[test]
fn by_order_an_answer_that_waits_for_its_acknowledgement_holds_up_no_other() {
    let (start, mut answers) = (Instant::now(), answers(Some(By::Order)));
    answers.sent(0, start, start, false);
    answers.came(None, start + ms(1));
    answers.sent(1, start + ms(2), start + ms(2), false);
    answers.accepted(1);
    answers.came(None, start + ms(6));
    assert_eq!(answers.latencies.between(ms(4), ms(4)), 1, "6 - 2");
    answers.accepted(0);
    assert_eq!(answers.latencies.between(ms(1), ms(1)), 1, "1 - 0");
    assert_eq!(sums(&answers), (2, 0, 0, 0));
}

/// While there is always something in flight.
#[test]
fn by_order_an_answer_of_no_event_takes_no_other_ones_place() {
    let (start, mut answers) = (Instant::now(), answers(Some(By::Order)));
    answers.sent(0, start, start, false);
    answers.came(None, start + ms(1));
    answers.sent(1, start + ms(2), start + ms(2), false);
    answers.refused(0);
    assert_eq!(answers.unexpected, 1);
    answers.came(None, start + ms(3));
    answers.accepted(1);
    assert_eq!(sums(&answers), (1, 0, 0, 1));
    assert_eq!(answers.latencies.between(ms(1), ms(1)), 1);
}

#[test]
fn by_order_an_early_answer_goes_with_the_event_that_was_refused() {
    let (start, mut answers) = (Instant::now(), answers(Some(By::Order)));
    answers.sent(0, start, start, false);
    answers.came(None, start + ms(1));
    assert_eq!(answers.unexpected, 0);
    answers.refused(0);
    assert_eq!(sums(&answers), (0, 0, 0, 1));
}

#[test]
fn what_the_node_had_no_room_for_is_not_lost_and_shifts_no_answer() {
    for by in [None, Some(By::Order)] {
        let (start, mut answers) = (Instant::now(), answers(by));
        accept(&mut answers, start, 0..5);
        let answer = |number| match by {
            None => stamped(7, number),
            Some(_) => b"pong".to_vec(),
        };
        answers.came(Some(&answer(0)), start + ms(10));
        answers.missed_some(2);
        answers.came(Some(&answer(3)), start + ms(13));
        assert_eq!(answers.latencies.between(ms(10), ms(10)), 2, "{by:?}");
        assert_eq!(
            (answers.lost(), answers.missed()),
            (1, 2),
            "{by:?}: 4 has none"
        );
    }
}

#[tokio::test]
async fn a_place_is_free_when_its_event_is_answered() {
    let (start, mut answers) = (Instant::now(), answers(None));
    let mut free = answers.sent(0, start, start, true).unwrap();
    answers.accepted(0);
    assert!(free.try_recv() == Err(oneshot::error::TryRecvError::Empty));
    answers.came(Some(&stamped(7, 0)), start);
    assert!(free.await.is_err());
    assert!(answers.sent(1, start, start, false).is_none());
}

#[test]
fn past_a_bound_the_oldest_is_given_up_and_lost() {
    for by in [None, Some(By::Number), Some(By::Order)] {
        let (start, mut answers) = (Instant::now(), answers(by));
        answers.most = 3;
        accept(&mut answers, start, 0..5);
        assert_eq!(answers.pending.len(), 3, "{by:?}");
        assert_eq!(sums(&answers), (0, 3, 5, 0), "{by:?}");
    }
}

#[test]
fn the_wait_begins_anew_with_each_answer() {
    let (start, mut answers) = (Instant::now(), answers(None));
    accept(&mut answers, start, 0..2);
    assert_eq!(answers.quiet_at(start + ms(50), ms(100)), start + ms(150));
    answers.came(Some(&stamped(7, 0)), start + ms(30));
    assert_eq!(answers.quiet_at(start + ms(50), ms(100)), start + ms(150));
    answers.came(Some(&stamped(7, 1)), start + ms(80));
    assert_eq!(answers.quiet_at(start + ms(50), ms(100)), start + ms(180));
}
