//! The host's side of every interface served, one file each: its context, its functions, and how it
//! gets into a linker. An error that the interface has a word for is data; everything else (an invalid
//! handle, a limit passed) is a trap.

pub(crate) mod actor;
pub(crate) mod config;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod messaging;
pub(crate) mod wasi;

use wasmtime::component::{HasData, Linker};

use crate::state::State;

/// Gives every function the whole state of its store.
pub(crate) struct HasState;

impl HasData for HasState {
    type Data<'a> = &'a mut State;
}

/// Adds everything that is served. What of it a component may use is decided when it is loaded.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    messaging::add_to_linker(linker)?;
    actor::add_to_linker(linker)?;
    keyvalue::add_to_linker(linker)?;
    config::add_to_linker(linker)?;
    logging::add_to_linker(linker)
}
