//! The tests which every store passes; those of a messaging provider are in [`messaging`].
//!
//! A store's crate says how to open one, and gets one named test for each promise of the traits:
//!
//! ```
//! # use std::sync::Arc;
//! # use whirlwind_provider_api::{KeyValue, MemoryKeyValue, conformance::Subject};
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Subject for Memory {
//!     const PERSISTS: bool = false;
//!     async fn open(&self) -> Arc<dyn KeyValue> {
//!         Arc::new(MemoryKeyValue::new())
//!     }
//! }
//!
//! whirlwind_provider_api::key_value_conformance!(Memory);
//! ```

// A failed expectation panics: these are tests, kept in a library so that several crates can run them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Bucket, KeyValue};

pub mod atomics;
pub mod batches;
pub mod buckets;
pub mod life;
pub mod messaging;
pub mod model;
pub mod pages;
pub mod values;

/// A kind of store, and where one instance of it lives.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// Whether a store that was closed still has its entries when it is opened again.
    const PERSISTS: bool;

    /// Opens the store: an empty one the first time, then, once that was closed, the same again.
    async fn open(&self) -> Arc<dyn KeyValue>;
}

/// Runs one case on a runtime with several threads, so that tasks do race.
pub fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
        .block_on(case);
}

/// One test for each case of the suite, over the [`Subject`] that `$make` makes anew for each.
#[macro_export]
macro_rules! key_value_conformance {
    ($make:expr) => {
        $crate::key_value_conformance! { $make;
            values::a_value_comes_back_as_it_was_set,
            values::setting_an_equal_value_changes_nothing,
            values::a_deleted_key_is_gone,
            values::what_is_over_a_limit_is_refused_and_changes_nothing,
            buckets::buckets_with_hostile_names_are_disjoint,
            buckets::a_hundred_thousand_hostile_operations_read_nothing_of_another_bucket,
            buckets::handles_to_one_name_are_one_bucket,
            buckets::buckets_that_hold_something_are_listed_in_order,
            pages::pages_hold_every_key_once_and_in_order,
            pages::a_cursor_is_excluded_and_need_not_exist,
            pages::a_listing_is_stable_while_others_write,
            atomics::increment_follows_the_table,
            atomics::increments_of_eight_tasks_lose_nothing,
            atomics::compare_and_swap_follows_the_table,
            atomics::a_race_of_swaps_has_one_winner,
            batches::get_many_keeps_the_order_and_the_gaps,
            batches::the_last_value_of_a_key_named_twice_stays,
            batches::a_refused_batch_changes_nothing,
            batches::a_batch_is_seen_whole_or_not_at_all,
            batches::an_answer_over_the_limit_is_refused,
            model::random_operations_match_a_map,
            life::a_closed_store_answers_nothing,
            life::closing_waits_for_writers_and_keeps_what_they_wrote,
            life::a_store_opened_again_has_what_it_should,
        }
    };
    ($make:expr; $($module:ident :: $case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::run(async {
                    $crate::conformance::$module::$case(&$make).await;
                });
            }
        )*
    };
}

/// The bucket most cases use.
async fn bucket(store: &Arc<dyn KeyValue>) -> Arc<dyn Bucket> {
    store.bucket("default").await.unwrap()
}

/// Every key of a bucket, page by page.
async fn all_keys(bucket: &Arc<dyn Bucket>) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.list_keys(cursor.as_deref()).await.unwrap();
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            return keys;
        }
    }
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn persists<S: Subject>(_: &S) -> bool {
    S::PERSISTS
}
