//! The lines of a trace: `PID name(arguments) = result`, or its beginning and its end where another thread came between.

use std::collections::HashMap;

/// What stands in a line where a call is not finished yet.
const UNFINISHED: &str = " <unfinished ...>";

/// Reads the lines of one process.
pub(super) struct Lines<'a> {
    text: std::str::Lines<'a>,
    count: usize,
    /// Of each thread the call it is in, and the line where that began.
    begun: HashMap<&'a str, (usize, &'a str)>,
    /// A call never came back.
    lost: bool,
}

/// One finished call.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) begun: usize,
    pub(super) ended: usize,
    pub(super) name: &'a str,
    arguments: Vec<&'a str>,
    /// `None` where there is none, as of a call that never came back.
    pub(super) result: Option<i64>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text: text.lines(),
            count: 0,
            begun: HashMap::new(),
            lost: false,
        }
    }

    /// How many lines were read.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a call was begun that never ended.
    pub(super) fn unfinished(&self) -> bool {
        self.lost || !self.begun.is_empty()
    }

    /// The next call; `before` lines came before this process.
    pub(super) fn next(&mut self, before: usize) -> Option<Line<'a>> {
        loop {
            let line = self.text.next()?;
            let at = before + self.count;
            self.count += 1;
            let (thread, line) = line.split_once(' ').unwrap();
            let line = line.trim_start();
            if line.starts_with("+++") || line.starts_with("---") {
                continue;
            }
            if line.ends_with(" = ?") {
                self.lost = true;
                self.begun.remove(thread);
                continue;
            }
            if let Some(call) = line.strip_suffix(UNFINISHED) {
                if call.starts_with("close(") {
                    // From here on another thread may be given the descriptor.
                    return Some(Line::of(at, at, call, ") = 0"));
                }
                self.begun.insert(thread, (at, call));
                continue;
            }
            if let Some(resumed) = line.strip_prefix("<... ") {
                let (_, rest) = resumed.split_once(" resumed>").unwrap();
                // A close was taken at its beginning.
                if let Some((begun, call)) = self.begun.remove(thread) {
                    return Some(Line::of(begun, at, call, rest));
                }
                continue;
            }
            return Some(Line::of(at, at, line, ""));
        }
    }
}

impl<'a> Line<'a> {
    /// After all lines.
    pub(super) fn end(at: usize) -> Self {
        Self {
            begun: at,
            ended: at,
            name: "",
            arguments: Vec::new(),
            result: None,
        }
    }

    /// A call whose text is in two parts.
    fn of(begun: usize, ended: usize, first: &'a str, rest: &'a str) -> Self {
        let (name, arguments) = first.split_once('(').unwrap();
        let whole = if rest.is_empty() { arguments } else { rest };
        let (last, result) = whole.rsplit_once(" = ").unwrap();
        // What follows is in one column with that of other lines.
        let last = last.trim_end().strip_suffix(')').unwrap();
        let parts = if rest.is_empty() {
            [last, ""]
        } else {
            [arguments, last]
        };
        // All strings are in hexadecimal, so none of them has a comma.
        let arguments = parts.iter().flat_map(|part| part.split(", "));
        let arguments = arguments
            .map(|part| part.trim_matches([',', ' ']))
            .filter(|part| !part.is_empty());
        let end = result.find(|c: char| !c.is_ascii_digit() && c != '-');
        Self {
            begun,
            ended,
            name,
            arguments: arguments.collect(),
            result: result[..end.unwrap_or(result.len())].parse().ok(),
        }
    }

    pub(super) fn argument(&self, nth: usize) -> &'a str {
        self.arguments.get(nth).copied().unwrap_or_default()
    }

    pub(super) fn last(&self) -> usize {
        self.arguments.len() - 1
    }

    pub(super) fn number(&self, nth: usize) -> u64 {
        let text = self.argument(nth);
        text.parse()
            .unwrap_or_else(|_| panic!("`{text}` of {} is no number", self.name))
    }

    /// The descriptor that it is about.
    pub(super) fn descriptor(&self) -> i64 {
        let text = self.argument(0);
        let end = text.find('<').unwrap_or(text.len());
        text[..end].parse().unwrap_or(-1)
    }

    /// How it opens a file.
    pub(super) fn flags(&self) -> &'a str {
        self.arguments
            .iter()
            .find(|part| part.starts_with("O_"))
            .copied()
            .unwrap_or_default()
    }

    /// Its `nth` path, from the root of the file system.
    pub(super) fn path(&self, nth: usize) -> String {
        let mut directory = None;
        let mut found = 0;
        for argument in &self.arguments {
            if let Some(quoted) = argument.strip_prefix('"') {
                if found == nth {
                    let path = text(quoted.strip_suffix('"').unwrap());
                    return match directory {
                        Some(directory) if !path.starts_with('/') => format!("{directory}/{path}"),
                        _ => path,
                    };
                }
                found += 1;
            } else if let Some((_, path)) = argument.split_once('<') {
                directory = path.split_once('>').map(|(path, _)| text(path));
            }
        }
        panic!("{} has no path {nth}", self.name)
    }

    /// What it writes: its strings, one after the other.
    pub(super) fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for argument in &self.arguments {
            if let Some((_, quoted)) = argument.split_once('"') {
                let (quoted, after) = quoted.split_once('"').unwrap();
                assert!(!after.starts_with("..."), "strace has cut a string");
                bytes(quoted, &mut data);
            }
        }
        data
    }
}

fn text(hex: &str) -> String {
    let mut out = Vec::new();
    bytes(hex, &mut out);
    String::from_utf8(out).unwrap()
}

/// Of `\x68\x69` the bytes.
fn bytes(hex: &str, out: &mut Vec<u8>) {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    for part in hex.as_bytes().chunks(4) {
        assert!(
            part.len() == 4 && part.starts_with(b"\\x"),
            "strace has a string that is not in hexadecimal"
        );
        out.push(digit(part[2]) << 4 | digit(part[3]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    #[test]
    fn a_call_is_one_whether_another_came_between_or_not() {
        let (path, data) = (hex("/s/a"), hex("x, (y) = 1"));
        let text = format!(
            "7 openat(AT_FDCWD<{}>, \"{}\", O_RDWR|O_CREAT|O_CLOEXEC, 0666 <unfinished ...>\n\
             8 close(4<{path}> <unfinished ...>\n\
             7 <... openat resumed>)              = 3<{path}>\n\
             7 write(3<{path}>, \"{data}\", 10 <unfinished ...>\n\
             8 <... close resumed>)               = 0\n\
             7 <... write resumed>)               = 4\n\
             8 fsync(3)         = -1 EIO (Input/output error)\n\
             8 --- SIGUSR1 ---\n\
             7 fdatasync(3<{path}> <unfinished ...>)  = ?\n\
             7 +++ killed by SIGKILL +++\n",
            hex("/s"),
            hex("a"),
        );
        let mut lines = Lines::new(&text);
        let mut next = || lines.next(100).unwrap();
        let close = next();
        assert_eq!((close.name, close.begun, close.ended), ("close", 101, 101));
        assert_eq!((close.descriptor(), close.result), (4, Some(0)));
        let open = next();
        assert_eq!((open.name, open.begun, open.ended), ("openat", 100, 102));
        assert_eq!((open.path(0), open.result), ("/s/a".to_owned(), Some(3)));
        assert_eq!(open.flags(), "O_RDWR|O_CREAT|O_CLOEXEC");
        let write = next();
        assert_eq!((write.begun, write.ended), (103, 105));
        assert_eq!((write.descriptor(), write.result), (3, Some(4)));
        assert_eq!(
            (write.data(), write.number(2)),
            (b"x, (y) = 1".to_vec(), 10)
        );
        assert_eq!(next().result, Some(-1));
        assert!(lines.next(100).is_none());
        assert!(lines.unfinished(), "the last one never came back");
        assert_eq!(lines.count(), 10);
    }
}
