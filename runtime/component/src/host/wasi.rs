//! WASI 0.2: all of it linked, none of it granted. No directory, no address, no name lookup; the
//! environment that the settings give, the component's name as its only argument, and standard output
//! and error that end in the log.

use wasmtime::component::Linker;
use wasmtime_wasi::WasiCtx;

use crate::limits::RANDOM_BYTES;
use crate::output::Stream;
use crate::settings::Shared;
use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // The async ones: a sync wait inside tokio would panic.
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// What WASI knows of one instance.
pub(crate) fn context(shared: &Shared, stdout: Stream, stderr: Stream) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.arg(&shared.name)
        .stdout(stdout)
        .stderr(stderr)
        .max_random_size(RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(|_, _| Box::pin(async { false }));
    for (name, value) in &shared.env {
        wasi.env(name, value);
    }
    wasi.build()
}
