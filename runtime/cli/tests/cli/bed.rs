//! Running the binary: to its end, or beside the test.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long anything may take: far above what a loaded machine of two cores needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a command that ended said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// A command that neither finds nor obeys what the machine of the test has set.
pub fn whirlwind(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whirlwind"));
    command.current_dir(folder).stdin(Stdio::null());
    for name in [
        "WHIRLWIND_NODE",
        "WHIRLWIND_LOG",
        "RUST_LOG",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs the binary in `folder` to its end.
pub fn run(folder: &Path, args: &[&str]) -> Said {
    run_with(folder, args, b"")
}

/// The same, with something on standard input.
pub fn run_with(folder: &Path, args: &[&str], input: &[u8]) -> Said {
    let mut command = whirlwind(folder);
    command.args(args);
    finish(command, args, input)
}

/// Runs a command that is made already to its end.
pub fn finish(command: Command, args: &[&str], input: &[u8]) -> Said {
    let mut command = assert_cmd::Command::from_std(command);
    let output = command
        .write_stdin(input)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    Said {
        status: output
            .status
            .code()
            .unwrap_or_else(|| panic!("{args:?} ended by signal {:?}", output.status.signal())),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A command that runs beside the test; it dies with it.
pub struct Running {
    child: Child,
    out: Stream,
    err: Stream,
}

/// What comes of one of its outputs. Each is read for itself: nothing says which of two lines on different streams comes first.
struct Stream {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_for(folder, args, usize::MAX)
    }

    /// The same; the reader of standard output goes away after so many lines.
    pub fn start_for(folder: &Path, args: &[&str], lines: usize) -> Self {
        let mut command = whirlwind(folder);
        command.args(args);
        Self::of(command, lines)
    }

    /// A command that is made already, its output taken.
    pub fn of(mut command: Command, lines: usize) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = Stream::read(child.stdout.take().unwrap(), lines);
        let err = Stream::read(child.stderr.take().unwrap(), usize::MAX);
        Self { child, out, err }
    }

    /// Waits for a line on standard output.
    pub fn out(&mut self, wanted: &str) {
        if let Err(why) = self.out.wait(|line| line == wanted) {
            panic!("no {wanted:?}: {why}; {self}");
        }
    }

    /// Waits for the next line on standard output.
    pub fn next_out(&mut self) -> &str {
        if let Err(why) = self.out.wait(|_| true) {
            panic!("no line more: {why}; {self}");
        }
        self.out.seen.last().map_or("", String::as_str)
    }

    /// Waits for a line on standard error that holds `wanted`.
    pub fn err(&mut self, wanted: &str) {
        if let Err(why) = self.err.wait(|line| line.contains(wanted)) {
            panic!("no {wanted:?}: {why}; {self}");
        }
    }

    /// Waits for its end, and answers its status.
    pub fn end(&mut self) -> i32 {
        let status = self.died();
        status
            .code()
            .unwrap_or_else(|| panic!("it ended by {status}; {self}"))
    }

    /// The same, for one that may have been killed. Its output ends with it.
    pub fn died(&mut self) -> ExitStatus {
        let ended = [self.out.wait(|_| false), self.err.wait(|_| false)];
        assert!(
            !ended.contains(&Err(RecvTimeoutError::Timeout)),
            "it does not end; {self}"
        );
        self.child.wait().unwrap()
    }

    /// The lines of standard output so far.
    pub fn printed(&self) -> &[String] {
        &self.out.seen
    }

    /// The lines of standard error that were waited for.
    pub fn complained(&self) -> &[String] {
        &self.err.seen
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "it printed {:#?} and said {:#?}",
            self.out.seen, self.err.seen
        )
    }
}

impl Stream {
    fn read(from: impl Read + Send + 'static, lines: usize) -> Self {
        let (sender, receiver) = sync_channel(1024);
        thread::spawn(move || read(from, lines, |line| sender.send(line).is_ok()));
        Self {
            lines: receiver,
            seen: Vec::new(),
        }
    }

    /// Reads on until a line is wanted.
    fn wait(&mut self, wanted: impl Fn(&str) -> bool) -> Result<(), RecvTimeoutError> {
        loop {
            self.seen.push(self.lines.recv_timeout(PATIENCE)?);
            if self.seen.last().is_some_and(|line| wanted(line)) {
                return Ok(());
            }
        }
    }
}

/// Hands out so many lines. With the last of them the reader is gone: before anybody knows that it came.
fn read(from: impl Read, lines: usize, take: impl Fn(String) -> bool) {
    let mut from = BufReader::new(from);
    for left in (0..lines).rev() {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return;
        }
        let line = String::from_utf8_lossy(&line)
            .trim_end_matches('\n')
            .to_owned();
        if left == 0 {
            drop(from);
            take(line);
            return;
        }
        if !take(line) {
            return;
        }
    }
}
