//! What a hostile component can do to the whole process: its memory, its time, its log. Each row of numbers in `docs/limits.md`
//! comes from here, said on a line of its own.
//!
//! `cargo test` runs each row at a small size, and asserts what no busy machine can change: counts, order, bounds of memory. With
//! `WHIRLWIND_FULL=1` the sizes are those of the page, and its bounds on time are asserted as well.
//!
//! Rows run one at a time: what is measured is the process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod failures;
mod flood;
mod memory;
mod meter;
mod output;
mod pair;
mod rig;
mod spinners;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
