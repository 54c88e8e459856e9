//! Pages of a bucket with staged writes over them.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::collection::btree_set;
use proptest::prelude::*;
use whirlwind_provider_api::conformance::run;
use whirlwind_provider_api::limits::{KEYS_PER_PAGE, MAX_BATCH_KEYS};
use whirlwind_provider_api::{Keys, Linked, Staged};

use super::{link, text};

const P: usize = KEYS_PER_PAGE;

fn key(at: usize) -> String {
    format!("{at:05}")
}

async fn fill(of: &Linked, keys: impl IntoIterator<Item = usize>) {
    let keys: Vec<_> = keys.into_iter().map(key).collect();
    for keys in keys.chunks(MAX_BATCH_KEYS) {
        let batch = keys.iter().map(|key| (key.clone(), Bytes::new()));
        of.bucket.set_many(batch.collect()).await.unwrap();
    }
}

/// A page as its definition makes it of all keys in order.
fn expected(all: &BTreeSet<usize>, cursor: Option<&str>) -> Keys {
    let mut keys: Vec<_> = all.iter().copied().map(key).collect();
    keys.retain(|key| cursor.is_none_or(|cursor| &**key > cursor));
    let more = keys.len() > P;
    keys.truncate(P);
    Keys {
        cursor: keys.last().filter(|_| more).cloned(),
        keys,
    }
}

/// All pages, each compared.
async fn compare(staged: &mut Staged, of: &Linked, all: &BTreeSet<usize>) {
    let mut cursor: Option<String> = None;
    loop {
        let page = staged.list_keys(of, cursor.as_deref()).await.unwrap();
        let wanted = expected(all, cursor.as_deref());
        assert_eq!(page.cursor, wanted.cursor, "after {cursor:?}");
        assert!(page.keys == wanted.keys, "after {cursor:?}");
        cursor = page.cursor;
        if cursor.is_none() {
            return;
        }
    }
}

/// Stages so that of `there` in the bucket `wanted` is left.
async fn stage(
    staged: &mut Staged,
    of: &Linked,
    there: &BTreeSet<usize>,
    wanted: &BTreeSet<usize>,
) {
    for at in there.difference(wanted) {
        staged.delete(of, &key(*at)).await.unwrap();
    }
    for at in wanted.difference(there) {
        staged.set(of, &key(*at), Bytes::new()).await.unwrap();
    }
}

#[test]
fn pages_keep_their_borders_whatever_is_staged_around_them() {
    let evens = |count: usize| (0..count).map(|at| 2 * at).collect::<BTreeSet<_>>();
    let border = 2 * P;
    run(async {
        for count in [0, 1, P - 1, P, P + 1, 2 * P, 3 * P + 1] {
            let there = evens(count);
            let mut wanted = vec![
                there.clone(),
                BTreeSet::new(),
                // Inserts between all keys, and after them.
                (0..2 * count + 5).collect(),
                // What is left is the very last, or the very first.
                there.iter().copied().rev().take(1).collect(),
                there.iter().copied().take(1).collect(),
            ];
            for near in [border - 3, border - 2, border - 1, border, border + 1] {
                let mut with = there.clone();
                with.insert(near);
                with.insert(near | 1);
                wanted.push(with);
                let mut without = there.clone();
                without.remove(&near);
                wanted.push(without.clone());
                without.remove(&0);
                without.insert(1);
                wanted.push(without);
            }
            // Every page of the bucket but the first is deleted, and half of the first.
            wanted.push(there.iter().copied().filter(|at| *at < P).collect());
            // A page of inserts before all.
            wanted.push(there.iter().map(|at| at + border).chain(0..P).collect());
            let (_store, of) = link(true).await;
            fill(&of, there.iter().copied()).await;
            for wanted in wanted {
                let mut staged = Staged::default();
                stage(&mut staged, &of, &there, &wanted).await;
                compare(&mut staged, &of, &wanted).await;
            }
        }
    });
}

#[test]
fn a_cursor_that_was_deleted_or_never_there_goes_on_after_its_place() {
    run(async {
        for validated in [true, false] {
            let (_store, of) = link(validated).await;
            for key in ["", "a", "b", "c"] {
                of.bucket.set(key, text(key)).await.unwrap();
            }
            let mut staged = Staged::default();
            staged.delete(&of, "b").await.unwrap();
            staged.set(&of, "aa", text("")).await.unwrap();
            staged.set(&of, "d", text("")).await.unwrap();
            staged.delete(&of, "d").await.unwrap();
            for (cursor, after) in [
                (None, &["", "a", "aa", "c"][..]),
                (Some(""), &["a", "aa", "c"]),
                (Some("a"), &["aa", "c"]),
                (Some("aa"), &["c"]),
                (Some("ab"), &["c"]),
                (Some("b"), &["c"]),
                (Some("c"), &[]),
                (Some("d"), &[]),
                (Some("e"), &[]),
            ] {
                let page = staged.list_keys(&of, cursor).await.unwrap();
                assert_eq!(page.keys, after, "after {cursor:?}");
                assert_eq!(page.cursor, None, "after {cursor:?}");
            }
        }
    });
}

#[test]
fn a_listing_reads_nothing_that_a_commit_would_compare() {
    run(async {
        let (_store, of) = link(true).await;
        of.bucket.set("a", text("1")).await.unwrap();
        let mut staged = Staged::default();
        assert_eq!(staged.list_keys(&of, None).await.unwrap().keys, ["a"]);
        assert!(staged.is_empty());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_keys_are_those_of_both_together(
        there in btree_set(0..4000_usize, 0..3000),
        added in btree_set(0..4000_usize, 0..2000),
        deleted in btree_set(0..4000_usize, 0..3000),
        cursor in 0..4000_usize,
    ) {
        run(async {
            let (_store, of) = link(false).await;
            fill(&of, there.iter().copied()).await;
            let mut staged = Staged::default();
            for at in &deleted {
                staged.delete(&of, &key(*at)).await.unwrap();
            }
            for at in &added {
                staged.set(&of, &key(*at), Bytes::new()).await.unwrap();
            }
            let all = &(&there - &deleted) | &added;
            compare(&mut staged, &of, &all).await;
            let cursor = key(cursor);
            let page = staged.list_keys(&of, Some(&cursor)).await.unwrap();
            assert!(page == expected(&all, Some(&cursor)));
        });
    }
}
