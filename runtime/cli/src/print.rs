//! Standard output: whole lines, tables, trees. Standard error: words for people.
//!
//! Colour is written always and taken out by `anstream` where there is no terminal or `NO_COLOR` says so. The data of events
//! never passes through it: it goes out as it is.

use std::io::{self, Write as _};

use owo_colors::OwoColorize as _;

use crate::exit::{Ended, Exit, Failure};

/// Whether whoever reads standard output is still there. `whirlwind ps | head -1` has what it wanted after a line; that is no
/// failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Here,
    Gone,
}

/// Writes text to standard output and ends.
pub(crate) fn out(text: &str) -> Ended {
    lines(text).map(|_| Exit::Done)
}

/// Writes bytes to standard output as they are, and ends.
pub(crate) fn out_bytes(bytes: &[u8]) -> Ended {
    let mut stdout = io::stdout().lock();
    reader(stdout.write_all(bytes).and_then(|()| stdout.flush())).map(|_| Exit::Done)
}

/// Writes a JSON text and a newline to standard output, and ends.
pub(crate) fn json_line(json: &[u8]) -> Ended {
    out_bytes(&[json.trim_ascii_end(), b"\n"].concat())
}

/// Writes text to standard output.
pub(crate) fn lines(text: &str) -> Result<Reader, Failure> {
    let mut stdout = anstream::stdout().lock();
    reader(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// What a write to standard output says of its reader.
pub(crate) fn reader(written: io::Result<()>) -> Result<Reader, Failure> {
    match written {
        Ok(()) => Ok(Reader::Here),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::failed(format!(
            "standard output cannot be written: {error}"
        ))),
    }
}

/// A line for people. Where standard error is closed there is nobody to tell.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// A remark that is not an error: what a person should know, and what to do.
pub(crate) fn note(line: impl std::fmt::Display) {
    say(format_args!("{} {line}", "note:".yellow().bold()));
}

/// The text with what a terminal would obey or hide written as an escape. Text of a node, a manifest or an event comes from
/// strangers.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
    }
    shown
}

/// Which way a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table: a head and rows, columns two spaces apart.
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

/// A cell: its text, and how it looks.
pub(crate) struct Cell {
    text: String,
    style: owo_colors::Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            style: owo_colors::Style::new(),
        }
    }

    pub(crate) fn styled(text: impl Into<String>, style: owo_colors::Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table as text, each line ended.
    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (head, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                cells
                    .map(|cell| width(&cell.text))
                    .max()
                    .unwrap_or(0)
                    .max(width(head))
            })
            .collect();
        let mut text = String::new();
        let bold = owo_colors::Style::new().bold();
        let head = self.columns.iter().map(|(head, _)| (*head, bold));
        self.line(&mut text, &widths, head);
        for row in &self.rows {
            self.line(
                &mut text,
                &widths,
                row.iter().map(|cell| (cell.text.as_str(), cell.style)),
            );
        }
        text
    }

    fn line<'c>(
        &self,
        out: &mut String,
        widths: &[usize],
        cells: impl Iterator<Item = (&'c str, owo_colors::Style)>,
    ) {
        let last = widths.len().saturating_sub(1);
        for (index, (((text, style), columns), (_, align))) in
            cells.zip(widths).zip(&self.columns).enumerate()
        {
            let pad = " ".repeat(columns.saturating_sub(width(text)));
            if index > 0 {
                out.push_str("  ");
            }
            if *align == Align::Right {
                out.push_str(&pad);
            }
            out.push_str(&text.style(style).to_string());
            // Nothing invisible at the end of a line.
            if *align == Align::Left && index < last {
                out.push_str(&pad);
            }
        }
        out.push('\n');
    }
}

/// In characters: names in a manifest are ASCII, and what else stands in a table is ours.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("pong 1 é 漢"), "pong 1 é 漢");
        assert_eq!(
            printable("a\u{1b}[2J\r\nb\u{202e}c"),
            "a\\u{1b}[2J\\r\\nb\\u{202e}c"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("N", Align::Right),
            ("WHY", Align::Left),
        ]);
        table.row(vec![Cell::new("pingpong"), Cell::new("7"), Cell::new("x")]);
        table.row(vec![Cell::new("é"), Cell::new("1000"), Cell::new("long")]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(
            plain,
            "NAME         N  WHY\npingpong     7  x\né         1000  long\n"
        );
    }
}
