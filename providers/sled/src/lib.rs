//! Key-value buckets on sled 0.34, an embedded store in a directory.
//!
//! - `store`: [`SledKeyValue`], the store
//! - `bucket`: a bucket, one tree of sled
//! - `open`: opening, and what is done when that fails: [`Opened`], [`SetAside`], [`RolledBack`], [`OpenError`]
//! - `seal`: how damage to a closed store is known
//! - `flushes`: how it is known that flushed writes are missing
//! - `caught`: what sled throws, as errors
//!
//! # Durability
//!
//! | event | flushed writes | others |
//! |---|---|---|
//! | the component, its actor or this provider restarts | kept | kept |
//! | the process is killed | kept | the latest can be lost, none before them: those of the last 100 ms, or of longer where the flushing thread comes late |
//! | power cut, crash of the operating system | **no promise** | no promise |
//!
//! [`flush`](whirlwind_provider_api::KeyValue::flush) hands the log to the operating system
//! (`sync_file_range`, not `fsync`), about 145 µs. A thread of sled does the same every
//! [`FLUSH_EVERY_MS`], for those who do not flush. [`close`](whirlwind_provider_api::KeyValue::close)
//! does call `fsync` on every file. A `set_many` or `delete_many` survives wholly or not at all.
//!
//! # Damage
//!
//! A store that was closed is sealed: its files are hashed, and compared at the next opening, which reads
//! them all. Any change is found.
//!
//! After an abrupt stop there is no seal. Then opening reads every key and value once, and finds what
//! sled's checksums find. Other damage to its log sled takes for the end of the log, or of a 512 KiB
//! segment of it, and goes on with what is before, or around it. Where that undoes a flush,
//! [`Opened::rolled_back`] says so: flushes are counted in the store and beside it. What goes **without a
//! word** is writes that nobody flushed, and writes in the middle of a log whose last flush is intact;
//! the latter did not come up in 1,000 damages, which bounds it at 3 in 1,000.
//!
//! No value is ever made up: what is read was once written under its key.
//!
//! A damaged store is renamed to `<dir>.damaged-<unix seconds>`, and a fresh one is opened in its place.
//! [`Opened::set_aside`] says so, and the caller must report it. Nothing is deleted, but where it was
//! sled that refused it, sled may have blanked the damaged segments of its log before.
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
mod flushes;
mod open;
mod seal;
mod store;

pub use open::{OpenError, Opened, RolledBack, SetAside};
pub use store::{CACHE_BYTES, FLUSH_EVERY_MS, SledKeyValue};
