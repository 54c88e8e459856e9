//! A turn that never ends is a store like any other to the one who is in it: it passes their suite, but
//! for what comes after a store was closed, and for names of buckets, which links have already.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;
use whirlwind_provider_api::conformance::Subject;
use whirlwind_provider_api::{Bucket, Error, KeyValue, Keys, Linked, MemoryKeyValue, Staged};

struct Turn {
    validated: bool,
}

#[async_trait]
impl Subject for Turn {
    const PERSISTS: bool = false;

    async fn open(&self) -> Arc<dyn KeyValue> {
        Arc::new(StagedStore {
            turn: Arc::default(),
            store: MemoryKeyValue::new(),
            validated: self.validated,
        })
    }
}

#[derive(Debug)]
struct StagedStore {
    turn: Arc<Mutex<Staged>>,
    store: MemoryKeyValue,
    validated: bool,
}

#[async_trait]
impl KeyValue for StagedStore {
    async fn bucket(&self, name: &str) -> Result<Arc<dyn Bucket>, Error> {
        Ok(Arc::new(StagedHandle {
            turn: self.turn.clone(),
            of: Linked {
                name: name.into(),
                bucket: self.store.bucket(name).await?,
                validated: self.validated,
            },
        }))
    }

    async fn buckets(&self) -> Result<Vec<String>, Error> {
        self.store.buckets().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.store.flush().await
    }

    async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }
}

#[derive(Debug)]
struct StagedHandle {
    turn: Arc<Mutex<Staged>>,
    of: Linked,
}

#[async_trait]
impl Bucket for StagedHandle {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.turn.lock().await.get(&self.of, key).await
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), Error> {
        self.turn.lock().await.set(&self.of, key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.turn.lock().await.delete(&self.of, key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.turn.lock().await.exists(&self.of, key).await
    }

    async fn list_keys(&self, cursor: Option<&str>) -> Result<Keys, Error> {
        self.turn.lock().await.list_keys(&self.of, cursor).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.turn.lock().await.increment(&self.of, key, delta).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
    ) -> Result<bool, Error> {
        let mut turn = self.turn.lock().await;
        turn.compare_and_swap(&self.of, key, expected, value).await
    }

    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        self.turn.lock().await.get_many(&self.of, keys).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>) -> Result<(), Error> {
        self.turn.lock().await.set_many(&self.of, entries).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        self.turn.lock().await.delete_many(&self.of, keys).await
    }
}

macro_rules! suite {
    ($validated:expr) => {
        use super::Turn;

        whirlwind_provider_api::key_value_conformance! { Turn { validated: $validated };
            values::a_value_comes_back_as_it_was_set,
            values::setting_an_equal_value_changes_nothing,
            values::a_deleted_key_is_gone,
            values::what_is_over_a_limit_is_refused_and_changes_nothing,
            buckets::a_hundred_thousand_hostile_operations_read_nothing_of_another_bucket,
            buckets::handles_to_one_name_are_one_bucket,
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
        }
    };
}

mod validated {
    suite!(true);
}

mod not_validated {
    suite!(false);
}
