//! Black-box tests over a node's public face, and the harness they stand on.
//!
//! | module | holds |
//! |---|---|
//! | [`alone`] | tests in a process of their own |
//! | [`guests`] | the components that tests run, built from `actors/` |
//! | [`bed`] | a node for one test, in a folder of its own |
//! | [`log`] | what all nodes of a process say in the log, to be waited for and looked through |
#![allow(clippy::panic)] // a harness reports by panicking

pub mod alone;
pub mod bed;
pub mod guests;
pub mod log;

pub use bed::{Bed, Watch};
pub use guests::guest;
pub use whirlwind_peers::{Mosquitto, leave_out};

/// `many` where the environment sets `WHIRLWIND_FULL`, else `some`: tests whose numbers take minutes in a debug build run with
/// smaller ones until somebody asks for all.
pub fn full<T>(some: T, many: T) -> T {
    match std::env::var_os("WHIRLWIND_FULL") {
        Some(_) => many,
        None => some,
    }
}
