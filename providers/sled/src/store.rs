//! The store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;
use whirlwind_provider_api::{Bucket, Error, KeyValue, limits};

use crate::bucket::SledBucket;
use crate::caught::{caught, closed, failed, io};
use crate::open::{self, Held, OpenError, Opened};
use crate::seal;

/// Bytes of pages that sled keeps in memory: as much as one component may have by default. sled's own
/// default is 1 GiB.
pub const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Milliseconds between the flushes that sled does by itself: what a killed process can lose of writes
/// that nobody flushed.
pub const FLUSH_EVERY_MS: u64 = 100;

/// What the name of a bucket's tree begins with. The rest is the bucket's name as it is, so different
/// buckets have different trees, and none has sled's own, `__sled__default`.
const TREE_PREFIX: &[u8] = b"bucket/";

/// A key-value store in a directory. See the crate for what it promises.
///
/// Close it: one that is dropped flushes on the thread that drops it, and is not sealed.
pub struct SledKeyValue {
    dir: PathBuf,
    /// `None` once closed.
    open: Mutex<Option<Open>>,
}

struct Open {
    held: Held,
    /// Every bucket that was asked for: closing must take their trees away.
    buckets: HashMap<String, SledBucket>,
}

impl fmt::Debug for SledKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledKeyValue")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl SledKeyValue {
    /// Opens the store in the directory `path`, which is created when missing. A damaged one is set
    /// aside, which [`Opened`] says.
    ///
    /// # Errors
    /// [`OpenError`]: in use, or the system refuses.
    pub async fn open(path: impl AsRef<Path>) -> Result<Opened, OpenError> {
        let dir = path.as_ref().to_owned();
        let (done, opened) = oneshot::channel();
        let path = dir.clone();
        on_a_thread("sled-open", move || {
            // Nobody waits any more: what was opened closes again by being dropped.
            let _ = done.send(open::open(&path));
        });
        let (held, set_aside, rolled_back) = opened.await.unwrap_or_else(|_| {
            Err(OpenError::Io {
                path: dir.clone(),
                source: std::io::Error::other("the thread that opens it did not start or panicked"),
            })
        })?;
        if let Some(set_aside) = &set_aside {
            tracing::error!("{set_aside}");
        }
        if let Some(rolled_back) = &rolled_back {
            tracing::error!("{rolled_back}");
        }
        Ok(Opened {
            store: Self {
                dir,
                open: Mutex::new(Some(Open {
                    held,
                    buckets: HashMap::new(),
                })),
            },
            set_aside,
            rolled_back,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyValue for SledKeyValue {
    async fn bucket(&self, name: &str) -> Result<Arc<dyn Bucket>, Error> {
        limits::check_bucket_name(name)?;
        let mut open = self.lock();
        let Open { held, buckets } = open.as_mut().ok_or_else(closed)?;
        let bucket = match buckets.entry(name.to_owned()) {
            Entry::Occupied(bucket) => bucket.get().clone(),
            Entry::Vacant(place) => {
                let tree = [TREE_PREFIX, name.as_bytes()].concat();
                let tree = caught(|| held.db.open_tree(tree).map_err(failed))?;
                place.insert(SledBucket::new(tree)).clone()
            }
        };
        Ok(Arc::new(bucket))
    }

    async fn buckets(&self) -> Result<Vec<String>, Error> {
        let open = self.lock();
        let db = &open.as_ref().ok_or_else(closed)?.held.db;
        caught(|| {
            let mut names = Vec::new();
            for tree in db.tree_names() {
                let Some(name) = tree.strip_prefix(TREE_PREFIX) else {
                    continue;
                };
                let first = db.open_tree(&tree).and_then(|tree| tree.first());
                if first.map_err(failed)?.is_some() {
                    let name = std::str::from_utf8(name)
                        .map_err(|_| io("the store is damaged: a bucket's name is not UTF-8"))?;
                    names.push(name.to_owned());
                }
            }
            names.sort_unstable();
            Ok(names)
        })
    }

    async fn flush(&self) -> Result<(), Error> {
        let flushes = self
            .lock()
            .as_ref()
            .ok_or_else(closed)?
            .held
            .flushes
            .clone();
        tokio::task::spawn_blocking(move || caught(|| flushes.flush().map_err(failed)))
            .await
            .unwrap_or_else(|_| Err(io("the runtime is shutting down")))
    }

    async fn close(&self) -> Result<(), Error> {
        let Some(open) = self.lock().take() else {
            return Ok(());
        };
        let dir = self.dir.clone();
        let (done, closed) = oneshot::channel();
        on_a_thread("sled-close", move || {
            // Nobody has to wait for it.
            let _ = done.send(close(&dir, open));
        });
        closed
            .await
            .unwrap_or_else(|_| Err(io("the thread that closes it did not start or panicked")))
    }
}

/// Flushes, drops every handle, and seals the files once sled let go of them.
fn close(dir: &Path, open: Open) -> Result<(), Error> {
    let Open {
        held: Held { db, flushes, lock },
        buckets,
    } = open;
    // Waits for the operations under way; later ones find the bucket closed.
    let trees: Vec<_> = buckets.into_values().map(|bucket| bucket.close()).collect();
    let flushed = caught(|| flushes.flush().map_err(failed));
    caught(|| {
        drop((trees, flushes, db));
        Ok(())
    })?;
    flushed?;
    match open::wait_released(dir) {
        Ok(true) => {}
        Ok(false) => return Err(io("sled did not let go of its file")),
        Err(error) => return Err(io(&error.kind().to_string())),
    }
    seal::write(dir).map_err(|error| io(&error.kind().to_string()))?;
    drop(lock);
    Ok(())
}

/// Runs what may wait for the disk, or on some damage for ever, where no runtime waits for its end.
fn on_a_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
    {
        tracing::error!(%error, "no thread for {name}");
    }
}
