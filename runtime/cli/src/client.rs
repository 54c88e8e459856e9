//! The control API of a running node, from the other side: HTTP over its unix socket.
//!
//! | module | holds |
//! |---|---|
//! | `find` | which socket is meant |
//! | `lines` | a stream, one JSON object a line |

mod find;
mod lines;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;
use whirlwind::Changed;
use whirlwind::control::{Accepted, ErrorBody};

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::print::printable;

pub(crate) use find::dead_letters;
pub(crate) use lines::Lines;

/// How long an answer is waited for: three times the ten seconds for which a node may hold a publish.
const ANSWER: Duration = Duration::from_secs(30);

/// The content type of a structured event.
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// What became of an event that a node was offered.
#[derive(Debug)]
pub(crate) enum Offered {
    Accepted(Accepted),
    /// Not now: a mailbox stayed full, a durable topic is full, a provider is down, or the node is stopping.
    Refused(Failure),
}

/// A connection to a running node. Requests go one after the other.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    socket: PathBuf,
}

impl Client {
    /// Connects to the node that the command line means.
    pub(crate) async fn connect(global: &Global) -> Result<Self, Failure> {
        let socket = find::socket(global)?;
        let stream = match timeout(ANSWER, UnixStream::connect(&socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(find::refused(&socket, &error)),
            Err(_) => return Err(silent(&socket)),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&socket, &error))?;
        // Its errors reach whoever waits for an answer.
        tokio::spawn(connection);
        Ok(Self { sender, socket })
    }

    /// `GET`, its answer as it is: one JSON value.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes, Failure> {
        self.answer(Method::GET, path, None, Bytes::new()).await
    }

    /// `GET`, its answer read.
    pub(crate) async fn get_json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        let body = self.get(path).await?;
        self.read(&body)
    }

    /// A request without a body, its answer read.
    pub(crate) async fn ask_json<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
    ) -> Result<T, Failure> {
        let body = self.answer(method, path, None, Bytes::new()).await?;
        self.read(&body)
    }

    /// Publishes a structured event.
    pub(crate) async fn publish(
        &mut self,
        topic: &str,
        event: Vec<u8>,
    ) -> Result<Accepted, Failure> {
        let body = self
            .answer(Method::POST, &to(topic), Some(CLOUD_EVENT), event.into())
            .await?;
        self.read(&body)
    }

    /// Publishes a structured event to `path`, which names the topic; not taken now is an answer too.
    pub(crate) async fn offer(&mut self, path: &str, event: Vec<u8>) -> Result<Offered, Failure> {
        let whole = async {
            let content_type = Some(CLOUD_EVENT);
            let response = self
                .send(Method::POST, path, content_type, event.into())
                .await?;
            let status = response.status();
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| broken(&self.socket, &error))?;
            let body = body.to_bytes();
            match status {
                StatusCode::SERVICE_UNAVAILABLE => Ok(Offered::Refused(refusal(status, &body))),
                status if status.is_success() => self.read(&body).map(Offered::Accepted),
                status => Err(refusal(status, &body)),
            }
        };
        match timeout(ANSWER, whole).await {
            Ok(offered) => offered,
            Err(_) => Err(silent(&self.socket)),
        }
    }

    /// `PUT` of bytes.
    pub(crate) async fn put(&mut self, path: &str, body: Vec<u8>) -> Result<(), Failure> {
        self.answer(
            Method::PUT,
            path,
            Some("application/octet-stream"),
            body.into(),
        )
        .await
        .map(drop)
    }

    /// `DELETE`.
    pub(crate) async fn delete(&mut self, path: &str) -> Result<(), Failure> {
        self.answer(Method::DELETE, path, None, Bytes::new())
            .await
            .map(drop)
    }

    /// Changes an actor: `POST` to its `change`. The answer is waited for as long as it takes: an event in hand is finished
    /// first, and how long that may take is the manifest's to say.
    pub(crate) async fn change(&mut self, actor: &str, change: &str) -> Result<Changed, Failure> {
        let path = format!("/v1/actors/{}/{change}", encoded(actor));
        let response = self.begin(Method::POST, &path, None, Bytes::new()).await?;
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| broken(&self.socket, &error))?;
        self.read(&body.to_bytes())
    }

    /// A request whose answer is a stream; it takes the connection.
    pub(crate) async fn stream(mut self, method: Method, path: &str) -> Result<Lines, Failure> {
        match timeout(ANSWER, self.begin(method, path, None, Bytes::new())).await {
            Ok(response) => Ok(Lines::new(response?.into_body())),
            Err(_) => Err(silent(&self.socket)),
        }
    }

    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let whole = async {
            let response = self.begin(method, path, content_type, body).await?;
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|error| broken(&self.socket, &error))?;
            Ok(body.to_bytes())
        };
        match timeout(ANSWER, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(&self.socket)),
        }
    }

    /// Sends a request and reads the head of its answer; an error's body too.
    async fn begin(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let response = self.send(method, path, content_type, body).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| broken(&self.socket, &error))?
            .to_bytes();
        Err(refusal(status, &body))
    }

    /// Sends a request and reads the head of its answer, whatever that is.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let socket = &self.socket;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path
            .parse()
            .map_err(|error| Failure::failed(format!("{path} is no address: {error}")))?;
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("node"));
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        self.sender
            .ready()
            .await
            .map_err(|error| broken(socket, &error))?;
        self.sender
            .send_request(request)
            .await
            .map_err(|error| broken(socket, &error))
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(body).map_err(|error| {
            Failure::failed(format!("the node's answer cannot be read: {error}"))
                .at_path(&self.socket)
                .help("is the node of another version? restart it with this one")
        })
    }
}

/// What the node said when it refused.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(refusal) if status == StatusCode::UNPROCESSABLE_ENTITY => {
            let lines: Vec<_> = refusal.error.lines().map(printable).collect();
            Failure::new(Exit::Component, lines.join("\n"))
        }
        Ok(refusal) => Failure::failed(printable(&refusal.error)),
        Err(_) => Failure::failed(format!("the node answered {status}")),
    }
}

fn broken(socket: &Path, error: &hyper::Error) -> Failure {
    let ended = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    if ended
        || io_kind(error).is_some_and(|kind| {
            matches!(
                kind,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            )
        })
    {
        return Failure::failed("the node ended before it answered").at_path(socket);
    }
    Failure::failed(format!("the node's answer is not HTTP: {error}"))
        .at_path(socket)
        .help("is this a node's socket?")
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    std::error::Error::source(error)?
        .downcast_ref::<io::Error>()
        .map(io::Error::kind)
}

fn silent(socket: &Path) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the node did not answer within {} s", ANSWER.as_secs()),
    )
    .at_path(socket)
}

/// Where events of a topic are published.
pub(crate) fn to(topic: &str) -> String {
    format!("/v1/events?topic={}", encoded(topic))
}

/// A text as a piece of a path or a query: all but RFC 3986's unreserved characters as `%XX`.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_survives_the_query() {
        assert_eq!(
            encoded("sensors/+/raw #1&x=é~"),
            "sensors%2F%2B%2Fraw%20%231%26x%3D%C3%A9~"
        );
    }
}
