//! What the way from a guest to its bucket costs: a turn that increments, beside the same turn without,
//! followed by the increment called directly. The fixture reads what to do from its event, so its few
//! words of reading count for the first.
//!
//! Nobody waits for the disk on either side: a write is in memory, or on its way to the disk. Those of the store are on their way at
//! once, so its threads work beside the measure; each measure ends with all of its own synced, which does not count.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use whirlwind_benches::events::{IN, event_with, topic};
use whirlwind_benches::{Report, Run, Unit};
use whirlwind_component::{Effects, Links, Settings};
use whirlwind_event::{Event, Topic};
use whirlwind_provider_api::memory::MemoryKeyValue;
use whirlwind_provider_api::{Bucket, KeyValue, Linked, StagedBucket};
use whirlwind_provider_sled::SledKeyValue;
use whirlwind_provider_store::{StoreKeyValue, place};
use whirlwind_store::{Batch, Space, Store};

use crate::hosted::{Hosted, KeepNothing, component};
use crate::slot::Commit;

const BUCKET: &str = "default";

/// The rows of one provider.
struct Rows {
    direct: &'static str,
    inside: &'static str,
}

static ROWS: [Rows; 3] = [
    Rows {
        direct: "memory: turn, then increment",
        inside: "memory: turn that increments",
    },
    Rows {
        direct: "sled: turn, then increment",
        inside: "sled: turn that increments",
    },
    Rows {
        direct: "store: turn, then increment",
        inside: "store: turn that increments",
    },
];

pub async fn measure(run: &Run, report: &mut Report, buckets: &Path) {
    let mut group = run.group("key-value increment");
    for rows in &ROWS {
        group = group.row(rows.direct, Unit::Time, &[]).row(
            rows.inside,
            Unit::Time,
            std::slice::from_ref(&rows.direct),
        );
    }
    if !group.is_wanted() {
        return;
    }
    let folder = folder();
    let sled = SledKeyValue::open(folder.path().join("sled"));
    let store = Store::open(folder.path().join("store")).unwrap().store;
    let sides = [
        Side::new(buckets, Arc::new(MemoryKeyValue::new()), None).await,
        Side::new(buckets, Arc::new(sled.await.unwrap().store), None).await,
        Side::new(
            buckets,
            Arc::new(StoreKeyValue::over(store.clone())),
            Some(store.clone()),
        )
        .await,
    ];
    let mut sides: Vec<_> = ROWS.iter().zip(sides).collect();
    let topic = topic(IN);
    let nothing = Arc::new(event_with(""));
    let script = Arc::new(event_with("increment n 1"));
    for _ in 0..run.rounds() {
        for (rows, side) in &mut sides {
            group
                .mean(rows.direct, 4_000, async || {
                    side.turn(&topic, &nothing).await;
                    side.bucket.increment("n", 1).await.unwrap();
                })
                .await;
            side.provider.flush().await.unwrap();
            group
                .mean(rows.inside, 4_000, async || {
                    side.turn(&topic, &script).await
                })
                .await;
            side.provider.flush().await.unwrap();
        }
    }
    for (_, side) in &sides {
        side.provider.close().await.unwrap();
    }
    tokio::task::spawn_blocking(move || store.close())
        .await
        .unwrap();
    report.add(group);
}

/// A folder on the disk that this was built on: the system's folder for temporary files may be one in memory.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A provider, and a component that is linked to a bucket of it.
struct Side {
    provider: Arc<dyn KeyValue>,
    bucket: Arc<dyn Bucket>,
    hosted: Hosted,
    /// The store that the bucket is in, if turns commit there.
    store: Option<Store>,
}

impl Side {
    async fn new(buckets: &Path, provider: Arc<dyn KeyValue>, store: Option<Store>) -> Self {
        let bucket = provider.bucket(BUCKET).await.unwrap();
        let mut linked = Linked::new(BUCKET, Arc::clone(&bucket));
        linked.validated = store.is_some();
        let mut links = Links::default();
        links.buckets.insert(BUCKET.to_owned(), linked);
        let settings = Settings {
            links,
            ..Settings::default()
        };
        let component = component(buckets, settings).await;
        Self {
            provider,
            bucket,
            hosted: Hosted::new(&component).await,
            store,
        }
    }

    /// Handles one event and commits what it did, as a node does.
    async fn turn(&mut self, topic: &Topic, event: &Arc<Event>) {
        let turn = self.hosted.turn(topic, event, Box::new(KeepNothing));
        let Effects { outbox, staged } = turn.await;
        for bucket in staged.into_buckets() {
            match &self.store {
                None => bucket.apply().await.unwrap(),
                Some(store) => commit(store, bucket),
            }
        }
        outbox.commit();
    }
}

/// Commits what was written, if what was read is still so.
fn commit(store: &Store, bucket: StagedBucket) {
    let mut batch = Batch::new();
    for (key, value) in bucket.reads {
        batch.expect(Space::Buckets, place::of_key(BUCKET, &key), value);
    }
    for (key, value) in bucket.writes {
        let value = value.expect("nothing is deleted");
        batch.put(Space::Buckets, place::of_key(BUCKET, &key), value);
    }
    // On its way to the disk: nobody waits.
    drop(store.commit(batch).unwrap());
}
