//! The client library, as much of it as is used, one face for both versions.
//!
//! A connection is a [`Line`] that is polled and the [`Requests`] that go out on it. Both are made new for each connection, so
//! nothing that the library keeps crosses a reconnect.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use crate::limits::Limits;
use crate::outbox::Again;
use crate::{Config, ConfigError, Version};
use crate::{Message, Qos};

mod reason;
mod v4;
mod v5;

/// What happened on the line.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The broker took the connection.
    Connected {
        /// Whether it has kept the session.
        session: bool,
        limits: Limits,
    },
    /// The answer to the subscription, one for each filter in order: what was granted, or why not.
    Subscribed(Vec<Result<Qos, String>>),
    /// A message came in; the id is 0 with QoS 0.
    Arrived(u16, Message),
    /// One came in whose topic is no text.
    ArrivedMalformed(u16, Qos),
    /// PUBACK.
    Confirmed(u16, Result<(), String>),
    /// PUBREC.
    Recorded(u16, Result<(), String>),
    /// PUBCOMP; false where the library lost count over it.
    Completed(u16, bool),
    /// A message is written, under this id.
    Written(u16),
    /// An acknowledgement is written.
    Acked,
    /// The farewell is written.
    Disconnected,
    /// What concerns nobody here, but shows that the line lives.
    Alive,
}

/// Why a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// In words, without secrets.
    pub(crate) reason: String,
    /// The library does not know a packet id that the broker used.
    pub(crate) unknown_id: bool,
}

impl End {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            unknown_id: false,
        }
    }
}

/// One connection, or the attempt at one.
pub(crate) enum Line {
    V5(Box<v5::Line>),
    V4(Box<v4::Line>),
}

/// Where requests for the line are left. Nothing here waits.
#[derive(Debug)]
pub(crate) enum Requests {
    V5(rumqttc::v5::AsyncClient),
    V4(rumqttc::AsyncClient),
}

/// A line that is not connected yet, with room for so many requests.
///
/// `every_release` answers every PUBREL: those of messages that an earlier connection received have ids that the library does not
/// know any more.
pub(crate) fn open(
    config: &Config,
    requests: usize,
    every_release: bool,
) -> Result<(Line, Requests), ConfigError> {
    match config.version {
        Version::V5 => {
            let (line, client) = v5::open(config, requests, every_release)?;
            Ok((Line::V5(Box::new(line)), Requests::V5(client)))
        }
        Version::V4 => {
            let (line, client) = v4::open(config, requests, every_release)?;
            Ok((Line::V4(Box::new(line)), Requests::V4(client)))
        }
    }
}

impl Line {
    /// The next that happens. The future may not be dropped before it is ready, or a write may be left half done: then the
    /// line is to be dropped too. A panic of the library is the end of the line.
    pub(crate) async fn poll(&mut self) -> Result<Happened, End> {
        match self {
            Self::V5(line) => caught(line.poll()).await,
            Self::V4(line) => caught(line.poll()).await,
        }
    }

    /// What had happened before the end and was not yet polled.
    pub(crate) fn rest(&mut self) -> Vec<Happened> {
        match self {
            Self::V5(line) => line.rest(),
            Self::V4(line) => line.rest(),
        }
    }

    /// Sends something again, before all requests.
    pub(crate) fn again(&mut self, again: Again) {
        match self {
            Self::V5(line) => line.again(again),
            Self::V4(line) => line.again(again),
        }
    }
}

impl Requests {
    /// Subscribes to all filters at once.
    pub(crate) fn subscribe(&self, filters: Vec<(String, Qos)>) -> Result<(), End> {
        self.left(match self {
            Self::V5(client) => v5::subscribe(client, filters),
            Self::V4(client) => v4::subscribe(client, filters),
        })
    }

    /// Publishes a message.
    pub(crate) fn publish(&self, message: Message) -> Result<(), End> {
        self.left(match self {
            Self::V5(client) => v5::publish(client, message),
            Self::V4(client) => v4::publish(client, message),
        })
    }

    /// Acknowledges what was received under this id.
    pub(crate) fn ack(&self, id: u16, qos: Qos) -> Result<(), End> {
        self.left(match self {
            Self::V5(client) => v5::ack(client, id, qos),
            Self::V4(client) => v4::ack(client, id, qos),
        })
    }

    /// Ends the connection in good order.
    pub(crate) fn disconnect(&self) -> Result<(), End> {
        self.left(match self {
            Self::V5(client) => client.try_disconnect().is_ok(),
            Self::V4(client) => client.try_disconnect().is_ok(),
        })
    }

    /// There is room for every request by construction, and none that is left here is wrong in form.
    fn left(&self, taken: bool) -> Result<(), End> {
        if taken {
            return Ok(());
        }
        Err(End::new("the client library refused a request"))
    }
}

/// Polls a future of the library; a panic in it is an end. What it leaves half done is not polled again, only dropped.
async fn caught<T>(future: impl Future<Output = Result<T, End>>) -> Result<T, End> {
    let polled = AssertUnwindSafe(future).catch_unwind().await;
    polled.unwrap_or_else(|panic| Err(End::new(panicked(&*panic))))
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the client library panicked: {}",
        text.unwrap_or("without a word")
    )
}

/// The name of a reason code, `NotAuthorized`, as words: `not authorized`.
fn words(code: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn too_large(size: usize, max: usize) -> String {
    format!(
        "a packet of {size} bytes came in, the limit is {max}: raise `max_packet`, or the broker will send it again"
    )
}

fn malformed(error: &dyn std::error::Error) -> String {
    format!("what came in is no packet of this version of MQTT: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_code_reads_as_words() {
        assert_eq!(
            words(rumqttc::v5::mqttbytes::v5::PubAckReason::NotAuthorized),
            "not authorized"
        );
    }

    #[tokio::test]
    async fn a_panic_of_the_library_is_the_end_of_the_line() {
        let end = caught::<()>(async { panic!("index out of bounds") }).await;
        assert_eq!(
            end.unwrap_err().reason,
            "the client library panicked: index out of bounds"
        );
    }
}
