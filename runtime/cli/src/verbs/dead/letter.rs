//! A whole dead letter, for people.

use owo_colors::OwoColorize as _;
use whirlwind::dead::DeadLetter;

use crate::print::printable;
use crate::verbs::printable_lines;

/// How much of data that is not text is shown, in bytes: sixteen lines.
const HEX: usize = 256;

/// Bytes in a line of them.
const ROW: usize = 16;

/// Its own fields, its event's attributes, its data, and the error in all its lines.
pub(super) fn whole(letter: &DeadLetter) -> String {
    let mut text = format!("{}\n", format_args!("dead letter {}", letter.id).bold());
    let attempts = letter.attempts.to_string();
    for (name, value) in [
        ("at", &letter.at),
        ("actor", &letter.actor),
        ("topic", &letter.topic),
        ("reason", &letter.reason),
        ("attempts", &attempts),
    ] {
        text.push_str(&field(name, value));
    }
    text.push_str(&format!("{}\n", "event".bold()));
    for (name, value) in letter.event.attributes() {
        text.push_str(&field(name, &value));
    }
    let event = &letter.event;
    text.push_str(&data(event.data(), event.datacontenttype()));
    text.push_str(&format!("{}\n", "error".bold()));
    for line in printable_lines(&letter.error).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn field(name: &str, value: &str) -> String {
    format!(
        "  {} {}\n",
        format_args!("{:<16}", printable(name)).dimmed(),
        printable(value)
    )
}

fn data(data: Option<&[u8]>, content_type: Option<&str>) -> String {
    let Some(data) = data else {
        return format!("{}\n", "no data".bold());
    };
    let head = |words: &str| {
        let bytes = if data.len() == 1 { "byte" } else { "bytes" };
        let of = content_type.map_or_else(String::new, |ty| format!(", {}", printable(ty)));
        format!("{} ({} {bytes}{of}{words})\n", "data".bold(), data.len())
    };
    match std::str::from_utf8(data) {
        Ok(text) => {
            let lines = printable_lines(text);
            let lines = lines.lines().map(|line| format!("  {line}\n"));
            head("") + &lines.collect::<String>()
        }
        Err(_) => {
            let more = match data.len() > HEX {
                true => format!(", not UTF-8; the first {HEX}"),
                false => ", not UTF-8".to_owned(),
            };
            let shown = data.get(..HEX).unwrap_or(data);
            let rows = shown.chunks(ROW).enumerate();
            let rows = rows.map(|(index, row)| hex_row(index * ROW, row));
            head(&more) + &rows.collect::<String>()
        }
    }
}

fn hex_row(at: usize, row: &[u8]) -> String {
    let hex: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
    let plain = row.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    });
    let plain: String = plain.collect();
    format!("  {at:04x}  {hex:<width$} {plain}\n", width = ROW * 3)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use whirlwind_event::EventBuilder;

    use super::*;

    fn shown(data: Option<&[u8]>) -> String {
        let mut event = EventBuilder::new().id("1").source("/a").ty("t");
        if let Some(data) = data {
            event = event.data(data);
        }
        let letter = DeadLetter {
            id: 7,
            topic: "in".to_owned(),
            actor: "a".to_owned(),
            reason: "max-deliver".to_owned(),
            attempts: 3,
            error: "panicked\u{1b}[2J\nat main".to_owned(),
            at: "2026-01-31T12:00:00.000Z".to_owned(),
            event: Arc::new(event.build().unwrap()),
        };
        anstream::adapter::strip_str(&whole(&letter)).to_string()
    }

    #[test]
    fn a_letter_is_shown_with_all_that_is_known_of_it() {
        let expected = "\
dead letter 7
  at               2026-01-31T12:00:00.000Z
  actor            a
  topic            in
  reason           max-deliver
  attempts         3
event
  id               1
  source           /a
  type             t
data (7 bytes)
  one
  two
error
  panicked\\u{1b}[2J
  at main
";
        assert_eq!(shown(Some(b"one\ntwo")), expected);
        assert!(shown(None).contains("\nno data\n"));
    }

    #[test]
    fn data_that_is_no_text_is_shown_byte_for_byte_up_to_a_limit() {
        let text = shown(Some(b"p\xffA\x00"));
        let row = "  0000  70 ff 41 00                                      p.A.\n";
        assert!(
            text.contains(&format!("data (4 bytes, not UTF-8)\n{row}")),
            "{text}"
        );
        let text = shown(Some(&[0xff; 1000]));
        assert!(text.contains("data (1000 bytes, not UTF-8; the first 256)\n"));
        assert_eq!(text.matches("ff ff ff ff").count() / 4, 16, "{text}");
    }
}
