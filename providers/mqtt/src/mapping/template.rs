use whirlwind_event::{Excerpt, Topic, TopicFilter};

use super::MappingError;

/// A topic with places in it, which the wildcards of a filter fill.
///
/// `$1` is what the first wildcard of the filter stands for, `$2` the second, and so on; a `#` is
/// the last of them and can be written `$#` too. `$$` is the character. What a `#` matches may be
/// several levels or none: its place is a whole level, and with nothing to put there the slash
/// beside it goes too, so that `a/$#` is `a` then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    text: Box<str>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// What the wildcard of this index, from 0, stands for: one level.
    Level(usize),
    /// What the `#` stands for.
    Rest,
}

impl Template {
    /// Reads a template whose places `filter` can fill.
    pub(super) fn parse(text: &str, filter: &TopicFilter) -> Result<Self, MappingError> {
        let target = || Excerpt::of(text);
        if text.is_empty() {
            return Err(MappingError::Empty);
        }
        let has_rest = filter.as_str().ends_with('#');
        let count = filter
            .as_str()
            .split('/')
            .filter(|l| is_wildcard(l))
            .count();
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
            match character {
                wildcard @ ('+' | '#') => {
                    let target = target();
                    return Err(MappingError::Wildcard { target, wildcard });
                }
                '$' => {
                    if let Some(after) = rest.strip_prefix('$') {
                        plain.push('$');
                        rest = after;
                        continue;
                    }
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let piece = if let Some(after) = rest.strip_prefix('#') {
                        rest = after;
                        if !has_rest {
                            return Err(MappingError::NoRest { target: target() });
                        }
                        Piece::Rest
                    } else if digits > 0 {
                        let (number, after) = rest.split_at_checked(digits).unwrap_or((rest, ""));
                        rest = after;
                        let number = number.parse().unwrap_or(usize::MAX);
                        if number == 0 || number > count {
                            return Err(MappingError::NoSuchWildcard {
                                target: target(),
                                number,
                                count,
                            });
                        }
                        if has_rest && number == count {
                            Piece::Rest
                        } else {
                            Piece::Level(number - 1)
                        }
                    } else {
                        return Err(MappingError::Dollar { target: target() });
                    };
                    if piece == Piece::Rest {
                        let before = plain.ends_with('/') || plain.is_empty() && pieces.is_empty();
                        if !before || !(rest.is_empty() || rest.starts_with('/')) {
                            return Err(MappingError::PartialRest { target: target() });
                        }
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                }
                character => plain.push(character),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        let template = Self {
            text: text.into(),
            pieces,
        };
        template.check_text()?;
        Ok(template)
    }

    /// Judges the characters that are written out, with a harmless level in each place.
    fn check_text(&self) -> Result<(), MappingError> {
        let example: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Level(_) | Piece::Rest => "x",
            })
            .collect();
        let topic = Topic::parse(&example).map_err(MappingError::Target)?;
        if topic.is_system() {
            return Err(MappingError::System {
                target: Excerpt::of(&self.text),
            });
        }
        Ok(())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The topic for one that `filter` matches, the filter being that of the reading.
    pub(super) fn fill(&self, filter: &TopicFilter, topic: &str) -> String {
        if let [Piece::Text(text)] = self.pieces.as_slice() {
            return text.clone();
        }
        let mut out = String::with_capacity(self.text.len() + topic.len());
        // Whether a level is there, which may be an empty one.
        let mut begun = false;
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => {
                    // The slash after a rest of no levels that stood first.
                    let text = match text.strip_prefix('/') {
                        Some(text) if !begun && index > 0 => text,
                        _ => text.as_str(),
                    };
                    begun |= !text.is_empty();
                    out.push_str(text);
                }
                Piece::Level(wildcard) => {
                    begun = true;
                    out.push_str(nth(filter, topic, *wildcard));
                }
                Piece::Rest => match rest(filter, topic) {
                    Some(rest) => {
                        begun = true;
                        out.push_str(rest);
                    }
                    // Only a slash can stand before it.
                    None => {
                        out.pop();
                    }
                },
            }
        }
        out
    }
}

fn is_wildcard(level: &str) -> bool {
    matches!(level, "+" | "#")
}

/// The level of the topic at the filter's wildcard of this index.
fn nth<'a>(filter: &TopicFilter, topic: &'a str, index: usize) -> &'a str {
    let levels = filter.as_str().split('/').zip(topic.split('/'));
    let mut wild = levels.filter(|(level, _)| is_wildcard(level));
    wild.nth(index).map_or("", |(_, name)| name)
}

/// The levels that the filter's `#` stands for; `None` for no level, where its parent is meant.
fn rest<'a>(filter: &TopicFilter, topic: &'a str) -> Option<&'a str> {
    let before = filter.as_str().bytes().filter(|byte| *byte == b'/').count();
    match before {
        0 => Some(topic),
        before => topic.splitn(before + 1, '/').nth(before),
    }
}
