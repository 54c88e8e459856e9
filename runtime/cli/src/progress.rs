//! Long work: a line that moves on a terminal, one plain line elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::print;

/// Standard error as a place for moving lines. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    lines: MultiProgress,
}

/// A moving line; it goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Moving(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        // Hidden by itself where standard error is no terminal.
        Self {
            lines: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
        }
    }

    /// Shows that something goes on: a moving line on a terminal, else this one line.
    pub(crate) fn begin(&self, what: impl Into<Cow<'static, str>>) -> Moving {
        let what = what.into();
        if self.lines.is_hidden() {
            print::say(&what);
            return Moving(ProgressBar::hidden());
        }
        let bar = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:.dim}  {wide_msg:.dim}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(100));
        Moving(bar)
    }

    /// Prints a line for people above what moves.
    pub(crate) fn say(&self, line: impl std::fmt::Display) {
        self.above(|| print::say(line));
    }

    /// Does something with standard error while nothing moves on it.
    pub(crate) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.lines.suspend(write)
    }
}

impl Moving {
    /// What it is at.
    pub(crate) fn at(&self, step: String) {
        self.0.set_message(step);
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
