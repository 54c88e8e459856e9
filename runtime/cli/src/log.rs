//! Tracing to standard error.

mod line;

use std::env::{self, VarError};
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::exit::Failure;
use crate::progress::Progress;

/// The variables that filter the log, the first that is set counts; in the notation of `tracing-subscriber`:
/// `debug`, or `info,whirlwind_bus=trace`.
const VARIABLES: [&str; 2] = ["WHIRLWIND_LOG", "RUST_LOG"];

/// The level where no variable says another, and libraries whose ordinary work is no news of ours. What a variable names counts
/// instead.
const ORDINARY: &str = "info,kameo=warn,wasmtime=warn,wasmtime_wasi=warn,wasmtime_cache=warn,wasmtime_internal_cache=warn,\
                     cranelift_codegen=warn,sled=warn,hyper=warn,mqtt5=warn,rumqttc=warn";

/// Begins to log.
pub(crate) fn init(progress: &Progress) -> Result<(), Failure> {
    let mut directives = ORDINARY.to_owned();
    for name in VARIABLES {
        match env::var(name) {
            Ok(text) if text.trim().is_empty() => continue,
            Ok(text) => {
                directives.push(',');
                directives.push_str(&text);
            }
            Err(VarError::NotPresent) => continue,
            Err(VarError::NotUnicode(_)) => return Err(unusable(name, "it is not UTF-8")),
        }
        return start(progress, &directives).map_err(|error| unusable(name, &error.to_string()));
    }
    start(progress, &directives).map_err(|error| Failure::failed(error.to_string()))
}

fn start(
    progress: &Progress,
    directives: &str,
) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(directives)?;
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .event_format(line::PlainLine)
        .with_writer(Stderr(progress.clone()))
        .init();
    Ok(())
}

fn unusable(name: &str, error: &str) -> Failure {
    Failure::usage(format!("{name} cannot be read: {error}")).help(format!(
        "write a level, such as {name}=debug, or {name}=info,whirlwind=debug"
    ))
}

/// Standard error, which a progress line may stand on.
struct Stderr(Progress);

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line { progress: &self.0 }
    }
}

/// One line of the log.
struct Line<'w> {
    progress: &'w Progress,
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.progress.above(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
