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

    /// The trace of a script.
    pub fn run(&mut self, script: &Script, gives_up_as: GivesUpAs) -> Vec<String> {
        let reasons = match gives_up_as {
            GivesUpAs::Shutdown => "otp",
            GivesUpAs::ItsOwn => "translated",
        };
        self.ask(format_args!("{{script,{reasons},{}}}", Term(script)))
    }

    /// Answers an Erlang term with lines.
    pub fn ask(&mut self, term: impl Display) -> Vec<String> {
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{term}.").expect("Erlang hears");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).expect("Erlang answers");
            assert!(read > 0, "Erlang ended while it was asked: {term}");
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
