//! Words for people, out of what a guest says and what the limits are.

use std::time::Duration;

/// Bytes of a guest's own words in an error or a trap: a paragraph.
pub(crate) const MAX_WORDS: usize = 4096;

/// `5 s`, `300 ms`: whole units where they are whole.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis >= 1000 && millis.is_multiple_of(1000) {
        format!("{} s", millis / 1000)
    } else if millis > 0 {
        format!("{millis} ms")
    } else {
        format!("{} µs", duration.as_micros())
    }
}

/// `64 MiB`, `1500 bytes`: the largest unit that leaves a whole number.
pub(crate) fn bytes(bytes: usize) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

/// A guest's text made safe to show: no control characters (line ends and tabs become spaces), at most
/// `max` bytes, cut between characters and marked where it was cut.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let character = match character {
            '\n' | '\r' | '\t' => ' ',
            other if is_unprintable(other) => continue,
            other => other,
        };
        if clean.len() + character.len_utf8() > max {
            clean.push('…');
            break;
        }
        clean.push(character);
    }
    clean
}

/// Control characters, and those that turn the direction of the text around them: a line that holds
/// one can show other words than it has.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_a_person_would_say_them() {
        assert_eq!(duration(Duration::from_secs(5)), "5 s");
        assert_eq!(duration(Duration::from_millis(300)), "300 ms");
        assert_eq!(duration(Duration::from_millis(1500)), "1500 ms");
        assert_eq!(duration(Duration::from_micros(20)), "20 µs");
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes(1500), "1500 bytes");
        assert_eq!(bytes(8 << 10), "8 KiB");
        assert_eq!(bytes(0), "0 bytes");
    }

    #[test]
    fn clean_text_has_no_control_characters_and_keeps_to_its_size() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{202e}d", 100), "a[31mb cd");
        assert_eq!(clean("ééé", 5), "éé…");
        assert_eq!(clean("ééé", 6), "ééé");
    }
}
