//! `wasi:logging@0.1.0-draft`: lines that go where standard output and error go, at their own level.

use tracing::Level as Severity;
use wasmtime::component::Linker;

use crate::bindings::host::wasi::logging::logging::{self, Level};
use crate::host::HasState;
use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    logging::add_to_linker::<State, HasState>(linker, |state| state)
}

impl logging::Host for State {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => Severity::TRACE,
            Level::Debug => Severity::DEBUG,
            Level::Info => Severity::INFO,
            Level::Warn => Severity::WARN,
            // The log has no level above.
            Level::Error | Level::Critical => Severity::ERROR,
        };
        self.shared.voice.log(level, &context, &message);
        Ok(())
    }
}
