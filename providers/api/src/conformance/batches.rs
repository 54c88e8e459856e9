//! Several keys in one operation.

use bytes::Bytes;

use super::{Subject, all_keys, bucket, text};
use crate::Error;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_VALUE};

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// Keys named twice are answered twice.
pub async fn get_many_keeps_the_order_and_the_gaps(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    for key in ["", "a", "b", "c"] {
        bucket.set(key, text(key)).await.unwrap();
    }
    let asked = keys(&["c", "no", "a", "c", "", "also no", "b"]);
    let values = bucket.get_many(&asked).await.unwrap();
    let expected = [
        Some("c"),
        None,
        Some("a"),
        Some("c"),
        Some(""),
        None,
        Some("b"),
    ];
    assert_eq!(values, expected.map(|value| value.map(text)));
    assert_eq!(bucket.get_many(&[]).await.unwrap(), []);
    bucket
        .delete_many(&keys(&["c", "no", "a", "c"]))
        .await
        .unwrap();
    bucket.delete_many(&[]).await.unwrap();
    bucket.set_many(Vec::new()).await.unwrap();
    assert_eq!(all_keys(&bucket).await, ["", "b"]);
    store.close().await.unwrap();
}

/// Also when it is the shorter, or the one that was there before.
pub async fn the_last_value_of_a_key_named_twice_stays(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    bucket.set("b", text("old")).await.unwrap();
    let batch = [("a", "1"), ("b", "2"), ("a", "33"), ("b", "old"), ("a", "")];
    let batch = batch.map(|(key, value)| (key.to_owned(), text(value)));
    bucket.set_many(batch.into()).await.unwrap();
    assert_eq!(bucket.get("a").await.unwrap(), Some(text("")));
    assert_eq!(bucket.get("b").await.unwrap(), Some(text("old")));
    store.close().await.unwrap();
}

/// Too many keys, or too many bytes; what is just within the limit is taken.
pub async fn a_refused_batch_changes_nothing(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    bucket.set("0", text("before")).await.unwrap();

    let many: Vec<_> = (0..=MAX_BATCH_KEYS).map(|at| at.to_string()).collect();
    let refused = Error::TooManyKeys { count: many.len() };
    let batch: Vec<_> = many
        .iter()
        .map(|key| (key.clone(), text("after")))
        .collect();
    assert_eq!(bucket.set_many(batch.clone()).await.unwrap_err(), refused);
    assert_eq!(bucket.get_many(&many).await.unwrap_err(), refused);
    assert_eq!(bucket.delete_many(&many).await.unwrap_err(), refused);
    assert_eq!(bucket.get("0").await.unwrap(), Some(text("before")));
    assert_eq!(all_keys(&bucket).await, ["0"]);

    let large = Bytes::from(vec![7; MAX_VALUE]);
    let batch: Vec<_> = (0..=MAX_BATCH_BYTES / MAX_VALUE)
        .map(|at| (at.to_string(), large.clone()))
        .collect();
    assert_eq!(
        bucket.set_many(batch).await.unwrap_err(),
        Error::BatchTooLarge
    );
    assert_eq!(bucket.get("0").await.unwrap(), Some(text("before")));
    assert_eq!(all_keys(&bucket).await, ["0"]);

    let most = many[..MAX_BATCH_KEYS].to_vec();
    let batch = most.iter().map(|key| (key.clone(), text("after")));
    bucket.set_many(batch.collect()).await.unwrap();
    let values = bucket.get_many(&most).await.unwrap();
    assert!(values.iter().all(|value| *value == Some(text("after"))));
    bucket.delete_many(&most).await.unwrap();
    assert_eq!(all_keys(&bucket).await, [""; 0]);
    store.close().await.unwrap();
}

/// By readers beside it, while batches set, change and delete the same keys.
pub async fn a_batch_is_seen_whole_or_not_at_all(subject: &impl Subject) {
    const KEYS: usize = 60;
    const GENERATIONS: usize = 300;
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let names: Vec<_> = (0..KEYS).map(|at| format!("key {at}")).collect();
    let writer = {
        let (bucket, names) = (bucket.clone(), names.clone());
        tokio::spawn(async move {
            for generation in 0..GENERATIONS {
                let value = text(&generation.to_string());
                let batch = names.iter().map(|key| (key.clone(), value.clone()));
                bucket.set_many(batch.collect()).await.unwrap();
                if generation % 3 == 0 {
                    bucket.delete_many(&names).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (bucket, mut names) = (bucket.clone(), names.clone());
            tokio::spawn(async move {
                // In other orders than the writer's.
                names.rotate_left(reader * KEYS / 3);
                let last = Some(text(&(GENERATIONS - 1).to_string()));
                loop {
                    let values = bucket.get_many(&names).await.unwrap();
                    let torn = values.iter().find(|value| **value != values[0]);
                    assert_eq!(torn, None, "beside {:?}", values[0]);
                    if values[0] == last {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    store.close().await.unwrap();
}

/// So that a few short keys cannot cost the host more than it allows.
pub async fn an_answer_over_the_limit_is_refused(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = bucket(&store).await;
    let large = Bytes::from(vec![7; MAX_VALUE]);
    bucket.set("key", large.clone()).await.unwrap();
    // The keys count, so one less than the number of largest values fits.
    let fits = MAX_BATCH_BYTES / MAX_VALUE - 1;
    let values = bucket
        .get_many(&vec!["key".to_owned(); fits])
        .await
        .unwrap();
    assert!(
        values
            .into_iter()
            .all(|value| value.as_ref() == Some(&large))
    );
    let over = vec!["key".to_owned(); fits + 1];
    assert_eq!(
        bucket.get_many(&over).await.unwrap_err(),
        Error::BatchTooLarge
    );
    store.close().await.unwrap();
}
