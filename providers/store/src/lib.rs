//! Key-value buckets in a [`Store`](whirlwind_store::Store), the one that durable topics use.
//!
//! - `key_value`: [`StoreKeyValue`], the store as a provider
//! - `bucket`: a bucket: the keys of [`Space::Buckets`](whirlwind_store::Space::Buckets) that begin with its name
//! - `place`: where a bucket's key lies in the store
//! - `failed`: what the store says, for a component
//!
//! # Durability
//!
//! | event | flushed writes | others |
//! |---|---|---|
//! | the component, its actor or this provider restarts | kept | kept |
//! | the process is killed | kept | the latest of the last milliseconds can be lost, none before them |
//! | power cut, crash of the operating system | kept | the same |
//!
//! Every write is on its way to the disk at once, with all that are on theirs;
//! [`flush`](whirlwind_provider_api::KeyValue::flush) waits for it. A `set_many` or `delete_many` survives
//! wholly or not at all. Where a write cannot be made durable it is undone, and the next flush says so.
//!
//! # What this crate knows nothing of
//!
//! Components, links, events; turns and their acknowledgements: who wants a write to commit with them
//! puts it into their [`Batch`](whirlwind_store::Batch) at [`place::of_key`].

mod bucket;
mod failed;
mod key_value;
pub mod place;

pub use key_value::StoreKeyValue;
