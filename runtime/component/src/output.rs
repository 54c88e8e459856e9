//! What guests say: standard output, standard error and `wasi:logging`, one line at a time, into
//! `tracing` under the target `whirlwind::guest`.
//!
//! A guest can say as much as it likes; what comes out is bounded. A line is cut at [`MAX_LINE`], one
//! actor writes [`LINES_PER_SECOND`] lines and [`BYTES_PER_SECOND`] bytes in a second, and the rest is
//! counted and said once a second. Nothing waits and nothing is queued.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
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
            return false;
        }
        rate.lines += 1;
        rate.bytes += bytes;
        true
    }

    /// Says what was dropped, if the second in which it was is over. Called where a turn ends, so that
    /// it is also said when the guest falls silent.
    pub(crate) fn settle(&self) {
        let mut rate = self.lock();
        if rate.dropped > 0 {
            self.roll(&mut rate);
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
}

/// A line in the making.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
    /// Bytes of the pending line that did not fit.
    cut: usize,
    /// The last lines, kept if the stream keeps them.
    last: Option<VecDeque<String>>,
    last_bytes: usize,
}

impl Stream {
    pub(crate) fn stdout(voice: Arc<Voice>) -> Self {
        Self {
            name: "stdout",
            voice,
            lines: Arc::default(),
        }
    }

    /// Standard error, whose last lines are kept: a panic's message is among them.
    pub(crate) fn stderr(voice: Arc<Voice>) -> Self {
        let stream = Self {
            name: "stderr",
            voice,
            lines: Arc::default(),
        };
        stream.lock().last = Some(VecDeque::new());
        stream
    }

    /// Forgets the last lines: they belonged to a turn that is over.
    pub(crate) fn begin_turn(&self) {
        let mut lines = self.lock();
        if let Some(last) = &mut lines.last
            && !last.is_empty()
        {
            last.clear();
            lines.last_bytes = 0;
        }
    }

    /// Ends a line that was begun and takes the last lines: the instance is gone.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let mut lines = self.lock();
        if !lines.pending.is_empty() {
            lines.end(self.name, &self.voice);
        }
        lines.last.take().map(Vec::from).unwrap_or_default()
    }

    fn push(&self, bytes: &[u8]) {
        let mut lines = self.lock();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            lines.extend(line);
            lines.end(self.name, &self.voice);
            rest = after.get(1..).unwrap_or_default();
        }
        lines.extend(rest);
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
        let admitted = voice.admit(self.pending.len());
        if admitted || self.last.is_some() {
            let mut line = text::clean(&String::from_utf8_lossy(&self.pending), MAX_LINE);
            if self.cut > 0 {
                line.push_str(&format!("… ({} more bytes)", self.cut));
            }
            if admitted {
                voice.say(Level::INFO, stream, &line);
            }
            self.remember(line);
        }
        self.pending.clear();
        self.cut = 0;
    }

    fn remember(&mut self, mut line: String) {
        let Some(last) = &mut self.last else { return };
        if line.len() > LAST_WORDS {
            let end = line.floor_char_boundary(LAST_WORDS);
            line.truncate(end);
        }
        self.last_bytes += line.len();
        last.push_back(line);
        // An empty line costs a `String`; they are bounded by number.
        while self.last_bytes > LAST_WORDS || last.len() > 64 {
            match last.pop_front() {
                Some(first) => self.last_bytes -= first.len(),
                None => break,
            }
        }
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
