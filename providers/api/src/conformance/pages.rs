//! Listings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Subject, all_keys, text};
use crate::Bucket;
use crate::limits::{KEYS_PER_PAGE, MAX_BATCH_KEYS};

async fn fill(bucket: &Arc<dyn Bucket>, keys: &[String]) {
    for keys in keys.chunks(MAX_BATCH_KEYS) {
        let batch = keys.iter().map(|key| (key.clone(), Bytes::new()));
        bucket.set_many(batch.collect()).await.unwrap();
    }
}

/// For numbers of keys around the page's; and a cursor says whether more come.
pub async fn pages_hold_every_key_once_and_in_order(subject: &impl Subject) {
    const P: usize = KEYS_PER_PAGE;
    let store = subject.open().await;
    for count in [0, 1, 2, P - 1, P, P + 1, 2 * P, 2 * P + 1] {
        let bucket = store.bucket(&format!("of {count}")).await.unwrap();
        // Not padded: the order is that of bytes, 10 before 9.
        let mut keys: Vec<_> = (0..count).map(|at| format!("key {at}")).collect();
        fill(&bucket, &keys).await;
        keys.sort();

        let mut pages = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = bucket.list_keys(cursor.as_deref()).await.unwrap();
            cursor.clone_from(&page.cursor);
            pages.push(page);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages.len(), count.div_ceil(P).max(1), "{count} keys");
        for page in &pages {
            assert!(page.keys.len() <= P);
            if page.cursor.is_some() {
                assert_eq!(page.cursor.as_ref(), page.keys.last());
            }
        }
        let listed: Vec<_> = pages.into_iter().flat_map(|page| page.keys).collect();
        assert!(listed == keys, "{count} keys");
    }
    store.close().await.unwrap();
}

/// Also the empty one, one between keys, and one after all.
pub async fn a_cursor_is_excluded_and_need_not_exist(subject: &impl Subject) {
    let store = subject.open().await;
    let bucket = super::bucket(&store).await;
    let keys = ["", "\0", "a", "a\0", "ab", "b", "é", "\u{10ffff}"];
    for key in keys {
        bucket.set(key, text(key)).await.unwrap();
    }
    assert_eq!(all_keys(&bucket).await, keys);
    for cursor in keys.into_iter().chain(["a\u{1}", "aa", "c", "zz", "\0\0"]) {
        let after: Vec<_> = keys.into_iter().filter(|key| *key > cursor).collect();
        let page = bucket.list_keys(Some(cursor)).await.unwrap();
        assert_eq!(page.keys, after, "after {cursor:?}");
        assert_eq!(page.cursor, None);
    }
    bucket.delete("a").await.unwrap();
    let page = bucket.list_keys(Some("a")).await.unwrap();
    assert_eq!(page.keys[0], "a\0", "a cursor that was deleted");
    store.close().await.unwrap();
}

/// Keys that stay come exactly once, in order, while keys around them come and go in every way.
pub async fn a_listing_is_stable_while_others_write(subject: &impl Subject) {
    const STAY: usize = 3 * KEYS_PER_PAGE;
    const LISTINGS: usize = 20;
    let store = subject.open().await;
    let bucket = super::bucket(&store).await;
    let stay: Vec<_> = (0..STAY).map(|at| format!("{at:05}")).collect();
    fill(&bucket, &stay).await;

    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for writer in 0..3 {
        let (bucket, stop, rounds) = (bucket.clone(), stop.clone(), rounds.clone());
        writers.push(tokio::spawn(async move {
            let mut at = writer * 1000;
            while !stop.load(Ordering::Relaxed) {
                at = (at + 7) % STAY;
                let near = format!("{at:05} {writer}");
                match writer {
                    0 => {
                        bucket.set(&near, Bytes::new()).await.unwrap();
                        bucket
                            .set(&format!("{at:05}"), text("again"))
                            .await
                            .unwrap();
                    }
                    1 => {
                        bucket.increment(&near, 1).await.unwrap();
                        bucket.delete(&near).await.unwrap();
                    }
                    _ => {
                        let many: Vec<_> = (0..40).map(|n| format!("{near} {n}")).collect();
                        fill(&bucket, &many).await;
                        bucket.delete_many(&many).await.unwrap();
                    }
                }
                rounds.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }));
    }
    while rounds.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..LISTINGS {
        let keys = all_keys(&bucket).await;
        assert!(keys.is_sorted_by(|a, b| a < b), "in order, none twice");
        let stayed = keys.into_iter().filter(|key| key.len() == 5);
        assert!(
            stayed.eq(stay.iter().cloned()),
            "a key that stayed is missing"
        );
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    store.close().await.unwrap();
}
