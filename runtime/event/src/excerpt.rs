//! The beginning of a text from outside, fit for an error message.

use std::fmt;

/// Longer than any name a person writes, short enough for one line of a log.
const MAX_CHARS: usize = 64;

/// The first 64 characters of a text. Printed in quotes with control characters escaped, so that
/// a hostile text can neither flood a log nor steer a terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt {
    text: Box<str>,
    cut: bool,
}

impl Excerpt {
    /// Takes the beginning of `text`.
    pub fn of(text: &str) -> Self {
        match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => Self {
                text: text.get(..end).unwrap_or_default().into(),
                cut: true,
            },
            None => Self {
                text: text.into(),
                cut: false,
            },
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)?;
        if self.cut {
            f.write_str("...")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_whole_and_escaped() {
        assert_eq!(Excerpt::of("a\u{1b}[2J\"").to_string(), r#""a\u{1b}[2J\"""#);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "é".repeat(MAX_CHARS + 1);
        let shown = Excerpt::of(&long).to_string();
        assert_eq!(shown, format!("{:?}...", "é".repeat(MAX_CHARS)));
        let exact = "é".repeat(MAX_CHARS);
        assert_eq!(Excerpt::of(&exact).to_string(), format!("{exact:?}"));
    }
}
