//! What a process did to the files below a directory, as strace saw it.

mod line;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{Node, Tree, change, listed, parent, rename};
use crate::pages::Pages;
use line::{Line, Lines};

/// The calls that change files, and those that say which.
const CALLS: &str = "openat,open,creat,close,dup,dup2,dup3,fcntl,lseek,\
    write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,\
    fsync,fdatasync,sync_file_range,syncfs,sync,msync,\
    rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat";

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub usize);

/// What was done. Paths are below the directory of the trace, which is "".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file got a name.
    Create(String, FileId),
    /// A directory was made.
    MakeDirectory(String),
    /// A name was taken away.
    Remove(String),
    /// A name was changed, in one directory.
    Rename(String, String),
    /// Bytes were written at a place.
    Write(FileId, u64, Vec<u8>),
    /// A file was cut, or made longer.
    SetLen(FileId, u64),
    /// A file was made at least so long.
    Grow(FileId, u64),
    /// A file was synced.
    Sync(FileId),
    /// The names in a directory were synced.
    SyncDirectory(String),
    /// Somebody was told that this turn is durable.
    Acknowledge(u64),
}

impl Call {
    /// The directory whose names it changes.
    #[must_use]
    pub fn directory(&self) -> &str {
        match self {
            Self::Create(path, _)
            | Self::MakeDirectory(path)
            | Self::Remove(path)
            | Self::Rename(path, _) => parent(path),
            _ => "",
        }
    }
}

/// A call, and between which lines of the trace it was made.
#[derive(Clone, Debug)]
pub struct Event {
    /// The line where it began.
    pub begun: usize,
    /// The line where it ended.
    pub ended: usize,
    /// What it was.
    pub call: Call,
}

/// Why processes cannot be traced here, if they cannot.
#[must_use]
pub fn refused() -> Option<String> {
    match Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-e", "trace=close", "true"])
        .output()
    {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "strace may not trace here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(_) => Some("strace is not installed: apt-get install strace".to_owned()),
    }
}

/// Records what processes do, one after the other.
pub struct Recorder {
    root: PathBuf,
    events: Vec<Event>,
    /// Lines before those of this process.
    lines: usize,
    /// What lies below the root now.
    names: Tree,
    files: Vec<Pages>,
    /// The descriptors of the process.
    open: HashMap<i64, Open>,
}

#[derive(Clone, Debug)]
enum Open {
    File { file: FileId, at: u64, append: bool },
    Directory(String),
}

impl Recorder {
    /// Of what happens below a directory, which is empty.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.canonicalize().unwrap(),
            events: Vec::new(),
            lines: 0,
            names: Tree::new(),
            files: Vec::new(),
            open: HashMap::new(),
        }
    }

    /// Runs a program to its end. What was recorded must explain what lies on the disk then.
    pub fn run(&mut self, program: &Path, arguments: &[&str]) {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let output = Command::new("strace")
            .args([
                "-f",
                "--seccomp-bpf",
                "-y",
                "-xx",
                "-s",
                "100000000",
                "-e",
                "signal=none",
            ])
            .args(["-e", &format!("trace={CALLS}"), "-o"])
            .arg(trace.path())
            .arg(program)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.open.clear();
        let text = fs::read_to_string(trace.path()).unwrap();
        let mut read = Lines::new(&text);
        while let Some(line) = read.next(self.lines) {
            self.line(&line);
        }
        let unfinished = read.unfinished();
        self.lines += read.count();
        self.explain(unfinished);
        self.events.sort_by_key(|event| match event.call {
            // What is written may be on the disk from then on.
            Call::Write(..) | Call::SetLen(..) | Call::Grow(..) | Call::Acknowledge(_) => {
                event.begun
            }
            _ => event.ended,
        });
    }

    /// All that was done, in order.
    #[must_use]
    pub fn events(self) -> Vec<Event> {
        self.events
    }

    fn push(&mut self, line: &Line<'_>, call: Call) {
        rename(&mut self.names, &call);
        if let Call::Write(file, ..) | Call::SetLen(file, _) | Call::Grow(file, _) = call {
            change(&mut self.files[file.0], &call);
        }
        self.events.push(Event {
            begun: line.begun,
            ended: line.ended,
            call,
        });
    }

    /// A path below the root.
    fn below(&self, path: &str) -> Option<String> {
        let path = Path::new(path).strip_prefix(&self.root).ok()?;
        Some(path.to_str().unwrap().to_owned())
    }

    fn file_of(&self, descriptor: i64) -> Option<FileId> {
        match self.open.get(&descriptor) {
            Some(Open::File { file, .. }) => Some(*file),
            _ => None,
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        // It failed, or tells nothing.
        let Some(result) = line.result.filter(|result| *result >= 0) else {
            return;
        };
        match line.name {
            "openat" | "open" | "creat" => self.opened(line, result),
            "close" => drop(self.open.remove(&line.descriptor())),
            "dup" | "dup2" | "dup3" => self.doubled(line, result),
            "fcntl" if line.argument(1).starts_with("F_DUPFD") => self.doubled(line, result),
            "lseek" => {
                if let Some(Open::File { at, .. }) = self.open.get_mut(&line.descriptor()) {
                    *at = result as u64;
                }
            }
            "write" | "writev" => self.written(line, None, result),
            "pwrite64" | "pwritev" | "pwritev2" => {
                let at = line.number(if line.name == "pwrite64" {
                    3
                } else {
                    line.last()
                });
                self.written(line, Some(at), result);
            }
            "ftruncate" => {
                if let Some(file) = self.file_of(line.descriptor()) {
                    self.push(line, Call::SetLen(file, line.number(1)));
                }
            }
            "fallocate" => {
                if let Some(file) = self.file_of(line.descriptor()) {
                    assert_eq!(
                        line.argument(1),
                        "0",
                        "only what makes a file longer is understood"
                    );
                    self.push(line, Call::Grow(file, line.number(2) + line.number(3)));
                }
            }
            "fsync" | "fdatasync" => match self.open.get(&line.descriptor()) {
                Some(Open::File { file, .. }) => self.push(line, Call::Sync(*file)),
                Some(Open::Directory(path)) => self.push(line, Call::SyncDirectory(path.clone())),
                None => {}
            },
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (self.below(&line.path(0)), self.below(&line.path(1)));
                if let (Some(from), Some(to)) = (from, to) {
                    assert_eq!(parent(&from), parent(&to), "{}", line.name);
                    self.push(line, Call::Rename(from, to));
                }
            }
            "unlink" | "unlinkat" | "rmdir" => {
                if let Some(path) = self.below(&line.path(0)) {
                    self.push(line, Call::Remove(path));
                }
            }
            "mkdir" | "mkdirat" => {
                if let Some(path) = self.below(&line.path(0)) {
                    self.push(line, Call::MakeDirectory(path));
                }
            }
            // What the others change is missed when what lies on the disk is explained.
            _ => {}
        }
    }

    fn opened(&mut self, line: &Line<'_>, descriptor: i64) {
        let Some(path) = self.below(&line.path(0)) else {
            return;
        };
        if path.is_empty() || self.names.get(&path) == Some(&Node::Directory) {
            self.open.insert(descriptor, Open::Directory(path));
            return;
        }
        let flags = line.flags();
        let file = match self.names.get(&path) {
            Some(Node::File(file)) => *file,
            _ => {
                let file = FileId(self.files.len());
                self.files.push(Pages::default());
                self.push(line, Call::Create(path, file));
                file
            }
        };
        if flags.contains("O_TRUNC") && !self.files[file.0].is_empty() {
            self.push(line, Call::SetLen(file, 0));
        }
        let append = flags.contains("O_APPEND");
        self.open.insert(
            descriptor,
            Open::File {
                file,
                at: 0,
                append,
            },
        );
    }

    fn doubled(&mut self, line: &Line<'_>, descriptor: i64) {
        if let Some(open) = self.open.get(&line.descriptor()).cloned() {
            self.open.insert(descriptor, open);
        }
    }

    fn written(&mut self, line: &Line<'_>, place: Option<u64>, count: i64) {
        let descriptor = line.descriptor();
        if descriptor == 1 {
            let text = String::from_utf8(line.data()).unwrap();
            if let Some(turn) = text.trim().strip_prefix("acknowledged ") {
                self.push(line, Call::Acknowledge(turn.parse().unwrap()));
            }
            return;
        }
        let Some(Open::File { file, at, append }) = self.open.get_mut(&descriptor) else {
            return;
        };
        let file = *file;
        let begin = match place {
            Some(place) => place,
            None if *append => self.files[file.0].len(),
            None => *at,
        };
        if place.is_none() {
            *at = begin + count as u64;
        }
        let mut data = line.data();
        data.truncate(count as usize);
        self.push(line, Call::Write(file, begin, data));
    }

    /// What lies on the disk is what was recorded. Only what a process was in the middle of when it ended may or may not be
    /// there, and is added.
    fn explain(&mut self, unfinished: bool) {
        let there = listed(&self.root);
        let end = Line::end(self.lines);
        let gone: Vec<_> = self
            .names
            .keys()
            .filter(|name| !there.contains_key(*name))
            .cloned()
            .collect();
        for path in gone.into_iter().rev() {
            assert!(
                unfinished,
                "`{path}` is not there, and nothing in the trace says why"
            );
            self.push(&end, Call::Remove(path));
        }
        for (path, directory) in there {
            let node = self.names.get(&path).copied();
            assert!(
                node.is_some() || unfinished,
                "`{path}` is there, and nothing in the trace says why"
            );
            if directory {
                if node.is_none() {
                    self.push(&end, Call::MakeDirectory(path));
                }
                continue;
            }
            let file = match node {
                Some(Node::File(file)) => file,
                _ => {
                    let file = FileId(self.files.len());
                    self.files.push(Pages::default());
                    self.push(&end, Call::Create(path.clone(), file));
                    file
                }
            };
            let real = fs::File::open(self.root.join(&path)).unwrap();
            if !self.files[file.0].is(&real).unwrap() {
                assert!(
                    unfinished,
                    "`{path}` has other bytes than those that the trace saw written"
                );
                let bytes = fs::read(self.root.join(&path)).unwrap();
                self.push(&end, Call::SetLen(file, bytes.len() as u64));
                self.push(&end, Call::Write(file, 0, bytes));
            }
        }
    }
}
