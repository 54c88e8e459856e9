//! What guests say: standard output, standard error and `wasi:logging`, one line at a time, into
//! `tracing` under the target `whirlwind::guest`.
//!
//! A guest can say as much as it likes; what comes out is bounded. A line is cut at [`MAX_LINE`], one
//! actor writes [`LINES_PER_SECOND`] lines and [`BYTES_PER_SECOND`] bytes in a second, and the rest is
//! counted and said once a second. Nothing waits and nothing is queued.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::text;

/// Bytes of one line; the rest of it is cut.
pub(crate) const MAX_LINE: usize = 8 << 10;

/// Lines of one actor in a second, all its instances together.
pub(crate) const LINES_PER_SECOND: u32 = 1000;

/// Bytes of one actor in a second: an eighth of as many lines of the greatest length.
pub(crate) const BYTES_PER_SECOND: usize = 1 << 20;

/// Bytes of standard error kept for the text of a trap.
const LAST_WORDS: usize = 4 << 10;

/// Bytes that a guest may write at once. The stream is never full, so this only sets the size of a write.
const WRITE: usize = 64 << 10;

/// The voice of an actor: where all its instances' lines go, within its rate.
#[derive(Debug)]
pub(crate) struct Voice {
    actor: String,
    rate: Mutex<Rate>,
    /// Whether anything was dropped that nobody was told of yet: asked after every turn, so without
    /// the lock.
    owes_a_word: AtomicBool,
}

#[derive(Debug)]
struct Rate {
    window: Instant,
    lines: u32,
    bytes: usize,
    dropped: u64,
}

impl Voice {
    pub(crate) fn new(actor: &str) -> Arc<Self> {
        Arc::new(Self {
            actor: actor.to_owned(),
            rate: Mutex::new(Rate {
                window: Instant::now(),
                lines: 0,
                bytes: 0,
                dropped: 0,
            }),
            owes_a_word: AtomicBool::new(false),
        })
    }

    /// Says one line, which was admitted, is clean and within [`MAX_LINE`].
    fn say(&self, level: Level, stream: &str, line: &str) {
        let actor = self.actor.as_str();
        match level {
            Level::ERROR => tracing::error!(target: "whirlwind::guest", actor, stream, "{line}"),
            Level::WARN => tracing::warn!(target: "whirlwind::guest", actor, stream, "{line}"),
            Level::INFO => tracing::info!(target: "whirlwind::guest", actor, stream, "{line}"),
            Level::DEBUG => tracing::debug!(target: "whirlwind::guest", actor, stream, "{line}"),
            Level::TRACE => tracing::trace!(target: "whirlwind::guest", actor, stream, "{line}"),
        }
    }

    /// A line of `wasi:logging`, which may hold several.
    pub(crate) fn log(&self, level: Level, context: &str, message: &str) {
        let context = text::clean(context, 128);
        for line in message.lines() {
            if self.admit(line.len().min(MAX_LINE)) {
                self.say(level, &context, &text::clean(line, MAX_LINE));
            }
        }
    }

    /// Counts a line, as said or as dropped. Asked before the line is made: beyond the rate a line costs
    /// next to nothing.
    fn admit(&self, bytes: usize) -> bool {
        let mut rate = self.lock();
        self.roll(&mut rate);
        if rate.is_full() {
            rate.dropped += 1;
            self.owes_a_word.store(true, Ordering::Relaxed);
            return false;
        }
        rate.lines += 1;
        rate.bytes += bytes;
        true
    }

    /// Says what was dropped, if the second in which it was is over. Called where a turn ends, so that
    /// it is also said when the guest falls silent.
    pub(crate) fn settle(&self) {
        if self.owes_a_word.load(Ordering::Relaxed) {
            self.roll(&mut self.lock());
        }
    }

    /// Begins a new second if the last is over.
    fn roll(&self, rate: &mut Rate) {
        let now = Instant::now();
        if now.duration_since(rate.window) < Duration::from_secs(1) {
            return;
        }
        self.report(rate);
        rate.window = now;
        rate.lines = 0;
        rate.bytes = 0;
    }

    fn report(&self, rate: &mut Rate) {
        let dropped = std::mem::take(&mut rate.dropped);
        self.owes_a_word.store(false, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(
                target: "whirlwind::guest",
                actor = self.actor.as_str(),
                dropped,
                "said more than {LINES_PER_SECOND} lines or {} in a second; {dropped} lines were dropped",
                text::bytes(BYTES_PER_SECOND),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        // Not `roll`: whatever is left is said now or never.
        let dropped = std::mem::take(&mut rate.dropped);
        drop(rate);
        if dropped > 0 {
            tracing::warn!(
                target: "whirlwind::guest",
                actor = self.actor.as_str(),
                dropped,
                "{dropped} more lines were dropped",
            );
        }
    }
}

impl Rate {
    fn is_full(&self) -> bool {
        self.lines >= LINES_PER_SECOND || self.bytes >= BYTES_PER_SECOND
    }
}

/// Standard output or standard error of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    name: &'static str,
    voice: Arc<Voice>,
    lines: Arc<Mutex<Lines>>,
    /// Whether anything was written in this turn: asked at the start of every turn, so without the lock.
    wrote: Arc<AtomicBool>,
}

/// A line in the making.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
    /// Bytes of the pending line that did not fit.
    cut: usize,
    /// The end of what was written, kept if the stream keeps it: at most twice [`LAST_WORDS`], raw,
    /// because it is looked at only if the guest ends.
    last: Option<Vec<u8>>,
}

impl Stream {
    pub(crate) fn stdout(voice: Arc<Voice>) -> Self {
        Self {
            name: "stdout",
            voice,
            lines: Arc::default(),
            wrote: Arc::default(),
        }
    }

    /// Standard error, whose last lines are kept: a panic's message is among them.
    pub(crate) fn stderr(voice: Arc<Voice>) -> Self {
        let stream = Self {
            name: "stderr",
            voice,
            lines: Arc::default(),
            wrote: Arc::default(),
        };
        stream.lock().last = Some(Vec::new());
        stream
    }

    /// Forgets the last lines: they belonged to a turn that is over.
    pub(crate) fn begin_turn(&self) {
        if !self.wrote.load(Ordering::Relaxed) {
            return;
        }
        self.wrote.store(false, Ordering::Relaxed);
        if let Some(last) = &mut self.lock().last {
            last.clear();
        }
    }

    /// Ends a line that was begun, if one was: nothing more will come.
    pub(crate) fn end_line(&self) {
        let mut lines = self.lock();
        if !lines.pending.is_empty() {
            lines.end(self.name, &self.voice);
        }
    }

    /// Takes the last lines: the instance is gone.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let mut lines = self.lock();
        let last = lines.last.take().unwrap_or_default();
        // Cut in the middle of a line, the rest of that line says little.
        let start = last.len().saturating_sub(LAST_WORDS);
        let start = match memchr::memchr(b'\n', last.get(start..).unwrap_or_default()) {
            Some(end) if start > 0 => start + end + 1,
            _ => start,
        };
        String::from_utf8_lossy(last.get(start..).unwrap_or_default())
            .lines()
            .map(|line| text::clean(line, MAX_LINE))
            .collect()
    }

    fn push(&self, bytes: &[u8]) {
        self.wrote.store(true, Ordering::Relaxed);
        let mut lines = self.lock();
        lines.remember(bytes);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            lines.extend(bytes.get(start..end).unwrap_or_default());
            lines.end(self.name, &self.voice);
            start = end + 1;
        }
        lines.extend(bytes.get(start..).unwrap_or_default());
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.pending.len();
        let fits = bytes.len().min(room);
        self.pending
            .extend_from_slice(bytes.get(..fits).unwrap_or_default());
        self.cut += bytes.len() - fits;
    }

    fn end(&mut self, stream: &'static str, voice: &Voice) {
        // An empty line separates on a terminal; in a log each line stands for itself.
        if self.pending.is_empty() {
            return;
        }
        if voice.admit(self.pending.len()) {
            let mut line = text::clean(&String::from_utf8_lossy(&self.pending), MAX_LINE);
            if self.cut > 0 {
                line.push_str(&format!("… ({} more bytes)", self.cut));
            }
            voice.say(Level::INFO, stream, &line);
        }
        self.pending.clear();
        self.cut = 0;
    }

    fn remember(&mut self, bytes: &[u8]) {
        let Some(last) = &mut self.last else { return };
        let bytes = bytes
            .get(bytes.len().saturating_sub(LAST_WORDS)..)
            .unwrap_or_default();
        if last.len() + bytes.len() > 2 * LAST_WORDS {
            last.drain(..last.len().saturating_sub(LAST_WORDS));
        }
        last.extend_from_slice(bytes);
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
