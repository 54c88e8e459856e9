//! The characters of the CloudEvents `String` type, which topics share.

/// The first character that may not stand in a CloudEvents `String`, and its byte offset.
///
/// Refused are the control characters U+0000 to U+001F and U+007F to U+009F and the Unicode
/// noncharacters (CloudEvents 1.0, "Type System"; MQTT 5, 1.5.4 names the same ones). Lone
/// surrogates cannot occur in a `str`.
pub(crate) fn forbidden_character(text: &str) -> Option<(usize, char)> {
    // Nearly every attribute is printable ASCII: a loop without branches in its body, which the
    // compiler turns into vector instructions.
    let plain = text
        .bytes()
        .fold(true, |plain, byte| plain & (b' '..=b'~').contains(&byte));
    if plain {
        return None;
    }
    text.char_indices()
        .find(|&(_, character)| character.is_control() || is_noncharacter(character))
}

/// U+FDD0 to U+FDEF, and the last two code points of each of the 17 planes.
fn is_noncharacter(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges of the specification, written out.
    fn forbidden_by_the_text(code: u32) -> bool {
        code <= 0x1F
            || (0x7F..=0x9F).contains(&code)
            || (0xFDD0..=0xFDEF).contains(&code)
            || (0..=16)
                .any(|plane| code == plane * 0x10000 + 0xFFFE || code == plane * 0x10000 + 0xFFFF)
    }

    #[test]
    fn every_character_of_unicode_is_judged_as_the_specification_says() {
        for character in '\0'..=char::MAX {
            let text = format!("ab{character}c");
            let expected = forbidden_by_the_text(u32::from(character)).then_some((2, character));
            assert_eq!(forbidden_character(&text), expected, "{character:?}");
        }
    }

    #[test]
    fn the_first_of_two_is_found() {
        assert_eq!(forbidden_character("a\u{7f}\0"), Some((1, '\u{7f}')));
        assert_eq!(forbidden_character(""), None);
    }
}
