//! Why an instance came to its end, in words.

use std::fmt;

use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use crate::limits::{HANDLES, HOSTCALL_BYTES, HostMemory, Limits, WASM_STACK};
use crate::text;

/// The end of an instance in the middle of a turn or a start. What it published in that turn is gone,
/// and so is the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What kind of end.
    pub kind: TrapKind,
    /// What happened, for a person: `ran past its deadline of 5 s`. It follows the actor's name.
    pub text: String,
    /// The guest's innermost 20 frames, the last one first, one a line; empty where there are none.
    pub backtrace: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trap {}

/// What kind of end an instance came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrapKind {
    /// It ran, or waited, past its deadline.
    Deadline,
    /// It was refused memory and gave up, or made the host keep too much for it.
    Memory,
    /// It used up its stack, as endless recursion does.
    Stack,
    /// It panicked; its message is in the text.
    Panic,
    /// It reached an `unreachable` instruction without saying why, as an abort does.
    Unreachable,
    /// It called `exit`.
    Exit,
    /// It did what WebAssembly forbids: read out of bounds, divided by zero, broke the component ABI.
    Fault,
    /// The host's side of a call failed.
    Host,
}

impl TrapKind {
    /// One lowercase word, for labels and fields.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Panic => "panic",
            Self::Unreachable => "unreachable",
            Self::Exit => "exit",
            Self::Fault => "fault",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of the instance beside the error.
pub(crate) struct Circumstances<'a> {
    pub(crate) limits: &'a Limits,
    /// Whether it was refused memory in this turn.
    pub(crate) refused_memory: bool,
    /// The last lines it wrote to standard error in this turn.
    pub(crate) last_words: Vec<String>,
}

impl Trap {
    /// The call did not end in time.
    pub(crate) fn deadline(limits: &Limits) -> Self {
        Self {
            kind: TrapKind::Deadline,
            text: format!(
                "ran past its deadline of {}",
                text::duration(limits.deadline)
            ),
            backtrace: String::new(),
        }
    }

    /// The call ended with an error of wasmtime's.
    pub(crate) fn explain(error: &wasmtime::Error, around: Circumstances<'_>) -> Self {
        let (kind, text) = cause(error, around);
        Self {
            kind,
            text,
            backtrace: backtrace(error),
        }
    }
}

fn cause(error: &wasmtime::Error, around: Circumstances<'_>) -> (TrapKind, String) {
    use wasmtime::Trap as Code;

    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (
            TrapKind::Exit,
            format!("exited with status {} instead of answering", exit.0),
        );
    }
    if let Some(full) = error.downcast_ref::<HostMemory>() {
        return (TrapKind::Memory, full.to_string());
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return (TrapKind::Memory, too_many_handles());
    }
    match error.downcast_ref::<Code>() {
        Some(Code::Interrupt) => {
            let trap = Trap::deadline(around.limits);
            (trap.kind, trap.text)
        }
        Some(Code::StackOverflow) => (
            TrapKind::Stack,
            format!("used up its stack of {}", text::bytes(WASM_STACK)),
        ),
        Some(Code::UnreachableCodeReached) => {
            // An allocator that is refused memory aborts, and some panic: the refusal is the cause.
            if around.refused_memory {
                return (TrapKind::Memory, out_of_memory(around.limits));
            }
            match panic_message(&around.last_words) {
                Some(message) => (TrapKind::Panic, message),
                None => (
                    TrapKind::Unreachable,
                    with_last_line("aborted (reached an `unreachable` instruction)", &around),
                ),
            }
        }
        Some(code) => {
            if around.refused_memory && *code == Code::MemoryOutOfBounds {
                return (TrapKind::Memory, out_of_memory(around.limits));
            }
            let code = code.to_string();
            let code = code.strip_prefix("wasm trap: ").unwrap_or(&code);
            (
                TrapKind::Fault,
                with_last_line(&format!("faulted: {code}"), &around),
            )
        }
        None => {
            let cause = error.root_cause().to_string();
            // The types of these two are private to wasmtime; their words are all there is.
            if cause.starts_with("too much data is being copied between the host and the guest") {
                return (
                    TrapKind::Memory,
                    format!(
                        "passed more than {} to the host in one call",
                        text::bytes(HOSTCALL_BYTES)
                    ),
                );
            }
            if cause.ends_with("store handle limit exceeded") {
                return (TrapKind::Memory, too_many_handles());
            }
            (
                TrapKind::Host,
                format!(
                    "was stopped by its host: {}",
                    text::clean(&cause, text::MAX_WORDS)
                ),
            )
        }
    }
}

fn too_many_handles() -> String {
    format!("held more than {HANDLES} handles of the host at once")
}

fn out_of_memory(limits: &Limits) -> String {
    format!(
        "ran out of memory: its limit is {}",
        text::bytes(limits.memory)
    )
}

/// The message of a Rust panic (or of a runtime that words it the same way) among the last lines:
/// from `panicked at` to the end, without the hint about backtraces.
fn panic_message(lines: &[String]) -> Option<String> {
    let (start, first) = lines.iter().enumerate().rev().find_map(|(index, line)| {
        let at = line.find("panicked at ")?;
        Some((index, line.get(at..)?))
    })?;
    let mut message = first.to_owned();
    for line in lines.iter().skip(start + 1) {
        if line.starts_with("note: ") {
            break;
        }
        if !line.trim().is_empty() {
            message.push(' ');
            message.push_str(line.trim());
        }
    }
    Some(text::clean(&message, text::MAX_WORDS))
}

fn with_last_line(what: &str, around: &Circumstances<'_>) -> String {
    match around
        .last_words
        .iter()
        .rev()
        .find(|line| !line.trim().is_empty())
    {
        Some(line) => format!("{what}; its last line on standard error: {line}"),
        None => what.to_owned(),
    }
}

/// The frames as wasmtime prints them, names demangled, without its heading and its hint.
fn backtrace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else {
        return String::new();
    };
    let text = backtrace.to_string();
    let lines = text
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("note: "));
    let mut frames = String::new();
    for line in lines {
        // A name is the component's own choice, like anything else it says.
        frames.push_str(&text::clean(line.trim(), 256));
        frames.push('\n');
    }
    frames
}
