//! Increment, compare-and-swap.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::{Subject, bucket, text};
use crate::Error;

/// Before, by how much, and the sum or the kind of error; after an error the value is as before.
pub async fn increment_follows_the_table(subject: &impl Subject) {
    const NOT: Result<i64, bool> = Err(false);
    const OVER: Result<i64, bool> = Err(true);
    const MAX: &str = "9223372036854775807";
    const MIN: &str = "-9223372036854775808";
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    type Row = (Option<&'static [u8]>, i64, Result<i64, bool>);
    let table: &[Row] = &[
        (None, 1, Ok(1)),
        (None, 0, Ok(0)),
        (None, -7, Ok(-7)),
        (None, i64::MAX, Ok(i64::MAX)),
        (None, i64::MIN, Ok(i64::MIN)),
        (Some(b"0"), 5, Ok(5)),
        (Some(b"41"), 1, Ok(42)),
        (Some(b"42"), 0, Ok(42)),
        (Some(b"9"), 1, Ok(10)),
        (Some(b"10"), -1, Ok(9)),
        (Some(b"1"), -2, Ok(-1)),
        (Some(b"-5"), 5, Ok(0)),
        (Some(b"+5"), 1, Ok(6)),
        (Some(b"007"), 1, Ok(8)),
        (Some(MAX.as_bytes()), -1, Ok(i64::MAX - 1)),
        (Some(MAX.as_bytes()), i64::MIN, Ok(-1)),
        (Some(MAX.as_bytes()), 1, OVER),
        (Some(MIN.as_bytes()), -1, OVER),
        (Some(b"1"), i64::MAX, OVER),
        (Some(b"9223372036854775808"), 0, OVER),
        (Some(b"-9223372036854775809"), 1, OVER),
        (Some(b""), 1, NOT),
        (Some(b"-"), 1, NOT),
        (Some(b" 1"), 1, NOT),
        (Some(b"1 "), 1, NOT),
        (Some(b"1\n"), 1, NOT),
        (Some(b"1.0"), 1, NOT),
        (Some(b"0x10"), 1, NOT),
        (Some(b"1e3"), 1, NOT),
        (Some(b"ping"), 1, NOT),
        (Some("٣".as_bytes()), 1, NOT),
        (Some(b"\xff"), 1, NOT),
        (Some(&[1, 0, 0, 0, 0, 0, 0, 0]), 1, NOT),
    ];
    for (at, (before, delta, expected)) in table.iter().enumerate() {
        let key = format!("row {at}");
        if let Some(before) = before {
            bucket
                .set(&key, bytes::Bytes::from_static(before))
                .await
                .unwrap();
        }
        let answer = bucket.increment(&key, *delta).await;
        let after = bucket.get(&key).await.unwrap();
        match expected {
            Ok(sum) => {
                assert_eq!(answer, Ok(*sum), "{key}");
                assert_eq!(after, Some(text(&sum.to_string())), "{key}: read as text");
            }
            Err(over) => {
                let key = key.clone();
                let error = if *over {
                    Error::Overflow { key }
                } else {
                    Error::NotANumber { key }
                };
                assert_eq!(answer, Err(error));
                assert_eq!(after.as_deref(), *before, "changed nothing");
            }
        }
    }
    store.close().await.unwrap();
}

/// And every answer is given once.
pub async fn increments_of_eight_tasks_lose_nothing(subject: &impl Subject) {
    const TASKS: usize = 8;
    const EACH: usize = 2000;
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let start = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (bucket, start) = (bucket.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let mut answers = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    answers.push(bucket.increment("counter", 1).await.unwrap());
                }
                assert!(answers.is_sorted_by(|a, b| a < b), "each task counts up");
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    answers.sort_unstable();
    let all = (TASKS * EACH) as i64;
    assert!(answers.into_iter().eq(1..=all));
    let value = bucket.get("counter").await.unwrap();
    assert_eq!(value, Some(text(&all.to_string())));
    store.close().await.unwrap();
}

/// Before, expected, and whether it swaps.
pub async fn compare_and_swap_follows_the_table(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let large = "x".repeat(100 * 1024);
    let table: &[(Option<&str>, Option<&str>, &str, bool)] = &[
        (None, None, "new", true),
        (None, None, "", true),
        (None, Some(""), "new", false),
        (None, Some("old"), "new", false),
        (Some("old"), None, "new", false),
        (Some(""), None, "new", false),
        (Some(""), Some(""), "new", true),
        (Some("old"), Some("old"), "new", true),
        (Some("old"), Some("old"), "old", true),
        (Some("old"), Some("ol"), "new", false),
        (Some("old"), Some("old "), "new", false),
        // The new value is there already, but was not expected to be.
        (Some("new"), Some("old"), "new", false),
        (Some("old"), Some("old"), &large, true),
        (Some(&large), Some(&large), "new", true),
    ];
    for (at, (before, expected, new, swaps)) in table.iter().enumerate() {
        let key = format!("row {at}");
        if let Some(before) = before {
            bucket.set(&key, text(before)).await.unwrap();
        }
        let swapped = bucket
            .compare_and_swap(&key, expected.map(str::as_bytes), text(new))
            .await
            .unwrap();
        assert_eq!(swapped, *swaps, "{key}");
        let after = if *swaps { Some(*new) } else { *before };
        assert!(bucket.get(&key).await.unwrap() == after.map(text), "{key}");
    }
    store.close().await.unwrap();
}

/// Round by round, from a missing key and from a value.
pub async fn a_race_of_swaps_has_one_winner(subject: &impl Subject) {
    const TASKS: usize = 8;
    const ROUNDS: usize = 300;
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let start = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (bucket, start) = (bucket.clone(), start.clone());
            tokio::spawn(async move {
                let mut won = Vec::new();
                for round in 0..ROUNDS {
                    // One key for ever two rounds: first from nothing, then from the winner's value.
                    let key = format!("{}", round / 2);
                    let before = bucket.get(&key).await.unwrap();
                    start.wait().await;
                    let mine = text(&format!("{task} in round {round}"));
                    let swapped = bucket
                        .compare_and_swap(&key, before.as_deref(), mine)
                        .await
                        .unwrap();
                    start.wait().await;
                    if swapped {
                        won.push(round);
                        let value = bucket.get(&key).await.unwrap();
                        assert_eq!(value, Some(text(&format!("{task} in round {round}"))));
                    }
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.unwrap());
    }
    won.sort_unstable();
    assert!(won.into_iter().eq(0..ROUNDS), "one winner in each round");
    store.close().await.unwrap();
}
