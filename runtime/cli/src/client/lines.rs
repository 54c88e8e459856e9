//! A stream of the control API: one JSON object a line.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    body: Incoming,
    /// What was read and not yet taken.
    buffer: BytesMut,
    /// How much of it is known to hold no newline.
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next line, without its end; none when the stream has ended, which is also how a node's death looks. What comes after
    /// the last newline is no line: the node died while it wrote it.
    ///
    /// May be dropped at any time without losing anything.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
            }
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Err(_) => return None,
            }
        }
    }

    /// The next line if it is here already.
    pub(crate) fn ready(&mut self) -> Option<Bytes> {
        let found = self
            .buffer
            .iter()
            .skip(self.searched)
            .position(|byte| *byte == b'\n');
        let Some(position) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + position + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        Some(line.freeze())
    }
}
