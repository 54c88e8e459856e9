//! One embedded transactional store in a directory: what durable topics and their buckets lie in.
//!
//! - `store`: [`Store`], a handle to an open store; [`Counts`], what it did
//! - `space`: [`Space`], keys in order, apart from those of the others: there are four
//! - `batch`: [`Batch`], what one turn read and what it writes
//! - `commit`: [`Commit`], a batch on its way to the disk
//! - `open`: opening, and what is done when that fails: [`Opened`], [`SetAside`], [`Saved`], [`OpenError`]
//! - `error`: [`ReadError`], [`CommitError`]
//! - `health`: [`check`], a look at a store that nobody has open: [`Health`], [`Contents`], [`JournalFile`], [`Damage`]
//! - `export`: [`export`], all that can be read of one; `compact`: [`compact`], and [`Compacted`], [`CompactError`]
//!
//! Inside, from the top down:
//!
//! - `pending`: writes that the tree does not have yet; `changes`: which keys may have changed since when
//! - `writer`: the two threads: one puts commits into the journal, one moves them into the tree
//! - `journal`: two files of frames; `frame`: what one sync adds to one
//! - `tree`: redb, where entries lie that are older than the journal; `tree/storage`: its file;
//!   `sealed`: the checksum of a value
//! - `format`: the format's version; `lock`: one process at a time
//! - `look`: looking into a store without a change to it; `salvage`: saving what can be saved of a damaged one
//! - `medium`: a directory, the only way to the disk, so that tests can cut it off
//!
//! # One commit's way
//!
//! ```text
//! Store::commit   compared with what changed since its reads; in `pending`, where readers see it
//! writer          all commits that wait -> one frame, one write, one fdatasync -> each Commit is ready
//! settler         every 16 MiB: the last write of each key -> one transaction of redb -> out of `pending`
//! ```
//!
//! An event that is accepted and handled within those 16 MiB never reaches redb.
//!
//! # Durability
//!
//! A [`Commit`] that is ready survives a killed process and a power cut. Commits are there in their order:
//! one is only there with all before it, and wholly. What was not ready may be there too.
//!
//! A group that cannot be made durable is taken back: the journal's end is written over where the group
//! began, and synced. Then it, and every commit that came after it, is [`CommitError::Undone`], for good,
//! and the store goes on: so a full disk refuses commits until there is space. Where that fails too, or
//! a sync of the tree does, the store is [down](CommitError::Down): what the disk has is only known at the
//! next opening. Where only the tree cannot take what the journal holds, that is tried again until it can:
//! what redb wrote for it is held in memory meanwhile, and read from there. Once [`UNTREED_BYTES`] wait, commits
//! are refused. A panic in one of its threads brings the store down, too: nobody waits for ever.
//!
//! # Damage
//!
//! Every frame of the journal, every page of redb and every value has a checksum, and every frame a number;
//! opening reads all of the tree once, and what the tree lacks of the journal. A frame that is not whole with
//! whole ones after it is damage; at the very end it is what a power cut leaves, and [`Opened::torn`] says
//! that the end is missing. What is damaged is renamed to `<dir>.damaged-<unix seconds>`, as it was
//! found; a fresh store has every entry and group of it that is as it was written, and
//! [`Opened::set_aside`] says so. Until that one is whole the damaged one stays in its place.
//!
//! A file of the journal that was cut behind its first 16 MiB is not told from a torn end.
//!
//! # Threads and memory
//!
//! Reads and commits run where they are called and wait for no sync. [`Store::open`] and [`Store::close`]
//! block. What waits for the disk is bounded by [`WAITING_BYTES`] and [`UNTREED_BYTES`] for those who wait for
//! [`Store::room`]; redb's cache is 64 MiB. A `Store` needs no runtime: tokio is here for its channels.
//!
//! # What this crate knows nothing of
//!
//! Topics, subscribers, buckets and what their keys and values mean; components and turns, but for their
//! batch; who is told of damage.

mod batch;
mod changes;
mod commit;
mod compact;
mod error;
mod export;
mod format;
mod frame;
mod health;
mod journal;
mod lock;
mod look;
mod medium;
mod open;
mod pending;
mod salvage;
mod sealed;
mod space;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use commit::Commit;
pub use compact::{CompactError, Compacted, compact};
pub use error::{CommitError, ReadError};
pub use export::export;
pub use format::FORMAT;
pub use health::{Contents, Damage, Health, JournalFile, check};
pub use open::{OpenError, Opened, Saved, SetAside};
pub use space::Space;
pub use store::{Counts, Store, UNTREED_BYTES, WAITING_BYTES};
pub use tree::{Range, is_caught};
