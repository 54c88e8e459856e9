//! One operation after another.

use std::collections::BTreeMap;

use bytes::Bytes;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_KEY, MAX_VALUE};
use whirlwind_provider_api::{Error, KeyValue, Linked, Staged};

use super::{entries, link, text};

#[test]
fn a_turn_reads_its_own_writes_and_nobody_else_does() {
    run(async {
        for validated in [true, false] {
            let (_store, of) = link(validated).await;
            of.bucket.set("old", text("1")).await.unwrap();
            let mut staged = Staged::default();
            staged.set(&of, "new", text("2")).await.unwrap();
            staged.delete(&of, "old").await.unwrap();
            assert_eq!(staged.get(&of, "new").await, Ok(Some(text("2"))));
            assert_eq!(staged.get(&of, "old").await, Ok(None));
            assert_eq!(staged.exists(&of, "new").await, Ok(true));
            assert_eq!(staged.exists(&of, "old").await, Ok(false));
            let keys = ["old".to_owned(), "new".to_owned(), "none".to_owned()];
            assert_eq!(
                staged.get_many(&of, &keys).await,
                Ok(vec![None, Some(text("2")), None])
            );
            assert_eq!(staged.list_keys(&of, None).await.unwrap().keys, ["new"]);
            let outside = BTreeMap::from([("old".to_owned(), text("1"))]);
            assert_eq!(entries(&of.bucket).await, outside);
        }
    });
}

#[test]
fn what_a_turn_read_of_a_validated_bucket_stays_and_is_told() {
    run(async {
        let (_store, of) = link(true).await;
        of.bucket.set("a", text("1")).await.unwrap();
        let mut staged = Staged::default();
        assert_eq!(staged.get(&of, "a").await, Ok(Some(text("1"))));
        assert_eq!(staged.exists(&of, "b").await, Ok(false));
        of.bucket.set("a", text("other")).await.unwrap();
        of.bucket.set("b", text("other")).await.unwrap();
        let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(
            staged.get_many(&of, &keys).await,
            Ok(vec![Some(text("1")), None, None])
        );
        // What was not read is no business of this turn, and what it writes unread is not compared.
        staged.set(&of, "a", text("2")).await.unwrap();
        staged.set(&of, "d", text("2")).await.unwrap();
        assert_eq!(staged.get(&of, "d").await, Ok(Some(text("2"))));
        let buckets: Vec<_> = staged.into_buckets().collect();
        assert_eq!(buckets.len(), 1);
        let reads = [("a", Some(text("1"))), ("b", None), ("c", None)];
        let reads = reads.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(buckets[0].reads, BTreeMap::from(reads));
        assert_eq!(buckets[0].linked.name, of.name);
    });
}

#[test]
fn a_bucket_that_is_not_validated_is_read_anew_and_nothing_is_told() {
    run(async {
        let (_store, of) = link(false).await;
        let mut staged = Staged::default();
        assert_eq!(staged.get(&of, "a").await, Ok(None));
        of.bucket.set("a", text("other")).await.unwrap();
        assert_eq!(staged.get(&of, "a").await, Ok(Some(text("other"))));
        assert!(staged.is_empty());
        assert_eq!(staged.size(), 0);
        assert_eq!(staged.into_buckets().count(), 0);
    });
}

#[test]
fn numbers_and_swaps_are_staged_where_a_commit_would_notice_another() {
    run(async {
        let (_store, of) = link(true).await;
        of.bucket.set("n", text("40")).await.unwrap();
        let mut staged = Staged::default();
        assert_eq!(staged.increment(&of, "n", 2).await, Ok(42));
        assert_eq!(staged.increment(&of, "fresh", -1).await, Ok(-1));
        let swap = staged.compare_and_swap(&of, "n", Some(b"42"), text("x"));
        assert_eq!(swap.await, Ok(true));
        let swap = staged.compare_and_swap(&of, "n", Some(b"42"), text("y"));
        assert_eq!(swap.await, Ok(false));
        let not_a_number = Error::NotANumber {
            key: "n".to_owned(),
        };
        assert_eq!(staged.increment(&of, "n", 1).await, Err(not_a_number));
        assert_eq!(staged.get(&of, "n").await, Ok(Some(text("x"))));
        // A swap that did not happen looked at the key all the same.
        let swap = staged.compare_and_swap(&of, "absent", Some(b"1"), text("y"));
        assert_eq!(swap.await, Ok(false));

        let outside = BTreeMap::from([("n".to_owned(), text("40"))]);
        assert_eq!(entries(&of.bucket).await, outside);
        let bucket = staged.into_buckets().next().unwrap();
        let reads = [("n", Some(text("40"))), ("fresh", None), ("absent", None)];
        let reads = reads.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(bucket.reads, BTreeMap::from(reads));
        let writes = [("n", Some(text("x"))), ("fresh", Some(text("-1")))];
        let writes = writes.map(|(key, value)| (key.to_owned(), value));
        assert_eq!(bucket.writes, BTreeMap::from(writes));
    });
}

#[test]
fn where_no_commit_would_notice_the_bucket_counts_and_swaps_at_once() {
    run(async {
        let (_store, of) = link(false).await;
        let mut staged = Staged::default();
        assert_eq!(staged.increment(&of, "n", 2).await, Ok(2));
        let swap = staged.compare_and_swap(&of, "s", None, text("x"));
        assert_eq!(swap.await, Ok(true));
        assert!(staged.is_empty());
        let at_once = BTreeMap::from([("n".to_owned(), text("2")), ("s".to_owned(), text("x"))]);
        assert_eq!(entries(&of.bucket).await, at_once);
        // On what the turn wrote itself there is nothing to race for.
        staged.set(&of, "n", text("10")).await.unwrap();
        staged.delete(&of, "s").await.unwrap();
        assert_eq!(staged.increment(&of, "n", 1).await, Ok(11));
        let swap = staged.compare_and_swap(&of, "s", None, text("y"));
        assert_eq!(swap.await, Ok(true));
        assert_eq!(entries(&of.bucket).await, at_once);
    });
}

#[test]
fn what_is_over_a_limit_is_refused_at_once_and_stages_nothing() {
    run(async {
        for validated in [true, false] {
            let (_store, of) = link(validated).await;
            let mut staged = Staged::default();
            let key = "k".repeat(MAX_KEY + 1);
            let too_long = Error::KeyTooLong { length: key.len() };
            let large = Bytes::from(vec![7; MAX_VALUE + 1]);
            let too_large = Error::ValueTooLarge {
                key: "k".to_owned(),
                size: large.len(),
            };
            let refused = [
                staged.get(&of, &key).await.map(drop),
                staged.exists(&of, &key).await.map(drop),
                staged.set(&of, &key, text("")).await,
                staged.delete(&of, &key).await,
                staged.list_keys(&of, Some(&key)).await.map(drop),
                staged.increment(&of, &key, 1).await.map(drop),
                staged
                    .compare_and_swap(&of, &key, None, text(""))
                    .await
                    .map(drop),
                staged
                    .get_many(&of, std::slice::from_ref(&key))
                    .await
                    .map(drop),
                staged.set_many(&of, vec![(key.clone(), text(""))]).await,
                staged.delete_many(&of, std::slice::from_ref(&key)).await,
            ];
            for answer in refused {
                assert_eq!(answer, Err(too_long.clone()));
            }
            let batch = vec![("a".to_owned(), text("")), ("k".to_owned(), large.clone())];
            let refused = [
                staged.set(&of, "k", large.clone()).await,
                staged
                    .compare_and_swap(&of, "k", None, large)
                    .await
                    .map(drop),
                staged.set_many(&of, batch).await,
            ];
            for answer in refused {
                assert_eq!(answer, Err(too_large.clone()));
            }
            let many: Vec<_> = (0..=MAX_BATCH_KEYS).map(|at| at.to_string()).collect();
            let count = many.len();
            let batch = many.iter().map(|key| (key.clone(), text(""))).collect();
            let refused = [
                staged.get_many(&of, &many).await.map(drop),
                staged.set_many(&of, batch).await,
                staged.delete_many(&of, &many).await,
            ];
            for answer in refused {
                assert_eq!(answer, Err(Error::TooManyKeys { count }));
            }
            assert!(staged.is_empty());
        }
    });
}

/// Some are staged and some are not: neither part is over the limit alone.
#[test]
fn an_answer_over_the_limit_is_refused_wherever_its_values_are() {
    run(async {
        let (_store, of) = link(true).await;
        let mut staged = Staged::default();
        let keys: Vec<_> = (0..=MAX_BATCH_BYTES / MAX_VALUE)
            .map(|at| at.to_string())
            .collect();
        let large = Bytes::from(vec![7; MAX_VALUE]);
        for (at, key) in keys.iter().enumerate() {
            match at % 2 {
                0 => staged.set(&of, key, large.clone()).await.unwrap(),
                _ => of.bucket.set(key, large.clone()).await.unwrap(),
            }
        }
        let answer = staged.get_many(&of, &keys).await;
        assert_eq!(answer, Err(Error::BatchTooLarge));
        assert!(staged.get_many(&of, &keys[..10]).await.is_ok());
    });
}

#[test]
fn links_of_one_name_are_one_bucket_and_others_are_not() {
    run(async {
        let (store, of) = link(true).await;
        let same = Linked {
            name: String::from(&*of.name).into(),
            ..of.clone()
        };
        let other = Linked {
            name: "memory/other".into(),
            bucket: store.bucket("other").await.unwrap(),
            validated: true,
        };
        let mut staged = Staged::default();
        staged.set(&of, "key", text("1")).await.unwrap();
        assert_eq!(staged.get(&same, "key").await, Ok(Some(text("1"))));
        assert_eq!(staged.get(&other, "key").await, Ok(None));
        staged.set(&other, "key", text("2")).await.unwrap();
        assert_eq!(staged.get(&of, "key").await, Ok(Some(text("1"))));
        assert_eq!(staged.into_buckets().count(), 2);
    });
}

#[test]
fn the_size_grows_with_what_is_held_and_not_with_how_often_it_was_set() {
    run(async {
        let (_store, of) = link(true).await;
        of.bucket
            .set("read", Bytes::from(vec![7; 1000]))
            .await
            .unwrap();
        let mut staged = Staged::default();
        assert_eq!(staged.size(), 0);
        staged.get(&of, "read").await.unwrap();
        let read = staged.size();
        assert!((1004..1300).contains(&read), "{read}");
        staged.get(&of, "read").await.unwrap();
        let twice = ["read".to_owned(), "read".to_owned()];
        staged.get_many(&of, &twice).await.unwrap();
        assert_eq!(staged.size(), read);
        staged.delete(&of, "x").await.unwrap();
        let entry = staged.size() - read - "x".len();
        assert!(entry > 0, "an entry of no bytes costs something");
        for _ in 0..3 {
            staged
                .set(&of, "x", Bytes::from(vec![7; 500]))
                .await
                .unwrap();
            assert_eq!(staged.size(), read + entry + 501);
        }
        staged.delete(&of, "x").await.unwrap();
        assert_eq!(staged.size(), read + entry + 1);
    });
}

/// The host awaits these on whichever thread comes.
#[test]
fn a_turn_can_move_between_threads() {
    fn is_send(_: impl Send) {}
    run(async {
        let (_store, of) = link(true).await;
        let mut staged = Staged::default();
        is_send(staged.get(&of, "key"));
        is_send(staged.list_keys(&of, None));
        is_send(staged.set(&of, "key", text("")));
        is_send(staged);
    });
}
