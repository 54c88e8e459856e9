//! How a command ends: its status, and what it says when it fails.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use owo_colors::OwoColorize as _;

/// The exit statuses, which scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or stopped cleanly.
    Done = 0,
    /// Something failed at run time.
    Failed = 1,
    /// The command line is wrong; clap ends with this one too.
    Usage = 2,
    /// The manifest is wrong or missing.
    Manifest = 3,
    /// A component is missing or does not fit.
    Component = 4,
    /// The root supervisor gave up.
    GaveUp = 5,
    /// An expectation failed: something that was to come did not.
    Unmet = 6,
    /// No node is running where it was looked for.
    NoNode = 7,
    /// The time is over; the status that `timeout` of coreutils has.
    Timeout = 124,
    /// Forced to end by a second signal; 128 and the number of SIGINT.
    Forced = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed: what was wrong, where, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    place: Option<String>,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// A failure at run time.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// A command line that clap let through and that still makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    pub(crate) fn at_path(self, path: &Path) -> Self {
        self.at(path.display().to_string())
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says how far it went before.
    pub(crate) fn after(mut self, accepted: u64) -> Self {
        let events = if accepted == 1 {
            "event was"
        } else {
            "events were"
        };
        self.message
            .push_str(&format!(" ({accepted} {events} accepted before)"));
        self
    }

    /// What was wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", "error:".red().bold(), self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  {} {place}", "-->".blue())?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{} {help}", "help:".cyan().bold())?;
        }
        Ok(())
    }
}

/// What a verb answers.
pub(crate) type Ended = Result<Exit, Failure>;
