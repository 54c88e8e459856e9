//! How `sub` and `up --sub` print an event.

use owo_colors::{OwoColorize as _, Style};
use tokio::io::{AsyncWriteExt as _, Stdout};
use whirlwind_event::{Event, json};

use crate::exit::Failure;
use crate::print::{Reader, printable, reader};

/// How much of data that is not text is shown, in bytes: a line of a terminal.
const HEX: usize = 24;

/// The three ways to print an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `topic  data`, for people.
    Plain,
    /// Only the data, ended by a newline.
    Raw,
    /// A structured CloudEvent and its topic.
    Json,
}

impl Format {
    /// The command line has seen to it that they are not both set.
    pub(crate) fn of(json: bool, raw: bool) -> Self {
        match (json, raw) {
            (true, _) => Self::Json,
            (_, true) => Self::Raw,
            _ => Self::Plain,
        }
    }

    /// Appends an event, ended by a newline.
    fn write(
        self,
        out: &mut Vec<u8>,
        topic: &str,
        event: &Event,
        colour: bool,
    ) -> Result<(), Failure> {
        match self {
            Self::Plain => out.extend(plain(topic, event.data(), colour).bytes()),
            Self::Raw => out.extend_from_slice(event.data().unwrap_or_default()),
            Self::Json => {
                let unprintable =
                    |error| Failure::failed(format!("an event cannot be printed: {error}"));
                let named = event
                    .to_builder()
                    .extension("topic", topic)
                    .build()
                    .map_err(unprintable)?;
                out.extend(json::to_line(&named));
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Topic and data on one line; what is not the event's own text is dimmed, so that it cannot be taken for it.
fn plain(topic: &str, data: Option<&[u8]>, colour: bool) -> String {
    let style = |style: Style| if colour { style } else { Style::new() };
    let dimmed = style(Style::new().dimmed());
    let shown = match data.map(|data| (data, std::str::from_utf8(data))) {
        None => "(no data)".style(dimmed).to_string(),
        Some((_, Ok(text))) => printable(text),
        Some((data, Err(_))) => {
            let mut hex: String = data
                .iter()
                .take(HEX)
                .map(|byte| format!("{byte:02x} "))
                .collect();
            if data.len() > HEX {
                hex.push_str("… ");
            }
            format!(
                "{hex}{}",
                format_args!("({} bytes, not UTF-8)", data.len()).style(dimmed)
            )
        }
    };
    format!(
        "{}  {shown}",
        printable(topic).style(style(Style::new().cyan()))
    )
}

/// Standard output for a stream of events.
///
/// Written through tokio's blocking threads: a reader that stands still holds up whoever prints, not a worker of the node.
pub(crate) struct Printer {
    format: Format,
    stdout: Stdout,
    buffer: Vec<u8>,
    colour: bool,
}

impl Printer {
    pub(crate) fn new(format: Format) -> Self {
        let colour =
            anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        Self {
            format,
            stdout: tokio::io::stdout(),
            buffer: Vec::new(),
            colour,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Takes an event; [`flush`](Self::flush) prints what was taken.
    pub(crate) fn event(&mut self, topic: &str, event: &Event) -> Result<(), Failure> {
        self.format
            .write(&mut self.buffer, topic, event, self.colour)
    }

    /// Takes a line as it is.
    pub(crate) fn line(&mut self, line: &[u8]) {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
    }

    /// Prints what was taken.
    pub(crate) async fn flush(&mut self) -> Result<Reader, Failure> {
        let written = match self.stdout.write_all(&self.buffer).await {
            Ok(()) => self.stdout.flush().await,
            Err(error) => Err(error),
        };
        self.buffer.clear();
        reader(written)
    }
}

#[cfg(test)]
mod tests {
    use whirlwind_event::EventBuilder;

    use super::*;

    fn shown(format: Format, data: Option<&[u8]>) -> String {
        let mut builder = EventBuilder::new().id("1").source("/a").ty("t");
        if let Some(data) = data {
            builder = builder.data(data);
        }
        let mut out = Vec::new();
        format
            .write(&mut out, "pong", &builder.build().unwrap(), false)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_see_topic_and_data_on_one_line() {
        assert_eq!(shown(Format::Plain, Some(b"pong 1")), "pong  pong 1\n");
        assert_eq!(
            shown(Format::Plain, Some(b"two\nlines")),
            "pong  two\\nlines\n"
        );
        assert_eq!(shown(Format::Plain, Some(b"")), "pong  \n");
        assert_eq!(shown(Format::Plain, None), "pong  (no data)\n");
    }

    #[test]
    fn colour_is_for_terminals() {
        assert_eq!(
            plain("pong", Some(b"1"), true),
            "\u{1b}[36mpong\u{1b}[0m  1"
        );
        assert_eq!(plain("pong", None, false), "pong  (no data)");
    }

    #[test]
    fn data_that_is_no_text_is_hexadecimal_with_its_length() {
        assert_eq!(
            shown(Format::Plain, Some(b"\xff\xfe")),
            "pong  ff fe (2 bytes, not UTF-8)\n"
        );
        let long = shown(Format::Plain, Some(&[0xff; 100]));
        assert!(long.ends_with("ff … (100 bytes, not UTF-8)\n"), "{long}");
    }

    #[test]
    fn raw_is_the_data_and_a_newline() {
        assert_eq!(shown(Format::Raw, Some(b"a\x1b\n")), "a\u{1b}\n\n");
        assert_eq!(shown(Format::Raw, None), "\n");
    }

    #[test]
    fn json_is_the_event_and_its_topic() {
        let line = shown(Format::Json, Some(b"x"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (value["topic"].as_str(), value["data_base64"].as_str()),
            (Some("pong"), Some("eA=="))
        );
    }
}
