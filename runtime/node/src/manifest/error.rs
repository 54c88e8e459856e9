//! What is wrong with a manifest: every problem, each with its place and its remedy.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::hint;

use miette::{Diagnostic, LabeledSpan, SourceCode};

/// How many problems are printed; the rest is counted.
const SHOWN: usize = 20;

/// How many problems are kept: five times what is printed is more than anybody mends in one go.
const KEPT: usize = 100;

/// How much of a line is printed around the place, in characters.
const LINE: usize = 100;

/// A manifest that cannot be used, with everything that is wrong with it.
///
/// Printed, it shows each problem with file, line, column and the line itself; each [`Problem`] is a miette diagnostic
/// as well. It holds no value of any variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    problems: Vec<Problem>,
    more: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where; none when there is no file, or the fault is not at one place in it.
    pub place: Option<Place>,
}

/// A place in a manifest.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in bytes.
    pub span: Range<usize>,
    text: Arc<str>,
}

impl ManifestError {
    /// The problems in the order of the file: at least one, at most a hundred.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn one(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            problems: vec![Problem {
                message: message.into(),
                help: Some(help.into()),
                place: None,
            }],
            more: 0,
        }
    }
}

impl std::error::Error for ManifestError {}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.report(f)?;
        }
        match self.problems.len().saturating_sub(SHOWN) + self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Problem {}

/// The message alone: place and remedy are the [`Diagnostic`]'s.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Problem {
    fn report(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            f.write_str(&self.message)?;
            return match &self.help {
                Some(help) => write!(f, "\n  = help: {help}"),
                None => Ok(()),
            };
        };
        writeln!(
            f,
            "{}:{}:{}: {}",
            place.file, place.line, place.column, self.message
        )?;
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let (line, before, marked) = place.excerpt();
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {line}")?;
        write!(f, "{gutter} | {}{}", " ".repeat(before), "^".repeat(marked))?;
        match &self.help {
            Some(help) => write!(f, "\n{gutter} = help: {help}"),
            None => Ok(()),
        }
    }
}

impl Place {
    fn new(file: &str, text: &Arc<str>, span: Range<usize>) -> Self {
        // A span at the end of the text, or one inside a character, must not be able to hurt.
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            span: start..end,
            text: Arc::clone(text),
        }
    }

    /// The line as it can be shown, how many characters stand before the mark, and how long the mark is.
    fn excerpt(&self) -> (String, usize, usize) {
        let line = self.text.lines().nth(self.line - 1).unwrap_or_default();
        let before = self.column - 1;
        let in_span = self.text.get(self.span.clone()).unwrap_or_default();
        let marked = in_span.lines().next().unwrap_or_default().chars().count();
        // A line of a megabyte is shown around the place only.
        let skipped = if before > LINE / 2 && line.chars().count() > LINE {
            before - LINE / 2
        } else {
            0
        };
        let shown: String = line
            .chars()
            .skip(skipped)
            .take(LINE)
            .map(printable)
            .collect();
        let length = shown.chars().count();
        let before = (before - skipped).min(length);
        (shown, before, marked.min(length - before).max(1))
    }
}

impl fmt::Debug for Place {
    /// Without the text, which is long and stands in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A manifest may come from a stranger: nothing in it reaches the terminal as a command to the terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

/// Control characters, and those that turn the direction of what follows.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// A name from the manifest as it is shown in a message: in backquotes, escaped and of bounded length.
pub(crate) fn quoted(name: &str) -> String {
    const LONGEST: usize = 64;
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let mut shown = String::from("`");
    for (index, c) in name.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        if is_hidden(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
    }
    shown.push('`');
    shown
}

/// Problems being gathered.
///
/// A place is a span until the end: counting lines for a hundred thousand problems would take minutes.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    text: Arc<str>,
    found: Vec<(Option<Range<usize>>, String, String)>,
    hints: usize,
}

impl Problems {
    pub(crate) fn new(file: &str, text: Arc<str>) -> Self {
        Self {
            file: file.to_owned(),
            text,
            found: Vec::new(),
            hints: 0,
        }
    }

    pub(crate) fn push(
        &mut self,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push((span, message.into(), help.into()));
    }

    /// What to say of a name that is not known: see [`hint`](hint::hint). Past what is kept it is not worth its time.
    pub(crate) fn hint<'n>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        all: &str,
    ) -> String {
        self.hints += 1;
        if self.hints > KEPT {
            return "see docs/manifest.md".to_owned();
        }
        hint::hint(name, known, all)
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The problems in the order of the file.
    pub(crate) fn into_error(mut self) -> ManifestError {
        self.found
            .sort_by_key(|(span, ..)| span.as_ref().map_or(0, |span| span.start));
        let more = self.found.len().saturating_sub(KEPT);
        let problem = |(span, message, help): (Option<Range<usize>>, String, String)| Problem {
            message,
            help: Some(help),
            place: span.map(|span| Place::new(&self.file, &self.text, span)),
        };
        ManifestError {
            problems: self.found.into_iter().take(KEPT).map(problem).collect(),
            more,
        }
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place
            .as_ref()
            .map(|place| &place.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(
            place.span.clone(),
        ))))
    }
}
