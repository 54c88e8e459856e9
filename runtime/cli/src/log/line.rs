//! A line of the log, as a person reads it: when, how bad, who, what.

use std::fmt::{self, Write as _};

use owo_colors::{OwoColorize as _, Style};
use tracing_subscriber::field::Visit;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `2026-11-23T13:49:28.400459Z WARN pingpong: attempt 1 of 3 ...`
pub(super) struct PlainLine;

/// The fields of an event, those that say who is speaking set apart.
#[derive(Default)]
struct Fields {
    who: String,
    message: String,
    rest: String,
}

impl<S, N> FormatEvent<S, N> for PlainLine
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.who.is_empty() && level > tracing::Level::INFO {
            fields.who = event.metadata().target().to_owned();
        }
        let (faint, loud) = match writer.has_ansi_escapes() {
            true => (Style::new().dimmed(), style(level)),
            false => (Style::new(), Style::new()),
        };
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        write!(
            writer,
            "{} {} ",
            time.style(faint),
            format_args!("{level:<5}").style(loud)
        )?;
        if !fields.who.is_empty() {
            write!(writer, "{}: ", fields.who)?;
        }
        writeln!(writer, "{}{}", fields.message, fields.rest.style(faint))
    }
}

fn style(level: tracing::Level) -> Style {
    match level {
        tracing::Level::ERROR => Style::new().red(),
        tracing::Level::WARN => Style::new().yellow(),
        _ => Style::new().dimmed(),
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => self.message.write_str(value),
            // A guest's line has its actor and its stream.
            "actor" | "provider" | "stream" if self.who.is_empty() => self.who.write_str(value),
            "actor" | "provider" | "stream" => write!(self.who, " {value}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}
