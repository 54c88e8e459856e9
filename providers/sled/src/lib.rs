//! Key-value buckets on sled 0.34, an embedded store in a directory.
//!
//! - `store`: [`SledKeyValue`], the store
//! - `bucket`: a bucket, one tree of sled
//! - `open`: opening, and what is done when that fails: [`Opened`], [`SetAside`], [`OpenError`]
//! - `seal`: how damage to a closed store is known
//! - `caught`: what sled throws, as errors
//!
//! # Durability
//!
//! | event | flushed writes | others |
//! |---|---|---|
//! | the component, its actor or this provider restarts | kept | kept |
//! | the process is killed | kept | those of the last 100 ms can be lost, the latest ones and none before them |
//! | power cut, crash of the operating system | **no promise** | no promise |
//!
//! [`flush`](whirlwind_provider_api::KeyValue::flush) hands the log to the operating system
//! (`sync_file_range`, not `fsync`), about 145 µs. A thread of sled does the same every
//! [`FLUSH_EVERY_MS`], for those who do not flush. [`close`](whirlwind_provider_api::KeyValue::close)
//! does call `fsync` on every file. A `set_many` or `delete_many` survives wholly or not at all.
//!
//! # Damage
//!
//! A store that was closed is sealed: its files are hashed (some GB/s), and compared at the next
//! opening. Any change is found. After an abrupt stop there is no seal; then opening reads every key and value once,
//! and finds what sled's own checksums find. What those do not: a damaged message inside the log ends
//! the reading of its 512 KiB segment, not of the log, so that writes in the middle can be missing
//! while later ones are there. No value is ever made up: what is read was once written under its key.
//!
//! A damaged store is renamed to `<dir>.damaged-<unix seconds>`, nothing in it is deleted, and a fresh
//! one is opened in its place. [`Opened::set_aside`] says so, and the caller must report it.
//! sled panics on some damage; such a panic is caught, but its message still reaches the panic hook.
//!
//! # Threads
//!
//! Reads and small writes run where they are called, in about a microsecond: they touch the disk only
//! when a page is not in the cache of [`CACHE_BYTES`]. Opening, flushing, closing and writes over 64 KiB, which
//! sled may put into files of their own, run on threads that may wait. Each needs a tokio runtime.
//!
//! # What this crate knows nothing of
//!
//! Components, links, events; which directory it is given, and who is told of damage.

mod bucket;
mod caught;
mod open;
mod seal;
mod store;

pub use open::{OpenError, Opened, SetAside};
pub use store::{CACHE_BYTES, FLUSH_EVERY_MS, SledKeyValue};
