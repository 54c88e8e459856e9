//! Real Erlang/OTP: one process, asked over its standard input, for all scripts of a run.

use std::{
    fmt::Display,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::script::{Script, Term};

pub struct Erlang {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub version: String,
}

/// Of what reason a nested supervisor of OTP ends when it has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesUpAs {
    /// `shutdown`, as OTP has it.
    Shutdown,
    /// A reason of its own, as we have it.
    ItsOwn,
}

impl Erlang {
    /// `None` where Erlang is not installed.
    pub fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/oracle.escript");
        let process = Command::new("escript")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("escript could not be run: {error}"),
        };
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut erlang = Self {
            process,
            requests,
            answers,
            version: String::new(),
        };
        erlang.version = erlang.ask("version").concat();
        Some(erlang)
    }

    /// Has it run a script; the next [`answer`](Self::answer) is the trace.
    pub fn run(&mut self, script: &Script, gives_up_as: GivesUpAs) {
        let reasons = match gives_up_as {
            GivesUpAs::Shutdown => "otp",
            GivesUpAs::ItsOwn => "translated",
        };
        self.send(format_args!("{{script,{reasons},{}}}", Term(script)));
    }

    /// Answers an Erlang term with lines.
    pub fn ask(&mut self, term: impl Display) -> Vec<String> {
        self.send(term);
        self.answer()
    }

    fn send(&mut self, term: impl Display) {
        let requests = self.requests.as_mut().unwrap();
        // In one piece: the end of a line is what it waits for.
        let line = format!("{term}.\n");
        requests.write_all(line.as_bytes()).expect("Erlang hears");
    }

    /// What it says to what it was sent.
    pub fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).expect("Erlang answers");
            assert!(read > 0, "Erlang ended before it had answered");
            match line.trim_end_matches('\n') {
                "." => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Erlang {
    fn drop(&mut self) {
        // It ends when there is nothing more to read.
        drop(self.requests.take());
        let _ = self.process.wait();
    }
}
