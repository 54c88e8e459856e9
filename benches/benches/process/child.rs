//! This benchmark as another process, from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use whirlwind_benches::memory::Memory;

use crate::program::THIS;
use crate::role::{Request, Role, UP};

/// A process with a role that lasts. Dropped, it ends.
pub struct Child {
    process: std::process::Child,
    /// Closed, it tells the process to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Answers when it is up.
    pub fn start(role: &Role) -> Self {
        let mut process = Command::new(THIS)
            .args(role.args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut child = Self {
            process,
            input,
            output,
        };
        assert_eq!(child.line(), UP);
        child
    }

    /// Bytes that are its own.
    pub fn memory(&self) -> u64 {
        Memory::of(self.process.id()).unwrap().anonymous
    }

    /// The median time of so many events through its pair, one at a time.
    pub fn one_in_flight(&mut self, events: usize) -> Duration {
        self.ask(Request::OneInFlight(events))
    }

    /// The time of so many, 64 at a time.
    pub fn saturated(&mut self, events: usize) -> Duration {
        self.ask(Request::Saturated(events))
    }

    fn ask(&mut self, request: Request) -> Duration {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{request}").unwrap();
        Request::answer(&self.line())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the process ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input.take();
        let status = self.process.wait();
        // A second panic would hide the first.
        if !std::thread::panicking() {
            assert!(status.unwrap().success());
        }
    }
}
